"""One picture: a textured background, clutter, a shadow, the shaded object.

Everything is drawn at four times the final size and averaged down, which is
the antialiasing. The mask is the object's coverage of a pixel, at least half.
A picture depends on (seed, split, index) alone, never on which pictures were
drawn before it.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from . import shapes
from .colour import Scheme, draw_scheme

SIDE = 64
SUPERSAMPLING = 4
CANVAS = SIDE * SUPERSAMPLING


@dataclass(frozen=True)
class Scene:
    """A picture with what is known about it."""

    pixels: np.ndarray  # [SIDE, SIDE, 3] uint8, RGB
    mask: np.ndarray  # [SIDE, SIDE] bool, true on the object
    label: int


def draw_scene(seed: int, split: int, index: int) -> Scene:
    """Draws picture `index` of a split; its class is `index` modulo ten."""
    rng = np.random.default_rng([seed, split, index])
    label = index % len(shapes.SHAPES)
    scheme = draw_scheme(rng)
    light = math.radians(rng.uniform(-150, -30))
    background = _background(scheme, rng)
    _clutter(background, scheme, rng)
    sketch = shapes.Sketch(CANVAS, _placement(shapes.LABELS[label], rng))
    shapes.SHAPES[label](sketch, scheme, rng)
    alpha = sketch.image.getchannel("A")
    _cast_shadow(background, alpha, light)
    background.paste(_shaded(sketch.image, alpha, light), (0, 0), alpha)
    coverage = np.asarray(alpha.reduce(SUPERSAMPLING))
    return Scene(np.asarray(background.reduce(SUPERSAMPLING)), coverage >= 128, label)


def _placement(name: str, rng) -> tuple[float, ...]:
    """Random size, turn, flip, slant and position of an object."""
    half = CANVAS * rng.uniform(0.20, 0.40)
    turn = math.radians(rng.uniform(-1, 1) * shapes.MAX_TURN.get(name, shapes.DEFAULT_MAX_TURN))
    flip = rng.choice([-1, 1])
    slant, stretch = rng.uniform(-0.15, 0.15), rng.uniform(0.88, 1.14)
    margin = half * 0.92
    x, y = rng.uniform(margin, CANVAS - margin, 2)
    cos, sin = half * math.cos(turn), half * math.sin(turn)
    a, d = flip * stretch * cos, flip * stretch * sin
    return (a, slant * cos - sin, x, d, slant * sin + cos, y)


def _shaded(image: Image.Image, alpha: Image.Image, light: float) -> Image.Image:
    """The object with rounded edges and a light that falls off across it."""
    box = alpha.getbbox()
    area = tuple(int(edge) for edge in box)
    soft = alpha.filter(ImageFilter.GaussianBlur(CANVAS / 28)).crop(area)
    height = np.asarray(soft, np.float32) / 255
    rows, columns = height.shape
    to_light = (math.cos(light), math.sin(light))
    slope = np.zeros_like(height)
    slope[:, 1:-1] -= (height[:, 2:] - height[:, :-2]) * np.float32(to_light[0])
    slope[1:-1, :] -= (height[2:, :] - height[:-2, :]) * np.float32(to_light[1])
    across = np.linspace(-1, 1, columns, dtype=np.float32)[None, :] * np.float32(to_light[0])
    down = np.linspace(-1, 1, rows, dtype=np.float32)[:, None] * np.float32(to_light[1])
    gain = 1 + 0.10 * (across + down) + 6.0 * slope
    rgb = np.asarray(image.convert("RGB").crop(area), np.float32) * np.clip(gain, 0.62, 1.35)[:, :, None]
    shaded = Image.new("RGB", image.size)
    shaded.paste(Image.fromarray(np.clip(rgb + 0.5, 0, 255).astype(np.uint8)), area[:2])
    return shaded


def _cast_shadow(background: Image.Image, alpha: Image.Image, light: float) -> None:
    """Darkens the background away from the light."""
    reach = CANVAS / 28
    offset = (int(round(-reach * math.cos(light))), int(round(-reach * math.sin(light))))
    moved = Image.new("L", alpha.size)
    moved.paste(alpha, offset)
    strength = moved.filter(ImageFilter.GaussianBlur(CANVAS / 36)).point(lambda value: int(value * 0.42))
    background.paste(Image.new("RGB", background.size, (16, 16, 28)), (0, 0), strength)


def _background(scheme: Scheme, rng) -> Image.Image:
    """A texture of two near colours under soft light and shade."""
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))](rng)
    first = Image.new("RGB", (CANVAS, CANVAS), scheme.back)
    second = Image.new("RGB", (CANVAS, CANVAS), scheme.back_second)
    image = Image.composite(second, first, pattern)
    shade = _noise(rng, (2, 3, 6), (1.0, 0.7, 0.4)).point(lambda value: 228 + (value * 54 >> 8))
    return ImageChops.multiply(image, Image.merge("RGB", (shade, shade, shade)))


def _noise(rng, cells, weights, stretch=1) -> Image.Image:
    """Sum of smooth random fields, one for each number of cells, as bytes."""
    total = np.zeros((CANVAS // 2, CANVAS // 2), np.float32)
    for count, weight in zip(cells, weights):
        grid = rng.random((count, max(count // stretch, 2)), np.float32)
        field = Image.fromarray(grid).resize((CANVAS // 2, CANVAS // 2), Image.Resampling.BICUBIC)
        total += np.float32(weight) * np.asarray(field)
    total -= total.min()
    total *= 255 / total.max()
    return Image.fromarray(total.astype(np.uint8)).resize((CANVAS, CANVAS), Image.Resampling.BILINEAR)


def _clouds(rng) -> Image.Image:
    return _noise(rng, (3, 6, 12, 24), (1.0, 0.6, 0.35, 0.25))


def _grain(rng) -> Image.Image:
    grain = _noise(rng, (6, 16, 40), (0.8, 1.0, 0.6), stretch=8)
    return grain if rng.random() < 0.5 else grain.transpose(Image.Transpose.ROTATE_90)


def _speckle(rng) -> Image.Image:
    return _noise(rng, (8, 20, 36), (0.5, 1.0, 0.9))


def _gradient(rng) -> Image.Image:
    """A ramp across the picture in a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    axis = np.linspace(-1, 1, CANVAS, dtype=np.float32)
    ramp = axis[None, :] * np.float32(math.cos(angle)) + axis[:, None] * np.float32(math.sin(angle))
    return Image.fromarray(np.clip(ramp * 110 + 128, 0, 255).astype(np.uint8))


def _stripes(rng) -> Image.Image:
    """Parallel bands in a random direction."""
    angle, period = rng.uniform(0, math.pi), CANVAS / rng.uniform(4, 11)
    axis = np.arange(CANVAS, dtype=np.float32)
    along = axis[None, :] * np.float32(math.cos(angle)) + axis[:, None] * np.float32(math.sin(angle))
    phase = np.mod(along + np.float32(rng.uniform(0, period)), np.float32(period)) / np.float32(period)
    return Image.fromarray(np.where(phase < rng.uniform(0.3, 0.6), 235, 20).astype(np.uint8))


def _checks(rng) -> Image.Image:
    """A turned checkerboard."""
    angle, period = rng.uniform(0, math.pi / 2), CANVAS / rng.uniform(5, 10)
    axis = np.arange(CANVAS, dtype=np.float32)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    u = np.floor((axis[None, :] * cos + axis[:, None] * sin) / np.float32(period))
    v = np.floor((axis[:, None] * cos - axis[None, :] * sin) / np.float32(period))
    return Image.fromarray(np.where(np.mod(u + v, 2) < 1, 225, 30).astype(np.uint8))


def _dots(rng) -> Image.Image:
    """Rows of dots, every other row shifted by half a step."""
    image = Image.new("L", (CANVAS, CANVAS), 25)
    draw = ImageDraw.Draw(image)
    step = CANVAS / rng.uniform(5, 9)
    radius, shift = step * rng.uniform(0.2, 0.34), rng.uniform(0, step)
    for row in range(-1, int(CANVAS / step) + 2):
        for column in range(-1, int(CANVAS / step) + 2):
            x, y = (column + row % 2 / 2) * step + shift, row * step + shift
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=230)
    return image


def _bricks(rng) -> Image.Image:
    """Courses of bricks with joints between them."""
    image = Image.new("L", (CANVAS, CANVAS), 235)
    draw = ImageDraw.Draw(image)
    height, joint = CANVAS / rng.uniform(6, 11), CANVAS / 64
    width = height * rng.uniform(1.8, 2.6)
    for row in range(int(CANVAS / height) + 1):
        for column in range(-1, int(CANVAS / width) + 1):
            x, y = (column + row % 2 / 2) * width, row * height
            draw.rectangle((x, y, x + width - joint, y + height - joint), fill=int(rng.integers(10, 90)))
    return image


_PATTERNS = (_clouds, _grain, _speckle, _gradient, _stripes, _checks, _dots, _bricks)


def _clutter(image: Image.Image, scheme: Scheme, rng) -> None:
    """Small plain shapes in the object's own colours, and in others."""
    draw = ImageDraw.Draw(image)
    colours = (scheme.back_accent, scheme.main, scheme.second, scheme.dark, scheme.light)
    for _ in range(int(rng.integers(0, 7))):
        colour = colours[int(rng.integers(len(colours)))]
        x, y = rng.uniform(0, CANVAS, 2)
        radius = CANVAS * rng.uniform(0.02, 0.065)
        box = (x - radius, y - radius, x + radius, y + radius)
        turn = rng.uniform(0, 360)
        kind = int(rng.integers(4))
        if kind == 0:
            draw.ellipse(box, fill=colour)
        elif kind == 3:
            draw.arc(box, turn, turn + 250, fill=colour, width=int(radius / 2))
        else:
            corners = shapes.arc((x, y), (radius * 1.2, radius * 1.2), (turn, turn + 360), kind + 2)
            draw.polygon(corners, fill=colour)
