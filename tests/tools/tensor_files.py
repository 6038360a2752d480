"""Tensors as files that need no library to read.

A raw tensor is little-endian numbers in row-major order; its type is the
file's extension and its shape the end of its name: `inputs_50x3x32x32.f32`,
`codes_50x16x8x8.u8`. The first dimension counts images. Extensions: f32, i8,
u8, i32. An ONNX TensorProto (`.pb`) is read as well.
"""

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

RAW_TYPES = {"f32": "<f4", "i8": "i1", "u8": "u1", "i32": "<i4"}
_SHAPE = re.compile(r"(?:^|_)(\d+(?:x\d+)*)$")


def read_tensor(path: Path) -> np.ndarray:
    """A tensor from a raw or a `.pb` file."""
    if path.suffix == ".pb":
        return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
    found = _SHAPE.search(path.stem)
    if not found or path.suffix[1:] not in RAW_TYPES:
        raise SystemExit(f"{path}: expected a name like inputs_50x3x32x32.f32 (f32, i8, u8, i32) or a .pb file")
    shape = tuple(int(part) for part in found[1].split("x"))
    values = np.fromfile(path, RAW_TYPES[path.suffix[1:]])
    if values.size != np.prod(shape):
        raise SystemExit(f"{path}: the name says {np.prod(shape)} numbers, the file holds {values.size}")
    return values.reshape(shape)


def read_all(where: Path, stem: str) -> np.ndarray:
    """A tensor file, or all `<stem>*` tensor files of a folder, joined along images in name order."""
    if where.is_file():
        return read_tensor(where)
    paths = [path for path in where.glob(f"{stem}*") if path.suffix == ".pb" or path.suffix[1:] in RAW_TYPES]
    if not paths:
        raise SystemExit(f"{where}: no {stem}*.f32 and no {stem}*.pb in it")
    return np.concatenate([read_tensor(path) for path in sorted(paths, key=_natural)])


def write_raw(folder: Path, stem: str, values: np.ndarray) -> Path:
    """Writes float32 numbers as `<stem>_<shape>.f32`; returns the path."""
    path = folder / f"{stem}_{'x'.join(map(str, values.shape))}.f32"
    np.ascontiguousarray(values, "<f4").tofile(path)
    return path


def _natural(path: Path) -> list:
    """A sort key that puts `input_2` before `input_10`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
