"""Makes the bundled sample: draws pictures, trains two networks, writes the files.

    python tests/tools/make_sample.py                      # all, into www/public/sample
    python tests/tools/make_sample.py --out DIR            # all, elsewhere
    python tests/tools/make_sample.py --keep-networks      # all but training
    python tests/tools/make_sample.py --sheet sheet.png    # only a contact sheet to look at

Deterministic: with the versions of requirements.txt the pictures, masks and
JSON files are exact on every machine. The networks are exact on the same type
of processor with the same number of cores; on another one training sums in
another order and ends in equally good, not equal, weights.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from sample import scenes
from sample.shapes import LABELS

SEED = 2025
TRAIN_SPLIT, HELD_OUT_SPLIT = 0, 1
TRAIN_PICTURES, HELD_OUT_PICTURES = 7000, 2000
EPOCHS = {"sample_resnet": 10, "sample_mobilenet": 11}
SHOWN = 40  # the first of the held-out pictures, four of each class
CALIBRATION = 20  # the first of those, two of each class
ABOUT = f"Ten classes of drawn objects, {scenes.SIDE}x{scenes.SIDE} RGB. Made by tests/tools/make_sample.py."
DEFAULT_OUT = Path(__file__).resolve().parents[2] / "www" / "public" / "sample"


def main() -> None:
    """Parses the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--keep-networks", action="store_true", help="train nothing, measure what is there")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of pictures and masks, and stop")
    arguments = parser.parse_args()
    if arguments.sheet:
        contact_sheet([scenes.draw_scene(SEED, HELD_OUT_SPLIT, index) for index in range(SHOWN)]).save(arguments.sheet)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    train = [scenes.draw_scene(SEED, TRAIN_SPLIT, index) for index in range(TRAIN_PICTURES)]
    held_out = [scenes.draw_scene(SEED, HELD_OUT_SPLIT, index) for index in range(HELD_OUT_PICTURES)]
    print(f"drew {len(train) + len(held_out)} pictures, {time.monotonic() - started:.0f} s", flush=True)
    write_pictures(arguments.out, held_out[:SHOWN])
    if not arguments.keep_networks:
        train_networks(arguments.out, train, held_out)
    write_readme(arguments.out, train, held_out)


def write_pictures(out: Path, shown: list[scenes.Scene]) -> None:
    """Writes the shown pictures, their masks, and the JSON files about them."""
    (out / "masks").mkdir(exist_ok=True)
    entries = []
    for index, scene in enumerate(shown):
        name = f"{LABELS[scene.label]}_{index // len(LABELS)}"
        Image.fromarray(scene.pixels).save(out / f"{name}.png", optimize=True)
        Image.fromarray(scene.mask).save(out / "masks" / f"{name}.png", optimize=True)
        role = "calib" if index < CALIBRATION else "eval"
        entries.append({"file": f"{name}.png", "label": scene.label, "mask": f"masks/{name}.png", "role": role})
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (out / "pictures.json").write_text(f"[\n{lines}\n]\n")
    (out / "labels.json").write_text(json.dumps(LABELS) + "\n")
    (out / "preprocessor_config.json").write_text(json.dumps(preprocessing(), indent=1) + "\n")


def preprocessing() -> dict:
    """How the networks take pictures, in the form of a Hugging Face preprocessor_config.json."""
    from sample.training import MEAN, STD

    return {
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "resample": 2,
        "channel_order": "rgb",
        "layout": "NCHW",
        "label_offset": 0,
        "size": {"shortest_edge": scenes.SIDE},
        "crop_size": {"height": scenes.SIDE, "width": scenes.SIDE},
        "image_mean": MEAN.tolist(),
        "image_std": STD.tolist(),
    }


def train_networks(out: Path, train: list[scenes.Scene], held_out: list[scenes.Scene]) -> None:
    """Trains and exports both networks; stops if a file differs from what was trained."""
    from sample import measure, onnx_export, training

    pictures, (unseen, _) = arrays(train), arrays(held_out)
    for name, epochs in EPOCHS.items():
        started = time.monotonic()
        params, state = training.train(name, pictures, epochs, SEED)
        print(f"{name}: trained in {time.monotonic() - started:.0f} s", flush=True)
        model = onnx_export.exported(name, params, state, scenes.SIDE, LABELS, ABOUT)
        logits = measure.logits_of(model, unseen)
        difference = np.abs(logits - training.logits_of(name, params, state, unseen)).max()
        if difference > 1e-4 * np.abs(logits).max():
            raise SystemExit(f"{name}: the exported file differs from what was trained by {difference}")
        onnx.save(model, out / f"{name}.onnx")


def write_readme(out: Path, train: list[scenes.Scene], held_out: list[scenes.Scene]) -> None:
    """Measures the exported networks and writes README.md with the figures."""
    from sample import measure

    unseen, masks = arrays(held_out), np.stack([scene.mask for scene in held_out])
    rows = []
    for name in EPOCHS:
        path = out / f"{name}.onnx"
        model = onnx.load(path)
        right = measure.logits_of(model, unseen[0]).argmax(1) == unseen[1]
        on_object, random_cell = measure.pointing(model, unseen[0], masks)
        accuracy, here = f"{right.mean():.2%} ({right.sum()} of {len(right)})", f"{right[:SHOWN].sum()} of {SHOWN}"
        rows.append(f"| `{path.name}` | {path.stat().st_size} | {accuracy} | {here} | {on_object:.1%} |")
        print(rows[-1], flush=True)
    text = (
        (Path(__file__).parent / "sample" / "README.in.md")
        .read_text()
        .format(
            rows="\n".join(rows),
            shown=SHOWN,
            calib=CALIBRATION,
            eval=SHOWN - CALIBRATION,
            train=TRAIN_PICTURES,
            side=scenes.SIDE,
            epochs=" and ".join(str(epochs) for epochs in EPOCHS.values()),
            random_cell=random_cell,
            colour=measure.colour_only_accuracy(arrays(train), unseen),
        )
    )
    (out / "README.md").write_text(text)


def arrays(pictures: list[scenes.Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, SIDE, SIDE, 3] and labels [N]."""
    return np.stack([scene.pixels for scene in pictures]), np.array([scene.label for scene in pictures])


def contact_sheet(shown: list[scenes.Scene], zoom: int = 2) -> Image.Image:
    """Pictures in rows of ten, each row followed by its masked objects."""
    side, columns = scenes.SIDE * zoom, len(LABELS)
    sheet = Image.new("RGB", (columns * (side + 4), 2 * len(shown) // columns * (side + 4)), "white")
    for index, scene in enumerate(shown):
        x, y = index % columns * (side + 4), 2 * (index // columns) * (side + 4)
        cut = np.where(scene.mask[:, :, None], scene.pixels, scene.pixels // 6)
        sheet.paste(Image.fromarray(scene.pixels).resize((side, side), Image.Resampling.BICUBIC), (x, y))
        sheet.paste(Image.fromarray(cut).resize((side, side), Image.Resampling.NEAREST), (x, y + side + 4))
    return sheet


if __name__ == "__main__":
    main()
