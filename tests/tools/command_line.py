"""The command line, and what its answers are measured with against onnxruntime's."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from ort import Network
from tensor_files import read_tensor


def command(bitlens: Path, *arguments) -> str:
    """What a command of Bitlens printed."""
    done = subprocess.run([bitlens, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bitlens {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def run(bitlens: Path, model: Path, *arguments) -> np.ndarray:
    """The logits of every picture."""
    lines = command(bitlens, "run", model, "--json", *arguments).splitlines()
    return np.array([json.loads(text)["logits"] for text in lines])


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of a logit, relative to the largest logit of its picture."""
    return float((np.abs(ours - theirs).max(1) / np.abs(theirs).max(1)).max())


def share(hits: np.ndarray) -> str:
    """A share in percent."""
    return f"{100 * hits.mean():.2f}"


def off_cell(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Shares of logits that differ by more than one and two steps of the range that all of them span."""
    step = float(theirs.max() - theirs.min()) / 255
    return ", ".join(f"{100 * float((np.abs(ours - theirs) > codes * step).mean()):.3f}" for codes in (1, 2))


@dataclass
class CodeDifferences:
    """How the codes inside a quantized network differ from onnxruntime's."""

    codes: int
    by_one: int
    by_more: int
    tensors: int
    differing_tensors: int
    pictures: int

    def __str__(self) -> str:
        shares = f"{100 * self.by_one / self.codes:.4f} % by 1, {100 * self.by_more / self.codes:.4f} % by more"
        tensors = f"in {self.differing_tensors} of {self.tensors} tensors"
        return f"{shares}, {tensors} ({self.codes} codes, n={self.pictures})"


def code_differences(
    bitlens: Path, q_file: Path, folder: Path, inputs: np.ndarray, options: list[str], from_ours: bool = False
) -> CodeDifferences:
    """Runs a quantized network on these inputs, which `options` gives to the command line; our codes are
    written into `folder`.

    `from_ours` lets onnxruntime compute every tensor of codes from our codes of the ones before it, so
    that a difference is one of the operators in between, and not what has become of an earlier one.
    """
    command(bitlens, "run", q_file, "--json", "--codes", folder, *options)
    listing = json.loads((folder / "tensors.json").read_text())
    model = onnx.load(q_file)
    makers = ("QuantizeLinear", "QLinear", "QGemm")
    names = [node.output[0] for node in model.graph.node if node.op_type.startswith(makers)]
    names = [name for name in names if name in listing]
    ours = {name: np.split(read_tensor(folder / listing[name]), len(inputs)) for name in names}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    given = cut(model, names) if from_ours else {}
    network, found = Network(model), CodeDifferences(0, 0, 0, len(names), 0, len(inputs))
    differing = set()
    # A picture at a time: tokens and windows may lie before the pictures, or among them.
    for at, image in enumerate(inputs):
        feeds = {cut_name: ours[name][at] for name, cut_name in given.items()}
        for name, codes in zip(names, network.run(image[None], names, feeds=feeds), strict=True):
            # Ours are unsigned: int8 codes are 128 less.
            codes = codes.astype(np.int16) + (128 if codes.dtype == np.int8 else 0)
            distance = np.abs(ours[name][at].astype(np.int16) - codes)
            found.codes += distance.size
            found.by_one += int((distance == 1).sum())
            found.by_more += int((distance > 1).sum())
            differing |= {name} if distance.any() else set()
    found.differing_tensors = len(differing)
    return found


def cut(model: onnx.ModelProto, names: list[str]) -> dict[str, str]:
    """Lets everything that reads one of these codes read a new input instead; returns the inputs' names."""
    inputs = {name: f"{name}.given" for name in names}
    for node in model.graph.node:
        node.input[:] = [inputs.get(name, name) for name in node.input]
    model.graph.input.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in inputs.values()
    )
    return inputs
