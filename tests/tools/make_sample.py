"""Makes the bundled sample: draws pictures, trains two networks, writes the files.

    python tests/tools/make_sample.py                      # all, into www/public/sample
    python tests/tools/make_sample.py --out DIR            # all, elsewhere
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
DEFAULT_OUT = Path(__file__).resolve().parents[2] / "www" / "public" / "sample"


def main() -> None:
    """Parses the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
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
    write_networks(arguments.out, train, held_out)


def write_pictures(out: Path, shown: list[scenes.Scene]) -> None:
    """Writes the shown pictures, their masks, and the JSON files about them."""
    entries = []
    for index, scene in enumerate(shown):
        name = f"{LABELS[scene.label]}_{index // len(LABELS)}"
        Image.fromarray(scene.pixels).save(out / f"{name}.png", optimize=True)
        Image.fromarray(scene.mask).save(out / f"{name}_mask.png", optimize=True)
        role = "calib" if index < CALIBRATION else "eval"
        entries.append({"file": f"{name}.png", "label": scene.label, "mask": f"{name}_mask.png", "role": role})
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


def write_networks(out: Path, train: list[scenes.Scene], held_out: list[scenes.Scene]) -> None:
    """Trains, exports and measures both networks, and writes README.md about them."""
    from sample import measure, onnx_export, training

    pictures, unseen = arrays(train), arrays(held_out)
    facts = {"colour": measure.colour_only_accuracy(pictures, unseen), "networks": []}
    for name, epochs in EPOCHS.items():
        started = time.monotonic()
        params, state = training.train(name, pictures, epochs, SEED)
        seconds = time.monotonic() - started
        about = f"Ten classes of drawn objects, {scenes.SIDE}x{scenes.SIDE} RGB. Made by tests/tools/make_sample.py."
        model = onnx_export.exported(name, params, state, scenes.SIDE, LABELS, about)
        logits = measure.logits_of(model, unseen[0])
        difference = np.abs(logits - training.logits_of(name, params, state, unseen[0])).max()
        if difference > 1e-4 * np.abs(logits).max():
            raise SystemExit(f"{name}: the exported file differs from what was trained by {difference}")
        onnx.save(model, out / f"{name}.onnx")
        right = logits.argmax(1) == unseen[1]
        pointing = measure.pointing(model, unseen[0], np.stack([scene.mask for scene in held_out]))
        bytes_, shown = (out / f"{name}.onnx").stat().st_size, int(right[:SHOWN].sum())
        fact = dict(name=name, right=int(right.sum()), shown=shown, bytes=bytes_, pointing=pointing, epochs=epochs)
        facts["networks"].append(fact)
        print(f"{fact}, trained in {seconds:.0f} s, differs from training code by {difference:.1e}", flush=True)
    (out / "README.md").write_text(readme(facts))


def arrays(pictures: list[scenes.Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, SIDE, SIDE, 3] and labels [N]."""
    return np.stack([scene.pixels for scene in pictures]), np.array([scene.label for scene in pictures])


def readme(facts: dict) -> str:
    """README.md of the sample, with the figures just measured."""
    rows = "".join(
        f"| `{net['name']}.onnx` | {net['bytes']} | {net['right'] / HELD_OUT_PICTURES:.2%} ({net['right']} of {HELD_OUT_PICTURES}) "
        f"| {net['shown']} of {SHOWN} | {net['pointing'][0]:.1%} |\n"
        for net in facts["networks"]
    )
    chance = facts["networks"][0]["pointing"][1]
    epochs = " and ".join(str(net["epochs"]) for net in facts["networks"])
    return f"""<!-- Written by tests/tools/make_sample.py: change that, not this. -->
# The bundled sample

Two small image networks and {SHOWN} pictures, all made by this repository: the pictures are drawn by a seeded script, so the mask of every object is known and a heat map can be checked against it.

| file | bytes | held-out accuracy | right on the pictures here | attention on the object |
|---|---|---|---|---|
{rows}
- **Held-out** pictures come from another seed stream than the {TRAIN_PICTURES} that the networks were trained on ({epochs} epochs); accuracies are of the exported files, run by onnxruntime in full precision. The {SHOWN} pictures here are the first of the held-out ones, not chosen.
- **Attention on the object**: the share of all held-out pictures whose strongest cell of the 8x8 class activation map covers a part of the object. A random cell does so for {chance:.1%}.
- **Colour alone does not give the class away**: least squares on 64-bin colour histograms gets {facts['colour']:.1%} (chance: 10 %).

| file | what it holds |
|---|---|
| `*.png`, `*_mask.png` | {scenes.SIDE}x{scenes.SIDE} RGB pictures; 1-bit masks, white on the object |
| `pictures.json` | file, label (index into `labels.json`), mask, and role: {CALIBRATION} `calib` (two of each class) to calibrate with, {SHOWN - CALIBRATION} `eval` to compare on |
| `labels.json` | class names in the order of the outputs |
| `preprocessor_config.json` | RGB, divided by 255, minus 0.5, over 0.25 |

`sample_resnet` is a residual network (stages of 16, 32 and 64 channels), `sample_mobilenet` a network of inverted residuals with depthwise convolutions and ReLU6. Both are ONNX opset 17 with a dynamic batch, keep their BatchNormalization nodes and give logits.

## Making it again

```sh
pip install -r tests/tools/requirements.txt
python tests/tools/make_sample.py
```

About ten minutes on two cores. With the pinned versions the pictures, masks and JSON files come out the same on every machine; the networks come out the same on the same type of processor with the same number of cores, and equally good elsewhere.

## Licence

MIT OR Apache-2.0, as the rest of the repository. Nothing here comes from another data set or network.
"""


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
