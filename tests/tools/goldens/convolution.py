"""Conv in all its geometries, and chains in which folding can go wrong."""

import numpy as np

from .case import Case, Net


def _conv(name, catches, weight_shape, channels=4, bias=True, opset=17, size=(9, 8), **attributes) -> Case:
    net = Net(name, opset)
    inputs = [net.image(channels, *size), net.random(*weight_shape)]
    inputs += [net.random(weight_shape[0])] if bias else []
    net.output(net.node("Conv", *inputs, **attributes))
    return net.case(catches)


def _geometries() -> list[Case]:
    return [
        _conv("conv_plain", "kernel_shape, pads and strides left to their defaults", (5, 4, 3, 3)),
        _conv("conv_1x1", "pointwise convolution taken as a matrix product", (7, 4, 1, 1), kernel_shape=[1, 1]),
        _conv("conv_grouped", "wrong weight slice per group", (6, 2, 3, 3), group=2, pads=[1, 1, 1, 1]),
        _conv("conv_depthwise", "one input channel per output channel", (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
        _conv(
            "conv_depthwise_multiplier",
            "two outputs per input channel, order of outputs",
            (8, 1, 3, 3),
            group=4,
            pads=[1, 1, 1, 1],
        ),
        _conv(
            "conv_depthwise_stride2",
            "stride and asymmetric pads in the depthwise path",
            (4, 1, 3, 3),
            group=4,
            strides=[2, 2],
            pads=[0, 0, 1, 1],
        ),
        _conv("conv_dilated", "dilation unlike in height and width", (5, 4, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
        _conv("conv_asymmetric_pads", "pads are all begins, then all ends", (5, 4, 3, 2), pads=[2, 0, 1, 1]),
        _conv(
            "conv_strided_uneven", "stride unlike in height and width; last rows unused", (5, 4, 2, 3), strides=[3, 2]
        ),
        _conv(
            "conv_same_upper",
            "SAME_UPPER puts the odd pad at the end",
            (5, 4, 4, 3),
            auto_pad="SAME_UPPER",
            strides=[2, 2],
        ),
        _conv(
            "conv_same_lower",
            "SAME_LOWER puts the odd pad at the beginning",
            (5, 4, 4, 3),
            auto_pad="SAME_LOWER",
            strides=[2, 2],
        ),
        _conv("conv_valid", "VALID means no pads", (5, 4, 3, 3), auto_pad="VALID", strides=[2, 1]),
        _conv(
            "conv_kernel_larger_than_input",
            "pads make a kernel fit that is larger than the input",
            (3, 4, 5, 5),
            size=(3, 2),
            pads=[2, 2, 2, 2],
        ),
        _conv(
            "conv_many_channels",
            "tails of blocked kernels: 19 inputs, 21 outputs",
            (21, 19, 3, 3),
            channels=19,
            size=(7, 5),
            pads=[1, 1, 1, 1],
        ),
        _conv(
            "conv_opset7",
            "the oldest opset read, initializers listed as inputs",
            (5, 4, 3, 3),
            opset=7,
            pads=[1, 1, 1, 1],
        ),
        _conv("conv_no_bias_opset23", "the newest opset read, no bias", (5, 4, 3, 3), opset=23, bias=False),
    ]


def _empty_bias() -> Case:
    net = Net("conv_empty_bias_name")
    net.output(net.node("Conv", net.image(), net.random(4, 3, 3, 3), ""))
    return net.case("an optional input left out by an empty name")


def _conv_bn_relu() -> Case:
    net = Net("conv_bn_relu_chain")
    value, channels = net.image(), 3
    for outputs, stride in ((8, 1), (8, 2), (6, 1)):
        value = net.node(
            "Conv", value, net.random(outputs, channels, 3, 3, scale=0.3), strides=[stride] * 2, pads=[1] * 4
        )
        value, channels = net.node("Relu", net.batch_norm(value, outputs)), outputs
    net.output(value)
    return net.case("BatchNormalization folded backwards into a convolution without bias")


def _conv_bias_bn_relu6() -> Case:
    net = Net("conv_bias_bn_relu6")
    value = net.node("Conv", net.image(), net.random(8, 3, 1, 1), net.random(8))
    value = net.node("Clip", net.batch_norm(value, 8), net.weight(np.float32(0)), net.weight(np.float32(6)))
    value = net.node("Conv", value, net.random(8, 1, 3, 3), net.random(8), group=8, pads=[1] * 4)
    net.output(net.node("Clip", net.batch_norm(value, 8), net.weight(np.float32(0)), net.weight(np.float32(6))))
    return net.case("a bias before BatchNormalization is scaled too; depthwise folding")


def _bn_before_padded_conv() -> Case:
    net = Net("bn_before_padded_conv")
    value = net.batch_norm(net.image(), 3)
    net.output(net.node("Conv", value, net.random(5, 3, 3, 3), net.random(5), pads=[1] * 4))
    return net.case("BatchNormalization folded forwards would be wrong under zero pads")


def _bn_before_valid_conv() -> Case:
    net = Net("bn_before_valid_conv")
    value = net.node("Relu", net.batch_norm(net.image(), 3))
    net.output(net.node("Conv", net.batch_norm(value, 3), net.random(5, 3, 3, 3)))
    return net.case("BatchNormalization that no convolution precedes must still run")


def _bn_alone_on_matrix() -> Case:
    net = Net("bn_after_gemm")
    value = net.node("Gemm", net.input((3, 6), ("batch", 6)), net.random(6, 5), net.random(5))
    net.output(net.batch_norm(value, 5))
    return net.case("BatchNormalization of a [N, C] matrix after Gemm")


def _bn_training_outputs_opset7() -> Case:
    net = Net("bn_opset7_spatial", 7)
    value = net.image()
    parts = [net.weight(net.rng.uniform(0.5, 1.5, 3).astype(np.float32)), net.random(3), net.random(3)]
    parts.append(net.weight(net.rng.uniform(0.5, 1.5, 3).astype(np.float32)))
    net.output(net.node("BatchNormalization", value, *parts, epsilon=1e-5, momentum=0.9, spatial=1))
    return net.case("the attributes `spatial` and `momentum` of old BatchNormalization")


def _shared_weight() -> Case:
    net = Net("shared_weight_one_bn")
    value, weight = net.image(4), net.random(4, 4, 3, 3, scale=0.3)
    first = net.batch_norm(net.node("Conv", value, weight, pads=[1] * 4), 4)
    net.output(net.node("Conv", first, weight, pads=[1] * 4))
    return net.case("folding into a weight that a second convolution uses as well")


def _branch_before_bn() -> Case:
    net = Net("branch_between_conv_and_bn")
    plain = net.node("Conv", net.image(), net.random(4, 3, 3, 3), pads=[1] * 4)
    net.output(net.node("Add", net.node("Relu", net.batch_norm(plain, 4)), plain))
    return net.case("folding although the convolution's own result is used elsewhere")


def _output_before_relu() -> Case:
    net = Net("graph_output_before_relu")
    value = net.node("Conv", net.image(), net.random(4, 3, 3, 3), net.random(4))
    net.output(value, net.node("Relu", value))
    return net.case("fusing an activation into a value that is a graph output; two outputs")


def _option_a_residual() -> Case:
    net = Net("residual_option_a", 17)
    value = net.node("Relu", net.image(4, 8, 8))
    main = net.node("Conv", value, net.random(8, 4, 3, 3, scale=0.3), strides=[2, 2], pads=[1] * 4)
    main = net.node("Relu", net.batch_norm(main, 8))
    main = net.batch_norm(net.node("Conv", main, net.random(8, 8, 3, 3, scale=0.2), pads=[1] * 4), 8)
    short = net.node("Slice", value, net.ints(0, 0), net.ints(2**63 - 1, 2**63 - 1), net.ints(2, 3), net.ints(2, 2))
    short = net.node("Pad", short, net.ints(0, 2, 0, 0, 0, 2, 0, 0), net.weight(np.float32(0)), mode="constant")
    net.output(net.node("Relu", net.node("Add", main, short)))
    return net.case("a shortcut of every second pixel, channels padded with zeros")


def _projection_residual() -> Case:
    net = Net("residual_projection")
    value = net.image(4, 8, 8)
    main = net.node("Conv", value, net.random(8, 4, 3, 3, scale=0.3), strides=[2, 2], pads=[1] * 4)
    main = net.batch_norm(net.node("Conv", net.node("Relu", main), net.random(8, 8, 3, 3, scale=0.2), pads=[1] * 4), 8)
    short = net.batch_norm(net.node("Conv", value, net.random(8, 4, 1, 1), strides=[2, 2]), 8)
    net.output(net.node("Relu", net.node("Add", main, short)))
    return net.case("a strided 1x1 shortcut; Add of two folded convolutions, then Relu")


def _prelu_like_epilogues() -> Case:
    net = Net("conv_scaled_and_shifted")
    value = net.node("Conv", net.image(), net.random(4, 3, 3, 3))
    value = net.node("Mul", value, net.random(4, 1, 1))
    net.output(net.node("Add", value, net.random(1, 4, 1, 1)))
    return net.case("per-channel Mul and Add after a convolution, weights of rank 3 and 4")


def _constant_weight() -> Case:
    net = Net("conv_weight_computed_from_constants")
    weight = net.node("Transpose", net.random(3, 3, 3, 5), perm=[3, 2, 0, 1])
    shaped = net.node("Reshape", net.random(1, 15), net.ints(5, 3, 1, 1))
    value = net.node("Conv", net.image(), weight)
    net.output(value, net.node("Conv", "input", net.node("Mul", shaped, net.weight(np.float32(0.5)))))
    return net.case("weights that constant folding must compute first")


def cases() -> list[Case]:
    """All cases of this module."""
    chains = (_empty_bias, _conv_bn_relu, _conv_bias_bn_relu6, _bn_before_padded_conv, _bn_before_valid_conv)
    chains += (_bn_alone_on_matrix, _bn_training_outputs_opset7, _shared_weight, _branch_before_bn, _output_before_relu)
    chains += (_option_a_residual, _projection_residual, _prelu_like_epilogues, _constant_weight)
    return _geometries() + [chain() for chain in chains]
