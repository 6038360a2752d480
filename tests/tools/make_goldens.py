"""Makes the golden cases of tests/golden from onnxruntime.

    python tests/tools/make_goldens.py             # all cases anew
    python tests/tools/make_goldens.py --out DIR
    python tests/tools/make_goldens.py --check     # run the committed models, compare with the committed outputs

Every case is a folder with `model.onnx`, `input_<i>.pb` in the order of the
graph's inputs, and `output_<i>.pb` in the order of its outputs, each file one
ONNX TensorProto with its numbers in `raw_data`. `manifest.json` says what each
case catches, `cases.rs` lists them for Rust. Models and inputs are seeded by
the case's name and exact with the versions of requirements.txt; outputs are
rounded as the processor's instruction set has it, so they differ in the last
bits between machines. The cases that PyTorch exports (module `exported`) need
requirements-networks.txt as well; where that is not installed they stay as
they are.
"""

import argparse
import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import external_data_helper, numpy_helper

from goldens import attention, convolution, files, functions, layouts, linear, pointwise, pooling, quantized, shaping

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "golden"
MODULES = (convolution, pooling, linear, shaping, pointwise, files, functions, layouts, quantized, attention)
MOST_BYTES_PER_CASE = 60_000
# The module that needs PyTorch.
EXPORTED = "exported"


def main() -> None:
    """Parses the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.out)
    else:
        write(arguments.out)


def write(out: Path) -> None:
    """Replaces every case folder and the manifest."""
    modules, kept = MODULES, {}
    if importlib.util.find_spec("torch"):
        from goldens import exported

        modules = (*MODULES, exported)
    elif (out / "manifest.json").is_file():
        before = json.loads((out / "manifest.json").read_text())["cases"]
        kept = {name: entry for name, entry in before.items() if entry["subject"] == EXPORTED}
        print(f"torch is not installed: {len(kept)} cases stay as they are")
    found = [(module.__name__.split(".")[-1], case) for module in modules for case in module.cases()]
    if len({case.name for _, case in found} | kept.keys()) != len(found) + len(kept):
        raise SystemExit("two cases bear the same name")
    for model in out.glob("*/model.onnx"):
        if model.parent.name not in kept:
            shutil.rmtree(model.parent)
    made = {case.name: write_case(out / case.name, subject, case) for subject, case in found}
    entries = dict(sorted((made | kept).items()))
    manifest = {
        "made_by": "tests/tools/make_goldens.py",
        "tools": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__},
        "seed": "crc32 of the case's name",
        "graph_optimizations": "none",
        "cases": entries,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (out / "cases.rs").write_text(listing(entries))
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{len(entries)} cases, {total} bytes")


def listing(entries: dict) -> str:
    """The cases in the form in which `mod.rs` beside them takes their files into a test binary."""

    def numbers(count: int) -> str:
        return " ".join(map(str, range(count)))

    def files(entry: dict) -> str:
        return " |" + "".join(f' "{name}"' for name in entry["external"]) if "external" in entry else ""

    lines = [
        f'    "{name}": {numbers(e["inputs"])} => {numbers(e["outputs"])}{files(e)};' for name, e in entries.items()
    ]
    head = "// Written by tests/tools/make_goldens.py: do not edit, run it."
    return "\n".join([head, "cases! {", *lines, "}", ""])


def write_case(folder: Path, subject: str, case) -> dict:
    """Writes one case; returns its entry in the manifest."""
    outputs = run(case.model, case.inputs)
    declare_output_shapes(case.model, outputs)
    onnx.checker.check_model(case.model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    beside = move_out(case.model, case.external)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for name, elements in beside.items():
        (folder / name).write_bytes(elements)
    onnx.checker.check_model(str(folder / "model.onnx"))
    named = [(f"input_{i}", values) for i, values in enumerate(case.inputs)]
    named += [(f"output_{i}", values) for i, values in enumerate(outputs)]
    for name, values in named:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise SystemExit(f"{case.name}: {name} is not finite")
        (folder / f"{name}.pb").write_bytes(numpy_helper.from_array(values).SerializeToString())
    written = sorted(folder.iterdir())
    if sum(path.stat().st_size for path in written) > MOST_BYTES_PER_CASE:
        raise SystemExit(f"{case.name}: larger than {MOST_BYTES_PER_CASE} bytes")
    external = {"external": sorted(beside)} if beside else {}
    return {
        "catches": case.catches,
        "subject": subject,
        "opset": max(opset.version for opset in case.model.opset_import if not opset.domain),
        "ir_version": case.model.ir_version,
        "operators": sorted({node.op_type for node in case.model.graph.node}),
        "inputs": len(case.inputs),
        "outputs": len(outputs),
        **external,
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written},
    }


def move_out(model: onnx.ModelProto, external: dict[str, str]) -> dict[str, bytes]:
    """Takes the elements of these initializers out of the model; returns the files that they are in."""
    files: dict[str, bytearray] = {}
    for weight in model.graph.initializer:
        if weight.name not in external:
            continue
        elements = files.setdefault(external[weight.name], bytearray(b"head"))
        place = {"location": external[weight.name], "offset": len(elements), "length": len(weight.raw_data)}
        elements += weight.raw_data
        external_data_helper.set_external_data(weight, **place)
        weight.ClearField("raw_data")
    return {name: bytes(elements) for name, elements in files.items()}


def declare_output_shapes(model: onnx.ModelProto, outputs: list[np.ndarray]) -> None:
    """Gives each graph output its inferred shape, or symbols where inference cannot tell."""
    known = onnx.shape_inference.infer_shapes(model).graph.output
    for index, (value, inferred, got) in enumerate(zip(model.graph.output, known, outputs, strict=True)):
        shape = inferred.type.tensor_type.shape
        if len(shape.dim) == got.ndim:
            value.type.tensor_type.shape.CopyFrom(shape)
            continue
        for axis in range(got.ndim):
            value.type.tensor_type.shape.dim.add().dim_param = f"output{index}_{axis}"


def run(model: onnx.ModelProto, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The model's outputs by onnxruntime with graph optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    weights = {weight.name for weight in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in weights]
    return session.run(None, dict(zip(names, inputs)))


def check(out: Path) -> None:
    """Runs the committed models and states the largest difference from the committed outputs."""
    worst = (0.0, "none")
    for folder in sorted(path.parent for path in out.glob("*/model.onnx")):
        stored = {
            kind: [_tensor(folder / f"{kind}_{i}.pb") for i in range(len(list(folder.glob(f"{kind}_*.pb"))))]
            for kind in ("input", "output")
        }
        for wanted, got in zip(stored["output"], run(onnx.load(folder / "model.onnx"), stored["input"]), strict=True):
            if wanted.shape != got.shape or wanted.dtype != got.dtype:
                raise SystemExit(f"{folder.name}: shape or type differs")
            scale = max(float(np.abs(wanted).max(initial=0)), 1.0)
            worst = max(worst, (float(np.abs(wanted.astype(float) - got).max(initial=0)) / scale, folder.name))
    print(f"largest difference, relative to the largest output: {worst[0]:.1e} ({worst[1]})")
    if worst[0] > 2e-3:
        raise SystemExit("larger than half precision explains")


def _tensor(path: Path) -> np.ndarray:
    return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


if __name__ == "__main__":
    main()
