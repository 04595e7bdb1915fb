"""What shapes refer to: gradients and clip paths, written short and once, under short names.

A gradient is rewritten for the space of the canvas: its coordinates where the matrix keeps its form, its transform
otherwise. One of the shape's own box stays as it is, since the box moves along.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree
from svgelements import Matrix
from tinycss2.color3 import RGBA

from svg.parse import local_name
from svg.shapes import BeyondCompact, length_of_view, parse_length, parse_transform, used_element
from svg.style import (
    Attributes,
    parse_opacity,
    resolve_paint,
    short_decimal,
    shortest_colour,
    write_attributes,
    written_opacity,
)

MAX_REFERENCES = 16  # of gradients to gradients
COORDINATES = {
    "linearGradient": {"x1": "0%", "y1": "0%", "x2": "100%", "y2": "0%"},
    "radialGradient": {"cx": "50%", "cy": "50%", "r": "50%", "fx": "", "fy": "", "fr": "0%"},
}
DIAGONAL = {"r", "fr"}
ZERO_IN_USER_SPACE = ("x1", "y1", "y2", "fr")  # by default; the others are shares of the view
# In units of the box, coordinates are shares of it: three decimals are half a unit of a canvas of 512.
BOX_DECIMALS = 3
FAR_IN_BOX = 4.0  # boxes
MAX_DECIMALS = 8
NEARLY_FLAT = 0.1  # sine of the angle between the axes of a transform
NEARLY_ONE = 0.01  # a scale so near to 1 is left in the transform, so that rewriting what we wrote changes nothing

Cascade = Callable[[etree._Element], Mapping[str, str]]


class NeedsFrame(Exception):
    """A paint that only fits a shape in the shape's own coordinates."""


@dataclass(frozen=True)
class Definition:
    """An element of <defs> without its name."""

    tag: str
    attributes: Attributes
    body: str


class Definitions:
    """The definitions of a drawing, each text once; names are a, b, c, … in the order in which they were added."""

    def __init__(self) -> None:
        self.names: dict[Definition, str] = {}

    def add(self, definition: Definition) -> str:
        """The name of a definition."""
        return self.names.setdefault(definition, short_name(len(self.names)))

    def keep_used(self, body: str) -> str:
        """Drop what a body does not refer to, and name the others anew: returns the body with these names."""
        places = {definition: body.find(f"url(#{name})") for definition, name in self.names.items()}
        used = sorted((definition for definition, place in places.items() if place >= 0), key=places.__getitem__)
        if used != list(self.names):
            old = {self.names[definition]: short_name(number) for number, definition in enumerate(used)}
            body = re.sub(r"url\(#(\w+)\)", lambda match: f"url(#{old[match[1]]})", body)
            self.names = {definition: short_name(number) for number, definition in enumerate(used)}
        return body

    def write(self) -> str:
        """All definitions; a gradient with the stops of an earlier one refers to it instead of repeating them."""
        owners: dict[tuple[object, ...], str] = {}
        texts = []
        for definition, name in self.names.items():
            attributes, body = dict(definition.attributes), definition.body
            inherited = {key: attributes.get(key, "") for key in ("gradientUnits", "spreadMethod")}
            owner = owners.setdefault((body, definition.tag, *inherited.values()), name)
            if owner != name and body and is_shared(definition, self.named(owner)):
                attributes = {"href": f"#{owner}", **{k: v for k, v in attributes.items() if k not in inherited}}
                body = ""
            opening = f'<{definition.tag} id="{name}"{write_attributes(tuple(attributes.items()))}'
            texts.append(f"{opening}>{body}</{definition.tag}>" if body else f"{opening}/>")
        return "".join(texts)

    def named(self, name: str) -> Definition:
        return next(definition for definition, its_name in self.names.items() if its_name == name)


def is_shared(definition: Definition, owner: Definition) -> bool:
    """Whether a gradient gets nothing but the stops, units and transform that it has as well from its owner."""
    own = dict(definition.attributes)
    return definition.tag in COORDINATES and all(key in own for key, _ in owner.attributes)


def short_name(number: int) -> str:
    """The name of the definition of a number: a … z, aa, ab, …"""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("a") + letter) + name
    return name


class Gradients:
    """Rewrites the gradients of a drawing for the canvas."""

    def __init__(self, by_id: Mapping[str, etree._Element], cascade: Cascade, definitions: Definitions, precision: int):
        self.by_id, self.cascade, self.definitions, self.precision = by_id, cascade, definitions, precision

    def paint(self, reference: str, matrix: Matrix) -> str:
        """The paint of a `url(#…)` for a shape under a matrix: a reference to a definition, a colour, or none.

        Raises NeedsFrame where only the shape's own coordinates fit, BeyondCompact for patterns.
        """
        name, _, fallback = reference.removeprefix("url(").partition(")")
        element = self.by_id.get(name.strip(" '\"").removeprefix("#"))
        if element is None:
            return fallback.strip() or "none"
        tag = local_name(element)
        if tag not in COORDINATES:
            raise BeyondCompact("pattern" if tag == "pattern" else "paint that is no gradient")
        chain = list(self._chain(element))
        stops = next((stops for stops in map(self._stops, chain) if stops), [])
        if len({(colour, opacity) for _, colour, opacity in stops}) < 2:
            if not stops or not stops[0][2]:
                return "none"
            _, colour, opacity = stops[0]
            return colour if opacity == 1 else faded_colour(colour, opacity)
        body = "".join(write_stop(*stop) for stop in stops)
        attributes = self._attributes(tag, chain, matrix)
        return f"url(#{self.definitions.add(Definition(tag, attributes, body))})"

    def _chain(self, element: etree._Element) -> Iterator[etree._Element]:
        """A gradient and those that it refers to."""
        for _ in range(MAX_REFERENCES):
            yield element
            target = used_element(element, self.by_id)
            if target is None or local_name(target) not in COORDINATES:
                return
            element = target

    def _stops(self, element: etree._Element) -> list[tuple[str, str, float]]:
        """Offset, colour and opacity of each stop; offsets never fall."""
        stops: list[tuple[str, str, float]] = []
        least = 0.0
        for child in element:
            if local_name(child) != "stop":
                continue
            style = self.cascade(child)
            colour = resolve_paint(style["stop-color"], style["color"])
            if not isinstance(colour, RGBA):
                colour = RGBA(0, 0, 0, 1)
            least = max(least, parse_opacity(child.get("offset") or "0"))
            opacity = written_opacity(style["stop-opacity"], colour.alpha)
            stops.append((short_decimal(least), shortest_colour(colour), opacity))
        return stops

    def _attributes(self, tag: str, chain: list[etree._Element], matrix: Matrix) -> Attributes:
        """The attributes of a gradient for a shape under a matrix, those of a default left out."""

        def inherited(key: str, default: str) -> str:
            return next((e.get(key) for e in chain if e.get(key) is not None), default)

        own = parse_transform(inherited("gradientTransform", ""))
        of_box = inherited("gradientUnits", "objectBoundingBox") != "userSpaceOnUse"
        texts = {key: inherited(key, default) for key, default in COORDINATES[tag].items()}
        if tag == "radialGradient":
            texts |= {"fx": texts["fx"] or texts["cx"], "fy": texts["fy"] or texts["cy"]}
        values = {key: read_coordinate(text, None if of_box else (chain[0], key)) for key, text in texts.items()}
        spread = (("spreadMethod", inherited("spreadMethod", "pad")),)
        if of_box:
            if is_turned(matrix) or matrix.a <= 0 or matrix.d <= 0:
                raise NeedsFrame
            values, own = near_origin(values, own, FAR_IN_BOX)
            written = {key: short_decimal(value, BOX_DECIMALS) for key, value in values.items()}
            defaults = {key: short_decimal(parse_opacity(text), BOX_DECIMALS) for key, text in COORDINATES[tag].items()}
            transform = write_matrix(own, BOX_DECIMALS, BOX_DECIMALS)
            units: Attributes = ()
        else:
            placed = own * matrix
            scale, keeps_form = scale_of(placed)
            if abs(scale - 1) < NEARLY_ONE:
                scale = 1.0
            if not keeps_form:
                values, placed = near_origin(values, placed, 10 ** (BOX_DECIMALS - self.precision) / scale)
            to_canvas = placed if keeps_form else Matrix.scale(scale)
            written = self._placed(values, to_canvas, scale)
            defaults = dict.fromkeys(ZERO_IN_USER_SPACE, "0")
            rest = Matrix() if keeps_form else Matrix.scale(1 / scale) * placed
            transform = write_matrix(rest, BOX_DECIMALS, self.precision)
            units = (("gradientUnits", "userSpaceOnUse"),)
        if tag == "radialGradient":
            defaults |= {"fx": written["cx"], "fy": written["cy"]}
        coordinates = tuple((key, value) for key, value in written.items() if value != defaults.get(key))
        transforms = (("gradientTransform", transform),) if transform else ()
        return (*coordinates, *transforms, *units, *(spread if spread[0][1] != "pad" else ()))

    def _placed(self, values: dict[str, float], matrix: Matrix, scale: float) -> dict[str, str]:
        """Coordinates of user space on the canvas."""
        placed: dict[str, float] = {}
        for first, second in (("x1", "y1"), ("x2", "y2"), ("cx", "cy"), ("fx", "fy")):
            if first in values:
                point = matrix.point_in_matrix_space((values[first], values[second]))
                placed |= {first: point.x, second: point.y}
        placed |= {key: values[key] * scale for key in DIAGONAL if key in values}
        return {key: short_decimal(placed[key], self.precision) for key in values}


def near_origin(values: dict[str, float], matrix: Matrix, far: float) -> tuple[dict[str, float], Matrix]:
    """A gradient and its transform, moved to the origin where a coordinate is over `far` from it.

    What rounding leaves out of the transform, which has BOX_DECIMALS, is multiplied by the coordinates, and would show.
    """
    if max(abs(values[key]) for key in values if key not in DIAGONAL) <= far:
        return values, matrix
    x, y = values["x1" if "x1" in values else "cx"], values["y1" if "y1" in values else "cy"]
    moved = {key: value - (0 if key in DIAGONAL else x if "x" in key else y) for key, value in values.items()}
    return moved, Matrix.translate(x, y) * matrix


def read_coordinate(text: str, place: tuple[etree._Element, str] | None) -> float:
    """A gradient's coordinate; a percentage is a share of the box, or with the place of the text one of the view."""
    text = text.strip()
    if text.endswith("%"):
        share = (parse_length(text[:-1]) or 0.0) / 100
        return share * length_of_view(*place) if share and place else share
    return parse_length(text) or 0.0


def scale_of(matrix: Matrix) -> tuple[float, bool]:
    """The scale of a matrix (root of its area's), and whether it keeps circles circles."""
    area = abs(matrix.a * matrix.d - matrix.b * matrix.c)
    scale = area**0.5
    if scale < 1e-9:
        raise BeyondCompact("a flat transform")
    even = abs(matrix.a**2 + matrix.b**2 - area) <= 1e-3 * area
    # Between what is written as .001 and as .002, so that what we wrote is taken alike.
    square = abs(matrix.a * matrix.c + matrix.b * matrix.d) <= 1.5e-3 * area
    return scale, even and square


def is_turned(matrix: Matrix) -> bool:
    """Whether a matrix turns or skews by as much as is written of it."""
    most = max(abs(matrix.a), abs(matrix.d))
    return max(abs(matrix.b), abs(matrix.c)) > 10**-BOX_DECIMALS / 2 * most


def is_oblique(matrix: Matrix) -> bool:
    """Whether an upright rectangle is one no more under a matrix: it is turned, and not by quarters."""
    return is_turned(matrix) and is_turned(Matrix(matrix.b, matrix.a, matrix.d, matrix.c, 0, 0))


def write_matrix(matrix: Matrix, decimals: int, decimals_of_offset: int) -> str:
    """A transform in few characters; empty for one that changes nothing. Decimals are of a column of length 1.

    Raises BeyondCompact for one that is nearly flat, whose last digits count.
    """
    area = abs(matrix.a * matrix.d - matrix.b * matrix.c)
    if area < NEARLY_FLAT * math.hypot(matrix.a, matrix.b) * math.hypot(matrix.c, matrix.d):
        raise BeyondCompact("a nearly flat transform")
    columns = (matrix.a, matrix.b), (matrix.c, matrix.d)
    linear = [short_decimal(value, fitting_decimals(column, decimals)) for column in columns for value in column]
    offset = [short_decimal(value, decimals_of_offset) for value in (matrix.e, matrix.f)]
    if linear == ["1", "0", "0", "1"]:
        if offset == ["0", "0"]:
            return ""
        return f"translate({join_numbers(offset if offset[1] != '0' else offset[:1])})"
    if linear[1:3] == ["0", "0"] and offset == ["0", "0"]:
        return f"scale({join_numbers(linear[:1] if linear[0] == linear[3] else [linear[0], linear[3]])})"
    return f"matrix({join_numbers([*linear, *offset])})"


def fitting_decimals(column: tuple[float, float], decimals: int) -> int:
    """How many decimals a column of a matrix needs: the shorter it is, the longer are the shapes that it is for."""
    length = math.hypot(*column)
    return min(max(decimals - round(math.log10(length)), 0), MAX_DECIMALS) if length else decimals


def join_numbers(numbers: list[str]) -> str:
    """Numbers with a space where no sign separates them."""
    return "".join(
        number if position == 0 or number.startswith("-") else f" {number}" for position, number in enumerate(numbers)
    )


def faded_colour(colour: str, opacity: float) -> str:
    """A colour with its opacity as CSS writes it."""
    rgba = resolve_paint(colour, "")
    assert isinstance(rgba, RGBA)
    return f"rgba({','.join(str(round(255 * channel)) for channel in rgba[:3])},{opacity})"


def write_stop(offset: str, colour: str, opacity: float) -> str:
    attributes: Attributes = (("offset", offset),) if offset != "0" else ()
    attributes += (("stop-color", colour),) if colour != "black" else ()
    attributes += (("stop-opacity", short_decimal(opacity)),) if opacity != 1 else ()
    return f"<stop{write_attributes(attributes)}/>"
