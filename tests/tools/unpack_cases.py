"""Unpacks the node cases of ONNX's backend suite from a wheel of the package `onnx`.

    python3 unpack_cases.py WHEEL FOLDER

Writes `FOLDER/<case>/model.onnx` and its tensors, and prints the SHA-256 of all that, which is the
same for the wheels of every platform: the digest of the sorted lines "<digest of a file> <its name>".
Needs nothing but Python itself.
"""

import hashlib
import sys
import zipfile
from pathlib import Path, PurePosixPath

CASES = PurePosixPath("onnx/backend/test/data/node")


def main(wheel: str, folder: str) -> None:
    lines = []
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if entry.is_dir() or not path.is_relative_to(CASES):
                continue
            name = path.relative_to(CASES)
            if ".." in name.parts:
                sys.exit(f"{wheel}: {entry.filename} leads elsewhere")
            data = archive.read(entry)
            lines.append(f"{hashlib.sha256(data).hexdigest()} {name}\n")
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    print(hashlib.sha256("".join(sorted(lines)).encode()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
