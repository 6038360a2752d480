"""The two networks as data: a list of steps with ONNX-readable names.

One description serves training (`forward`) and export (`onnx_export`), so the
exported file cannot drift from what was trained. Activations are NHWC here
because XLA is faster that way on a CPU; the ONNX file is NCHW.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

BATCH_NORM_EPSILON = 1e-5
# Share of the old running mean and variance kept at each training step.
BATCH_NORM_MOMENTUM = 0.95


@dataclass(frozen=True)
class Conv:
    """A convolution without bias, then BatchNormalization, then `activation`.

    Padding is (kernel - 1) // 2 on every side. `source` and `add` name earlier
    steps: where the input comes from (None: the step before) and what is added
    to the normalized result before the activation.
    """

    name: str
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    depthwise: bool = False
    activation: str | None = "relu"
    source: str | None = None
    add: str | None = None


def resnet() -> list[Conv]:
    """`sample_resnet`: three stages of 16, 32 and 64 channels, map 8x8."""
    steps = [Conv("stem/conv", 3, 16, stride=2)]
    inputs, last = 16, "stem/conv"
    for stage, (width, blocks) in enumerate(((16, 2), (32, 2), (64, 1)), start=1):
        for block in range(blocks):
            prefix = f"stage{stage}/block{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            shortcut = last
            if stride != 1 or inputs != width:
                shortcut = f"{prefix}/shortcut"
                steps.append(Conv(shortcut, inputs, width, 1, stride, activation=None, source=last))
            steps.append(Conv(f"{prefix}/conv1", inputs, width, 3, stride, source=last))
            steps.append(Conv(f"{prefix}/conv2", width, width, 3, add=shortcut))
            inputs, last = width, f"{prefix}/conv2"
    return steps


def mobilenet() -> list[Conv]:
    """`sample_mobilenet`: inverted residuals with ReLU6, map 8x8."""
    steps = [Conv("stem/conv", 3, 16, stride=2, activation="relu6")]
    inputs, last = 16, "stem/conv"
    plan = ((16, 1, 1), (24, 2, 3), (24, 1, 3), (40, 2, 3), (40, 1, 3), (56, 1, 3), (56, 1, 3))
    for block, (width, stride, expansion) in enumerate(plan):
        prefix, middle = f"block{block}", inputs * expansion
        if expansion > 1:
            steps.append(Conv(f"{prefix}/expand", inputs, middle, 1, activation="relu6"))
        steps.append(Conv(f"{prefix}/depthwise", middle, middle, 3, stride, True, "relu6"))
        residual = last if stride == 1 and inputs == width else None
        steps.append(Conv(f"{prefix}/project", middle, width, 1, activation=None, add=residual))
        inputs, last = width, f"{prefix}/project"
    steps.append(Conv("head/conv", inputs, 128, 1, activation="relu6"))
    return steps


NETS = {"sample_resnet": resnet, "sample_mobilenet": mobilenet}


def initialize(steps: list[Conv], classes: int, seed: int):
    """He-initialized parameters and fresh running statistics.

    Weights are [kernel, kernel, inputs per group, outputs]; the last step's
    width feeds the classifier `head/fc` of [width, classes].
    """
    rng = np.random.default_rng(seed)
    params, state = {}, {}
    for step in steps:
        per_group = 1 if step.depthwise else step.inputs
        shape = (step.kernel, step.kernel, per_group, step.outputs)
        deviation = (2.0 / (step.kernel**2 * per_group)) ** 0.5
        params[step.name] = {
            "weight": jnp.asarray(rng.normal(0, deviation, shape), jnp.float32),
            "scale": jnp.ones(step.outputs),
            "bias": jnp.zeros(step.outputs),
        }
        state[step.name] = {"mean": jnp.zeros(step.outputs), "variance": jnp.ones(step.outputs)}
    width = steps[-1].outputs
    params["head/fc"] = {
        "weight": jnp.asarray(rng.normal(0, (1.0 / width) ** 0.5, (width, classes)), jnp.float32),
        "bias": jnp.zeros(classes),
    }
    return params, state


def forward(steps, params, state, images, training: bool):
    """Logits [N, classes] of images [N, H, W, 3], and the new running statistics."""
    values, new_state, value = {}, {}, images
    for step in steps:
        value = values[step.source] if step.source else value
        value = _convolve(step, params[step.name]["weight"], value)
        value, new_state[step.name] = _normalize(params[step.name], state[step.name], value, training)
        if step.add:
            value = value + values[step.add]
        if step.activation:
            value = jnp.clip(value, 0, 6 if step.activation == "relu6" else None)
        values[step.name] = value
    pooled = value.mean(axis=(1, 2))
    return pooled @ params["head/fc"]["weight"] + params["head/fc"]["bias"], new_state


def _convolve(step: Conv, weight, value):
    """The step's convolution, written in the form that XLA runs fast on a CPU."""
    if step.kernel == 1:
        strided = value[:, :: step.stride, :: step.stride, :]
        return jnp.einsum("nhwi,io->nhwo", strided, weight[0, 0])
    pad = (step.kernel - 1) // 2
    if not step.depthwise:
        return jax.lax.conv_general_dilated(
            value,
            weight,
            (step.stride, step.stride),
            ((pad, pad), (pad, pad)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    padded = jnp.pad(value, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = value.shape[1] // step.stride, value.shape[2] // step.stride
    total = 0
    for row in range(step.kernel):
        for column in range(step.kernel):
            down = slice(row, row + rows * step.stride, step.stride)
            right = slice(column, column + columns * step.stride, step.stride)
            total = total + padded[:, down, right] * weight[row, column, 0]
    return total


def _normalize(params, state, value, training: bool):
    """BatchNormalization; in training by the batch, else by running statistics."""
    mean, variance = state["mean"], state["variance"]
    if training:
        batch_mean = value.mean(axis=(0, 1, 2))
        batch_variance = jnp.square(value).mean(axis=(0, 1, 2)) - jnp.square(batch_mean)
        keep = BATCH_NORM_MOMENTUM
        state = {
            "mean": keep * mean + (1 - keep) * batch_mean,
            "variance": keep * variance + (1 - keep) * batch_variance,
        }
        mean, variance = batch_mean, batch_variance
    factor = params["scale"] * jax.lax.rsqrt(variance + BATCH_NORM_EPSILON)
    return value * factor + (params["bias"] - mean * factor), state
