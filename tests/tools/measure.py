"""Measures the command line against onnxruntime on real networks and prints a Markdown table.

    python tests/tools/measure.py DATA --bitlens target/release/bitlens [--only NAME …]
        [--float-images 50] [--code-images 20] [--limit N] [--work DIR] [--codes-only]
    python tests/tools/measure.py DATA --bitlens target/release/bitlens --quantized
        [--only NAME …] [--code-images 100]

DATA is a folder with `README.md` (a table with one row per network), `models`,
`preprocess` and `images`. Pictures are those of its README: CIFAR-10 networks are
calibrated on the first 128 of `train_lossless_1000.bin` and evaluated on
`test_jpeg_2000.bin`; ImageNet ones on the roles `calib` and `eval` of
`labels.json`; MNIST ones on images 4000 to 4127 and 0 to 1999. `--limit` cuts the
evaluation sets, for a try.

Columns (n is the number of pictures; shares are in percent):
  logits       largest difference of the float network's logits from onnxruntime's, relative to the
               largest logit of the picture, from identical input tensors
  same top-1   share of pictures where the float network's first answer is onnxruntime's, each with
               its own decoding, resizing and normalising
  float        top-1 of the float network here / of onnxruntime
  int8         top-1 of our int8 file run here / by onnxruntime / what the README has for
               onnxruntime's own quantization (per-channel MinMax)
  same int8    share of pictures where both give the int8 file's first answer alike
  off          share of the int8 file's logits that differ by more than one, and by more than two
               255ths of the range that all logits span
  codes        of all codes that QuantizeLinear nodes of the int8 file make: the share that differs
               by one, and by more, and how many of the tensors have such a code

With `--codes-only` only the last two columns are measured, on the first `--code-images` pictures.
`--recipe` takes a recipe instead of the preset `int8`.

With `--quantized` the networks are those that others quantized (`models/quantized`), on the first
`--code-images` pictures:
  nodes        how many run on integers / in float
  codes        as above, of every node that makes codes
  outputs      share of the outputs that are onnxruntime's, bit for bit, and how many there are
  same top-1   share of pictures with onnxruntime's first answer

Identical input tensors are had by letting Pillow decode, resize and crop, and giving the
pixels to both as PNG. Networks without labels (visual wake words) have first answers
compared with the float network's by onnxruntime, as their README figures have.
"""

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from PIL import Image

import pictures
from command_line import code_differences, command, off_cell, relative_error, run, share
from ort import Network


@dataclass
class Row:
    """A network of the data folder, and what its README says of it."""

    file: Path
    config_file: Path
    family: str
    readme_int8: str
    data: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def config(self) -> dict:
        return json.loads(self.config_file.read_text())

    def options(self, part: str) -> list[str]:
        """The arguments of the command line for the pictures to calibrate or evaluate on."""
        images = self.data / "images"
        if self.family == "cifar10":
            file = "train_lossless_1000.bin" if part == "calib" else "test_jpeg_2000.bin"
            count = 128 if part == "calib" else 2000
            return ["--data", f"cifar10:{images / 'cifar10' / file}", "--limit", str(count)]
        if self.family == "mnist":
            files = ",".join(str(images / "mnist" / f"{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
            chosen = ["--skip", "4000", "--limit", "128"] if part == "calib" else ["--limit", "2000"]
            return ["--data", f"idx:{files}", *chosen]
        return ["--data", str(images / "imagenet"), "--labels", str(images / "imagenet/labels.json"), "--role", part]

    def evaluation(self, limit: int | None) -> list[pictures.Picture]:
        """The evaluation pictures for Pillow."""
        options = self.options("eval")
        given = dict(zip(options[::2], options[1::2], strict=True))
        labels = Path(given["--labels"]) if "--labels" in given else None
        chosen = pictures.load(given["--data"], labels, given.get("--role"))
        return chosen[: int(given.get("--limit", len(chosen)))][:limit]


def main() -> None:
    """Parses the command line, measures network by network and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bitlens", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--float-images", type=int, default=50)
    parser.add_argument("--code-images", type=int, default=20)
    parser.add_argument("--codes-only", action="store_true")
    parser.add_argument("--quantized", action="store_true")
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    rows = table(arguments.data, arguments.quantized)
    rows = [row for row in rows if not arguments.only or row.name in arguments.only]
    int8 = "int8 ours / ORT / README"
    titles = ["network", "logits", "same top-1", "float ours / ORT", int8, "same int8", "off by 1, 2", "codes"]
    measure = line
    if arguments.codes_only:
        titles, measure = ["network", "off by 1, 2", "codes"], codes_line
    if arguments.quantized:
        titles, measure = ["network", "nodes", "codes", "outputs", "same top-1"], quantized_line
    if arguments.codes_only or arguments.quantized:
        arguments.limit = arguments.code_images
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for row in rows:
            print(f"| {' | '.join(measure(row, arguments, work))} |", flush=True)


def table(data: Path, is_quantized: bool) -> list[Row]:
    """The float networks in the README's table, or the quantized ones, in its order."""
    rows = []
    for text in (data / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        found = re.fullmatch(r"models/(\w+)/(.+)\.onnx", cells[0])
        if not found or (found[1] == "quantized") != is_quantized or len(cells) < 12:
            continue
        per_channel, per_tensor = cells[9].split("/")[0].strip(), cells[11]
        readme = f"{per_tensor} (per tensor)" if per_channel == "fails" else per_channel
        config = data / "preprocess" / found[1] / f"{found[2]}.json"
        family = found[1]
        if is_quantized:
            family = "cifar10" if cells[4].endswith("x3x32x32") else "imagenet"
        rows.append(Row(data / cells[0], config, family, readme, data))
    return rows


def line(row: Row, arguments: argparse.Namespace, work: Path) -> list[str]:
    """The cells of one network's row of the table."""
    folder = work / row.name
    folder.mkdir(parents=True, exist_ok=True)
    chosen = row.evaluation(arguments.limit)
    print(f"{row.name}: {len(chosen)} pictures", file=sys.stderr, flush=True)
    offset = row.config.get("label_offset", 0)
    labels = None if row.family == "vww" else np.array([picture.label for picture in chosen]) + offset
    inputs = np.stack([pictures.network_input(picture, row.config) for picture in chosen])
    network = Network(with_logits(row.file))
    theirs = last_output(network, inputs)
    few = min(arguments.float_images, len(chosen))
    same_tensors = run(arguments.bitlens, row.file, *identical(row, chosen[:few], folder))
    error = relative_error(same_tensors, theirs[:few])

    evaluation = limited(row.options("eval"), len(chosen))
    preprocess = ["--preprocess", str(row.config_file)]
    ours = run(arguments.bitlens, row.file, *evaluation, *preprocess)
    labels = theirs.argmax(1) if labels is None else labels

    q_file = quantized(row, arguments, folder)
    our_int8 = run(arguments.bitlens, q_file, *evaluation, *preprocess)
    their_int8 = last_output(Network(with_logits(q_file)), inputs)
    n = len(chosen)
    return [
        row.name,
        f"{error:.1e} (n={few})",
        f"{share(ours.argmax(1) == theirs.argmax(1))} (n={n})",
        f"{share(ours.argmax(1) == labels)} / {share(theirs.argmax(1) == labels)}",
        f"{share(our_int8.argmax(1) == labels)} / {share(their_int8.argmax(1) == labels)} / {row.readme_int8}",
        share(our_int8.argmax(1) == their_int8.argmax(1)),
        off_cell(our_int8, their_int8),
        codes_cell(row, arguments, q_file, inputs, folder / "codes"),
    ]


def codes_line(row: Row, arguments: argparse.Namespace, work: Path) -> list[str]:
    """The cells of one network's row with `--codes-only`."""
    folder = work / row.name
    folder.mkdir(parents=True, exist_ok=True)
    inputs = np.stack([pictures.network_input(picture, row.config) for picture in row.evaluation(arguments.limit)])
    q_file = quantized(row, arguments, folder)
    evaluation = [*limited(row.options("eval"), len(inputs)), "--preprocess", str(row.config_file)]
    ours = run(arguments.bitlens, q_file, *evaluation)
    theirs = last_output(Network(with_logits(q_file)), inputs)
    return [row.name, off_cell(ours, theirs), codes_cell(row, arguments, q_file, inputs, folder / "codes")]


def quantized_line(row: Row, arguments: argparse.Namespace, work: Path) -> list[str]:
    """The cells of a network that others quantized."""
    folder = work / row.name
    folder.mkdir(parents=True, exist_ok=True)
    inputs = np.stack([pictures.network_input(picture, row.config) for picture in row.evaluation(arguments.limit)])
    evaluation = [*limited(row.options("eval"), len(inputs)), "--preprocess", str(row.config_file)]
    ours = run(arguments.bitlens, row.file, *evaluation).astype(np.float32)
    theirs = last_output(Network(with_logits(row.file)), inputs).astype(np.float32)
    operators = json.loads(command(arguments.bitlens, "inspect", row.file, "--json"))["operators"]
    integers, floats = sum(o["integerNodes"] for o in operators), sum(len(o["floatNodes"]) for o in operators)
    return [
        row.name,
        f"{integers} / {floats}",
        codes_cell(row, arguments, row.file, inputs, folder / "codes"),
        f"{share(ours == theirs)} ({ours.size})",
        f"{share(ours.argmax(1) == theirs.argmax(1))} (n={len(ours)})",
    ]


def quantized(row: Row, arguments: argparse.Namespace, folder: Path) -> Path:
    """The network quantized by Bitlens."""
    q_file = folder / "q.onnx"
    recipe = ["--recipe", arguments.recipe] if arguments.recipe else []
    preprocess = ["--preprocess", str(row.config_file)]
    command(arguments.bitlens, "quantize", row.file, *row.options("calib"), *preprocess, *recipe, "-o", q_file)
    return q_file


def codes_cell(row: Row, arguments: argparse.Namespace, q_file: Path, inputs: np.ndarray, folder: Path) -> str:
    """How far the codes inside the network differ from onnxruntime's."""
    few = min(arguments.code_images, len(inputs))
    evaluation = [*limited(row.options("eval"), few), "--preprocess", str(row.config_file)]
    return str(code_differences(arguments.bitlens, q_file, folder, inputs[:few], evaluation))


def with_logits(file: Path) -> onnx.ModelProto:
    """The network with what its last Softmax reads as one more output, where it ends in one."""
    model = onnx.load(file)
    makers = {output: node for node in model.graph.node for output in node.output}
    name = model.graph.output[0].name
    kind = model.graph.output[0].type.tensor_type.elem_type
    while name in makers and makers[name].op_type in {"Reshape", "Flatten", "Squeeze", "Softmax"}:
        node = makers[name]
        name = node.input[0]
        if node.op_type == "Softmax":
            model.graph.output.append(helper.make_tensor_value_info(name, kind, None))
            break
    return model


def last_output(network: Network, inputs: np.ndarray) -> np.ndarray:
    """onnxruntime's logits, flattened per picture."""
    return network.run(inputs)[-1].reshape(len(inputs), -1).astype(np.float64)


def limited(arguments: list[str], count: int) -> list[str]:
    """The arguments with that limit in place of any other."""
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    kept = [part for option, value in pairs if option != "--limit" for part in (option, value)]
    return [*kept, "--limit", str(count)]


def identical(row: Row, chosen: list[pictures.Picture], folder: Path) -> list[str]:
    """The arguments that give the command line exactly Pillow's pixels."""
    if row.family in ("cifar10", "mnist"):
        return [*limited(row.options("eval"), len(chosen)), "--preprocess", str(row.config_file)]
    pixels = folder / "pixels"
    pixels.mkdir(exist_ok=True)
    bytes_only = {"do_rescale": False, "do_normalize": False, "channel_order": "rgb", "layout": "NHWC"}
    for number, picture in enumerate(chosen):
        values = pictures.network_input(picture, row.config | bytes_only)
        Image.fromarray(values.astype(np.uint8)).save(pixels / f"{number:04}.png")
    config = folder / "pixels.json"
    dropped = ("size", "crop_size", "resample")
    kept = {key: value for key, value in row.config.items() if key not in dropped}
    config.write_text(json.dumps(kept | {"do_resize": False, "do_center_crop": False}))
    return ["--data", str(pixels), "--preprocess", str(config)]


if __name__ == "__main__":
    main()
