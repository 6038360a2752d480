"""Makes the networks that `cargo xtask bench peer` measures: known architectures, seeded random weights.

    python tests/bench/make_networks.py OUT
    python tests/bench/make_networks.py --growth OUT     those of `cargo xtask bench growth`

Writes into OUT, a folder that is not committed, for each network
  NAME.onnx        full precision
  NAME_int8.onnx   the same quantized by onnxruntime: QuantizeLinear and DequantizeLinear nodes, uint8
                   activations, int8 weights with one scale per output channel
and networks.json (growth.json) with the versions that made them. What is there already stays. Needs numpy, onnx and
onnxruntime (tests/tools/requirements.txt).

Weights are normal with a deviation that keeps the activations' size from layer to layer, BatchNormalization
being folded already, as it is in deployed files.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

SHAPE = [1, 3, 224, 224]
CLASSES = 1000
CALIBRATION_IMAGES = 4


class Builder:
    """Writes a network node by node; every method takes and returns the name of a tensor."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.channels = {"input": SHAPE[1]}

    def constant(self, values: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        self.channels[name] = self.channels[inputs[0]]
        return name

    def conv(self, x: str, outputs: int, kernel: int, stride: int = 1, pad: int | None = None, groups: int = 1) -> str:
        depth = self.channels[x] // groups * kernel * kernel
        shape = (outputs, self.channels[x] // groups, kernel, kernel)
        weight = self.constant(self.random.standard_normal(shape) * np.sqrt(2 / depth))
        bias = self.constant(self.random.standard_normal(outputs) * 0.01)
        pads = [kernel // 2 if pad is None else pad] * 4
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads, "group": groups}
        y = self.node("Conv", x, weight, bias, **sizes)
        self.channels[y] = outputs
        return y

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def relu6(self, x: str) -> str:
        return self.node("Clip", x, self.constant(np.array(0.0)), self.constant(np.array(6.0)))

    def max_pool(self, x: str, pad: int, ceil: int) -> str:
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[pad] * 4, ceil_mode=ceil)

    def classify(self, x: str) -> str:
        """Average over the image, then a dense layer."""
        x = self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)
        inputs = self.channels[x]
        weight = self.constant(self.random.standard_normal((CLASSES, inputs)) / np.sqrt(inputs))
        return self.node("Gemm", x, weight, self.constant(np.zeros(CLASSES)), transB=1)

    def model(self, output: str, open_size: bool = False) -> onnx.ModelProto:
        shape = [1, 3, "height", "width"] if open_size else SHAPE
        self.nodes.append(helper.make_node("Identity", [output], ["output"], "output"))
        ends = [
            helper.make_tensor_value_info("input", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, CLASSES]),
        ]
        graph = helper.make_graph(self.nodes, "bench", ends[:1], ends[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def resnet(blocks: list[int], bottleneck: bool, first: int = 64, open_size: bool = False) -> onnx.ModelProto:
    """He et al. 2015, table 1, there with 64 channels first; the stride of a bottleneck is in its 3×3 convolution."""
    b = Builder(1)
    x = b.max_pool(b.relu(b.conv("input", first, 7, 2)), pad=1, ceil=0)
    for stage, count in enumerate(blocks):
        width = first << stage
        outputs = 4 * width if bottleneck else width
        for block in range(count):
            stride = 2 if block == 0 and stage > 0 else 1
            if bottleneck:
                y = b.relu(b.conv(b.relu(b.conv(x, width, 1)), width, 3, stride))
                y = b.conv(y, outputs, 1)
            else:
                y = b.conv(b.relu(b.conv(x, width, 3, stride)), width, 3)
            if stride != 1 or b.channels[x] != outputs:
                x = b.conv(x, outputs, 1, stride)
            x = b.relu(b.node("Add", y, x))
    return b.model(b.classify(x), open_size)


def mobilenet_v2(open_size: bool = False) -> onnx.ModelProto:
    """Sandler et al. 2018, table 2: expansion, channels, blocks and stride of each stage."""
    b = Builder(2)
    x = b.relu6(b.conv("input", 32, 3, 2))
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, outputs, count, first_stride in stages:
        for block in range(count):
            stride = first_stride if block == 0 else 1
            wide = b.channels[x] * expansion
            y = x if expansion == 1 else b.relu6(b.conv(x, wide, 1))
            y = b.conv(b.relu6(b.conv(y, wide, 3, stride, groups=wide)), outputs, 1)
            x = b.node("Add", x, y) if stride == 1 and b.channels[x] == outputs else y
    return b.model(b.classify(b.relu6(b.conv(x, 1280, 1))), open_size)


def squeezenet() -> onnx.ModelProto:
    """SqueezeNet 1.1: Iandola et al. 2016 with the authors' later sizes; None is a pooling."""
    b = Builder(3)
    x = b.relu(b.conv("input", 64, 3, 2, pad=0))
    for squeeze in [None, 16, 16, None, 32, 32, None, 48, 48, 64, 64]:
        if squeeze is None:
            x = b.max_pool(x, pad=0, ceil=1)
            continue
        s = b.relu(b.conv(x, squeeze, 1))
        wide, tall = (b.relu(b.conv(s, 4 * squeeze, kernel)) for kernel in (1, 3))
        x = b.node("Concat", wide, tall, axis=1)
        b.channels[x] = 8 * squeeze
    x = b.node("GlobalAveragePool", b.relu(b.conv(x, CLASSES, 1)))
    return b.model(b.node("Flatten", x, axis=1))


NETWORKS = {
    "squeezenet": squeezenet,
    "mobilenet_v2": mobilenet_v2,
    "resnet18": lambda: resnet([2, 2, 2, 2], bottleneck=False),
    "resnet50": lambda: resnet([3, 4, 6, 3], bottleneck=True),
}

# Any height and width, and ResNet-18 with more and fewer channels: how latency grows.
GROWTH = {
    "growth_mobilenet_v2": lambda: mobilenet_v2(open_size=True),
    **{f"growth_resnet18_{n}": lambda n=n: resnet([2, 2, 2, 2], False, n, True) for n in (16, 32, 64, 128)},
}


class Images(quantization.CalibrationDataReader):
    """Seeded noise."""

    def __init__(self) -> None:
        random = np.random.default_rng(4)
        images = (random.standard_normal(SHAPE).astype(np.float32) for _ in range(CALIBRATION_IMAGES))
        self.left = iter([{"input": image} for image in images])

    def get_next(self) -> dict | None:
        return next(self.left, None)


def main() -> None:
    """Makes what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--growth", action="store_true", help="those of `cargo xtask bench growth`")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    networks = GROWTH if arguments.growth else NETWORKS
    for name, make in networks.items():
        full, integer = out / f"{name}.onnx", out / f"{name}_int8.onnx"
        if not full.is_file():
            onnx.save(make(), full)
        if not integer.is_file():
            quantization.quantize_static(
                full,
                integer,
                Images(),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
            )
    versions = {module.__name__: module.__version__ for module in (np, onnx, onnxruntime)}
    listed = out / ("growth.json" if arguments.growth else "networks.json")
    listed.write_text(json.dumps({"networks": list(networks), "versions": versions}, indent=1) + "\n")


if __name__ == "__main__":
    main()
