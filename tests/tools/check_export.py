"""Checks an exported quantized network with onnx.checker and onnxruntime.

    python tests/tools/check_export.py MODEL.onnx Q.onnx INPUTS OURS [--batch N] [--no-optimize]

MODEL.onnx  the float network that Q.onnx was made from
Q.onnx      the exported QDQ network
INPUTS      a tensor file, or a folder with `input*` tensor files (raw
            `inputs_50x3x32x32.f32` or `.pb`; see `tensor_files.py`), joined
            along images in name order
OURS        a tensor file, or a folder with `logits*` tensor files: our integer
            path's first output for the same images. A folder may also hold
            `tensors.json`, `{"tensor name in Q.onnx": "file_50x16x8x8.u8"}`:
            codes of quantized tensors inside the network, compared one by one

Prints one JSON object:
  checker           "ok", or the checker's complaint
  images            how many were compared
  top1_same         on how many onnxruntime's Q.onnx and our path agree
  top1_same_as_float  on how many onnxruntime's Q.onnx and MODEL.onnx agree
  codes_compared, codes_equal, codes_within_1
                    quantized numbers: the logits on the scale of the last
                    DequantizeLinear (none if the network does not end in one),
                    and every tensor of `tensors.json`
  max_abs_diff      largest difference of the logits
  tensors           the three counts for each tensor, where the codes were compared
  bytes             sizes of both files; float_weights: bytes of float
                    initializers that remain in Q.onnx and have more than
                    one dimension that is not 1

Exit code 1 when the checker or onnxruntime refuses Q.onnx.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from ort import Network
from tensor_files import read_all, read_tensor


def main() -> None:
    """Parses the command line, prints the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("quantized", type=Path)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("ours", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--no-optimize", action="store_true", help="run Q.onnx node by node instead of fused to integers"
    )
    arguments = parser.parse_args()
    report = check(arguments)
    print(json.dumps(report))
    sys.exit(0 if report["checker"] == "ok" and "onnxruntime" not in report else 1)


def check(arguments) -> dict:
    """The report described at the top of this file."""
    try:
        quantized = onnx.load(arguments.quantized, format="protobuf")
    except DecodeError as complaint:
        return {"checker": f"not an ONNX file: {complaint}"}
    report = {"checker": checker_verdict(arguments.quantized)}
    inputs, ours = read_all(arguments.inputs, "input"), read_all(arguments.ours, "logits")
    inner = inner_tensors(arguments.ours, len(inputs))
    signed = signed_codes(quantized) & inner.keys()
    for name in inner:
        kind = TensorProto.INT8 if name in signed else TensorProto.UINT8
        quantized.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    try:
        network = Network(quantized, optimize=not arguments.no_optimize)
        outputs = network.run(inputs, [quantized.graph.output[0].name, *inner], arguments.batch)
    except Exception as refusal:  # every kind of refusal is onnxruntime's verdict on the file
        return report | {"onnxruntime": str(refusal)}
    theirs = outputs[0].reshape(len(inputs), -1).astype(np.float64)
    ours = ours.reshape(len(inputs), -1).astype(np.float64)
    real = Network(str(arguments.model)).run(inputs, batch=arguments.batch)[0].reshape(len(inputs), -1)
    # Our integer path holds int8 codes as uint8 ones that are 128 more.
    moved = [got.astype(np.int64) + 128 * (name in signed) for name, got in zip(inner, outputs[1:], strict=True)]
    tensors = {name: compare_codes(codes, got) for (name, codes), got in zip(inner.items(), moved, strict=True)}
    scale = output_scale(quantized)
    if scale is not None:
        tensors["logits"] = compare_codes(np.rint(ours / scale), np.rint(theirs / scale))
    return report | {
        "images": len(inputs),
        "top1_same": int((ours.argmax(1) == theirs.argmax(1)).sum()),
        "top1_same_as_float": int((real.argmax(1) == theirs.argmax(1)).sum()),
        "codes_compared": sum(counts["compared"] for counts in tensors.values()),
        "codes_equal": sum(counts["equal"] for counts in tensors.values()),
        "codes_within_1": sum(counts["within_1"] for counts in tensors.values()),
        "max_abs_diff": float(np.abs(ours - theirs).max()),
        "tensors": tensors,
        "bytes": {"model": arguments.model.stat().st_size, "quantized": arguments.quantized.stat().st_size},
        "float_weights": float_weight_bytes(quantized),
    }


def checker_verdict(path: Path) -> str:
    """ "ok", or the first line of what onnx.checker complains about."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as complaint:
        return str(complaint).splitlines()[0]
    return "ok"


def inner_tensors(where: Path, images: int) -> dict[str, np.ndarray]:
    """Our codes of tensors inside the network, by name."""
    listing = where / "tensors.json"
    if not listing.is_file():
        return {}
    found = {name: read_tensor(where / file) for name, file in json.loads(listing.read_text()).items()}
    for name, codes in found.items():
        if len(codes) != images:
            raise SystemExit(f"{name}: {len(codes)} images, the inputs hold {images}")
    return found


def signed_codes(model: onnx.ModelProto) -> set[str]:
    """Outputs of QuantizeLinear nodes that are int8."""
    zeros = {weight.name for weight in model.graph.initializer if weight.data_type == TensorProto.INT8}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and len(node.input) == 3]
    return {node.output[0] for node in quantizers if node.input[2] in zeros}


def output_scale(model: onnx.ModelProto) -> float | None:
    """The scale of the DequantizeLinear that makes the first output, if one does."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        if (
            model.graph.output[0].name in node.output
            and node.op_type == "DequantizeLinear"
            and node.input[1] in weights
        ):
            scale = numpy_helper.to_array(weights[node.input[1]])
            return float(scale.item()) if scale.size == 1 else None
    return None


def compare_codes(ours: np.ndarray, theirs: np.ndarray) -> dict:
    """How many codes there are, are equal, and lie within one of each other."""
    distance = np.abs(ours.astype(np.int64) - theirs.reshape(ours.shape).astype(np.int64))
    return {"compared": distance.size, "equal": int((distance == 0).sum()), "within_1": int((distance <= 1).sum())}


def float_weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of float initializers that are not biases or scales."""
    scales = {node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    wide = [
        weight
        for weight in model.graph.initializer
        if weight.data_type == TensorProto.FLOAT
        and sum(size > 1 for size in weight.dims) >= 2
        and weight.name not in scales
    ]
    return sum(4 * int(np.prod(weight.dims)) for weight in wide)


if __name__ == "__main__":
    main()
