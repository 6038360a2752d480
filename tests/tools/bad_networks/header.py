"""Networks whose versions are not read here, or that take or give what is no picture or no answer."""

import onnx
from onnx import TensorProto, helper

from .network import IMAGE, floats, network, node, spoilt, value


def _opset(*sets: tuple[str, int]) -> bytes:
    def spoil(made):
        del made.opset_import[:]
        made.opset_import.extend(helper.make_opsetid(*one) for one in sets)

    return spoilt(spoil)


def _takes(declared) -> bytes:
    def spoil(made):
        made.graph.input[0].CopyFrom(declared)

    return spoilt(spoil)


def _of_type(made: onnx.TypeProto) -> onnx.ValueInfoProto:
    info = value("x", IMAGE)
    info.type.CopyFrom(made)
    return info


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    image = helper.make_tensor_type_proto(TensorProto.FLOAT, IMAGE)
    return {
        "ir_version_too_old": spoilt(lambda made: setattr(made, "ir_version", 2)),
        "ir_version_missing": spoilt(lambda made: made.ClearField("ir_version")),
        "opset_too_old": _opset(("", 0)),
        "opset_too_new": _opset(("", 28)),
        "opset_largest_number": _opset(("", 2**63 - 1)),
        "opset_negative": _opset(("", -1)),
        "opset_missing": _opset(),
        "opset_of_another_domain_only": _opset(("com.microsoft", 1)),
        "operator_of_a_later_opset": network(node("Gelu", "act", "x", "y"), opset=9),
        "operator_before_its_first_opset": network(
            node("Conv", "conv", "x w", "y"), weights=[floats("w", [2, 3, 1, 1])], opset=1
        ),
        "graph_missing": spoilt(lambda made: made.ClearField("graph")),
        "graph_empty": spoilt(lambda made: made.graph.Clear()),
        "output_missing": spoilt(lambda made: made.graph.ClearField("output")),
        "input_missing": spoilt(
            lambda made: (made.graph.ClearField("input"), made.graph.initializer.append(floats("x", IMAGE)))
        ),
        "input_without_name": spoilt(lambda made: made.graph.input.append(value("", [1]))),
        "input_without_type": _takes(onnx.ValueInfoProto(name="x")),
        "input_of_unknown_shape": _takes(helper.make_tensor_value_info("x", 1, None)),
        "input_two_pictures": spoilt(lambda made: made.graph.input.append(value("second", IMAGE))),
        "input_of_bytes": _takes(value("x", IMAGE, TensorProto.UINT8)),
        "input_double": _takes(value("x", IMAGE, TensorProto.DOUBLE)),
        "input_of_rank_2": _takes(value("x", [1, 48])),
        "input_of_rank_5": _takes(value("x", [1, 3, 2, 4, 4])),
        "input_of_4_channels": _takes(value("x", [1, 4, 4, 4])),
        "input_of_texts": _takes(value("x", IMAGE, TensorProto.STRING)),
        "input_complex": _takes(value("x", IMAGE, TensorProto.COMPLEX64)),
        "input_of_unknown_type": _takes(value("x", IMAGE, 99)),
        "input_sequence": _takes(_of_type(helper.make_sequence_type_proto(image))),
        "input_optional": _takes(_of_type(helper.make_optional_type_proto(image))),
        "input_map": _takes(_of_type(helper.make_map_type_proto(TensorProto.INT64, image))),
        "input_sparse": _takes(_of_type(helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, IMAGE))),
    }
