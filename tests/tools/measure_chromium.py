"""Measures the wasm builds in Chromium against onnxruntime and prints a Markdown table.

    python tests/tools/measure_chromium.py DATA --bitlens target/release/bitlens [--only NAME …]
        [--images 50] [--integer-images 10] [--work DIR] [--golden FILE]

DATA is the folder that measure.py describes. Needs `cargo xtask build`, the npm packages of `www`
and a Chromium. Every float network answers for its first `--images` evaluation pictures, in a
worker of its own, once with either build, and so does the command line.

Columns:
  n                 pictures
  same inputs       of how many pictures both builds made the very tensor that Pillow and NumPy make,
                    bit for bit; onnxruntime is given the latter
  native, simd128, relaxed
                    largest difference of a float logit from onnxruntime's, relative to the largest
                    logit of the picture
  same top-1        share of pictures with onnxruntime's first answer, simd128 and relaxed
  integers          pictures of `--integer-images` on which each build gives the logits of the int8
                    file that the command line wrote as the command line itself does, bit for bit

Leaves with an error where inputs differ, logits differ by more than 1e-4 (2e-2 for files in half
precision), or integers differ. `--golden` writes what tests/e2e/logits.test.mjs compares with:
per picture the beginning of its input's hash and onnxruntime's logits, of many classes only some.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import PIL

import measure
import pictures
from ort import Network

BUILDS = ("simd128", "relaxed")
DRIVER = Path(__file__).with_name("chromium_logits.mjs")
FLOAT_BOUND, HALF_BOUND = 1e-4, 2e-2

# Of networks with more classes the golden file has every 31st: an odd step, so that all places in a
# kernel's tile occur.
MOST_CLASSES, CLASS_STEP = 100, 31


def main() -> None:
    """Parses the command line, measures network by network and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bitlens", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--integer-images", type=int, default=10)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--golden", type=Path)
    arguments = parser.parse_args()
    rows = [row for row in measure.table(arguments.data) if not arguments.only or row.name in arguments.only]
    titles = ["network", "n", "same inputs", "native", *BUILDS, "same top-1", "integers"]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)
    golden, wrong = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        for row in rows:
            work = (arguments.work or Path(temporary)) / row.name
            work.mkdir(parents=True, exist_ok=True)
            measured = Measured(row, arguments, work)
            print(measured.line(), flush=True)
            wrong += measured.wrong()
            golden[row.name] = measured.golden()
    if arguments.golden:
        write_golden(arguments.golden, golden)
    if wrong:
        raise SystemExit("\n".join(wrong))


class Measured:
    """What one network said: to onnxruntime, to the command line, and to both builds in Chromium."""

    def __init__(self, row: measure.Row, arguments: argparse.Namespace, work: Path):
        self.row = row
        self.model = onnx.load(row.file)
        chosen = row.evaluation(arguments.images)
        inputs = np.stack([pictures.network_input(picture, row.config) for picture in chosen])
        print(f"{row.name}: {len(chosen)} pictures", file=sys.stderr, flush=True)
        self.theirs = measure.last_output(Network(measure.with_logits(row.file)), inputs)
        self.input_hashes = [sha256(values) for values in inputs]
        bitlens = arguments.bitlens
        options = ["--preprocess", row.config_file]
        limit = measure.limited(row.options("eval"), len(chosen))
        self.native = measure.run(bitlens, row.file, *limit, *options)

        few = chosen[: arguments.integer_images]
        measure.command(bitlens, "quantize", row.file, *row.options("calib"), *options, "-o", work / "q.onnx")
        limit = measure.limited(row.options("eval"), len(few))
        integers = measure.run(bitlens, work / "q.onnx", *limit, *options)
        self.integer_hashes = [sha256(logits) for logits in integers]

        float_task = task(row, chosen, f"/data/{row.file.relative_to(row.data)}", quantize=False)
        integer_task = task(row, few, "/made/q.onnx", quantize=True)
        tasks = [given | {"build": build} for build in BUILDS for given in (float_task, integer_task)]
        answers = in_chromium({"/data/": row.data, "/made/": work}, tasks)
        self.float = dict(zip(BUILDS, answers[0::2], strict=True))
        self.integer = dict(zip(BUILDS, answers[1::2], strict=True))

    @property
    def bound(self) -> float:
        """How far logits may be apart, relative to the largest."""
        kind = self.model.graph.input[0].type.tensor_type.elem_type
        return HALF_BOUND if kind == onnx.TensorProto.FLOAT16 else FLOAT_BOUND

    def logits(self, build: str) -> np.ndarray:
        """A build's float logits."""
        return np.array([picture["full"]["logits"] for picture in self.float[build]["pictures"]])

    def same_inputs(self) -> int:
        """Pictures of which both builds made the reference's tensor."""
        made = [[picture["input"] for picture in self.float[build]["pictures"]] for build in BUILDS]
        return sum(set(hashes) == {wanted} for wanted, *hashes in zip(self.input_hashes, *made, strict=True))

    def same_integers(self, build: str) -> int:
        """Pictures on which a build's integer logits are the command line's, bit for bit."""
        got = [picture["quantized"]["sha256"] for picture in self.integer[build]["pictures"]]
        return sum(ours == native for ours, native in zip(got, self.integer_hashes, strict=True))

    def errors(self) -> list[float]:
        """Largest relative differences from onnxruntime: native, then each build."""
        return [measure.relative_error(got, self.theirs) for got in (self.native, *map(self.logits, BUILDS))]

    def line(self) -> str:
        """The network's row of the table."""
        best = self.theirs.argmax(1)
        shares = [measure.share(self.logits(build).argmax(1) == best) for build in BUILDS]
        integers = [f"{self.same_integers(build)} of {len(self.integer_hashes)}" for build in BUILDS]
        cells = [self.row.name, str(len(best)), str(self.same_inputs()), *(f"{error:.1e}" for error in self.errors())]
        return f"| {' | '.join([*cells, ' / '.join(shares), ' / '.join(integers)])} |"

    def wrong(self) -> list[str]:
        """What is out of bounds, as sentences."""
        name, found = self.row.name, []
        if self.same_inputs() < len(self.theirs):
            found.append(f"{name}: not all inputs are the reference's")
        for where, error in zip(("native", *BUILDS), self.errors(), strict=True):
            if not error <= self.bound:
                found.append(f"{name}, {where}: logits differ by {error:.1e} of the largest")
        found += [
            f"{name}, {build}: integer logits are not the command line's"
            for build in BUILDS
            if self.same_integers(build) < len(self.integer_hashes)
        ]
        return found

    def golden(self) -> dict:
        """What the end-to-end test needs to know of the network."""
        step = 1 if self.theirs.shape[1] <= MOST_CLASSES else CLASS_STEP
        entries = [
            {
                "input": digest[:16],
                "top": int(logits.argmax()),
                "max": rounded(logits.max()),
                "min": rounded(logits.min()),
                "logits": [rounded(value) for value in logits[::step]],
            }
            for digest, logits in zip(self.input_hashes, self.theirs, strict=True)
        ]
        data = self.row.data
        return {
            "model": str(self.row.file.relative_to(data)),
            "sha256": hashlib.sha256(self.row.file.read_bytes()).hexdigest(),
            "preprocess": str(self.row.config_file.relative_to(data)),
            "family": self.row.family,
            "bound": self.bound,
            "classes": self.theirs.shape[1],
            "step": step,
            "pictures": entries,
        }


def task(row: measure.Row, chosen: list[pictures.Picture], model: str, quantize: bool) -> dict:
    """The worker's task: the network with its first pictures as their files are."""
    count = len(chosen)
    files = [picture.source for picture in chosen if isinstance(picture.source, Path)]
    given = {}
    if not files:
        options = row.options("eval")
        kind, _, names = options[options.index("--data") + 1].partition(":")
        files = [Path(names.split(",")[0])]
        given = {"pictureBytes": 3073 * count} if kind == "cifar10" else {}
    return given | {
        "model": model,
        "preprocess": f"/data/{row.config_file.relative_to(row.data)}",
        "pictures": [f"/data/{file.relative_to(row.data)}" for file in files],
        "count": count,
        "quantize": quantize,
    }


def in_chromium(folders: dict[str, Path], tasks: list[dict]) -> list[dict]:
    """The answers of tests/e2e/logits_worker.mjs."""
    given = {"folders": {prefix: str(folder.resolve()) for prefix, folder in folders.items()}, "tasks": tasks}
    done = subprocess.run(["node", DRIVER], input=json.dumps(given), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{DRIVER.name}: {done.stderr}")
    return json.loads(done.stdout)


def sha256(values: np.ndarray) -> str:
    """The hash of float32 numbers as they lie in memory."""
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


def rounded(value: float) -> float:
    """Six digits: a relative error of 5e-7, far below every bound here."""
    return float(f"{value:.5e}")


def write_golden(path: Path, networks: dict) -> None:
    """A line per picture, so that changes can be read."""
    tools = {"onnxruntime": onnxruntime.__version__, "pillow": PIL.__version__, "numpy": np.__version__}
    head = {"made_by": "tests/tools/measure_chromium.py --golden", "tools": tools}
    parts = []
    for name, network in networks.items():
        lines = ",\n".join(f"   {json.dumps(picture, separators=(',', ':'))}" for picture in network["pictures"])
        about = json.dumps({key: value for key, value in network.items() if key != "pictures"})
        parts.append(f'  "{name}": {about[:-1]}, "pictures": [\n{lines}\n  ]}}')
    path.write_text(json.dumps(head)[:-1] + ', "networks": {\n' + ",\n".join(parts) + "\n}}\n")


if __name__ == "__main__":
    main()
