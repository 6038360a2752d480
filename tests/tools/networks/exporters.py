"""PyTorch's two exporters, with the number of images left open."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import nn

# The older exporter's operator set; the newer one is asked for its own choice.
TORCHSCRIPT_OPSET = 17


def torchscript(model: nn.Module, images: torch.Tensor, path: Path) -> None:
    """The exporter that traces into TorchScript."""
    torch.onnx.export(
        model,
        (images,),
        path,
        dynamo=False,
        opset_version=TORCHSCRIPT_OPSET,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )


def dynamo(model: nn.Module, images: torch.Tensor, path: Path) -> None:
    """The exporter on torch.export, as one file."""
    torch.onnx.export(
        model,
        (images,),
        path,
        dynamo=True,
        input_names=["input"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
    )


EXPORTERS = {"torchscript": torchscript, "dynamo": dynamo}


def export(exporter: str, model: nn.Module, images: torch.Tensor, path: Path) -> None:
    """Writes one file, without what the exporters print."""
    # Inference without gradients would take a fused attention that the older exporter does not know.
    torch.backends.mha.set_fastpath_enabled(False)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        EXPORTERS[exporter](model, images, path)
