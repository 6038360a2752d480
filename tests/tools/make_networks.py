"""Makes networks of known architectures with seeded random weights, as PyTorch exports them.

    python tests/tools/make_networks.py OUT [--only NAME …] [--exporter torchscript dynamo]

Writes into OUT, which is outside the project, since nothing of it is committed (all together a few
gigabytes):
  NAME.EXPORTER.onnx       the network (package `networks`: which ones, their weights, the exporters)
  pictures/NAME/0000.png   seeded pictures of the network's size
  preprocess.json          what makes tensors of them
  networks.json            for each file what wrote it, its opset and operators; what an exporter refused

The same versions make the same files. Needs what requirements-networks.txt lists.
`measure_networks.py` compares what they compute with onnxruntime.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import timm
import torch
import torchvision
from PIL import Image

from networks import exporters, seeded, zoo

PICTURES = 16
PREPROCESS = {
    "do_resize": False,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "channel_order": "rgb",
    "layout": "NCHW",
}


def main() -> None:
    """Parses the command line and makes network after network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(zoo.NETWORKS), default=list(zoo.NETWORKS))
    parser.add_argument("--exporter", nargs="*", choices=list(exporters.EXPORTERS), default=list(exporters.EXPORTERS))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "preprocess.json").write_text(json.dumps(PREPROCESS, indent=1) + "\n")
    listing = arguments.out / "networks.json"
    for name in arguments.only:
        entries = json.loads(listing.read_text())["networks"] if listing.is_file() else {}
        entries |= {name: entries.get(name, {}) | make(name, arguments.exporter, arguments.out)}
        versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm, onnx, onnxscript)}
        listing.write_text(json.dumps({"versions": versions, "networks": entries}, indent=1) + "\n")


def make(name: str, chosen: list[str], out: Path) -> dict:
    """Writes one network and its pictures; returns its entries in the listing."""
    build, size = zoo.NETWORKS[name]
    pixels = seeded.pictures(PICTURES, size)
    folder = out / "pictures" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number:04}.png")
    mean, deviation = np.float32(PREPROCESS["image_mean"]), np.float32(PREPROCESS["image_std"])
    images = (pixels * np.float32(PREPROCESS["rescale_factor"]) - mean) / deviation
    images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32))
    model = seeded.seed(build(), name, images)
    entries = {}
    for exporter in chosen:
        path = out / f"{name}.{exporter}.onnx"
        try:
            exporters.export(exporter, model, images[:2], path)
        except Exception as error:  # Whatever an exporter throws is its answer, and noted as such.
            entries[exporter] = {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        else:
            graph = onnx.load(path)
            operators = sorted({node.op_type for node in graph.graph.node})
            entries[exporter] = {"file": path.name, "opset": graph.opset_import[0].version, "operators": operators}
        print(name, exporter, json.dumps(entries[exporter]), flush=True)
    return entries


if __name__ == "__main__":
    main()
