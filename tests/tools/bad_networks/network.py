"""A small network that is in order, for the others to spoil."""

from collections.abc import Callable, Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper

Node = onnx.NodeProto
IMAGE = [1, 3, 4, 4]


def value(name: str, shape: Iterable, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """A declaration of a tensor."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def floats(name: str, shape: Iterable[int], fill: float = 0.5) -> TensorProto:
    """Weights that are all the same."""
    return onnx.numpy_helper.from_array(np.full(tuple(shape), fill, np.float32), name)


def constant(name: str, numbers) -> TensorProto:
    """Weights of the type that NumPy gives these numbers."""
    return onnx.numpy_helper.from_array(np.asarray(numbers), name)


def node(op_type: str, name: str, inputs: str, outputs: str, **attributes) -> Node:
    """A node; inputs and outputs are names with spaces between, `-` for one that is left out."""
    names = [["" if word == "-" else word for word in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op_type, *names, name=name, **attributes)


def model(
    nodes: Iterable[Node] = (),
    weights: Iterable[TensorProto] = (),
    image: Iterable = IMAGE,
    opset: int = 17,
    read: str = "x",
) -> onnx.ModelProto:
    """The nodes given, which may read the picture `x`, and the mean of each channel of `read` as logits."""
    head = [node("GlobalAveragePool", "pool", read, "pooled"), node("Flatten", "flat", "pooled", "logits")]
    graph = helper.make_graph(
        [*nodes, *head], "net", [value("x", image)], [value("logits", [1, "classes"])], list(weights)
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    made.producer_name = "make_bad_networks.py"
    return made


def spoilt(spoil: Callable[[onnx.ModelProto], object], **arguments) -> bytes:
    """The bytes of a network after something was done to it."""
    made = model(**arguments)
    spoil(made)
    return made.SerializeToString()


def network(*nodes: Node, **arguments) -> bytes:
    """The bytes of a network with these nodes, of which the last makes `y`."""
    return model(nodes, read="y" if nodes else "x", **arguments).SerializeToString()
