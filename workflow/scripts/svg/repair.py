"""Repair what is broken in a known way in a parsed drawing, and name each repair.

Colours without `rgb()`, `None` and `null` as paints, a doubled `d=`, a path that was cut off, a view that is missing or
unusable. Every level of preprocessing begins with the repaired drawing: its picture is what the shorter text must draw.
"""

from __future__ import annotations

import contextlib
import re

from lxml import etree

from svg.embedded_images import TooLarge, check_embedded
from svg.guard import IMAGES
from svg.parse import SVG_NAMESPACE, local_name
from svg.paths import repair_path_data
from svg.shapes import find_view, parse_length
from svg.style import repaired_colour

COLOURS = ("fill", "stroke", "color", "stop-color", "flood-color")

_BROKEN_COLOUR = re.compile(
    rf"(?<![\w-])({'|'.join(COLOURS)})(\s*:\s*)(\(?[\d.]+\s*,\s*[\d.]+\s*,\s*[\d.]+\)?|None|[Nn]ull|NULL)(?=\s*(?:[;}}!]|$))"
)


def repair_drawing(root: etree._Element, repairs: set[str]) -> None:
    """Repair a drawing in place; `repairs` gets the names. Raises Unusable where no view can be found."""
    for element in root.iter(etree.Element):
        for name, value in element.items():
            if name in COLOURS:
                repaired = repair_colour(value, repairs)
            elif name == "style":
                repaired = repair_style(value, repairs)
            elif name == "d":
                repaired = repair_path_attribute(value, repairs)
            else:
                continue
            if repaired != value:
                element.set(name, repaired)
        if local_name(element) in IMAGES:
            with contextlib.suppress(TooLarge):  # the guard refuses to draw it
                check_embedded(element, repairs)
        if element.tag == f"{{{SVG_NAMESPACE}}}style" and element.text:
            element.text = repair_style(element.text, repairs)
    repair_view(root, repairs)


def repair_colour(value: str, repairs: set[str]) -> str:
    repaired, repair = repaired_colour(value)
    if repair:
        repairs.add(f"repaired:{repair}")
        return repaired
    return value


def repair_path_attribute(d: str, repairs: set[str]) -> str:
    repaired, names = repair_path_data(d)
    repairs.update(f"repaired:{name}" for name in names)
    return repaired


def repair_style(text: str, repairs: set[str]) -> str:
    """Declarations with their broken colours repaired."""
    return _BROKEN_COLOUR.sub(lambda match: f"{match[1]}{match[2]}{repair_colour(match[3], repairs)}", text)


def repair_view(root: etree._Element, repairs: set[str]) -> None:
    """Give the root the view box that shows the drawing, and take away a size that is none."""
    view, worked_out = find_view(root)
    if worked_out:
        repairs.add("repaired:viewbox")
    root.set("viewBox", " ".join(f"{number:.9g}" for number in view))
    for name in ("width", "height"):
        length = parse_length(root.get(name))
        if root.get(name) is not None and (length is None or length <= 0):
            del root.attrib[name]
