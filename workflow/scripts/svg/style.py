"""Properties of SVG elements that level compact writes, and how: paints, opacities, short numbers.

Broken colours of the field (`3,84,76`, `None`) are repaired and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from tinycss2.color3 import RGBA

from svg.colours import parse_colour
from svg.stylesheets import parse_declarations

# The presentation attributes that we know how to write, with their defaults.
INHERITED = {
    "fill": "#000",
    "fill-rule": "nonzero",
    "fill-opacity": "1",
    "stroke": "none",
    "stroke-width": "1",
    "stroke-linecap": "butt",
    "stroke-linejoin": "miter",
    "stroke-miterlimit": "4",
    "stroke-dasharray": "none",
    "stroke-dashoffset": "0",
    "stroke-opacity": "1",
    "color": "#000",
    "visibility": "visible",
    "clip-rule": "nonzero",
    "paint-order": "normal",
    "marker-start": "none",
    "marker-mid": "none",
    "marker-end": "none",
    "marker": "none",
}
OWN = {
    "opacity": "1",
    "display": "inline",
    "clip-path": "none",
    "mask": "none",
    "filter": "none",
    "mix-blend-mode": "normal",
    "vector-effect": "none",
    "stop-color": "#000",
    "stop-opacity": "1",
    "overflow": "hidden",
}
DEFAULTS = {**INHERITED, **OWN}
PROPERTIES = {*INHERITED, *OWN}

_OPACITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(%)?\s*", re.IGNORECASE)
_BARE_RGB = re.compile(r"\s*\(?\s*(\d{1,3})(?:\.\d*)?\s*,\s*(\d{1,3})(?:\.\d*)?\s*,\s*(\d{1,3})(?:\.\d*)?\s*\)?\s*")
# Names that are shorter than, or as long as, the shortest hexadecimal form.
SHORT_NAMES = {
    (255, 0, 0): "red",
    (210, 180, 140): "tan",
    (0, 128, 0): "green",
    (0, 0, 255): "blue",
    (255, 255, 0): "yellow",
    (255, 165, 0): "orange",
    (128, 0, 128): "purple",
    (0, 0, 0): "black",
    (255, 255, 255): "white",
    (255, 192, 203): "pink",
    (128, 128, 128): "gray",
    (165, 42, 42): "brown",
    (0, 0, 128): "navy",
    (255, 215, 0): "gold",
    (0, 128, 128): "teal",
    (128, 128, 0): "olive",
    (192, 192, 192): "silver",
}


@lru_cache(maxsize=4096)
def read_style(text: str) -> Mapping[str, str]:
    """The properties that we know of a `style` attribute."""
    known = [one for one in parse_declarations(text) if one.name in PROPERTIES and one.value]  # an empty one is none
    plain, important = ({one.name: one.value for one in known if one.important == wanted} for wanted in (False, True))
    return plain | important


def repaired_colour(value: str) -> tuple[str, str | None]:
    """A paint with broken forms of the field repaired, and the name of the repair."""
    match = _BARE_RGB.fullmatch(value)
    if match:
        return f"rgb({match[1]},{match[2]},{match[3]})", "colour"
    if value.strip().lower() == "null" or value.strip() == "None":
        return "none", "none_colour"
    return value.strip(), None


def resolve_paint(value: str, current: str) -> RGBA | str | None:
    """A paint as RGBA, "none", or its text where it is a reference. None where it is no paint at all."""
    if value == "none" or value.startswith("url("):
        return value
    return parse_colour(current if value.lower() == "currentcolor" else value)


@lru_cache(maxsize=4096)
def shortest_colour(colour: RGBA) -> str:
    """The shortest text of an opaque colour: a plain name, #rgb or #rrggbb."""
    rgb = tuple(round(255 * min(max(channel, 0), 1)) for channel in colour[:3])
    if rgb in SHORT_NAMES:
        return SHORT_NAMES[rgb]
    text = "".join(f"{channel:02x}" for channel in rgb)
    return f"#{text[0]}{text[2]}{text[4]}" if text[0::2] == text[1::2] else f"#{text}"


@lru_cache(maxsize=4096)
def parse_opacity(value: str) -> float:
    """An opacity between 0 and 1; 1 where it cannot be read."""
    match = _OPACITY.fullmatch(value or "")
    number = float(match[1]) / (100 if match[2] else 1) if match else 1.0
    return min(max(number, 0.0), 1.0)


@lru_cache(maxsize=4096)
def written_opacity(value: str, factor: float = 1.0) -> float:
    """An opacity times a factor as it will be written, so that what is written as 0 or 1 counts as such."""
    return float(short_decimal(parse_opacity(value) * factor))


@lru_cache(maxsize=4096)
def short_decimal(value: float, precision: int = 2) -> str:
    """A number without needless zeros: 1, .5, 2.25."""
    text = f"{value:.{precision}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = re.sub(r"^(-?)0\.", r"\1.", text)
    return "0" if text == "-0" else text


Attributes = tuple[tuple[str, str], ...]


def write_attributes(attributes: Attributes) -> str:
    return "".join(f' {name}="{value}"' for name, value in attributes)
