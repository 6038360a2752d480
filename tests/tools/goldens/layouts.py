"""Networks whose tensors have channels last, as tf2onnx writes them, and sizes known only at run time."""

import numpy as np

from .case import Case, Net


def _to_nchw(net: Net, value: str) -> str:
    return net.node("Transpose", value, perm=[0, 3, 1, 2])


def _to_nhwc(net: Net, value: str) -> str:
    return net.node("Transpose", value, perm=[0, 2, 3, 1])


def _conv(net: Net, value: str, inputs: int, outputs: int, **attributes) -> str:
    """A convolution between two transpositions, its bias added channels last."""
    weight = net.random(outputs, inputs // attributes.get("group", 1), 3, 3, scale=0.3)
    value = _to_nhwc(net, net.node("Conv", _to_nchw(net, value), weight, **attributes))
    return net.node("Add", value, net.random(outputs))


def _nhwc_image(net: Net, channels=3) -> str:
    return net.input((2, 8, 7, channels), ("batch", 8, 7, channels))


def _chain() -> Case:
    net = Net("nhwc_chain")
    value = net.node("Relu", _conv(net, _nhwc_image(net), 3, 6, pads=[1] * 4))
    bounds = [net.weight(np.float32(0)), net.weight(np.float32(6))]
    value = net.node("Clip", _conv(net, value, 6, 6, group=6, strides=[2, 2], pads=[0, 0, 1, 1]), *bounds)
    value = net.node("ReduceMean", value, axes=[1, 2], keepdims=0)
    net.output(net.node("Softmax", net.node("Add", net.node("MatMul", value, net.random(6, 5)), net.random(5))))
    return net.case("transpositions around every convolution, bias and activation channels last")


def _residual() -> Case:
    net = Net("nhwc_residual")
    value = net.node("Relu", _conv(net, _nhwc_image(net), 3, 4, pads=[1] * 4))
    branch = net.node("Relu", _conv(net, value, 4, 4, pads=[1] * 4))
    value = net.node("Add", _conv(net, branch, 4, 4, pads=[1] * 4), value)
    value = net.node("Mul", value, net.node("Sigmoid", value))
    both = net.node("Concat", value, branch, axis=3)
    pooled = _to_nhwc(net, net.node("MaxPool", _to_nchw(net, both), kernel_shape=[2, 2], strides=[2, 2]))
    net.output(net.node("ReduceMean", pooled, axes=[1, 2], keepdims=1))
    return net.case("a sum, a product and a concatenation of tensors with channels last")


def _padded() -> Case:
    net = Net("nhwc_padded")
    value = net.node("Pad", _nhwc_image(net), net.ints(0, 1, 0, 0, 0, 1, 2, 0))
    value = net.node("LeakyRelu", _conv(net, value, 3, 4, strides=[2, 2]), alpha=0.3)
    value = net.node("Reshape", value, net.ints(-1, 64))
    net.output(net.node("MatMul", value, net.random(64, 3)))
    return net.case("pads channels last, and a Reshape for which the layout matters")


def _open_sizes(name: str, sizes: tuple, catches: str) -> Case:
    """Height and width unknown, as exporters write dynamic axes; one shape is computed from them."""
    net = Net(name)
    value = net.input((2, 3, 9, 10), ("batch", 3, *sizes))
    value = net.node("Relu", net.node("Conv", value, net.random(4, 3, 3, 3), net.random(4), pads=[1] * 4))
    pooled = net.node("AveragePool", value, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    shape = net.node("Shape", pooled)
    head = net.node("Slice", shape, net.ints(0), net.ints(2))
    rows = net.node("Reshape", pooled, net.node("Concat", head, net.ints(-1), axis=0))
    net.output(net.node("ReduceMean", rows, axes=[2], keepdims=0), net.node("GlobalMaxPool", value))
    return net.case(catches)


def cases() -> list[Case]:
    """All cases of this module."""
    return [
        _chain(),
        _residual(),
        _padded(),
        _open_sizes("dynamic_named_sizes", ("height", "width"), "height and width with names instead of numbers"),
        _open_sizes("dynamic_unknown_sizes", (None, None), "height and width that the file says nothing of"),
    ]
