"""Makes the files of tests/bad_networks: networks that cannot be read, and files that are none.

    python tests/tools/make_bad_networks.py
    python tests/tools/make_bad_networks.py --out DIR

Every case is `NAME.onnx`; `NAME.onnx.data`, where there is one, holds weights.
What is said about each stands in `messages.toml` beside them, which is written
by `BITLENS_MESSAGES=update cargo test --features cli --test it bad_networks`
(see CONTRIBUTING.md). Needs onnx alone; nothing here is random.
"""

import argparse
from pathlib import Path

from bad_networks import damaged, header, operators, quantized, strangers, structure, tensors

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "bad_networks"
MODULES = (strangers, damaged, header, structure, tensors, operators, quantized)
MOST_BYTES = 2000


def main() -> None:
    """Replaces every file of a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for path in [*out.glob("*.onnx"), *out.glob("*.onnx.data")]:
        path.unlink()
    count = total = 0
    for module in MODULES:
        for name, content in module.cases().items():
            path = out / (name if name.endswith(".data") else f"{name}.onnx")
            if path.exists():
                raise SystemExit(f"two cases bear the name {name}")
            if len(content) > MOST_BYTES:
                raise SystemExit(f"{name}: larger than {MOST_BYTES} bytes")
            path.write_bytes(content)
            count, total = count + 1, total + len(content)
    print(f"{count} files, {total} bytes")


if __name__ == "__main__":
    main()
