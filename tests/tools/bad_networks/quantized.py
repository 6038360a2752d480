"""Quantized networks whose scales and zero points make no sense."""

import numpy as np
from onnx import TensorProto

from .network import constant, network, node

ZERO = np.uint8(128)


def _both_ways(scale, zero=ZERO, **attributes) -> bytes:
    """The picture to codes and back."""
    inputs = "x s z" if zero is not None else "x s"
    back = "q s z" if zero is not None else "q s"
    weights = [constant("s", np.asarray(scale, np.float32))]
    weights += [] if zero is None else [zero if isinstance(zero, TensorProto) else constant("z", zero)]
    return network(
        node("QuantizeLinear", "to_codes", inputs, "q", **attributes),
        node("DequantizeLinear", "to_numbers", back, "y", **attributes),
        weights=weights,
        opset=21,
    )


def _weights(codes, scale, zero, **attributes) -> bytes:
    """A convolution whose weights are codes."""
    weights = [constant("c", codes), constant("s", np.asarray(scale, np.float32)), constant("z", zero)]
    return network(
        node("DequantizeLinear", "weights", "c s z", "w", **attributes),
        node("Conv", "conv", "x w", "y"),
        weights=weights,
        opset=21,
    )


def _linear_conv(weight_scale=0.5, weight_zero=np.int8(0), inputs="q s z c ws wz s z") -> bytes:
    """An operator on codes."""
    weights = [
        constant("s", np.float32(0.25)),
        constant("z", ZERO),
        constant("c", np.ones((2, 3, 1, 1), np.int8)),
        constant("ws", np.asarray(weight_scale, np.float32)),
        constant("wz", weight_zero),
    ]
    return network(
        node("QuantizeLinear", "to_codes", "x s z", "q"),
        node("QLinearConv", "conv", inputs, "r"),
        node("DequantizeLinear", "to_numbers", "r s z", "y"),
        weights=weights,
    )


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    codes = np.ones((2, 3, 1, 1), np.int8)
    too_large = TensorProto(name="z", dims=[], data_type=TensorProto.UINT8, int32_data=[300])
    return {
        "scale_zero": _both_ways(0.0),
        "scale_negative": _both_ways(-0.25),
        "scale_not_a_number": _both_ways(np.nan),
        "scale_infinite": _both_ways(np.inf),
        "scales_of_other_length": _both_ways([0.25, 0.5], np.asarray([0, 0], np.uint8), axis=1),
        "scales_without_axis": _both_ways([0.25, 0.5, 1.0], np.asarray([0, 0, 0], np.uint8), axis=7),
        "scale_of_blocks": _both_ways(np.ones((1, 2, 4, 4)), np.zeros((1, 2, 4, 4), np.uint8), axis=1, block_size=5),
        "scale_missing": network(
            node("QuantizeLinear", "to_codes", "x", "q"),
            node("DequantizeLinear", "to_numbers", "q s", "y"),
            weights=[constant("s", np.float32(0.25))],
        ),
        "zero_point_beyond_uint8": _both_ways(0.25, too_large),
        "zero_point_of_reals": _both_ways(0.25, np.float32(0)),
        "zero_point_of_int64": _both_ways(0.25, np.int64(0)),
        "zero_points_of_other_length": _both_ways([0.25, 0.5, 1.0], np.asarray([0, 0], np.uint8), axis=1),
        "output_type_of_texts": _both_ways(0.25, None, output_dtype=TensorProto.STRING),
        "weight_scale_zero": _weights(codes, 0.0, np.int8(0)),
        "weight_scale_negative": _weights(codes, [0.5, -0.5], np.asarray([0, 0], np.int8), axis=0),
        "weight_scales_of_other_length": _weights(codes, [0.5] * 4, np.asarray([0] * 4, np.int8), axis=0),
        "weight_zero_point_of_other_type": _weights(codes, 0.5, np.uint8(0)),
        "linear_conv_scale_zero": _linear_conv(weight_scale=0.0),
        "linear_conv_scale_negative": _linear_conv(weight_scale=[0.5, -0.5], weight_zero=np.zeros(2, np.int8)),
        "linear_conv_scale_not_a_number": _linear_conv(weight_scale=np.nan),
        "linear_conv_zero_point_of_reals": _linear_conv(weight_zero=np.float32(0)),
        "linear_conv_scale_missing": _linear_conv(inputs="q s z c ws wz"),
        "linear_conv_of_reals": _linear_conv(inputs="x s z c ws wz s z"),
    }
