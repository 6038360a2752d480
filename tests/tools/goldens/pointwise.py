"""Activations, Softmax and arithmetic with broadcasting."""

import numpy as np

from .case import Case, Net


def _activation(name, catches, op_type, opset=17, shape=(2, 3, 4, 5), spread=3.0, **attributes) -> Case:
    """One node on values of the given spread, so that both tails are reached."""
    net = Net(name, opset)
    value = net.input(shape, ("batch", *shape[1:]))
    net.feeds[0] *= np.float32(spread)
    net.output(net.node(op_type, value, **attributes))
    return net.case(catches)


def _activations() -> list[Case]:
    return [
        _activation("relu", "negative values become zero", "Relu"),
        _activation("leaky_relu_default", "alpha is 0.01 by default", "LeakyRelu"),
        _activation("leaky_relu_alpha", "alpha as given", "LeakyRelu", alpha=0.3),
        _activation("sigmoid", "both tails of the logistic function", "Sigmoid", spread=12.0),
        _activation("hard_sigmoid_default", "alpha 0.2 and beta 0.5 by default", "HardSigmoid"),
        _activation("hard_sigmoid_sixth", "alpha 1/6, as in MobileNetV3", "HardSigmoid", alpha=1 / 6, beta=0.5),
        _activation("hard_swish", "x times its hard sigmoid with alpha 1/6", "HardSwish", opset=14),
        _activation("tanh", "both tails", "Tanh"),
        _activation("elu", "alpha as given", "Elu", alpha=0.7),
        _activation("exp", "exponential", "Exp", spread=1.0),
        _activation("clip_attributes", "min and max as attributes", "Clip", opset=6 + 1, min=0.0, max=6.0),
        _activation("clip_attribute_min_only", "max as attribute left out", "Clip", opset=9, min=-1.0),
        _clip("clip_inputs", "min and max as inputs", 0.0, 6.0),
        _clip("clip_missing_min", "only max given: an empty input name", None, 1.5),
        _clip("clip_missing_max", "only min given", -1.5, None),
        _clip("clip_nothing", "neither given", None, None),
        _activation("softmax_opset11_default", "before opset 13 axis 1 flattens the rest", "Softmax", opset=11),
        _activation(
            "softmax_opset11_axis2", "before opset 13 axis 2 flattens on both sides", "Softmax", opset=11, axis=2
        ),
        _activation("softmax_opset13_default", "from opset 13 the last axis alone", "Softmax", opset=13),
        _activation("softmax_opset13_channels", "from opset 13 axis 1 alone", "Softmax", opset=13, axis=1),
        _activation("softmax_large", "large values must not overflow", "Softmax", shape=(3, 10), spread=200.0),
        _activation("log_softmax_opset11", "before opset 13 axis 1 flattens the rest", "LogSoftmax", opset=11),
        _activation("log_softmax_opset13", "from opset 13 the last axis alone", "LogSoftmax", opset=13),
        _activation("log_softmax_large", "large values must not overflow", "LogSoftmax", shape=(3, 10), spread=200.0),
        _activation(
            "lrn",
            "local response normalization over channels",
            "LRN",
            shape=(2, 7, 3, 3),
            size=3,
            alpha=0.1,
            beta=0.75,
            bias=1.0,
        ),
    ]


def _clip(name, catches, low, high) -> Case:
    net = Net(name, 11)
    value = net.input((2, 3, 4, 5), ("batch", 3, 4, 5))
    net.feeds[0] *= np.float32(4)
    bounds = ["" if bound is None else net.weight(np.float32(bound)) for bound in (low, high)]
    while bounds and bounds[-1] == "":
        bounds.pop()
    net.output(net.node("Clip", value, *bounds))
    return net.case(catches)


def _arithmetic(op_type, style, lhs, rhs, catches, constant=True) -> Case:
    net = Net(f"{op_type.lower()}_{style}", 13)
    left = net.input(lhs)
    values = net.rng.uniform(0.5, 2.0, rhs).astype(np.float32)
    if constant:
        right = net.weight(values)
    else:
        right = net.input(rhs, name="other")
        net.feeds[1] = values
    net.output(net.node(op_type, left, right))
    return net.case(catches)


def _broadcasts() -> list[Case]:
    found = []
    for op_type in ("Add", "Sub", "Mul", "Div"):
        found.append(_arithmetic(op_type, "scalar", (2, 3, 4, 5), (), "a constant of rank 0"))
        found.append(_arithmetic(op_type, "per_channel", (2, 3, 4, 5), (1, 3, 1, 1), "one value per channel"))
        found.append(_arithmetic(op_type, "both_ways", (2, 1, 4), (3, 1), "either side is stretched", constant=False))
    found.append(_arithmetic("Mul", "gate", (2, 3, 4, 5), (2, 3, 1, 1), "a squeeze-and-excite gate", constant=False))
    net = Net("sub_constant_on_the_left", 13)
    net.output(net.node("Sub", net.random(3, 1, 1), net.input((2, 3, 4, 5))))
    found.append(net.case("the order of operands of Sub"))
    net = Net("div_constant_on_the_left", 13)
    value = net.node("Add", net.node("Relu", net.input((2, 3, 4, 5))), net.weight(np.float32(1)))
    net.output(net.node("Div", net.random(3, 1, 1), value))
    return found + [net.case("the order of operands of Div")]


def _squeeze_and_excite() -> Case:
    net = Net("squeeze_and_excite", 13)
    value = net.node("HardSigmoid", net.node("Conv", net.image(4), net.random(6, 4, 1, 1)), alpha=1 / 6, beta=0.5)
    gate = net.node("GlobalAveragePool", value)
    gate = net.node("Relu", net.node("Conv", gate, net.random(2, 6, 1, 1), net.random(2)))
    gate = net.node("Sigmoid", net.node("Conv", gate, net.random(6, 2, 1, 1), net.random(6)))
    net.output(net.node("Mul", value, gate))
    return net.case("a branch that gates its own source")


def _swish() -> Case:
    net = Net("swish_of_sigmoid_and_mul", 13)
    value = net.node("Conv", net.image(3), net.random(5, 3, 3, 3))
    net.output(net.node("Mul", value, net.node("Sigmoid", value)))
    return net.case("x times sigmoid(x) written as two nodes")


def _hard_swish_parts() -> Case:
    net = Net("hard_swish_of_add_clip_mul_div", 11)
    value = net.node("Conv", net.image(3), net.random(5, 3, 3, 3))
    shifted = net.node("Add", value, net.weight(np.float32(3)))
    clipped = net.node("Clip", shifted, net.weight(np.float32(0)), net.weight(np.float32(6)))
    net.output(net.node("Div", net.node("Mul", value, clipped), net.weight(np.float32(6))))
    return net.case("hard swish as old exporters wrote it")


def _add_same_value() -> Case:
    net = Net("add_value_to_itself", 13)
    value = net.node("Relu", net.input((2, 3, 4)))
    net.output(net.node("Add", value, value))
    return net.case("both operands are one value: gradients and buffers count it twice")


def cases() -> list[Case]:
    """All cases of this module."""
    small = [_squeeze_and_excite(), _swish(), _hard_swish_parts(), _add_same_value()]
    return _activations() + _broadcasts() + small
