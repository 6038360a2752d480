"""Functions that a file defines, as exporters write modules."""

import onnx
from onnx import AttributeProto, helper

from .case import Case, Net

DOMAIN = "modules"


def _reference(node: onnx.NodeProto, **attributes: tuple[str, int]) -> onnx.NodeProto:
    """The node with attributes that are those of the function: name there, kind."""
    for name, (outer, kind) in attributes.items():
        node.attribute.append(AttributeProto(name=name, ref_attr_name=outer, type=kind))
    return node


def _function(name, inputs, outputs, nodes, opset=17, attributes=(), **defaults) -> onnx.FunctionProto:
    """A function of the domain; `defaults` are attributes that have one."""
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    protos = [helper.make_attribute(key, value) for key, value in defaults.items()]
    return helper.make_function(DOMAIN, name, inputs, outputs, nodes, opsets, list(attributes), protos)


def _with(case: Case, *functions: onnx.FunctionProto) -> Case:
    case.model.functions.extend(functions)
    case.model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return case


def _block() -> onnx.FunctionProto:
    """Conv and LeakyRelu; `slope` must be given, `pads` has a default."""
    conv = _reference(helper.make_node("Conv", ["x", "w", "b"], ["t0"], name="conv"), pads=("pads", AttributeProto.INTS))
    act = _reference(helper.make_node("LeakyRelu", ["t0"], ["y"]), alpha=("slope", AttributeProto.FLOAT))
    return _function("Block", ["x", "w", "b"], ["y"], [conv, act], attributes=["slope"], pads=[1, 1, 1, 1])


def _called_twice() -> Case:
    net = Net("function_called_twice")
    value = net.node("Relu", net.image(3, 6, 5))
    value = net.node("Block", value, net.random(4, 3, 3, 3), net.random(4), domain=DOMAIN, slope=0.25)
    value = net.node("Block", value, net.random(2, 4, 3, 3), domain=DOMAIN, slope=0.5, pads=[0, 1, 0, 1])
    net.output(value)
    catches = "attributes given and defaults, an input left out, value names like those outside"
    return _with(net.case(catches), _block())


def _nested() -> Case:
    net = Net("function_nested")
    stage = _function(
        "Stage",
        ["x", "w", "v"],
        ["y"],
        [
            _reference(
                helper.make_node("Block", ["x", "w"], ["t0"], domain=DOMAIN), slope=("slope", AttributeProto.FLOAT)
            ),
            helper.make_node("Block", ["t0", "v"], ["t1"], domain=DOMAIN, slope=0.75),
            helper.make_node("Add", ["t1", "x"], ["y"]),
        ],
        slope=0.125,
    )
    value = net.image(3, 6, 5)
    for attributes in ({}, {"slope": 0.5}):
        weights = [net.random(3, 3, 3, 3, scale=0.2) for _ in range(2)]
        value = net.node("Stage", value, *weights, domain=DOMAIN, **attributes)
    net.output(value)
    return _with(net.case("a function that calls another, handing its attribute on"), stage, _block())


def _outputs() -> Case:
    net = Net("function_outputs")
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Sub", ["x", "positive"], ["negative"]),
    ]
    parts = _function("Parts", ["x"], ["positive", "negative"], nodes)
    positive, _ = net.node("Parts", net.input((2, 3)), outputs=2, domain=DOMAIN)
    net.nodes.append(helper.make_node("Parts", [net.node("Neg", positive)], ["", "rest"], domain=DOMAIN))
    net.output(net.node("Sub", positive, "rest"))
    return _with(net.case("outputs that nobody reads or the call leaves out, a call without a name"), parts)


def _constants() -> Case:
    net = Net("function_constants")
    constant = _reference(helper.make_node("Constant", [], ["k"]), value_floats=("factors", AttributeProto.FLOATS))
    clip = helper.make_node("Clip", ["scaled", "", "most"], ["y"])
    nodes = [constant, helper.make_node("Mul", ["x", "k"], ["scaled"]), clip]
    scale = _function("Scale", ["x", "most"], ["y"], nodes, attributes=["factors"])
    value = net.node("Scale", net.input((2, 3)), domain=DOMAIN, factors=[0.5, 2.0, -1.0])
    most = net.node("Constant", value_float=0.75)
    net.output(net.node("Scale", value, most, domain=DOMAIN, factors=[4.0, 1.0, 2.0]))
    return _with(net.case("a Constant whose value is an attribute of the function"), scale)


def cases() -> list[Case]:
    """All cases of this module."""
    return [_called_twice(), _nested(), _outputs(), _constants()]
