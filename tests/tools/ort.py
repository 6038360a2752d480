"""onnxruntime, as the oracle scripts use it: one input of images, any batch."""

import numpy as np
import onnx
import onnxruntime

_INPUT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class Network:
    """A model whose first input is images, on the CPU."""

    def __init__(self, model: onnx.ModelProto | str, optimize: bool = True):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = model if isinstance(model, str) else model.SerializeToString()
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        weights = {value.name for value in self._session.get_overridable_initializers()}
        given = [value for value in self._session.get_inputs() if value.name not in weights]
        self._input, self._others = given[0], {value.name for value in given[1:]}

    def run(self, images: np.ndarray, outputs=None, batch: int = 16, feeds: dict | None = None) -> list[np.ndarray]:
        """The named outputs (all by default) for images [N, …], joined along N; `feeds` are what further
        inputs the network has, the same for every batch."""
        feeds = feeds or {}
        if self._others != feeds.keys():
            raise SystemExit(f"the network takes {len(self._others) + 1} inputs, not {len(feeds) + 1}")
        fixed = self._input.shape[0]
        step = fixed if isinstance(fixed, int) else batch
        if len(images) % step and isinstance(fixed, int):
            raise SystemExit(f"the network takes {fixed} images at a time; {len(images)} do not divide")
        images = images.astype(_INPUT_TYPES[self._input.type], copy=False)
        parts = [
            self._session.run(outputs, {self._input.name: images[first : first + step]} | feeds)
            for first in range(0, len(images), step)
        ]
        return [np.concatenate(tensors) for tensors in zip(*parts)]
