"""Colours chosen in OKLCH, so that random ones still go well together.

A scheme is drawn for the object and for the background from the same
distribution for every class: colour alone says nothing about the class.
OKLab is defined by Björn Ottosson, "A perceptual color space for image
processing", 2020. Only scalar `math` functions are used, because array
versions may differ in the last bit between processors.
"""

import math
from dataclasses import dataclass

Rgb = tuple[int, int, int]


def oklch(lightness: float, chroma: float, hue_degrees: float) -> Rgb:
    """sRGB bytes of an OKLCH colour, clipped to the gamut."""
    hue = math.radians(hue_degrees)
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return tuple(_encode(channel) for channel in linear)


def _encode(linear: float) -> int:
    """One linear-light channel as an sRGB byte."""
    linear = min(max(linear, 0.0), 1.0)
    if linear <= 0.0031308:
        value = 12.92 * linear
    else:
        value = 1.055 * linear ** (1 / 2.4) - 0.055
    return int(round(255 * value))


@dataclass(frozen=True)
class Scheme:
    """The colours of one picture: four for the object, three behind it."""

    main: Rgb
    second: Rgb
    dark: Rgb
    light: Rgb
    back: Rgb
    back_second: Rgb
    back_accent: Rgb


def draw_scheme(rng) -> Scheme:
    """A random scheme whose object stands out from its background.

    Object and background differ by at least 0.17 in lightness, or by at least
    80 degrees in hue with both of them saturated.
    """
    hue = rng.uniform(0, 360)
    lightness = rng.uniform(0.45, 0.84)
    second_hue = hue + rng.choice([-1, 1]) * rng.uniform(35, 180)
    while True:
        back_hue = rng.uniform(0, 360)
        back_lightness = rng.uniform(0.44, 0.90)
        back_chroma = rng.uniform(0.02, 0.11)
        turn = abs((back_hue - hue + 180) % 360 - 180)
        if abs(back_lightness - lightness) >= 0.17 or (turn >= 80 and back_chroma >= 0.06):
            break
    step = rng.choice([-1, 1]) * rng.uniform(0.05, 0.12)
    return Scheme(
        main=oklch(lightness, rng.uniform(0.09, 0.18), hue),
        second=oklch(min(max(lightness + rng.uniform(-0.2, 0.2), 0.4), 0.9), rng.uniform(0.08, 0.16), second_hue),
        dark=oklch(rng.uniform(0.22, 0.36), 0.04, hue + rng.uniform(-40, 40)),
        light=oklch(rng.uniform(0.90, 0.97), 0.025, second_hue),
        back=oklch(back_lightness, back_chroma, back_hue),
        back_second=oklch(back_lightness + step, back_chroma, back_hue + rng.uniform(-35, 35)),
        back_accent=oklch(rng.uniform(0.4, 0.85), rng.uniform(0.06, 0.15), rng.uniform(0, 360)),
    )
