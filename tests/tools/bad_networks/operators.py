"""Networks of which one node makes no sense: attributes, shapes and types that do not fit."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from .network import constant, floats, network, node


def _attributes() -> dict[str, bytes]:
    def relu(attribute: onnx.AttributeProto) -> bytes:
        made = node("Relu", "act", "x", "y")
        made.attribute.append(attribute)
        return network(made)

    sparse = helper.make_sparse_tensor(floats("v", [1]), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [3])
    reference = helper.make_attribute("alpha", 1.0)
    reference.ClearField("f")
    reference.ref_attr_name = "outer"
    inside = helper.make_graph([node("Relu", "inner", "a", "b")], "inside", [], [])
    type_of = helper.make_attribute("type", helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    return {
        "attribute_unknown": relu(helper.make_attribute("zoom", 2)),
        "attribute_of_a_function": relu(reference),
        "attribute_sparse": relu(helper.make_attribute("weights", sparse)),
        "attribute_network": relu(helper.make_attribute("body", inside)),
        "attribute_type": relu(type_of),
        "attribute_not_utf8": relu(helper.make_attribute("mode", b"\xff\xfe")),
        "attribute_text_for_number": network(node("Softmax", "soft", "x", "y", axis="last")),
        "attribute_number_for_text": network(
            node("Pad", "pad", "x pads", "y", mode=1), weights=[constant("pads", [0] * 8)]
        ),
        "attribute_number_for_list": network(node("MaxPool", "max", "x", "y", kernel_shape=2)),
        "attribute_missing": network(node("Cast", "cast", "x", "y")),
        "attribute_missing_kernel": network(node("MaxPool", "max", "x", "y")),
        "attribute_missing_axis": network(node("Concat", "join", "x x", "y")),
        "attribute_unsupported_mode": network(
            node("Pad", "pad", "x pads", "y", mode="mirror"), weights=[constant("pads", [0] * 8)]
        ),
        "attribute_unsupported_padding": network(
            node("MaxPool", "max", "x", "y", kernel_shape=[2, 2], auto_pad="SAME")
        ),
        "attribute_unsupported_approximation": network(node("Gelu", "act", "x", "y", approximate="quick"), opset=20),
        "attribute_unsupported_type": network(node("Cast", "cast", "x", "y", to=TensorProto.STRING)),
        "attribute_of_training": network(
            node("BatchNormalization", "norm", "x one one one one", "y", training_mode=1), weights=[floats("one", [3])]
        ),
        "attribute_strides_zero": network(node("MaxPool", "max", "x", "y", kernel_shape=[2, 2], strides=[0, 1])),
        "attribute_kernel_negative": network(node("MaxPool", "max", "x", "y", kernel_shape=[-2, 2])),
        "attribute_group_zero": _conv([2, 3, 1, 1], group=0),
        "attribute_pads_of_other_length": network(node("MaxPool", "max", "x", "y", kernel_shape=[2, 2], pads=[1, 1])),
        "attribute_axis_beyond_rank": network(node("Softmax", "soft", "x", "y", axis=4)),
        "attribute_permutation": network(node("Transpose", "turn", "x", "y", perm=[0, 1, 1, 2])),
    }


def _conv(weight, bias=None, **attributes) -> bytes:
    weights = [floats("w", weight)] + ([] if bias is None else [floats("b", bias)])
    inputs = "x w" if bias is None else "x w b"
    return network(node("Conv", "conv", inputs, "y", **attributes), weights=weights)


def _norm(*shapes) -> bytes:
    weights = [floats(name, shape) for name, shape in zip("sbmv", shapes, strict=True)]
    return network(node("BatchNormalization", "norm", "x s b m v", "y"), weights=weights)


def _convolutions() -> dict[str, bytes]:
    return {
        "conv_other_channels": _conv([2, 4, 1, 1]),
        "conv_weights_of_rank_3": _conv([2, 3, 1]),
        "conv_weights_of_rank_5": _conv([2, 3, 1, 1, 1]),
        "conv_bias_of_other_length": _conv([2, 3, 1, 1], bias=[3]),
        "conv_other_kernel_shape": _conv([2, 3, 1, 1], kernel_shape=[3, 3]),
        "conv_groups_do_not_divide": _conv([2, 1, 1, 1], group=2),
        "conv_kernel_larger_than_picture": _conv([2, 3, 5, 5]),
        "conv_weights_missing": network(node("Conv", "conv", "x", "y")),
        "conv_weights_left_out": network(node("Conv", "conv", "x -", "y")),
        "conv_weights_of_integers": network(
            node("Conv", "conv", "x w", "y"), weights=[constant("w", np.ones((2, 3, 1, 1), np.int32))]
        ),
        "norm_of_other_channels": _norm([4], [4], [4], [4]),
        "norm_of_different_lengths": _norm([3], [3], [2], [3]),
        "pool_larger_than_picture": network(node("MaxPool", "max", "x", "y", kernel_shape=[5, 5])),
    }


def _shapes() -> dict[str, bytes]:
    def reshaped(*sizes: int) -> bytes:
        return network(node("Reshape", "shape", "x to", "y"), weights=[constant("to", list(sizes))])

    def times(inner: int) -> bytes:
        return network(
            node("Flatten", "rows", "x", "r"),
            node("Gemm", "dense", "r w", "d"),
            node("Reshape", "back", "d to", "y"),
            weights=[floats("w", [inner, 4]), constant("to", [1, 1, 2, 2])],
        )

    def sliced(step: int) -> bytes:
        names = {"starts": [0], "ends": [2], "axes": [2], "steps": [step]}
        return network(
            node("Slice", "cut", "x starts ends axes steps", "y"), weights=[constant(*pair) for pair in names.items()]
        )

    def resized(scale: float) -> bytes:
        scales = constant("scales", np.asarray([1, 1, scale, 1], np.float32))
        return network(node("Resize", "scale", "x - scales", "y"), weights=[scales])

    return {
        "add_of_other_shape": network(node("Add", "sum", "x w", "y"), weights=[floats("w", [5])]),
        "add_of_integers": network(node("Add", "sum", "x w", "y"), weights=[constant("w", [1])]),
        "gemm_of_other_length": times(47),
        "reshape_to_other_count": reshaped(1, 5, 3, 3),
        "reshape_to_two_open_sizes": reshaped(1, -1, -1, 4),
        "reshape_to_negative_size": reshaped(1, 3, -4, -4),
        "reshape_to_overflow": reshaped(1, 1 << 40, 1 << 40, 1),
        "concat_of_other_sizes": network(
            node("Concat", "join", "x w", "y", axis=1), weights=[floats("w", [1, 3, 5, 4])]
        ),
        "split_of_other_sum": network(
            node("Split", "part", "x sizes", "a b", axis=1),
            node("Add", "sum", "a b", "y"),
            weights=[constant("sizes", [1, 1])],
        ),
        "slice_of_step_zero": sliced(0),
        "resize_to_nothing": resized(0.0),
        "resize_by_a_negative_scale": resized(-2.0),
        "gather_beyond_the_end": network(node("Gather", "pick", "x at", "y", axis=1), weights=[constant("at", [3])]),
        "squeeze_of_larger_axis": network(
            node("Squeeze", "less", "x axes", "s"),
            node("Unsqueeze", "more", "s axes", "y"),
            weights=[constant("axes", [1])],
        ),
        "expand_to_memory": network(
            node("Expand", "wide", "x to", "y"), weights=[constant("to", [1 << 20, 3, 1 << 10, 1 << 10])]
        ),
        "node_without_inputs": network(node("Relu", "act", "", "y")),
    }


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    return {**_attributes(), **_convolutions(), **_shapes()}
