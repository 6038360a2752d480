"""Networks whose parts do not make a whole: names, circles, functions, networks inside nodes."""

import onnx
from onnx import TensorProto, helper

from .network import IMAGE, floats, model, network, node, spoilt, value

OWN = "own"


def _inside(name: str) -> onnx.GraphProto:
    """A network inside a node."""
    inner = [node("Relu", "inner", "x", name)]
    return helper.make_graph(inner, "inside", [], [value(name, IMAGE)])


def _control_flow() -> dict[str, bytes]:
    truth = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    count = helper.make_tensor("count", TensorProto.INT64, [], [2])
    branches = {"then_branch": _inside("a"), "else_branch": _inside("b")}
    return {
        "if": network(node("If", "choice", "yes", "y", **branches), weights=[truth]),
        "loop": network(node("Loop", "again", "count yes x", "y", body=_inside("a")), weights=[truth, count]),
        "scan": network(node("Scan", "scan", "x", "y", body=_inside("a"), num_scan_inputs=1)),
        "sequence": network(
            node("SequenceConstruct", "pair", "x x", "both"), node("ConcatFromSequence", "join", "both", "y", axis=1)
        ),
        "optional": network(node("Optional", "maybe", "x", "held"), node("OptionalGetElement", "get", "held", "y")),
    }


def _function(name: str, nodes: list[onnx.NodeProto], attributes=()) -> onnx.FunctionProto:
    sets = [helper.make_opsetid("", 17), helper.make_opsetid(OWN, 1)]
    return helper.make_function(OWN, name, ["a"], ["b"], nodes, sets, list(attributes))


def _calling(function: list[onnx.FunctionProto], inputs="x", outputs="y", **attributes) -> bytes:
    call = node("F", "call", inputs, outputs, domain=OWN, **attributes)
    made = model([call], read="y")
    made.opset_import.append(helper.make_opsetid(OWN, 1))
    made.functions.extend(function)
    return made.SerializeToString()


def _functions() -> dict[str, bytes]:
    relu = _function("F", [node("Relu", "act", "a", "b")])
    newer = _function("F", [node("Relu", "act", "a", "b")])
    newer.opset_import[0].version = 99
    # Each calls the next one twice, and the last does nothing: 2²⁰ calls.
    twice = [
        _function(
            "F" if at == 0 else f"F{at}",
            [node(f"F{at + 1}", "", "a", "m", domain=OWN), node(f"F{at + 1}", "", "m", "b", domain=OWN)],
        )
        for at in range(20)
    ]
    for function in twice:
        function.ClearField("opset_import")
    return {
        "function_calls_itself": _calling([_function("F", [node("F", "again", "a", "b", domain=OWN)])]),
        "function_bomb": _calling([*twice, _function("F20", [])]),
        "function_more_inputs": _calling([relu], inputs="x x"),
        "function_more_outputs": _calling([relu], outputs="y z"),
        "function_unknown_attribute": _calling([relu], zoom=2),
        "function_missing": _calling([]),
        "function_unknown_operator": _calling([_function("F", [node("Rolu", "act", "a", "b")])]),
        "function_missing_value": _calling([_function("F", [node("Relu", "act", "ghost", "b")])]),
        "function_reads_from_outside": _calling([_function("F", [node("Relu", "act", "x", "b")])]),
        "function_output_nobody_makes": _calling([_function("F", [])]),
        "function_duplicate_value": _calling([_function("F", [node("Relu", "act", "a", "a")])]),
        "function_node_without_output": _calling([_function("F", [node("Relu", "act", "a", "")])]),
        "function_opset_too_new": _calling([newer]),
    }


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    relu = node("Relu", "act", "x", "y")
    more = network(
        node("Foo", "first", "x", "a"),
        node("Bar", "second", "a", "b"),
        node("Foo", "third", "b", "c"),
        node("Gelu", "fourth", "c", "d", domain="com.microsoft"),
        node("Bar", "", "d", "y"),
    )
    return {
        "operator_unknown": network(node("Rolu", "act", "x", "y")),
        "operators_unknown": more,
        "operator_of_codes": network(node("bitlens.QConv", "conv", "x", "y")),
        "operator_missing": network(node("", "act", "x", "y")),
        "domain_unknown": network(node("Relu", "act", "x", "y", domain="com.example")),
        "domain_of_trees": network(node("Scaler", "scale", "x", "y", domain="ai.onnx.ml")),
        "domain_of_training": network(node("Gradient", "grad", "x", "y", domain="ai.onnx.preview.training")),
        "node_without_output": network(node("Relu", "", "x", ""), relu),
        "value_missing": network(node("Relu", "act", "ghost", "y")),
        "value_missing_output": spoilt(lambda made: setattr(made.graph.output[0], "name", "ghost")),
        "value_twice_by_nodes": network(relu, node("Neg", "again", "x", "y")),
        "value_twice_by_weight_and_node": network(
            node("Neg", "shadow", "x", "w"), node("Add", "sum", "x w", "y"), weights=[floats("w", [1])]
        ),
        "value_twice_by_weights": network(node("Add", "sum", "x w", "y"), weights=[floats("w", [1]), floats("w", [1])]),
        "value_twice_by_input_and_node": network(node("Neg", "shadow", "x", "x"), relu),
        "value_twice_by_inputs": spoilt(lambda made: made.graph.input.append(value("x", IMAGE))),
        "weight_without_name": network(relu, weights=[floats("", [1])]),
        "circle": network(
            node("Add", "first", "x b", "a"), node("Relu", "second", "a", "b"), node("Neg", "n", "b", "y")
        ),
        "circle_of_one": network(node("Add", "self", "x y", "y")),
        **_control_flow(),
        **_functions(),
    }
