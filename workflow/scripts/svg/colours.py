"""Colours of CSS Color 4 and, of Color 5, `color-mix` and `light-dark`, as red, green, blue and alpha.

tinycss2 parses them. Conversions to sRGB are those of CSS Color 4, sections 10 to 17; what is outside of sRGB is
clipped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import tinycss2
import tinycss2.color4
from tinycss2.color3 import RGBA, parse_color

from svg.css_tokens import split_at_commas

# CSS Color 4, 6.2, as browsers have them for a light page.
SYSTEM = {
    "canvas": "#fff", "canvastext": "#000", "linktext": "#00e", "visitedtext": "#551a8b", "activetext": "#f00",
    "buttonface": "#efefef", "buttontext": "#000", "buttonborder": "#000", "field": "#fff", "fieldtext": "#000",
    "highlight": "#3367d1", "highlighttext": "#fff", "mark": "#ff0", "marktext": "#000", "graytext": "#808080",
    # What browsers still know of CSS 2 (CSS Color 4, appendix A).
    "activeborder": "#000", "activecaption": "#fff", "appworkspace": "#fff", "background": "#fff",
    "buttonhighlight": "#efefef", "buttonshadow": "#efefef", "captiontext": "#000", "inactiveborder": "#000",
    "inactivecaption": "#fff", "inactivecaptiontext": "#808080", "infobackground": "#fff", "infotext": "#000",
    "menu": "#fff", "menutext": "#000", "scrollbar": "#fff", "threeddarkshadow": "#000", "threedface": "#efefef",
    "threedhighlight": "#000", "threedlightshadow": "#000", "threedshadow": "#000", "window": "#fff",
    "windowframe": "#000", "windowtext": "#000",
    "selecteditem": "#3367d1", "selecteditemtext": "#fff", "accentcolor": "#0075ff", "accentcolortext": "#fff",
}  # fmt: skip
_UNKNOWN = re.compile(r"\s*(?:(?:color|color-mix|device-cmyk|contrast-color)\(|[a-z]+\(\s*from\s)", re.IGNORECASE)
D50_TO_D65 = np.array(
    [
        [0.9554734527042182, -0.023098536874261423, 0.0632593086610217],
        [-0.028369706963208136, 1.0099954580058226, 0.021041398966943008],
        [0.012314001688319899, -0.020507696433477912, 1.3303659366080753],
    ]
)
XYZ_TO_SRGB = np.array(
    [
        [12831 / 3959, -329 / 214, -1974 / 3959],
        [-851781 / 878810, 1648619 / 878810, 36519 / 878810],
        [705 / 12673, -2585 / 12673, 705 / 667],
    ]
)
P3_TO_XYZ = np.array(
    [
        [608311 / 1250200, 189793 / 714400, 198249 / 1000160],
        [35783 / 156275, 247089 / 357200, 198249 / 2500400],
        [0, 32229 / 714400, 5220557 / 5000800],
    ]
)


@lru_cache(maxsize=4096)
def parse_colour(text: str) -> RGBA | None:
    """A colour of CSS; None where it is none, or `currentcolor`."""
    colour = parse_color(text)
    if isinstance(colour, RGBA):
        return colour
    text = text.strip().lower()
    if text in SYSTEM:
        return parse_colour(SYSTEM[text])
    if text.startswith(("color-mix(", "light-dark(")):
        return parse_mixed(text)
    found = tinycss2.color4.parse_color(text)
    if found is None or isinstance(found, str):
        return None
    rgb = to_srgb(found)
    return None if rgb is None else RGBA(*(min(max(float(channel), 0.0), 1.0) for channel in rgb), found.alpha)


def to_srgb(colour: Any) -> tuple[float, ...] | None:
    """The sRGB channels of a colour, not clipped; None of a colour space that browsers draw and we do not know."""
    if colour.space in ("srgb", "hsl", "hwb"):
        return colour.to("srgb").coordinates
    plain = np.array([coordinate or 0.0 for coordinate in colour.coordinates])
    if colour.space in ("lab", "lch"):
        xyz = D50_TO_D65 @ np.array(colour.to("xyz-d50").coordinates)
    elif colour.space in ("oklab", "oklch"):
        xyz = np.array(colour.to("xyz-d65").coordinates)
    elif colour.space == "xyz-d50":
        xyz = D50_TO_D65 @ plain
    elif colour.space in ("xyz", "xyz-d65"):
        xyz = plain
    elif colour.space == "display-p3":
        xyz = P3_TO_XYZ @ decoded(plain)
    elif colour.space == "srgb-linear":
        return tuple(encoded(plain))
    else:
        return None
    return tuple(encoded(XYZ_TO_SRGB @ xyz))


def decoded(channels: np.ndarray) -> np.ndarray:
    """Linear light of channels with the transfer function of sRGB."""
    size = np.abs(channels)
    return np.sign(channels) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)


def encoded(linear: np.ndarray) -> np.ndarray:
    """Channels of linear light with the transfer function of sRGB."""
    size = np.abs(linear)
    return np.sign(linear) * np.where(size > 0.0031308, 1.055 * size ** (1 / 2.4) - 0.055, 12.92 * size)


def parse_mixed(text: str) -> RGBA | None:
    """`light-dark`, which is the first on a light page, and `color-mix` in sRGB."""
    function = tinycss2.parse_one_component_value(text)
    if function.type != "function":
        return None
    parts = split_at_commas(function.arguments)
    if function.lower_name == "light-dark":
        return parse_colour(tinycss2.serialize(parts[0]).strip()) if len(parts) == 2 else None
    if len(parts) != 3 or tinycss2.serialize(parts[0]).split() != ["in", "srgb"]:
        return None
    shares = [next((token.value / 100 for token in part if token.type == "percentage"), None) for part in parts[1:]]
    colours = [
        parse_colour(tinycss2.serialize([token for token in part if token.type != "percentage"]).strip())
        for part in parts[1:]
    ]
    first, second = shares
    if first is None:
        first = 0.5 if second is None else 1 - second
    second = 1 - first if second is None else second
    whole = first + second
    if None in colours or whole <= 0:
        return None
    one, other = (colour for colour in colours if colour)
    weights = [first / whole * one.alpha, second / whole * other.alpha]
    alpha = sum(weights)
    mixed = [(weights[0] * a + weights[1] * b) / (alpha or 1) for a, b in zip(one[:3], other[:3], strict=True)]
    return RGBA(*mixed, alpha * min(whole, 1.0))


def is_unknown_colour(text: str) -> bool:
    """Whether a value that is no colour to us may be one to a browser: relative, of another space, or of a profile."""
    return bool(_UNKNOWN.match(text)) and parse_colour(text) is None


@lru_cache(maxsize=4096)
def plain_colour(text: str) -> str | None:
    """A colour in a form that all back ends read: as it is where it has one, else `rgb()` or `rgba()`; None of none."""
    colour = parse_colour(text)
    if colour is None:
        return None
    if text.startswith("#") or (text.isalpha() and parse_color(text) is not None):
        return text
    channels = ",".join(str(round(255 * channel)) for channel in colour[:3])
    plain = f"rgb({channels})" if colour.alpha == 1 else f"rgba({channels},{colour.alpha:.4g})"
    return text if text.replace(" ", "") == plain else plain
