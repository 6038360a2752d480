"""What a file may look like: opsets, IR versions, ways to store numbers, leftovers."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .case import Case, Net


def _small_network(net: Net, weight=None) -> str:
    """Conv, BatchNormalization, Relu, pool, classifier: something like every network."""
    conv = weight or net.random(6, 3, 3, 3, scale=0.3)
    value = net.node("Conv", net.image(3, 8, 8), conv, net.random(6), pads=[1] * 4)
    value = net.node("Relu", net.batch_norm(value, 6))
    value = net.node("Flatten", net.node("GlobalAveragePool", value))
    return net.node("Gemm", value, net.random(5, 6), net.random(5), transB=1)


def _of_opset(opset: int) -> Case:
    net = Net(f"network_opset{opset}", opset)
    net.output(_small_network(net))
    listed = ", initializers listed as inputs" if opset < 9 else ""
    return net.case(f"opset {opset} as a whole{listed}")


def _ir3_with_newer_opset() -> Case:
    net = Net("initializers_as_inputs_opset9", 9, ir_version=3)
    net.output(_small_network(net))
    return net.case("initializers listed as inputs must not be asked of the user")


def _typed_data() -> Case:
    net = Net("typed_data_fields", 11)
    values = net.rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32)
    weight = net.tensor(helper.make_tensor("floats", TensorProto.FLOAT, values.shape, values.ravel().tolist()))
    value = net.node("Conv", net.image(3, 8, 8), weight)
    shape = net.tensor(helper.make_tensor("int64s", TensorProto.INT64, [2], [0, -1]))
    index = net.tensor(helper.make_tensor("int32s", TensorProto.INT32, [3], [5, 0, 107]))
    net.output(net.node("Gather", net.node("Reshape", value, shape), index, axis=1))
    return net.case("numbers in float_data, int64_data and int32_data instead of raw bytes")


def _double_data() -> Case:
    net = Net("typed_data_double", 13)
    wide = net.tensor(helper.make_tensor("doubles", TensorProto.DOUBLE, [3], [0.5, -1.25, 2.0]))
    net.output(net.node("Mul", net.input((2, 3)), net.node("Cast", wide, to=TensorProto.FLOAT)))
    return net.case("a constant of doubles cast to float")


def _half_weights(typed: bool) -> Case:
    """Half-precision weights in a float network, raw or as bit patterns in int32_data."""
    net = Net("half_weights_typed" if typed else "half_weights_raw", 13)
    values = net.rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float16)
    if typed:
        half = net.tensor(helper.make_tensor("half", TensorProto.FLOAT16, values.shape, values.ravel().tolist()))
    else:
        half = net.weight(values, "half")
    net.output(_small_network(net, net.node("Cast", half, to=TensorProto.FLOAT)))
    return net.case("half-precision weights widened by a Cast, " + ("int32_data" if typed else "raw bytes"))


def _half_network() -> Case:
    net = Net("half_network", 13)
    value = net.input((2, 3, 6, 6), ("batch", 3, 6, 6), dtype=np.float16)
    half = dict(dtype=np.float16, scale=0.3)
    value = net.node("Relu", net.node("Conv", value, net.random(4, 3, 3, 3, **half), net.random(4, **half)))
    value = net.node("Flatten", net.node("GlobalAveragePool", value))
    net.output(
        net.node("Gemm", value, net.random(5, 4, **half), net.random(5, **half), transB=1), kind=TensorProto.FLOAT16
    )
    return net.case("a network that is half precision from input to output")


def _bfloat_weights() -> Case:
    net = Net("bfloat16_weights", 13)
    values = (net.rng.normal(0, 1, (5, 4)).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    wide = net.tensor(helper.make_tensor("bfloat", TensorProto.BFLOAT16, values.shape, values.ravel().tolist()))
    net.output(net.node("Gemm", net.input((2, 5)), net.node("Cast", wide, to=TensorProto.FLOAT)))
    return net.case("bfloat16 weights widened by a Cast")


def _dropouts() -> list[Case]:
    found = []
    for opset in (7, 10, 12, 22):
        net = Net(f"dropout_opset{opset}", opset)
        value = net.input((2, 3, 4))
        if opset < 12:
            value = net.node("Dropout", value, ratio=0.4)
        else:
            value = net.node("Dropout", value, net.weight(np.float32(0.4)))
        net.output(net.node("Relu", value))
        found.append(net.case("Dropout does nothing when a network is run"))
    net = Net("dropout_unused_mask", 13)
    value, _ = net.node(
        "Dropout", net.input((2, 3, 4)), net.weight(np.float32(0.5)), net.weight(np.bool_(False)), outputs=2
    )
    net.output(net.node("Relu", value))
    return found + [net.case("Dropout with its mask declared and training_mode given as false")]


def _leftovers() -> Case:
    net = Net("unused_nodes_and_weights", 13)
    value = net.node("Relu", net.input((2, 3, 4)))
    net.node("Sigmoid", net.node("Mul", value, net.random(4)))
    net.random(7, 7)
    net.output(net.node("Identity", net.node("Identity", value)))
    return net.case("dead nodes, an unused weight, Identity after Identity at the output")


def _unnamed() -> Case:
    net = Net("nodes_without_names", 13)
    net.output(_small_network(net))
    for node in net.nodes:
        node.name = ""
    return net.case("nodes without names need names of our own")


def _output_is_input() -> Case:
    net = Net("outputs_constant_and_input", 13)
    value = net.input((2, 3))
    constant = net.node("Constant", value=numpy_helper.from_array(np.arange(3, dtype=np.float32)))
    net.output(net.node("Identity", value), constant, net.node("Relu", value))
    return net.case("graph outputs that are the input or a constant")


def _external_domain() -> Case:
    net = Net("extra_opset_import_and_metadata", 17)
    net.output(_small_network(net))
    case = net.case("an unused opset import of another domain, doc strings, metadata, value_info")
    case.model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    case.model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    case.model.doc_string = "A text beside the network, with an umlaut: ü."
    helper.set_model_props(case.model, {"author": "none", "empty": ""})
    case.model.graph.doc_string = "text"
    case.model.graph.node[0].doc_string = "text"
    case.model.CopyFrom(onnx.shape_inference.infer_shapes(case.model))
    return case


def _external() -> Case:
    net = Net("external_data", 17)
    net.output(_small_network(net))
    case = net.case("weights in two files beside the network, at offsets, one of them left inside")
    names = [weight.name for weight in net.weights]
    case.external = {name: ("model.onnx.data", "rest.bin")[i % 2] for i, name in enumerate(names[1:])}
    return case


def _constants_everywhere() -> Case:
    """Every weight, shape and bound is a Constant node, as tf2onnx and PaddlePaddle write them."""
    net = Net("constants_everywhere", 17)
    value = net.node("Clip", _small_network(net), net.weight(np.float32(-0.4)), net.weight(np.float32(0.4)))
    value = net.node("Reshape", value, net.ints(-1, 5, 1))
    net.output(net.node("Squeeze", net.node("Mul", value, net.random(5, 1)), net.ints(2)))
    constants = [helper.make_node("Constant", [], [weight.name], value=weight) for weight in net.weights]
    net.nodes, net.weights = constants + net.nodes, []
    return net.case("no initializers at all: weights, shapes and bounds are Constant nodes")


def _half_edges() -> Case:
    """A network of floats with half-precision inputs and outputs, as converters that keep them make it."""
    net = Net("half_edges", 17)
    image = net.input((2, 3, 8, 8), ("batch", 3, 8, 8), dtype=np.float16)
    value = net.node("Cast", image, to=TensorProto.FLOAT)
    value = net.node("Relu", net.node("Conv", value, net.random(6, 3, 3, 3, scale=0.3), net.random(6)))
    value = net.node("Flatten", net.node("GlobalAveragePool", value))
    value = net.node("Gemm", value, net.random(5, 6), net.random(5), transB=1)
    net.output(net.node("Cast", value, to=TensorProto.FLOAT16), kind=TensorProto.FLOAT16)
    return net.case("half-precision input and output around a network of floats")


def _half_island() -> Case:
    """Half precision but for one node, which a converter keeps in single precision."""
    net = Net("half_island", 17)
    half = dict(dtype=np.float16, scale=0.3)
    value = net.node("Cast", net.image(3, 8, 8), to=TensorProto.FLOAT16)
    value = net.node("Relu", net.node("Conv", value, net.random(4, 3, 3, 3, **half), net.random(4, **half)))
    wide = net.node("Cast", value, to=TensorProto.FLOAT)
    wide = net.node("Mul", wide, net.node("Sigmoid", wide))
    value = net.node("GlobalAveragePool", net.node("Cast", wide, to=TensorProto.FLOAT16))
    net.output(net.node("Cast", net.node("Flatten", value), to=TensorProto.FLOAT))
    return net.case("casts between half and single precision inside a network")


def _double_tail() -> Case:
    """Weights of doubles, with the casts that numpy-trained heads come with."""
    net = Net("double_tail", 17)
    value = net.node("Flatten", net.node("GlobalAveragePool", net.image(6, 4, 4)))
    weight = net.tensor(numpy_helper.from_array(net.rng.normal(0, 0.5, (6, 4)), "w64"))
    scale = net.tensor(numpy_helper.from_array(net.rng.uniform(0.5, 1.5, 4), "s64"))
    value = net.node("MatMul", value, net.node("Cast", weight, to=TensorProto.FLOAT))
    wide = net.node("Mul", net.node("Cast", value, to=TensorProto.DOUBLE), scale)
    net.output(net.node("Cast", wide, to=TensorProto.FLOAT))
    return net.case("a weight of doubles cast once, arithmetic in double precision at the end")


def cases() -> list[Case]:
    """All cases of this module."""
    whole = [_of_opset(opset) for opset in (7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 21, 22, 23)]
    stored = [_ir3_with_newer_opset(), _typed_data(), _double_data(), _half_weights(False), _half_weights(True)]
    stored += [_half_network(), _bfloat_weights(), _external(), _constants_everywhere()]
    stored += [_half_edges(), _half_island(), _double_tail()]
    return whole + stored + _dropouts() + [_leftovers(), _unnamed(), _output_is_input(), _external_domain()]
