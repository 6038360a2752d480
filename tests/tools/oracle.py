"""Runs a float network with Pillow and onnxruntime, as the truth to compare with.

    python tests/tools/oracle.py MODEL.onnx --data DATA --preprocess CONFIG.json --out DIR
        [--labels LABELS.json] [--role eval] [--skip N] [--limit N] [--batch N]

`--data` is a folder of pictures (with its `pictures.json` or `labels.json`, or
`--labels`: `[{"file", "label", "role"}]`), `cifar10:FILE.bin`, or
`idx:IMAGES.gz[,LABELS.gz]`. `--skip` and `--limit` choose a run of the pictures
that `--role` leaves. How pictures become input tensors: see `pictures.py`.

Writes into DIR:
  inputs_<N>x<C>x<H>x<W>.f32   the input tensors, little-endian, one picture after the other
  logits_<N>x<K>.f32           onnxruntime's first output, flattened per picture
  oracle.json                  tool versions, the model's sha256, and per picture
                               {file, label, top1}, top1 being an index of the output;
                               correct counts top1 == label + label_offset

So a comparison can start from the same input tensors (arithmetic alone) or
from the same files (decoding and resizing too). Half-precision networks are
fed the inputs rounded to half; the file holds them unrounded.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import PIL

import pictures
from ort import Network
from tensor_files import write_raw


def main() -> None:
    """Parses the command line and runs the network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--preprocess", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--role")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=16)
    arguments = parser.parse_args()

    config = json.loads(arguments.preprocess.read_text())
    chosen = pictures.load(arguments.data, arguments.labels, arguments.role)[arguments.skip :][: arguments.limit]
    if not chosen:
        raise SystemExit(f"{arguments.data}: no pictures left by --role, --skip and --limit")
    inputs = np.stack([pictures.network_input(picture, config) for picture in chosen])
    logits = Network(str(arguments.model)).run(inputs, batch=arguments.batch)[0]
    logits = logits.reshape(len(chosen), -1).astype(np.float32)

    arguments.out.mkdir(parents=True, exist_ok=True)
    report = summary(chosen, logits, config.get("label_offset", 0))
    report["model"] = {"file": arguments.model.name, "sha256": hashlib.sha256(arguments.model.read_bytes()).hexdigest()}
    report["inputs"] = write_raw(arguments.out, "inputs", inputs).name
    report["logits"] = write_raw(arguments.out, "logits", logits).name
    (arguments.out / "oracle.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: report[key] for key in ("images", "labelled", "correct", "inputs", "logits")}))


def summary(chosen: list[pictures.Picture], logits: np.ndarray, label_offset: int) -> dict:
    """Counts and one entry per picture; ties go to the lower index."""
    top1 = logits.argmax(1).tolist()
    entries = [{"file": p.name, "label": p.label, "top1": best} for p, best in zip(chosen, top1, strict=True)]
    labelled = [entry for entry in entries if entry["label"] is not None]
    return {
        "tools": {"onnxruntime": onnxruntime.__version__, "pillow": PIL.__version__, "numpy": np.__version__},
        "images": len(entries),
        "labelled": len(labelled),
        "correct": sum(entry["top1"] == entry["label"] + label_offset for entry in labelled),
        "label_offset": label_offset,
        "pictures": entries,
    }


if __name__ == "__main__":
    main()
