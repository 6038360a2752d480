"""What is stated about the sample: accuracy, what colour alone gives, where the networks look.

Accuracy and class activation maps are taken from the exported file run by
onnxruntime, not from the training code.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .training import normalized


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def network_input(pixels: np.ndarray) -> np.ndarray:
    """The ONNX input [N, 3, H, W] of pictures as bytes [N, H, W, 3]."""
    return np.ascontiguousarray(normalized(pixels).transpose(0, 3, 1, 2))


def logits_of(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Logits of pictures as bytes, by onnxruntime."""
    session = session_of(model)
    chunks = [network_input(pixels[first : first + 200]) for first in range(0, len(pixels), 200)]
    return np.concatenate([session.run(["logits"], {"input": chunk})[0] for chunk in chunks])


def pointing(model: onnx.ModelProto, pixels, masks) -> tuple[float, float]:
    """How well class activation maps of the predicted class find the object.

    Returns the share of pictures whose strongest cell of the last feature map
    covers a part of the object, and the same share for a random cell.
    """
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    features = next(node.input[0] for node in model.graph.node if node.op_type == "GlobalAveragePool")
    probe.graph.output.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, None))
    weight = next(numpy_helper.to_array(w) for w in model.graph.initializer if w.name == "head/fc/weight")
    logits, maps = session_of(probe).run(["logits", features], {"input": network_input(pixels)})
    cams = np.einsum("nchw,nc->nhw", maps, weight[logits.argmax(1)])
    count, cells = len(cams), cams.shape[1]
    side = masks.shape[1] // cells
    covered = masks.reshape(count, cells, side, cells, side).any(axis=(2, 4)).reshape(count, -1)
    hits = covered[np.arange(count), cams.reshape(count, -1).argmax(1)]
    return float(hits.mean()), float(covered.mean())


def colour_only_accuracy(train, held_out) -> float:
    """Held-out accuracy of least squares on 64-bin colour histograms.

    Chance is one tenth: a figure near it says that colours do not give the
    class away.
    """
    features = [_colour_features(pixels) for pixels, _ in (train, held_out)]
    targets = np.eye(int(train[1].max()) + 1)[train[1]]
    gram = features[0].T @ features[0] + 1e-3 * np.eye(features[0].shape[1])
    weights = np.linalg.solve(gram, features[0].T @ targets)
    return float(((features[1] @ weights).argmax(1) == held_out[1]).mean())


def _colour_features(pixels: np.ndarray) -> np.ndarray:
    """A constant and the square roots of the shares of 4x4x4 colour bins."""
    levels = (pixels >> 6).astype(np.int64)
    bins = levels[..., 0] * 16 + levels[..., 1] * 4 + levels[..., 2]
    counts = np.stack([np.bincount(picture.ravel(), minlength=64) for picture in bins])
    shares = np.sqrt(counts / bins[0].size)
    return np.hstack([shares, np.ones((len(shares), 1))])
