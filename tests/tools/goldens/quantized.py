"""Networks that are quantized already: operators on codes, and between QuantizeLinear and DequantizeLinear.

Their outputs are real numbers again, in steps of one scale: what differs by rounding differs by a step,
so scales are not such that sums lie between two codes.
"""

import numpy as np
from onnx import helper

from .case import Case, Net

MICROSOFT = "com.microsoft"


class _Codes(Net):
    """A network of codes. A tensor is its name, the name of its scale, and that of its zero point."""

    def parameters(self, scale: float, zero) -> tuple[str, str]:
        """One scale and one zero point as initializers."""
        return self.weight(np.float32(scale)), self.weight(zero)

    def quantized(self, real: str, scale: float, zero) -> tuple[str, str, str]:
        """Codes of real numbers; their type is the zero point's."""
        parameters = self.parameters(scale, zero)
        return self.node("QuantizeLinear", real, *parameters), *parameters

    def constant(self, shape, scale, zero, low, high) -> tuple[str, str, str]:
        """Random codes from `low` to `high`."""
        codes = self.rng.integers(low, high + 1, shape).astype(np.asarray(zero).dtype)
        return self.weight(codes), *self.parameters(scale, zero)

    def finish(self, codes: str, parameters: tuple[str, str], catches: str) -> Case:
        """Ends in the real numbers of codes."""
        self.output(self.node("DequantizeLinear", codes, *parameters))
        made = self.case(catches)
        if any(node.domain == MICROSOFT for node in self.nodes):
            made.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return made


def _conv_pool_matmul() -> Case:
    net = _Codes("codes_conv_pool_matmul", 13)
    x = net.quantized(net.image(3, 8, 8), 0.03, np.uint8(120))
    # Codes less their zero need nine bits in some channels.
    w = net.constant((6, 3, 3, 3), 0.01, np.uint8(110), 40, 255)
    bias = net.weight(net.rng.integers(-900, 900, 6).astype(np.int32))
    out = net.parameters(0.05, np.uint8(90))
    y = net.node("QLinearConv", *x, *w, *out, bias, pads=[1, 1, 1, 1])
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("Reshape", y, net.ints(0, -1))
    b = net.constant((96, 5), 0.02, np.int8(3), -90, 90)
    last = net.parameters(0.4, np.uint8(131))
    y = net.node("QLinearMatMul", y, *out, *b, *last)
    return net.finish(y, last, "codes that MaxPool and Reshape move, uint8 weights whose zero is not 0")


def _signed() -> Case:
    net = _Codes("codes_signed", 17)
    x = net.quantized(net.image(4, 6, 6), 0.0307, np.int8(-7))
    w = net.constant((5, 4, 1, 1), 0.0213, np.int8(0), -127, 127)
    real = net.node("Conv", *(net.node("DequantizeLinear", *tensor) for tensor in (x, w)))
    y = net.quantized(real, 0.0611, np.int8(0))
    # A DequantizeLinear may leave out a zero point of 0.
    real = net.node("Relu", net.node("DequantizeLinear", *y[:2]))
    y = net.quantized(real, 0.0299, np.int8(-128))
    return net.finish(y[0], y[1:], "int8 activations, and a zero point that is left out")


def _added_constant() -> Case:
    net = _Codes("codes_added_constant", 12)
    x = net.quantized(net.input((2, 9), ("batch", 9)), 0.02, np.uint8(128))
    bias = net.constant((9,), 0.011, np.uint8(70), 0, 255)
    out = net.parameters(0.03, np.uint8(100))
    y = net.node("QLinearAdd", *x, *bias, *out, domain=MICROSOFT)
    flipped = net.constant((1, 9), 0.02, np.int8(-3), -128, 127)
    y = net.quantized(net.node("DequantizeLinear", y, *out), 0.03, np.int8(10))
    last = net.parameters(0.05, np.int8(0))
    y = net.node("QLinearAdd", *flipped, *y, *last, domain=MICROSOFT)
    return net.finish(y, last, "a quantized constant on either side of a sum")


def _concat() -> Case:
    net = _Codes("codes_concat", 13)
    image = net.image(2, 5, 4)
    parts = [net.quantized(image, scale, zero) for scale, zero in ((0.02, np.uint8(128)), (0.05, np.uint8(60)))]
    out = net.parameters(0.05, np.uint8(60))
    y = net.node("QLinearConcat", *out, *parts[0], *parts[1], axis=1, domain=MICROSOFT)
    return net.finish(y, out, "parts whose scale is not that of the whole")


def cases() -> list[Case]:
    """The cases of this module."""
    return [_conv_pool_matmul(), _signed(), _added_constant(), _concat()]
