"""Pools and reductions."""

from .case import Case, Net


def _pool(name, catches, op_type, opset=17, channels=3, size=(9, 8), **attributes) -> Case:
    net = Net(name, opset)
    net.output(net.node(op_type, net.image(channels, *size), **attributes))
    return net.case(catches)


def _windows() -> list[Case]:
    odd, ceil = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]), dict(ceil_mode=1)
    around = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return [
        _pool("max_pool_plain", "default stride is 1, not the kernel", "MaxPool", kernel_shape=[2, 2]),
        _pool("max_pool_ceil_asymmetric", "ceil_mode with asymmetric pads", "MaxPool", **odd, **ceil),
        _pool(
            "max_pool_ceil_overhang",
            "a last window that would start in the end pad",
            "MaxPool",
            size=(6, 7),
            kernel_shape=[2, 2],
            strides=[3, 2],
            pads=[0, 0, 1, 1],
            **ceil,
        ),
        _pool(
            "max_pool_pads_negative", "pads of a MaxPool are minus infinity, not zero", "MaxPool", size=(4, 4), **around
        ),
        _pool("max_pool_dilated", "dilated windows", "MaxPool", kernel_shape=[3, 2], dilations=[2, 3]),
        _pool(
            "max_pool_same_upper",
            "auto_pad of a pool",
            "MaxPool",
            kernel_shape=[3, 3],
            strides=[2, 2],
            auto_pad="SAME_UPPER",
        ),
        _pool(
            "max_pool_same_lower",
            "auto_pad of a pool",
            "MaxPool",
            kernel_shape=[2, 4],
            strides=[2, 3],
            auto_pad="SAME_LOWER",
        ),
        _pool(
            "max_pool_opset7",
            "MaxPool before ceil_mode and dilations existed",
            "MaxPool",
            opset=7,
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
        ),
        _pool("average_pool_exclude_pad", "count_include_pad 0: divide by the cells inside", "AveragePool", **around),
        _pool(
            "average_pool_include_pad",
            "count_include_pad 1: divide by the whole window",
            "AveragePool",
            count_include_pad=1,
            **around,
        ),
        _pool("average_pool_asymmetric", "asymmetric pads, count_include_pad 0", "AveragePool", **odd),
        _pool(
            "average_pool_asymmetric_include",
            "asymmetric pads, count_include_pad 1",
            "AveragePool",
            count_include_pad=1,
            **odd,
        ),
        _pool(
            "average_pool_ceil",
            "ceil_mode: the overhang is never counted",
            "AveragePool",
            opset=19,
            kernel_shape=[2, 3],
            strides=[2, 2],
            **ceil,
        ),
        _pool(
            "average_pool_ceil_include_pad",
            "ceil_mode with counted pads: the pads count, the overhang does not",
            "AveragePool",
            opset=19,
            size=(8, 8),
            count_include_pad=1,
            **around,
            **ceil,
        ),
        _pool(
            "average_pool_same_upper",
            "auto_pad of an average",
            "AveragePool",
            kernel_shape=[3, 2],
            strides=[2, 2],
            auto_pad="SAME_UPPER",
        ),
        _pool(
            "average_pool_opset7",
            "AveragePool of the oldest opset",
            "AveragePool",
            opset=7,
            kernel_shape=[2, 2],
            strides=[2, 2],
        ),
        _pool("global_average_pool", "mean over height and width, kept as 1x1", "GlobalAveragePool"),
        _pool("global_max_pool", "maximum over height and width", "GlobalMaxPool"),
    ]


def _reductions() -> list[Case]:
    return [
        _pool(
            "reduce_mean_attribute_keep", "axes as attribute, opset 13", "ReduceMean", opset=13, axes=[2, 3], keepdims=1
        ),
        _pool(
            "reduce_mean_attribute_drop", "negative axes, keepdims 0", "ReduceMean", opset=11, axes=[-1, -2], keepdims=0
        ),
        _pool("reduce_mean_channel", "mean over one inner axis", "ReduceMean", opset=13, axes=[1]),
        _pool("reduce_mean_all", "no axes: mean over everything", "ReduceMean", opset=13, keepdims=0),
        _reduce_by_input("reduce_mean_input", "axes as second input, opset 18", 18, (-2, -1), keepdims=0),
        _reduce_by_input("reduce_mean_input_opset23", "axes as second input, opset 23", 23, (2, 3), keepdims=1),
        _reduce_noop(),
        _maxima_of_a_difference(),
    ]


def _reduce_by_input(name, catches, opset, axes, **attributes) -> Case:
    net = Net(name, opset)
    net.output(net.node("ReduceMean", net.image(), net.ints(*axes), **attributes))
    return net.case(catches)


def _maxima_of_a_difference() -> Case:
    net = Net("maxima_of_a_difference", 18)
    image = net.image()
    sides = [net.node("Conv", image, net.random(5, 3, 3, 3), net.random(5)) for _ in range(2)]
    difference = net.node("Sub", *sides)
    pooled = net.node("Flatten", net.node("GlobalMaxPool", difference))
    reduced = net.node("ReduceMax", difference, net.ints(-1, 2), keepdims=0)
    scores = [net.node("Gemm", value, net.random(5, 4), net.random(4)) for value in (pooled, reduced)]
    net.output(net.node("Add", *scores))
    return net.case("a difference and both kinds of global maxima, on integers too")


def _reduce_noop() -> Case:
    net = Net("reduce_mean_noop", 18)
    value = net.node("Relu", net.image())
    net.output(net.node("ReduceMean", value, net.ints(), noop_with_empty_axes=1))
    return net.case("empty axes with noop_with_empty_axes 1 change nothing")


def cases() -> list[Case]:
    """All cases of this module."""
    return _windows() + _reductions()
