"""Ranges of a fixed list of numbers by other implementations than ours: what
`src/quant/estimate/tests.rs` (`ranges_are_those_of_other_implementations`) states.

    python tests/tools/ranges.py

prints, for all numbers and for those that a Relu leaves:

- percentile: onnxruntime's PercentileCalibrater, with the bins that it is given here
- kl: the threshold of the definition in `src/quant/estimate/kl.rs`, bin by bin in NumPy, strict and with
  tolerance 1.3; onnxruntime's Entropy calibration has another one (one histogram over both signs, groups of
  whole bins with the rest in the last, outliers added at both ends), so it is no reference for it.
"""

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

# One more than a round number: no percentile lies between two numbers.
COUNT = 20001
BINS = 2048


def numbers() -> np.ndarray:
    """Cubes of sums of four pseudorandom numbers: most are small, a few large."""
    state, found = 1, []
    for _ in range(COUNT):
        total = 0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) % 2**32
            total += state >> 20
        found.append((total - 8190) / 1024)
    return np.array([v * v * v / 8 for v in found], np.float32)


def percentile(values: np.ndarray, percent: float, symmetric: bool) -> tuple:
    collector = HistogramCollector(method="percentile", symmetric=symmetric, num_bins=BINS,
                                   num_quantized_bins=128, percentile=percent, scenario="same")
    collector.collect({"x": [values]})
    low, high = collector.compute_collection_result()["x"][:2]
    return float(low), float(high)


def divergence(counts: np.ndarray, kept: int, levels: int) -> float:
    p = counts[:kept].copy()
    p[-1] += counts[kept:].sum()
    inside, group = counts[:kept], np.arange(kept) * levels // kept
    mass = np.bincount(group, inside, levels)
    filled = np.bincount(group, inside > 0, levels)
    q = np.where(inside > 0, mass[group] / np.maximum(filled[group], 1), 0)
    p, q = p / p.sum(), q / q.sum()
    q = np.where(q == 0, 1e-6, q)
    at = p > 0
    return float((p[at] * np.log(p[at] / q[at])).sum())


def kl(values: np.ndarray, levels: int, tolerance: float) -> float:
    magnitudes = np.abs(values[values != 0]).astype(np.float64)
    width = 2.0 ** (np.floor(np.log2(magnitudes.max())) + 1) / BINS
    counts = np.bincount((magnitudes / width).astype(np.int64)).astype(np.float64)
    found = np.array([divergence(counts, kept, levels) for kept in range(levels, len(counts) + 1)])
    return (np.flatnonzero(found <= tolerance * found.min()).max() + levels + 0.5) * width


def main() -> None:
    both = numbers()
    relu = np.maximum(both, 0)
    print(f"numbers: {both.min()} to {both.max()}, sum of magnitudes {np.abs(both.astype(np.float64)).sum()!r}")
    for percent in (99.0, 99.9):
        print(percent, "both", percentile(both, percent, False), "symmetric", percentile(both, percent, True),
              "relu", percentile(relu, percent, True))
    for tolerance in (1.0, 1.3):
        print(tolerance, "both, 128 levels", kl(both, 128, tolerance), "relu, 256 levels", kl(relu, 256, tolerance))


if __name__ == "__main__":
    main()
