"""Measures the command line against onnxruntime on the networks of `make_networks.py`.

    python tests/tools/measure_networks.py NETWORKS --bitlens target/release/bitlens
        [--only NAME …] [--float-images 8] [--int8-images 4] [--work DIR] [--skip-int8]

NETWORKS is the folder that `make_networks.py` wrote. Prints a Markdown table, a row per network
and exporter; pictures are the folder's, in which nothing is resized, so both sides get identical
input tensors. Columns (n is the number of pictures, shares are in percent):
  float        largest difference of the float network's logits from onnxruntime's, relative to the
               largest logit of the picture
  int8 error   the same for the int8 file and the float network by onnxruntime: the file run here / by
               onnxruntime
  int8 apart   the same for the int8 file run here and by onnxruntime
  same top-1   share of pictures whose first answer here is onnxruntime's: float / int8
  codes        of all codes that QuantizeLinear nodes of the int8 file make: the share that differs by
               one, and by more, and how many of the tensors have such a code, where onnxruntime computes
               each tensor from our codes of those before it

The int8 file is made with the preset `int8`, calibrated on all pictures of the network. In a network
where float operators such as LayerNormalization lie between integer ones, a code that is rounded the
other way changes all that follow, in either runtime; so the last column looks at one step at a time.
Exits with status 1 when a float network is further off than `LIMIT`, one is refused, or a code is off
by more than one.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import pictures
from command_line import code_differences, command, relative_error, run, share
from ort import Network

# What the project promises of float networks.
LIMIT = 1e-4
TITLES = ["network", "exporter", "opset", "float", "int8 error ours / ORT", "int8 apart", "same top-1", "codes"]


def main() -> None:
    """Parses the command line, measures file by file and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path)
    parser.add_argument("--bitlens", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--float-images", type=int, default=8)
    parser.add_argument("--int8-images", type=int, default=4)
    parser.add_argument("--skip-int8", action="store_true")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    listing = json.loads((arguments.networks / "networks.json").read_text())
    failed = []
    print(f"| {' | '.join(TITLES)} |\n{'|---' * len(TITLES)}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for name, files in listing["networks"].items():
            for exporter, entry in files.items():
                if "file" not in entry or arguments.only and name not in arguments.only:
                    continue
                try:
                    cells, is_close = line(arguments, name, entry, work)
                except SystemExit as refused:
                    cells, is_close = [str(refused).strip()], False
                print(f"| {' | '.join([name, exporter, str(entry['opset']), *cells])} |", flush=True)
                failed += [] if is_close else [f"{name} ({exporter})"]
    if failed:
        raise SystemExit(f"refused, or further off than promised: {', '.join(failed)}")


def line(arguments: argparse.Namespace, name: str, entry: dict, work: Path) -> tuple[list[str], bool]:
    """The cells of one file's row from `float` on, and whether it keeps what the project promises."""
    file, folder = arguments.networks / entry["file"], arguments.networks / "pictures" / name
    preprocess = arguments.networks / "preprocess.json"
    config = json.loads(preprocess.read_text())
    few, n = arguments.float_images, arguments.int8_images
    chosen = pictures.load(str(folder))[: max(few, n)]
    inputs = np.stack([pictures.network_input(picture, config) for picture in chosen])
    given = ["--data", str(folder), "--preprocess", str(preprocess)]

    theirs = Network(str(file)).run(inputs)[0]
    start = time.perf_counter()
    ours = run(arguments.bitlens, file, *given, "--limit", str(few))
    print(f"{file.name}: {time.perf_counter() - start:.1f} s for {few}", file=sys.stderr, flush=True)
    error = relative_error(ours, theirs[:few])
    same = share(ours.argmax(1) == theirs[:few].argmax(1))
    if arguments.skip_int8:
        return [f"{error:.1e} (n={few})", "", "", same, ""], error <= LIMIT

    q_file = work / "q.onnx"
    command(arguments.bitlens, "quantize", file, *given, "-o", q_file)
    limited = [*given, "--limit", str(n)]
    our_int8, their_int8 = run(arguments.bitlens, q_file, *limited), Network(str(q_file)).run(inputs[:n])[0]
    differences = code_differences(
        arguments.bitlens, q_file, q_file.parent / "codes", inputs[:n], limited, from_ours=True
    )
    errors = [relative_error(int8, theirs[:n]) for int8 in (our_int8, their_int8)]
    cells = [
        f"{error:.1e} (n={few})",
        f"{errors[0]:.3f} / {errors[1]:.3f} (n={n})",
        f"{relative_error(our_int8, their_int8):.1e}",
        f"{same} / {share(our_int8.argmax(1) == their_int8.argmax(1))}",
        str(differences),
    ]
    return cells, error <= LIMIT and not differences.by_more


if __name__ == "__main__":
    main()
