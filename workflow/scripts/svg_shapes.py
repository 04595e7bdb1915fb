"""Shapes of a drawing: their lengths, their paths, where they lie, and the view that shows them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from lxml import etree
from svgelements import Matrix

from svg_outlines import NotFinite, Outline, Segment, Subpath, box_of, read_outline, transform_outline
from svg_parse import XLINK_HREF, Unusable, local_name
from svg_style import read_style, short_decimal

CONTAINERS = {"svg", "g", "a", "switch"}
GEOMETRY = {
    "rect": ("x", "y", "width", "height", "rx", "ry"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "line": ("x1", "y1", "x2", "y2"),
    "polyline": ("points",),
    "polygon": ("points",),
}
SHAPES = {"path", *GEOMETRY}
MAX_USE_DEPTH = 8
UNITS = {"px": 1, "pt": 4 / 3, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "pc": 16, None: 1}

_LENGTH = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(px|pt|mm|cm|in|pc)?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)


class BeyondCompact(Exception):
    """What the compact level cannot rewrite; the message names it."""


@lru_cache(maxsize=4096)
def parse_length(value: str | None) -> float | None:
    """A length in user units; None where it is missing, a percentage, or unusable."""
    match = _LENGTH.fullmatch(value or "")
    if not match:
        return None
    length = float(match[1]) * UNITS[match[2].lower() if match[2] else None]
    return length if math.isfinite(length) else None


def parse_transform(value: str | None) -> Matrix:
    """The matrix of a `transform` attribute; one that cannot be read changes nothing, as in a browser."""
    if not value:
        return Matrix()
    try:
        return Matrix(value)
    except (ValueError, IndexError, TypeError):
        return Matrix()


def matrix_within(element: etree._Element, matrix: Matrix) -> Matrix:
    """The matrix of what is in an element that itself is under `matrix`."""
    transform = element.get("transform")
    return parse_transform(transform) * matrix if transform else matrix


def is_flat(matrix: Matrix) -> bool:
    """Whether a matrix leaves no area: what is under it is not drawn."""
    a, b, c, d = matrix.a, matrix.b, matrix.c, matrix.d
    return abs(a * d - b * c) <= 1e-12 * (a * a + b * b + c * c + d * d)


def elements_by_id(root: etree._Element) -> dict[str, etree._Element]:
    return {element.get("id"): element for element in root.iter(etree.Element) if element.get("id")}


def used_element(element: etree._Element, by_id: Mapping[str, etree._Element]) -> etree._Element | None:
    """What a `use` refers to, or None."""
    return by_id.get((element.get("href") or element.get(XLINK_HREF) or "").removeprefix("#"))


def use_offset(element: etree._Element) -> Matrix:
    return Matrix.translate(parse_length(element.get("x")) or 0, parse_length(element.get("y")) or 0)


def shape_outline(element: etree._Element) -> Outline:
    """The outline of a shape in its own coordinates; empty where it draws nothing. Raises Unusable for broken data."""
    name = local_name(element)
    if name == "path":
        try:
            outline = read_outline(element.get("d") or "")
        except NotFinite as error:
            raise Unusable(str(error)) from error
        except ValueError as error:  # a renderer may still draw some of it
            raise BeyondCompact("path data") from error
        return [sub for sub in outline if sub.segments or sub.closed]
    if name in ("polyline", "polygon"):
        numbers = [float(number) for number in _NUMBER.findall(element.get("points") or "")]
        points = [complex(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=False)]
        lines: list[Segment] = [("L", point) for point in points[1:]]
        return [Subpath(points[0], lines, name == "polygon")] if lines else []
    get = {key: read_length(element, key) for key in GEOMETRY[name]}
    if name == "line":
        return [Subpath(complex(get["x1"], get["y1"]), [("L", complex(get["x2"], get["y2"]))])]
    if name == "rect":
        return rectangle(complex(get["x"], get["y"]), get["width"], get["height"], *corner_radii(element, get))
    radii = complex(get["r"], get["r"]) if name == "circle" else complex(*corner_radii(element, get))
    if radii.real <= 0 or radii.imag <= 0:
        return []
    left, right = complex(get["cx"] - radii.real, get["cy"]), complex(get["cx"] + radii.real, get["cy"])
    return [Subpath(right, [("A", radii, 0, False, True, left), ("A", radii, 0, False, True, right)], True)]


def read_length(element: etree._Element, key: str) -> float:
    """An attribute that is a length, 0 where it is missing. Raises BeyondCompact for one in other units."""
    value = element.get(key)
    length = parse_length(value)
    if length is None and value and value.strip() != "auto":
        raise BeyondCompact("percentages" if "%" in value else "lengths in other units")
    return length or 0.0


def corner_radii(element: etree._Element, get: Mapping[str, float]) -> tuple[float, float]:
    """The radii of a rectangle's corners or of an ellipse: one that is missing is as the other."""
    known = [element.get(key) not in (None, "auto") and get[key] >= 0 for key in ("rx", "ry")]
    rx, ry = (get["rx"] if known[0] else get["ry"]), (get["ry"] if known[1] else get["rx"])
    return max(rx, 0.0), max(ry, 0.0)


def rectangle(corner: complex, width: float, height: float, rx: float, ry: float) -> Outline:
    """The outline of a rectangle, from the end of its first corner on as the standard has it."""
    if width <= 0 or height <= 0:
        return []
    rx, ry = min(rx, width / 2), min(ry, height / 2)
    right, bottom = corner + width, corner + 1j * height
    if not rx or not ry:
        return [Subpath(corner, [("L", right), ("L", right + 1j * height), ("L", bottom)], True)]
    segments: list[Segment] = []
    # Each side, then the corner after it: where they end from the corner of the box.
    for box_corner, before, after in (
        (right, -rx, 1j * ry),
        (right + 1j * height, -1j * ry, -rx),
        (bottom, rx, -1j * ry),
        (corner, 1j * ry, rx),
    ):
        segments.append(("L", box_corner + before))
        segments.append(("A", complex(rx, ry), 0, False, True, box_corner + after))
    return [Subpath(corner + rx, segments, True)]


def basic_shape(element: etree._Element, matrix: Matrix, precision: int) -> str:
    """A circle, ellipse or rectangle as such under a matrix, where that keeps it so; else empty."""
    name = local_name(element)
    if name not in ("circle", "ellipse", "rect") or matrix.b or matrix.c or matrix.a <= 0 or matrix.d <= 0:
        return ""
    scale_x, scale_y = matrix.a, matrix.d
    get = {key: parse_length(element.get(key)) or 0.0 for key in GEOMETRY[name]}

    def on_grid(value: float) -> float:
        return round(value, precision) + 0.0

    if name == "rect":
        rx, ry = corner_radii(element, get)
        rx, ry = rx * scale_x, ry * scale_y
        left, top = on_grid(get["x"] * scale_x + matrix.e), on_grid(get["y"] * scale_y + matrix.f)
        right = on_grid((get["x"] + get["width"]) * scale_x + matrix.e)
        bottom = on_grid((get["y"] + get["height"]) * scale_y + matrix.f)
        if right <= left or bottom <= top:
            return ""
        values = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rx": rx, "ry": ry}
        if on_grid(rx) == on_grid(ry):
            values.pop("ry")
        elif not on_grid(rx) or not on_grid(ry):  # alone, the other one would stand for both
            values |= {"rx": 0.0, "ry": 0.0}
    else:
        values = {"cx": get["cx"] * scale_x + matrix.e, "cy": get["cy"] * scale_y + matrix.f}
        if name == "circle" and abs(scale_x - scale_y) < 1e-9:
            values["r"] = get["r"] * scale_x
        else:
            name = "ellipse"
            values["rx"] = (get.get("rx") or get.get("r", 0.0)) * scale_x
            values["ry"] = (get.get("ry") or get.get("r", 0.0)) * scale_y
            if element.get("rx") is None and element.get("r") is None:
                return ""
        smallest = min(values[key] for key in ("r", "rx", "ry") if key in values)
        if on_grid(smallest) <= 0:
            return ""
    attributes = {key: short_decimal(value, precision) for key, value in values.items()}
    return name + "".join(f' {key}="{value}"' for key, value in attributes.items() if value != "0")


def find_view(root: etree._Element) -> tuple[tuple[float, float, float, float], bool]:
    """The view box of a drawing (x, y, width, height), and whether it had to be worked out from the geometry.

    Raises Unusable where nothing is drawn that a view could show.
    """
    stated = [parse_length(part) for part in re.split(r"[\s,]+", (root.get("viewBox") or "").strip())]
    numbers = [number for number in stated if number is not None]
    if len(stated) == len(numbers) == 4 and numbers[2] > 0 and numbers[3] > 0:
        return (numbers[0], numbers[1], numbers[2], numbers[3]), False
    width, height = parse_length(root.get("width")), parse_length(root.get("height"))
    if width and height and width > 0 and height > 0:
        return (0.0, 0.0, width, height), False
    return find_bounds(root), True


def find_bounds(root: etree._Element) -> tuple[float, float, float, float]:
    """The box of the drawn geometry: x, y, width, height. Raises Unusable where there is none."""
    by_id = elements_by_id(root)
    line = line_of(root, ("none", 1.0))
    boxes = [box for child in root for box in iterate_boxes(child, Matrix(), by_id, line, 0)]
    if not boxes:
        raise Unusable("nothing is drawn")
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    if right <= left and bottom <= top:
        raise Unusable("the drawing has no extent")
    return left, top, max(right - left, 1e-6), max(bottom - top, 1e-6)


Line = tuple[str, float]  # the stroke of a shape and its width


def line_of(element: etree._Element, inherited: Line) -> Line:
    """The line that an element's own attributes state, beside what it inherits; rules of stylesheets are not asked."""
    style = read_style(element.get("style") or "")
    stroke = style.get("stroke") or element.get("stroke")
    width = parse_length(style.get("stroke-width") or element.get("stroke-width"))
    return stroke or inherited[0], inherited[1] if width is None else width


def is_hidden(element: etree._Element) -> bool:
    return "none" in (element.get("display"), read_style(element.get("style") or "").get("display"))


def iterate_boxes(
    element: etree._Element, matrix: Matrix, by_id: Mapping[str, etree._Element], line: Line, use_depth: int
) -> Iterator[tuple[float, float, float, float]]:
    """The box of each shape below an element, with the half of its line that is outside."""
    name = local_name(element)
    if not name or is_hidden(element):
        return
    matrix, line = matrix_within(element, matrix), line_of(element, line)
    if name in CONTAINERS:
        for child in element:
            yield from iterate_boxes(child, matrix, by_id, line, use_depth)
    elif name == "use" and use_depth < MAX_USE_DEPTH:
        target = used_element(element, by_id)
        if target is not None:
            yield from iterate_boxes(target, use_offset(element) * matrix, by_id, line, use_depth + 1)
    elif name in SHAPES:
        try:
            outline = shape_outline(element)
        except BeyondCompact:
            return
        box = box_of(transform_outline(outline, matrix))
        if box:
            reach = 0.0 if line[0] == "none" else line[1] / 2 * abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
            yield box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach
