"""Trains one network: AdamW on a cosine schedule, mirrored and noisy pictures.

The same seed, package versions, processor type and number of cores give the
same weights bit for bit; another processor sums in another order.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from . import nets

MEAN = np.array([0.5, 0.5, 0.5], np.float32)
STD = np.array([0.25, 0.25, 0.25], np.float32)
BATCH = 64
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 2e-3
LABEL_SMOOTHING = 0.05


def normalized(pixels: np.ndarray) -> np.ndarray:
    """The network's input from bytes [N, H, W, 3]: divided by 255, MEAN, STD."""
    return (pixels.astype(np.float32) / np.float32(255) - MEAN) / STD


def train(name: str, pictures, epochs: int, seed: int):
    """Parameters and running statistics of a network trained on (pixels, labels)."""
    pixels, labels = pictures
    steps = nets.NETS[name]()
    params, state = nets.initialize(steps, int(labels.max()) + 1, seed)
    per_epoch = len(pixels) // BATCH
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, per_epoch, epochs * per_epoch)
    optimizer = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)
    memory = optimizer.init(params)

    @jax.jit
    def update(params, state, memory, images, targets):
        differentiated = jax.value_and_grad(_loss, argnums=1, has_aux=True)
        (loss, new_state), gradients = differentiated(steps, params, state, images, targets)
        changes, memory = optimizer.update(gradients, memory, params)
        return optax.apply_updates(params, changes), new_state, memory, loss

    rng = np.random.default_rng(seed)
    started = time.monotonic()
    for epoch in range(epochs):
        order, losses = rng.permutation(len(pixels)), []
        for first in range(0, per_epoch * BATCH, BATCH):
            chosen = order[first : first + BATCH]
            images = _augmented(pixels[chosen], rng)
            params, state, memory, loss = update(params, state, memory, images, labels[chosen])
            losses.append(loss)
        elapsed = time.monotonic() - started
        print(f"{name}: epoch {epoch + 1}/{epochs}, loss {float(np.mean(losses)):.4f}, {elapsed:.0f} s", flush=True)
    return jax.tree.map(np.asarray, (params, state))


def _loss(steps, params, state, images, targets):
    logits, new_state = nets.forward(steps, params, state, images, True)
    wanted = optax.smooth_labels(jax.nn.one_hot(targets, logits.shape[1]), LABEL_SMOOTHING)
    return optax.softmax_cross_entropy(logits, wanted).mean(), new_state


def _augmented(pixels: np.ndarray, rng) -> jnp.ndarray:
    """Normalized pictures, some mirrored, shifted by up to four pixels, with a little noise."""
    mirror = rng.random(len(pixels)) < 0.5
    images = np.where(mirror[:, None, None, None], pixels[:, :, ::-1], pixels)
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    down, right = rng.integers(0, 9, 2)
    height, width = pixels.shape[1:3]
    images = normalized(padded[:, down : down + height, right : right + width])
    return jnp.asarray(images + rng.normal(0, 0.08, images.shape).astype(np.float32))


def logits_of(name: str, params, state, pixels: np.ndarray) -> np.ndarray:
    """Logits of pictures as bytes, by the running statistics."""
    steps = nets.NETS[name]()
    run = jax.jit(lambda images: nets.forward(steps, params, state, images, False)[0])
    batches = [run(jnp.asarray(normalized(pixels[first : first + 200]))) for first in range(0, len(pixels), 200)]
    return np.concatenate([np.asarray(batch) for batch in batches])
