"""Writes a trained network as ONNX: opset 17, dynamic batch, BatchNormalization kept.

Node names are paths that the page shows: `stage1/block0/conv1`, beside it
`stage1/block0/conv1/batch_norm` and `…/conv1/relu`, and `stage1/block0/add`. A tensor is named after the node that
makes it, a weight after the node that uses it.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import nets

OPSET = 17
IR_VERSION = 8


class _Builder:
    """Nodes and initializers in the order in which they are added."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def node(self, op_type: str, name: str, inputs, **attributes) -> str:
        """Adds a node whose single output bears its name."""
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str, values: np.ndarray) -> str:
        """Adds a float initializer."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name


def exported(name: str, params, state, side: int, labels, about: str) -> onnx.ModelProto:
    """The network `name` as a checked model: `input` [batch, 3, side, side] → `logits`."""
    builder, values, value = _Builder(), {}, "input"
    for step in nets.NETS[name]():
        value = values[step.source] if step.source else value
        value = _step(builder, step, params[step.name], state[step.name], value, values)
        values[step.name] = value
    value = builder.node("GlobalAveragePool", "head/pool", [value])
    value = builder.node("Flatten", "head/flatten", [value], axis=1)
    head = params["head/fc"]
    weight = builder.weight("head/fc/weight", head["weight"].T)
    bias = builder.weight("head/fc/bias", head["bias"])
    builder.nodes.append(helper.make_node("Gemm", [value, weight, bias], ["logits"], name="head/fc", transB=1))
    graph = helper.make_graph(
        builder.nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(labels)])],
        builder.initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="bitlens make_sample.py",
    )
    model.doc_string = about
    helper.set_model_props(model, {"labels": ",".join(labels)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _step(builder: _Builder, step: nets.Conv, params, state, value: str, values) -> str:
    """One convolution with what follows it; returns the name of its result."""
    pad = (step.kernel - 1) // 2
    weight = builder.weight(f"{step.name}/weight", params["weight"].transpose(3, 2, 0, 1))
    value = builder.node(
        "Conv",
        step.name,
        [value, weight],
        kernel_shape=[step.kernel] * 2,
        strides=[step.stride] * 2,
        pads=[pad] * 4,
        dilations=[1, 1],
        group=step.inputs if step.depthwise else 1,
    )
    norm = f"{step.name}/batch_norm"
    parts = [
        builder.weight(f"{norm}/{part}", values_of[part])
        for values_of, part in ((params, "scale"), (params, "bias"), (state, "mean"), (state, "variance"))
    ]
    value = builder.node("BatchNormalization", norm, [value, *parts], epsilon=nets.BATCH_NORM_EPSILON)
    prefix = step.name
    if step.add:
        prefix = step.name.rsplit("/", 1)[0]
        value = builder.node("Add", f"{prefix}/add", [value, values[step.add]])
    if step.activation == "relu":
        return builder.node("Relu", f"{prefix}/relu", [value])
    if step.activation == "relu6":
        return builder.node("Clip", f"{prefix}/relu6", [value, *_relu6_bounds(builder)])
    return value


def _relu6_bounds(builder: _Builder) -> list[str]:
    """The two bounds of ReLU6, shared by all Clip nodes."""
    if not any(known.name == "relu6/min" for known in builder.initializers):
        builder.weight("relu6/min", np.float32(0))
        builder.weight("relu6/max", np.float32(6))
    return ["relu6/min", "relu6/max"]
