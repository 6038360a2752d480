"""The ten kinds of objects, each drawn with its own random proportions.

An object lives in a square of about [-1, 1] x [-1, 1], x to the right and y
down. A `Sketch` places that square on the canvas; a shape only says what is
where. The canvas is RGBA and its alpha is the object's mask, so a hole is a
part whose colour is `HOLE`.
"""

import math

from PIL import Image, ImageDraw

from .colour import Scheme

HOLE = (0, 0, 0, 0)


class Sketch:
    """A transparent canvas that takes shapes in object coordinates."""

    def __init__(self, size: int, placement: tuple[float, ...]):
        """`placement` is (a, b, c, d, e, f): x' = a·x + b·y + c, y' = d·x + e·y + f."""
        self.image = Image.new("RGBA", (size, size), HOLE)
        self._draw = ImageDraw.Draw(self.image)
        self._placement = placement

    def polygon(self, points, colour) -> None:
        """Fills a polygon given by its corners."""
        a, b, c, d, e, f = self._placement
        placed = [(a * x + b * y + c, d * x + e * y + f) for x, y in points]
        self._draw.polygon(placed, fill=colour if len(colour) == 4 else (*colour, 255))

    def ellipse(self, centre, radii, colour, degrees=(0.0, 360.0)) -> None:
        """Fills an ellipse, or the segment between two angles (clockwise from +x)."""
        self.polygon(arc(centre, radii, degrees), colour)

    def rectangle(self, left, top, right, bottom, colour) -> None:
        """Fills a rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def stroke(self, points, width, colour) -> None:
        """Draws a polyline of the given width with round joints and ends."""
        half = width / 2
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / length * half, (x1 - x0) / length * half
            self.polygon([(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)], colour)
        for x, y in points:
            self.ellipse((x, y), (half, half), colour)


def arc(centre, radii, degrees=(0.0, 360.0), steps=40):
    """Points along an elliptic arc, clockwise on screen from +x."""
    start, stop = (math.radians(angle) for angle in degrees)
    return [
        (
            centre[0] + radii[0] * math.cos(start + (stop - start) * step / steps),
            centre[1] + radii[1] * math.sin(start + (stop - start) * step / steps),
        )
        for step in range(steps + 1)
    ]


def mixed(first, second, share):
    """The colour `share` of the way from `first` to `second`."""
    return tuple(int(round(a + (b - a) * share)) for a, b in zip(first, second))


def cup(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A cup seen slightly from above: handle, tapered body, rim, drink."""
    top, bottom = rng.uniform(0.55, 0.68), rng.uniform(0.34, 0.56)
    height, lip = rng.uniform(0.55, 0.8), rng.uniform(0.12, 0.19)
    x = -0.15
    reach = rng.uniform(0.36, 0.46)
    handle_centre = (x + (top + bottom) / 2, -0.05)
    sketch.stroke(arc(handle_centre, (reach, height * 0.5), (-100, 100)), 0.17, mixed(scheme.main, scheme.dark, 0.15))
    body = [(x - top, -height)] + arc((x, height), (bottom, lip), (180, 0)) + [(x + top, -height)]
    sketch.polygon(body, scheme.main)
    if rng.random() < 0.6:
        low, high = rng.uniform(-0.3, -0.1), rng.uniform(0.1, 0.35)
        sides = [top + (bottom - top) * (y + height) / (2 * height) for y in (low, high)]
        band = arc((x, low), (sides[0], lip), (180, 0)) + arc((x, high), (sides[1], lip), (0, 180))
        sketch.polygon(band, scheme.second)
    sketch.ellipse((x, -height), (top, lip), mixed(scheme.main, scheme.light, 0.55))
    sketch.ellipse((x, -height + 0.02), (top * 0.84, lip * 0.72), scheme.dark)


def key(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A key: bow with a hole, shaft with a collar, two or three teeth."""
    radius, shaft = rng.uniform(0.36, 0.46), rng.uniform(0.075, 0.105)
    centre = (-0.55, 0.0)
    style = rng.integers(3)
    if style == 0:
        sketch.ellipse(centre, (radius, radius), scheme.main)
    elif style == 1:
        for angle in (90, 180, 270):
            turn = math.radians(angle)
            lobe = (centre[0] + 0.2 * math.cos(turn), centre[1] + 0.2 * math.sin(turn))
            sketch.ellipse(lobe, (radius * 0.66, radius * 0.66), scheme.main)
    else:
        sketch.polygon(arc(centre, (radius * 1.08, radius * 1.08), (30, 390), 6), scheme.main)
    sketch.rectangle(-0.4, -shaft, 0.95, shaft, scheme.main)
    sketch.rectangle(-0.16, -shaft - 0.07, -0.04, shaft + 0.07, scheme.second)
    edge = 0.95
    for _ in range(int(rng.integers(2, 4))):
        width, depth = rng.uniform(0.10, 0.15), rng.uniform(0.24, 0.38)
        sketch.rectangle(edge - width, 0, edge, shaft + depth, scheme.main)
        edge -= width + rng.uniform(0.07, 0.11)
    hole = radius * rng.uniform(0.42, 0.55)
    sketch.ellipse(centre, (hole, hole), HOLE)


def star(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A five-pointed star, faceted or with a smaller star inside."""
    inner = rng.uniform(0.40, 0.54)
    tips = arc((0, 0.05), (1, 1), (-90, 270), 5)[:5]
    dents = arc((0, 0.05), (inner, inner), (-54, 306), 5)[:5]
    outline = [point for pair in zip(tips, dents) for point in pair]
    sketch.polygon(outline, scheme.main)
    if rng.random() < 0.6:
        shadow = mixed(scheme.main, scheme.dark, rng.uniform(0.25, 0.4))
        for tip, dent in zip(tips, dents):
            sketch.polygon([(0, 0.05), tip, dent], shadow)
    else:
        sketch.polygon([(x * 0.6, 0.05 + (y - 0.05) * 0.6) for x, y in outline], scheme.second)


def house(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A house front: chimney, walls, gable or hip roof, door and windows."""
    wide, eaves = rng.uniform(0.62, 0.8), rng.uniform(-0.2, 0.02)
    ridge = rng.uniform(0.0, 0.4)
    chimney = rng.choice([-1, 1]) * rng.uniform(0.3, 0.42)
    sketch.rectangle(chimney - 0.1, -0.85, chimney + 0.1, eaves, scheme.dark)
    sketch.rectangle(-wide, eaves - 0.02, wide, 0.85, scheme.main)
    over = wide + rng.uniform(0.1, 0.18)
    sketch.polygon([(-over, eaves), (-ridge, -0.85), (ridge, -0.85), (over, eaves)], scheme.second)
    door = rng.uniform(-0.3, 0.3)
    sketch.rectangle(door - 0.15, 0.28, door + 0.15, 0.85, scheme.dark)
    for x in (-wide + 0.2, wide - 0.2):
        if abs(x - door) > 0.38:
            sketch.rectangle(x - 0.15, 0.12, x + 0.15, 0.45, scheme.light)
            sketch.rectangle(x - 0.02, 0.12, x + 0.02, 0.45, scheme.dark)


def fish(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A fish swimming to the right: fins, tail, body, stripes or gill, eye."""
    tall = rng.uniform(0.38, 0.56)
    fin = mixed(scheme.second, scheme.dark, 0.1)
    spread, notch = rng.uniform(0.4, 0.56), rng.uniform(0.0, 0.18)
    sketch.polygon([(-0.48, 0), (-1.0, -spread), (-0.86 + notch, 0), (-1.0, spread)], fin)
    sketch.polygon([(-0.35, -tall * 0.7), (-0.2, -tall - 0.28), (0.3, -tall * 0.8)], fin)
    sketch.polygon([(-0.1, tall * 0.8), (-0.22, tall + 0.24), (0.18, tall * 0.85)], fin)
    upper = [(0.18 + 0.76 * math.cos(t), -tall * math.sin(t)) for t in _angles(0, math.pi)]
    lower = [(x, -y) for x, y in reversed(upper)]
    sketch.polygon(upper + lower, scheme.main)
    if rng.random() < 0.6:
        for x in (-0.2, 0.1):
            half = tall * math.sqrt(1 - ((x - 0.18) / 0.76) ** 2) * 0.97
            sketch.polygon([(x - 0.07, -half), (x + 0.07, -half), (x + 0.09, half), (x - 0.05, half)], scheme.second)
    else:
        sketch.stroke(arc((0.3, 0.0), (0.14, tall * 0.6), (110, 250), 14), 0.07, mixed(scheme.main, scheme.dark, 0.5))
    sketch.ellipse((0.62, -tall * 0.25), (0.12, 0.12), scheme.light)
    sketch.ellipse((0.65, -tall * 0.25), (0.065, 0.065), scheme.dark)


def _angles(start, stop, steps=30):
    """Equally spaced angles, both ends included."""
    return [start + (stop - start) * step / steps for step in range(steps + 1)]


def tree(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A conifer of three tiers, or a broad crown of overlapping discs."""
    trunk = rng.uniform(0.09, 0.14)
    sketch.polygon([(-trunk, 0.2), (trunk, 0.2), (trunk * 1.5, 0.98), (-trunk * 1.5, 0.98)], scheme.dark)
    if rng.random() < 0.5:
        wide = rng.uniform(0.6, 0.78)
        for tier in (2, 1, 0):
            low, half = -0.36 + 0.5 * tier, wide * (0.62 + 0.19 * tier)
            shade = mixed(scheme.main, scheme.light, 0.16 * (2 - tier))
            sketch.polygon([(-half, low), (0, low - 0.72), (half, low)], shade)
        return
    lobes = [(-0.42, -0.08), (0.42, -0.08), (0.0, 0.05), (-0.26, -0.5), (0.28, -0.5), (0.0, -0.62)]
    for x, y in lobes:
        radius = rng.uniform(0.32, 0.4)
        sketch.ellipse((x + rng.uniform(-0.05, 0.05), y), (radius, radius), mixed(scheme.main, scheme.dark, 0.12))
    for x, y in lobes:
        radius = rng.uniform(0.2, 0.28)
        sketch.ellipse((x - 0.04, y - 0.06), (radius, radius), mixed(scheme.main, scheme.light, 0.15))


def umbrella(sketch: Sketch, scheme: Scheme, rng) -> None:
    """An open umbrella: tip, panelled dome with a scalloped hem, hooked stick."""
    tall, hem, panels = rng.uniform(0.68, 0.88), 0.05, int(rng.choice([4, 5, 6]))
    hook = rng.uniform(0.13, 0.18)
    stick = [(0, -0.1), (0, 0.8)] + arc((-hook, 0.8), (hook, hook), (0, 180), 12)
    sketch.stroke([(0, -0.98), (0, -0.6)], 0.07, scheme.dark)
    sketch.stroke(stick, 0.11, scheme.dark)
    for panel in range(panels):
        left, right = -1 + 2 * panel / panels, -1 + 2 * (panel + 1) / panels
        ribs = [_rib(left, tall, hem), _rib(right, tall, hem)]
        middle, half = (left + right) / 2, (right - left) / 2
        scallop = arc((middle, hem), (half, half * 0.55), (0, -180), 12)
        colour = scheme.main if panel % 2 == 0 else scheme.second
        sketch.polygon(ribs[0] + list(reversed(ribs[1])) + scallop, colour)


def _rib(x, tall, hem):
    """Points from an umbrella's hem at `x` up to its top."""
    return [(x * math.cos(t), hem - tall * math.sin(t)) for t in _angles(0, math.pi / 2, 16)]


def car(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A car from the side: cabin, windows, body, lamp, two wheels with hubs."""
    roof, front, rear = rng.uniform(-0.58, -0.45), rng.uniform(0.25, 0.5), rng.uniform(-0.68, -0.45)
    cabin = [(rear - 0.2, -0.02), (rear, roof), (front - 0.1, roof), (front + 0.2, -0.02)]
    sketch.polygon(cabin, mixed(scheme.main, scheme.dark, 0.12))
    middle = (rear + front) / 2 - 0.03
    low, high = -0.04, roof + 0.1
    rear_window = [(rear - 0.08, low), (rear + 0.07, high), (middle - 0.05, high), (middle - 0.05, low)]
    sketch.polygon(rear_window, scheme.light)
    front_window = [(middle + 0.05, low), (middle + 0.05, high), (front - 0.14, high), (front + 0.08, low)]
    sketch.polygon(front_window, scheme.light)
    corner = 0.16
    body = arc((-0.82, 0.1), (corner, corner), (180, 270), 8) + arc((0.8, 0.14), (0.2, 0.2), (270, 360), 8)
    sketch.polygon(body + [(1.0, 0.4), (-0.98, 0.4)], scheme.main)
    sketch.rectangle(-0.98, 0.27, 1.0, 0.36, scheme.second)
    sketch.ellipse((0.9, 0.12), (0.08, 0.08), scheme.light)
    wheel = rng.uniform(0.22, 0.28)
    for x in (-0.55, 0.56):
        sketch.ellipse((x, 0.4), (wheel, wheel), scheme.dark)
        sketch.ellipse((x, 0.4), (wheel * 0.45, wheel * 0.45), mixed(scheme.light, scheme.dark, 0.2))


def mushroom(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A toadstool: bulging stem, ring, domed cap with spots."""
    tall, brim = rng.uniform(0.72, 0.98), rng.uniform(0.12, 0.2)
    thin, thick = rng.uniform(0.17, 0.24), rng.uniform(0.26, 0.36)
    stem = [(-thin, 0.0)] + arc((0, 0.8), (thick, 0.16), (180, 0), 16) + [(thin, 0.0)]
    sketch.polygon(stem, scheme.light)
    sketch.ellipse((0, 0.22), (thin + 0.1, 0.07), mixed(scheme.light, scheme.dark, 0.25))
    sketch.polygon(arc((0, 0.05), (0.92, tall), (180, 360)) + arc((0, 0.05), (0.92, brim), (0, 180)), scheme.main)
    gills = mixed(scheme.light, scheme.dark, 0.35)
    sketch.ellipse((0, 0.06), (0.74, brim * 0.66), gills)
    sketch.rectangle(-thin * 0.98, 0.05, thin * 0.98, 0.2, scheme.light)
    spots = [(-0.52, -0.22), (0.02, -0.36), (0.54, -0.2), (-0.24, -0.6), (0.34, -0.58)]
    for x, y in spots[: int(rng.integers(3, 6))]:
        radius = rng.uniform(0.08, 0.14)
        sketch.ellipse((x, y * tall / 0.85), (radius * 1.1, radius), scheme.second)


def boat(sketch: Sketch, scheme: Scheme, rng) -> None:
    """A sailing boat: mast with a pennant, one or two sails, hull with a stripe."""
    deck, bottom = rng.uniform(0.38, 0.48), rng.uniform(0.8, 0.92)
    mast = rng.uniform(-0.12, 0.08)
    sketch.stroke([(mast, -0.95), (mast, deck)], 0.07, scheme.dark)
    reach, head = rng.uniform(0.55, 0.75), rng.uniform(-0.88, -0.76)
    sketch.polygon([(mast + 0.07, head), (mast + 0.07 + reach, deck - 0.12), (mast + 0.07, deck - 0.12)], scheme.light)
    if rng.random() < 0.75:
        jib = [(mast - 0.07, head + 0.15), (mast - 0.07, deck - 0.12), (mast - 0.07 - reach * 0.75, deck - 0.12)]
        sketch.polygon(jib, scheme.second)
    sketch.polygon([(mast, -0.98), (mast - 0.3, -0.9), (mast, -0.8)], scheme.second)
    stern, bow = rng.uniform(0.55, 0.7), rng.uniform(0.5, 0.62)
    hull = [(-0.9, deck), (0.98, deck), (bow, bottom), (-stern, bottom)]
    sketch.polygon(hull, scheme.main)
    sketch.polygon([(-0.86, deck + 0.09), (0.9, deck + 0.09), (0.82, deck + 0.18), (-0.82, deck + 0.18)], scheme.second)


# The class index is the position here: append only.
SHAPES = (boat, car, cup, fish, house, key, mushroom, star, tree, umbrella)
LABELS = tuple(shape.__name__ for shape in SHAPES)

# How far each object may be turned from upright, in degrees.
MAX_TURN = {"key": 180, "star": 180, "fish": 75}
DEFAULT_MAX_TURN = 32
