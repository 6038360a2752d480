"""Checks an exported file and compares it with the original: python3 compare.py ORIGINAL EXPORTED."""
import sys

import numpy as np
import onnx
import onnxruntime as ort

original, exported = sys.argv[1:]
onnx.checker.check_model(onnx.load(exported), full_check=True)

# One thread and no optimization: both files go through the same kernels in the same order.
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
options.log_severity_level = 4


def run(path):
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    overridable = {i.name for i in session.get_overridable_initializers()}
    inputs = {}
    for i in session.get_inputs():
        if i.name in overridable:
            continue
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in i.shape]
        x = generator.standard_normal(shape)
        inputs[i.name] = x.astype(np.float16 if i.type == "tensor(float16)" else np.float32)
    return session.run(None, inputs), "float16" in "".join(i.type for i in session.get_inputs())


(expected, half), (got, _) = run(original), run(exported)
assert len(expected) == len(got)
worst = 0.0
for a, b in zip(expected, got):
    assert a.shape == b.shape, (a.shape, b.shape)
    a, b = a.astype(np.float64), b.astype(np.float64)
    worst = max(worst, np.abs(a - b).max() / np.abs(a).max())
# float16 rounds to 11 bits after every node; the exported file computes in float32.
assert worst <= (2e-2 if half else 0.0), f"outputs differ by {worst} of the largest"
print(f"checked, largest difference {worst:g} of the largest output")
