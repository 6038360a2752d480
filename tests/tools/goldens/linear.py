"""Gemm and MatMul."""

from .case import Case, Net


def _gemm(name, catches, lhs, rhs, bias=None, opset=17, **attributes) -> Case:
    net = Net(name, opset)
    inputs = [net.input(lhs), net.random(*rhs)]
    inputs += [net.random(*bias)] if bias is not None else []
    net.output(net.node("Gemm", *inputs, **attributes))
    return net.case(catches)


def _matmul(name, catches, lhs, rhs) -> Case:
    net = Net(name)
    net.output(net.node("MatMul", net.input(lhs), net.random(*rhs)))
    return net.case(catches)


def _matmul_of_two_inputs() -> Case:
    net = Net("matmul_two_inputs")
    net.output(net.node("MatMul", net.input((2, 1, 3, 4)), net.input((3, 4, 2), name="other")))
    return net.case("both sides vary, batch dimensions broadcast")


def _matmul_bias() -> Case:
    net = Net("matmul_add_bias_relu", 13)
    value = net.node("MatMul", net.input((3, 7), ("batch", 7)), net.random(7, 5))
    value = net.node("Relu", net.node("Add", net.random(5), value))
    net.output(net.node("Gemm", value, net.random(4, 5), net.random(4), transB=1))
    return net.case("MatMul with its bias as a separate Add, bias on the left")


def _gemm_flattened() -> Case:
    net = Net("gemm_after_flatten")
    value = net.node("Conv", net.image(3, 6, 5), net.random(4, 3, 3, 3))
    value = net.node("Flatten", net.node("Relu", value), axis=1)
    net.output(net.node("Gemm", value, net.random(10, 48, scale=0.2), net.random(10), transB=1))
    return net.case("the order of channels, rows and columns in Flatten before a classifier")


def cases() -> list[Case]:
    """All cases of this module."""
    return [
        _gemm("gemm_plain", "neither transposed, bias per column", (3, 6), (6, 5), (5,)),
        _gemm("gemm_trans_a", "left side transposed", (6, 3), (6, 5), (5,), transA=1),
        _gemm("gemm_trans_b", "right side transposed, as exporters write it", (3, 6), (5, 6), (5,), transB=1),
        _gemm("gemm_trans_both", "both sides transposed", (6, 3), (5, 6), (5,), transA=1, transB=1),
        _gemm("gemm_alpha_beta", "alpha scales the product, beta the bias", (3, 6), (6, 5), (5,), alpha=0.5, beta=-2.0),
        _gemm("gemm_no_bias", "no third input", (3, 6), (6, 5), alpha=1.5),
        _gemm("gemm_bias_per_row", "a bias of [M, 1]", (3, 6), (6, 5), (3, 1)),
        _gemm("gemm_bias_scalar", "a bias of rank 0", (3, 6), (6, 5), (), beta=0.25),
        _gemm("gemm_bias_matrix", "a bias of the full size", (3, 6), (5, 6), (3, 5), transB=1),
        _gemm("gemm_opset7", "Gemm of the oldest opset", (3, 6), (5, 6), (5,), opset=7, transB=1),
        _gemm("gemm_wide", "tails of blocked kernels: 1x37 times 37x41", (1, 37), (41, 37), (41,), transB=1),
        _matmul("matmul_matrix", "rank 2", (3, 6), (6, 5)),
        _matmul("matmul_stack_by_matrix", "a stack times one matrix", (2, 3, 4, 5), (5, 6)),
        _matmul("matmul_broadcast", "batch dimensions 2x1 and 3 broadcast to 2x3", (2, 1, 4, 5), (3, 5, 2)),
        _matmul("matmul_vector_right", "a vector on the right loses its dimension", (2, 3, 4), (4,)),
        _matmul("matmul_vector_left", "a vector on the left loses its dimension", (4,), (2, 4, 3)),
        _matmul_of_two_inputs(),
        _matmul_bias(),
        _gemm_flattened(),
    ]
