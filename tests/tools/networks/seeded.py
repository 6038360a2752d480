"""Random weights that a comparison can learn from.

The weights that libraries begin with hide mistakes: normalisations that are the identity, biases
and residual branches near 0, attention that looks at everything alike. Here every parameter comes
from a stream seeded by the network's and its own name, of a size that keeps activations near 1;
the statistics of BatchNormalization are those of a few pictures, moved a little; and the last
linear layer is scaled until the logits have the deviation `LOGITS`.
"""

import zlib

import numpy as np
import torch
from torch import nn

LOGITS = 3.0
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
_BRANCH_SCALES = {"gamma", "layer_scale"}


def seed(model: nn.Module, name: str, images: torch.Tensor) -> nn.Module:
    """Gives the network its weights, in place; `images` is a batch of inputs to fit statistics to."""
    model.eval()
    with torch.no_grad():
        for path, module in model.named_modules():
            for own, parameter in module.named_parameters(recurse=False):
                stream = _stream(f"{name}.{path}.{own}")
                parameter.copy_(torch.from_numpy(_values(module, own, tuple(parameter.shape), stream)))
        _fit_statistics(model, name, images)
        last = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if last:
            factor = LOGITS / float(model(images).std())
            for parameter in last[-1].parameters(recurse=False):
                parameter.mul_(factor)
    return model.requires_grad_(False)


def pictures(count: int, size: int, name: str = "pictures") -> np.ndarray:
    """Seeded pictures as bytes [count, size, size, 3]: waves of several lengths, an edge, some noise."""
    stream = _stream(name)
    down, across = np.mgrid[0:size, 0:size] / size
    made = []
    for _ in range(count):
        picture = np.zeros((size, size, 3))
        for wave in 2.0 ** np.arange(1, 7):
            turn, phase = stream.uniform(0, np.pi), stream.uniform(0, 2 * np.pi, 3)
            along = wave * 2 * np.pi * (np.cos(turn) * across + np.sin(turn) * down)
            picture += stream.normal(0, 1, 3) / np.sqrt(wave) * np.sin(along[..., None] + phase)
        slope, where = stream.normal(0, 1, 2), stream.normal(0, 0.3)
        picture += np.where((down - 0.5) * slope[0] + (across - 0.5) * slope[1] > where, 0.7, -0.7)[..., None]
        picture += stream.normal(0, 0.2, picture.shape)
        made.append(np.clip(128 + 48 * picture, 0, 255).astype(np.uint8))
    return np.stack(made)


def _stream(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _values(module: nn.Module, own: str, shape: tuple[int, ...], stream: np.random.Generator) -> np.ndarray:
    if own in _BRANCH_SCALES:
        values = stream.uniform(0.2, 0.6, shape)
    elif own == "weight" and (isinstance(module, _NORMS) or len(shape) == 1):
        values = stream.uniform(0.5, 1.5, shape)
    elif own.endswith("bias"):
        values = stream.normal(0, 0.1, shape)
    elif own.endswith("weight"):
        gain = 2.0 if isinstance(module, nn.Conv2d) else 1.0
        values = stream.normal(0, np.sqrt(gain * shape[0] / np.prod(shape)), shape)
    else:  # places, tokens, tables of relative places
        values = stream.normal(0, 0.5, shape)
    return values.astype(np.float32)


def _fit_statistics(model: nn.Module, name: str, images: torch.Tensor) -> None:
    """Statistics of BatchNormalization: those of the images, moved as another set of images would."""
    norms = [(path, m) for path, m in model.named_modules() if isinstance(m, _NORMS[0])]
    for _, norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None
    if norms:
        model(images)
    for path, norm in norms:
        stream = _stream(f"{name}.{path}.statistics")
        count = norm.num_features
        moved = torch.from_numpy(stream.normal(0, 0.2, count).astype(np.float32))
        norm.running_mean += moved * norm.running_var.sqrt()
        norm.running_var *= torch.from_numpy(stream.uniform(0.7, 1.4, count).astype(np.float32))
        norm.eval()
