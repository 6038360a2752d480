"""Quantizes a network as `cargo xtask bench quantize` asks for it, and prints what that took, as JSON.

    python tests/bench/quantize_onnxruntime.py NETWORK PICTURE …

From the files of the network and the pictures to the file of the quantized network: pictures are decoded,
resized to 224 × 224 and normalized, ranges are the extremes seen, activations uint8, weights int8 with a scale
for each output channel, as QuantizeLinear and DequantizeLinear nodes. Starting Python and importing the packages
does not count.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime import quantization
from PIL import Image

MEAN, STD = (np.array(three, dtype=np.float32) for three in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


class Pictures(quantization.CalibrationDataReader):
    """The pictures as the network takes them, one after the other."""

    def __init__(self, paths: list[str]) -> None:
        self.left = iter(paths)

    def get_next(self) -> dict | None:
        path = next(self.left, None)
        if path is None:
            return None
        picture = Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
        values = (np.asarray(picture, dtype=np.float32) / 255 - MEAN) / STD
        return {"input": np.ascontiguousarray(values.transpose(2, 0, 1)[None])}


def main() -> None:
    network, *pictures = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantized.onnx"
        begin = time.perf_counter()
        quantization.quantize_static(
            network,
            out,
            Pictures(pictures),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        total = 1000 * (time.perf_counter() - begin)
        file = out.stat().st_size
    print(json.dumps({"total": total, "file": file, "version": onnxruntime.__version__}))


if __name__ == "__main__":
    main()
