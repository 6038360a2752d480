"""Blocks of known architectures as PyTorch's exporters write them (package `networks`)."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from networks import exporters, seeded, small

from .case import Case

# The older exporter writes PyTorch's LRN with an If around a Squeeze.
LEFT_OUT = {("googlenet", "torchscript")}


def cases() -> list[Case]:
    """Every small network by every exporter that can write it."""
    pairs = [(name, exporter) for name in small.NETWORKS for exporter in exporters.EXPORTERS]
    return [_case(*pair) for pair in pairs if pair not in LEFT_OUT]


def _case(name: str, exporter: str) -> Case:
    build, catches = small.NETWORKS[name]
    pixels = seeded.pictures(8, small.SIZE, f"small {name}")
    images = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - 128) / 64
    model = seeded.seed(build(), f"small {name}", torch.from_numpy(images))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        exporters.export(exporter, model, torch.from_numpy(images[:2]), path)
        exported = onnx.load(path)
    _shorten(exported)
    return Case(f"{name}_{exporter}", catches, exported, [images[:2]])


def _shorten(model: onnx.ModelProto) -> None:
    """Short names for what nodes make, and nothing of the source files that nodes come from: it is most
    of a small file, and the latter is another on every machine."""
    graph = model.graph
    for holder in [model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        holder.ClearField("doc_string")
        if hasattr(holder, "metadata_props"):
            holder.ClearField("metadata_props")
    kept = {value.name for value in [*graph.input, *graph.output, *graph.initializer]}
    names = {}
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        for index, name in enumerate(node.output):
            if name and name not in kept:
                names[name] = f"t{number}" + (f"_{index}" if index else "")
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in graph.value_info:
        value.name = names.get(value.name, value.name)
