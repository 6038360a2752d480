"""Operators that move or select values, and shapes computed in the graph."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .case import Case, Net

END = 2**63 - 1


def _unary(name, catches, op_type, *constants, opset=17, shape=(2, 3, 4, 5), **attributes) -> Case:
    """One node on one input; list constants become int64 initializers."""
    net = Net(name, opset)
    value = net.input(shape, ("batch", *shape[1:]))
    extra = [net.ints(*c) if isinstance(c, list) else c if c == "" else net.weight(c) for c in constants]
    net.output(net.node(op_type, value, *extra, **attributes))
    return net.case(catches)


def _layouts() -> list[Case]:
    return [
        _unary("flatten_default", "axis 1 by default", "Flatten"),
        _unary("flatten_axis2", "axis 2: two dimensions on either side", "Flatten", axis=2),
        _unary("flatten_axis0", "axis 0: one row", "Flatten", axis=0),
        _unary("flatten_negative", "a negative axis", "Flatten", opset=13, axis=-1),
        _unary("reshape_zero_and_minus_one", "0 copies a dimension, -1 is worked out", "Reshape", [0, -1, 2]),
        _unary("reshape_to_batch_rows", "0 for the symbolic batch", "Reshape", [0, 60], opset=13),
        _unary("reshape_minus_one_first", "-1 for the symbolic batch", "Reshape", [-1, 3, 20]),
        _unary("reshape_opset7", "Reshape with IR 3: its shape is listed as an input", "Reshape", [0, -1], opset=7),
        _unary("transpose_default", "no perm reverses the axes", "Transpose"),
        _unary("transpose_to_nhwc", "perm says where each output axis comes from", "Transpose", perm=[0, 2, 3, 1]),
        _unary("transpose_cycle", "a perm unlike its inverse", "Transpose", perm=[2, 0, 3, 1]),
        _unary("squeeze_attribute", "axes as attribute", "Squeeze", opset=11, shape=(2, 1, 4, 1), axes=[1, 3]),
        _unary("squeeze_input", "axes as input, negative", "Squeeze", [-1], opset=13, shape=(2, 1, 4, 1)),
        _unary("squeeze_all", "no axes: every dimension of 1 goes", "Squeeze", opset=13, shape=(2, 1, 4, 1)),
        _unary(
            "unsqueeze_attribute",
            "axes as attribute count in the result",
            "Unsqueeze",
            opset=11,
            shape=(2, 3),
            axes=[0, 3],
        ),
        _unary(
            "unsqueeze_input", "axes as input, negative and unordered", "Unsqueeze", [-1, 1], opset=13, shape=(2, 3)
        ),
        _unary("identity", "Identity from input to output", "Identity"),
    ]


def _slices() -> list[Case]:
    return [
        _unary(
            "slice_attributes",
            "starts, ends and axes as attributes",
            "Slice",
            opset=9,
            axes=[1, 3],
            starts=[1, -4],
            ends=[3, 1000],
        ),
        _unary("slice_attributes_no_axes", "no axes: the first ones", "Slice", opset=9, starts=[0, 1], ends=[2, 2]),
        _unary("slice_inputs", "starts, ends and axes as inputs", "Slice", [1], [END], [2], opset=10),
        _unary("slice_steps", "steps of 2 and 3", "Slice", [0, 1], [END, END], [2, 3], [2, 3], opset=11),
        _unary("slice_negative_step", "backwards over a whole axis", "Slice", [-1], [-END], [3], [-1], opset=13),
        _unary(
            "slice_negative_step_partial",
            "backwards with both ends inside",
            "Slice",
            [3, 2],
            [0, -1000],
            [3, 2],
            [-2, -1],
        ),
        _unary("slice_clamped", "starts and ends far outside", "Slice", [-100, 1], [100, 100], [-1, -2]),
    ]


def _pads() -> list[Case]:
    pads = [0, 0, 1, 2, 0, 0, 2, 1]
    return [
        _unary(
            "pad_attributes", "pads and value as attributes", "Pad", opset=2 + 5, pads=pads, value=1.5, mode="constant"
        ),
        _unary(
            "pad_attributes_reflect", "mode reflect of the attribute form", "Pad", opset=9, pads=pads, mode="reflect"
        ),
        _unary("pad_constant", "pads as input, zero by default", "Pad", pads, opset=11),
        _unary("pad_constant_value", "value as input", "Pad", pads, np.float32(-2.5), opset=13, mode="constant"),
        _unary("pad_reflect", "reflect does not repeat the edge", "Pad", pads, mode="reflect"),
        _unary("pad_edge", "edge repeats it", "Pad", pads, mode="edge"),
        _unary("pad_channels", "channels padded on both sides", "Pad", [0, 2, 0, 0, 0, 1, 0, 0]),
        _unary("pad_negative", "negative pads crop", "Pad", [0, 0, -1, 1, 0, 0, 0, -2], mode="constant"),
        _unary("pad_axes", "axes as fourth input", "Pad", [1, 2], "", [3], opset=18),
    ]


def _concat(name, catches, axis, shapes, opset=17) -> Case:
    net = Net(name, opset)
    values = [net.input(shape, name=f"input{index}") for index, shape in enumerate(shapes)]
    net.output(net.node("Concat", *values, axis=axis))
    return net.case(catches)


def _concat_with_itself() -> Case:
    net = Net("concat_repeated_and_constant")
    value = net.input((2, 3, 2, 2))
    net.output(net.node("Concat", value, net.random(2, 1, 2, 2), value, axis=1))
    return net.case("the same value twice, and a constant, in one Concat")


def _fire() -> Case:
    net = Net("concat_of_two_convolutions", 9)
    value = net.node("Relu", net.node("Conv", net.image(4), net.random(3, 4, 1, 1), net.random(3)))
    left = net.node("Relu", net.node("Conv", value, net.random(4, 3, 1, 1), net.random(4)))
    right = net.node("Relu", net.node("Conv", value, net.random(4, 3, 3, 3), net.random(4), pads=[1] * 4))
    net.output(net.node("MaxPool", net.node("Concat", left, right, axis=1), kernel_shape=[3, 3], strides=[2, 2]))
    return net.case("a squeeze-and-expand module: two branches of unlike range in one Concat")


def _constant(net: Net, values) -> str:
    return net.node("Constant", value=numpy_helper.from_array(np.asarray(values)))


def _flatten_as_exported(opset) -> Case:
    """`x.view(x.size(0), -1)` as old exporters wrote it."""
    net = Net(f"shape_gather_concat_reshape_opset{opset}", opset)
    value = net.node("Relu", net.image(3, 4, 5))
    size = net.node("Gather", net.node("Shape", value), _constant(net, np.int64(0)), axis=0)
    rest = _constant(net, np.int64(-1))
    if opset < 13:
        parts = [net.node("Unsqueeze", part, axes=[0]) for part in (size, rest)]
    else:
        parts = [net.node("Unsqueeze", part, _constant(net, np.array([0], np.int64))) for part in (size, rest)]
    shaped = net.node("Reshape", value, net.node("Concat", *parts, axis=0))
    net.output(net.node("Gemm", shaped, net.random(5, 60, scale=0.2), net.random(5), transB=1))
    return net.case("a reshape to [batch, -1] whose shape is computed from the input's own")


def _channel_shuffle() -> Case:
    """Channel shuffle with every size read from the graph, batch included."""
    net = Net("channel_shuffle_from_shapes", 11)
    value = net.image(6, 4, 4)
    shape = net.node("Shape", value)
    batch, channels, height, width = (
        net.node("Unsqueeze", net.node("Gather", shape, _constant(net, np.int64(axis))), axes=[0]) for axis in range(4)
    )
    groups = _constant(net, np.array([2], np.int64))
    per_group = net.node("Div", channels, groups)
    wide = net.node("Reshape", value, net.node("Concat", batch, groups, per_group, height, width, axis=0))
    shuffled = net.node("Transpose", wide, perm=[0, 2, 1, 3, 4])
    net.output(net.node("Reshape", shuffled, net.node("Concat", batch, channels, height, width, axis=0)))
    return net.case("integer arithmetic on shapes; a value of rank 5")


def _shape_window() -> Case:
    net = Net("shape_start_end", 15)
    value = net.node("Relu", net.image(3, 4, 5))
    shape = net.node("Concat", net.node("Shape", value, end=1), net.ints(-1), axis=0)
    net.output(net.node("Reshape", value, shape))
    return net.case("the start and end attributes of Shape")


def _shape_through_casts() -> Case:
    net = Net("shape_through_casts", 11)
    value = net.image(3, 4, 5)
    floats = net.node("Cast", net.node("Shape", value), to=TensorProto.FLOAT)
    halves = net.node("Floor", net.node("Mul", floats, net.weight(np.array([1, 1, 0.5, 2], np.float32))))
    net.output(net.node("Reshape", value, net.node("Cast", halves, to=TensorProto.INT64)))
    return net.case("a shape computed in floating point and cast back")


def _gathers() -> list[Case]:
    net = Net("gather_axis1_negative", 13)
    net.output(net.node("Gather", net.input((2, 5, 3)), net.weight(np.array([[0, -1], [2, 2]], np.int64)), axis=1))
    first = net.case("Gather of floats with negative indices of rank 2")
    net = Net("gather_scalar_drops_axis", 13)
    net.output(net.node("Gather", net.input((2, 5, 3)), net.weight(np.int64(-2)), axis=-1))
    return [first, net.case("an index of rank 0 removes the axis")]


def _casts() -> list[Case]:
    net = Net("cast_uint8_input", 13)
    value = net.input((2, 3, 6, 5), ("batch", 3, 6, 5), dtype=np.uint8)
    value = net.node("Div", net.node("Cast", value, to=TensorProto.FLOAT), net.weight(np.float32(255)))
    net.output(net.node("Conv", value, net.random(4, 3, 3, 3)))
    first = net.case("a network that takes bytes and casts them itself")
    net = Net("cast_truncates", 13)
    value = net.node("Mul", net.input((3, 7)), net.weight(np.float32(4)))
    net.output(net.node("Cast", net.node("Cast", value, to=TensorProto.INT32), to=TensorProto.FLOAT))
    return [first, net.case("float to integer goes towards zero")]


def _constants() -> list[Case]:
    net = Net("constant_value", 9)
    net.output(net.node("Add", net.input((2, 3)), _constant(net, np.array([[1.0, -2.0, 0.5]], np.float32))))
    cases = [net.case("Constant with a tensor")]
    net = Net("constant_value_float", 13)
    net.output(net.node("Mul", net.input((2, 3)), net.node("Constant", value_float=0.75)))
    cases.append(net.case("Constant with a single float: rank 0"))
    net = Net("constant_value_ints", 13)
    net.output(net.node("Reshape", net.input((2, 6)), net.node("Constant", value_ints=[3, 4])))
    cases.append(net.case("Constant with a list of integers"))
    net = Net("constant_value_floats", 13)
    net.output(net.node("Sub", net.input((2, 3)), net.node("Constant", value_floats=[3.0, 4.0, 5.0])))
    cases.append(net.case("Constant with a list of floats"))
    net = Net("constant_of_shape", 9)
    value = net.node("ConstantOfShape", net.ints(1, 3), value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0]))
    net.output(net.node("Add", net.input((2, 3)), value))
    return cases + [net.case("ConstantOfShape of a known shape folds to a constant")]


def cases() -> list[Case]:
    """All cases of this module."""
    joined = [
        _concat(
            "concat_channels", "axis 1, three inputs of unlike channels", 1, [(2, 3, 4, 4), (2, 1, 4, 4), (2, 2, 4, 4)]
        ),
        _concat("concat_negative_axis", "a negative axis", -1, [(2, 3, 4), (2, 3, 1)]),
        _concat("concat_rows", "axis 0", 0, [(2, 3), (1, 3)], opset=7),
        _concat_with_itself(),
        _fire(),
    ]
    computed = [_flatten_as_exported(opset) for opset in (9, 11, 13)]
    computed += [_channel_shuffle(), _shape_window(), _shape_through_casts()]
    return _layouts() + _slices() + _pads() + joined + computed + _gathers() + _casts() + _constants()
