"""A builder for small models, and the golden case made with it."""

import zlib
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The IR version that exporters of the time wrote with each opset.
IR_VERSIONS = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 17: 8, 18: 8, 19: 9, 21: 10, 22: 10, 23: 11}


@dataclass
class Case:
    """A model, its inputs in graph order, and what it would catch."""

    name: str
    catches: str
    model: onnx.ModelProto
    inputs: list[np.ndarray]
    # For initializers whose elements are in files beside the model: the name of the file.
    external: dict[str, str] = field(default_factory=dict)


@dataclass
class Net:
    """Builds one model; random weights come from a stream seeded by its name."""

    name: str
    opset: int = 17
    ir_version: int | None = None
    nodes: list = field(default_factory=list)
    weights: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    feeds: list = field(default_factory=list)
    outputs: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(zlib.crc32(self.name.encode()))

    def input(self, shape, declared=None, name="input", dtype=np.float32) -> str:
        """A graph input fed with random values; `declared` is its shape in the file."""
        values = self.rng.normal(0, 1, shape) if dtype in (np.float32, np.float16) else self.rng.integers(0, 256, shape)
        self.feeds.append(values.astype(dtype))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(declared or shape)))
        return name

    def image(self, channels=3, height=9, width=8, batch=2) -> str:
        """A random [batch, channels, height, width] input with a symbolic batch."""
        return self.input((batch, channels, height, width), ("batch", channels, height, width))

    def random(self, *shape, scale=0.5, dtype=np.float32) -> str:
        """A random initializer; returns its name."""
        return self.weight((self.rng.normal(0, scale, shape)).astype(dtype))

    def weight(self, values, name=None) -> str:
        """An initializer stored as raw bytes; returns its name."""
        return self.tensor(numpy_helper.from_array(np.asarray(values), name or f"w{len(self.weights)}"))

    def ints(self, *values) -> str:
        """A one-dimensional int64 initializer."""
        return self.weight(np.array(values, np.int64))

    def tensor(self, proto: onnx.TensorProto) -> str:
        """Any TensorProto as an initializer."""
        self.weights.append(proto)
        return proto.name

    def node(self, op_type, *inputs, outputs=1, name=None, **attributes):
        """Adds a node; returns its output name, or a tuple of them."""
        index = len(self.nodes)
        names = [f"t{index}"] if outputs == 1 else [f"t{index}_{part}" for part in range(outputs)]
        self.nodes.append(
            helper.make_node(op_type, inputs, names, name=name or f"{op_type.lower()}_{index}", **attributes)
        )
        return names[0] if outputs == 1 else tuple(names)

    def batch_norm(self, value, channels) -> str:
        """BatchNormalization with random, well-conditioned parameters."""
        positive = self.rng.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
        parts = [self.weight(positive[0]), self.random(channels), self.random(channels), self.weight(positive[1])]
        return self.node("BatchNormalization", value, *parts, epsilon=1e-3)

    def output(self, *names, kind=TensorProto.FLOAT) -> None:
        """Declares graph outputs, their shapes left to inference."""
        self.outputs += [helper.make_tensor_value_info(name, kind, None) for name in names]

    def case(self, catches: str) -> Case:
        """The finished case. IR version 3 lists initializers among the inputs."""
        ir_version = self.ir_version or IR_VERSIONS[self.opset]
        inputs = list(self.inputs)
        if ir_version == 3:
            inputs += [helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in self.weights]
        graph = helper.make_graph(self.nodes, self.name, inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=ir_version, producer_name="bitlens make_goldens.py"
        )
        return Case(self.name, catches, model, self.feeds)
