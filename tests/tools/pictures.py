"""Pictures and labels for the oracle: folders, CIFAR-10 files, idx files.

Preprocessing follows a `preprocessor_config.json` in this order: decode to RGB
(or grey), crop the largest centred square where `crop_size` asks for it
before the resize, resize with Pillow's antialiased filter on bytes, centre
crop, scale, subtract the mean and divide by the standard deviation in float32.
The longer side after a resize of the shorter one is rounded down, a crop
starts at half the surplus rounded down, and orientation tags are ignored.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"}


@dataclass
class Picture:
    """Where a picture comes from, its label if known, and how to decode it."""

    name: str
    label: int | None
    source: Path | np.ndarray

    def decode(self, mode: str) -> Image.Image:
        """The picture in mode "RGB" or "L"."""
        if isinstance(self.source, np.ndarray):
            return Image.fromarray(self.source).convert(mode)
        with Image.open(self.source) as image:
            return image.convert(mode)


def load(data: str, labels: Path | None = None, role: str | None = None) -> list[Picture]:
    """The pictures that `data` names: a folder, `cifar10:FILE` or `idx:IMAGES[,LABELS]`."""
    if data.startswith("cifar10:"):
        return _cifar10(Path(data.removeprefix("cifar10:")))
    if data.startswith("idx:"):
        return _idx(*(Path(part) for part in data.removeprefix("idx:").split(",")))
    return _folder(Path(data), labels, role)


def _folder(folder: Path, labels: Path | None, role: str | None) -> list[Picture]:
    listing = labels or next(
        (folder / name for name in ("pictures.json", "labels.json") if (folder / name).is_file()), None
    )
    if listing is None:
        return [Picture(path.name, None, path) for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    entries = json.loads(listing.read_text())
    chosen = [entry for entry in entries if role is None or entry.get("role") == role]
    return [Picture(entry["file"], entry.get("label"), folder / entry["file"]) for entry in chosen]


def _cifar10(path: Path) -> list[Picture]:
    records = np.fromfile(path, np.uint8).reshape(-1, 3073)
    planes = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return [Picture(f"{path.name}#{i}", int(records[i, 0]), planes[i]) for i in range(len(records))]


def _idx(images: Path, labels: Path | None = None) -> list[Picture]:
    pixels = _idx_array(images)
    known = _idx_array(labels).tolist() if labels else [None] * len(pixels)
    return [Picture(f"{images.name}#{i}", known[i], pixels[i]) for i in range(len(pixels))]


def _idx_array(path: Path) -> np.ndarray:
    """The unsigned bytes of an idx file, gzipped or not."""
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an idx file of unsigned bytes")
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def network_input(picture: Picture, config: dict) -> np.ndarray:
    """The network's input [C, H, W] (or [H, W, C]) for one picture, in float32."""
    order = config.get("channel_order", "rgb")
    image = picture.decode("L" if order == "grey" else "RGB")
    if config.get("crop_size") == "largest_centre_square_before_resize":
        image = _centre_crop(image, min(image.size), min(image.size))
    if config.get("do_resize"):
        image = image.resize(_resized(image.size, config["size"]), config.get("resample", 2))
    if config.get("do_center_crop") and isinstance(config["crop_size"], dict):
        image = _centre_crop(image, config["crop_size"]["width"], config["crop_size"]["height"])
    values = np.asarray(image, np.float32)
    values = values[:, :, None] if values.ndim == 2 else values
    values = values[:, :, ::-1] if order == "bgr" else values
    if config.get("do_rescale"):
        values = values * np.float32(config["rescale_factor"])
    if config.get("do_normalize"):
        values = (values - np.float32(config["image_mean"])) / np.float32(config["image_std"])
    return values if config.get("layout", "NCHW") == "NHWC" else values.transpose(2, 0, 1)


def _resized(size: tuple[int, int], wanted: dict) -> tuple[int, int]:
    """Width and height after the resize."""
    if "shortest_edge" not in wanted:
        return wanted["width"], wanted["height"]
    short, edge = min(size), wanted["shortest_edge"]
    return tuple(edge if side == short else side * edge // short for side in size)


def _centre_crop(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
