"""Shapes of a drawing: their lengths, their paths, where they lie, and the view that shows them."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping

from lxml import etree
from svgelements import SVG as SvgElements
from svgelements import Matrix, Path, Shape

from svg_parse import SVG_NAMESPACE, XLINK_HREF, Unusable, local_name
from svg_paths import NotFinite, PathWriter, parse_path

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


class BeyondCompact(Exception):
    """What the compact level cannot rewrite; the message names it."""


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


def elements_by_id(root: etree._Element) -> dict[str, etree._Element]:
    return {element.get("id"): element for element in root.iter(etree.Element) if element.get("id")}


def used_element(element: etree._Element, by_id: Mapping[str, etree._Element]) -> etree._Element | None:
    """What a `use` refers to, or None."""
    return by_id.get((element.get("href") or element.get(XLINK_HREF) or "").removeprefix("#"))


def use_offset(element: etree._Element) -> Matrix:
    return Matrix.translate(parse_length(element.get("x")) or 0, parse_length(element.get("y")) or 0)


def shape_path(element: etree._Element) -> Path | None:
    """The path of a shape in its own coordinates; None where it draws nothing. Raises Unusable for broken data."""
    name = local_name(element)
    if name == "path":
        try:
            path = parse_path(element.get("d") or "")
        except NotFinite as error:
            raise Unusable(str(error)) from error
        except ValueError as error:  # a renderer may still draw some of it
            raise BeyondCompact("path data") from error
        return path if len(path) > 1 else None
    attributes = {key: value for key, value in element.attrib.items() if key in GEOMETRY[name]}
    if any("%" in value for value in attributes.values()):
        raise BeyondCompact("percentages")
    text = etree.tostring(etree.Element(f"{{{SVG_NAMESPACE}}}{name}", attributes), encoding="unicode")
    elements = SvgElements.parse(io.StringIO(f"<svg>{text}</svg>")).elements()
    shape = next((element for element in elements if isinstance(element, Shape)), None)
    path = Path(shape) if shape is not None else Path()
    return path if len(path) > 1 else None


def basic_shape(element: etree._Element, matrix: Matrix, writer: PathWriter) -> str:
    """A circle, ellipse or rectangle as such under a matrix, where that keeps it so; else empty."""
    name = local_name(element)
    if name not in ("circle", "ellipse", "rect") or matrix.b or matrix.c or matrix.a <= 0 or matrix.d <= 0:
        return ""
    scale_x, scale_y = matrix.a, matrix.d
    get = {key: parse_length(element.get(key)) or 0.0 for key in GEOMETRY[name]}
    number = writer.number
    if name == "rect":
        radius_x = parse_length(element.get("rx"))
        radius_y = parse_length(element.get("ry"))
        rx = (radius_x if radius_x is not None else radius_y or 0.0) * scale_x
        ry = (radius_y if radius_y is not None else radius_x or 0.0) * scale_y
        left, top = writer.round(get["x"] * scale_x + matrix.e), writer.round(get["y"] * scale_y + matrix.f)
        right = writer.round((get["x"] + get["width"]) * scale_x + matrix.e)
        bottom = writer.round((get["y"] + get["height"]) * scale_y + matrix.f)
        values = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rx": rx, "ry": ry}
        if abs(rx - ry) < 10**-writer.precision / 2:
            values.pop("ry")
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
        if writer.round(smallest) <= 0:
            return ""
    attributes = "".join(f' {key}="{number(value)}"' for key, value in values.items() if writer.round(value) != 0)
    return name + attributes


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
    boxes = [box for child in root for box in iterate_boxes(child, Matrix(), by_id, 0)]
    if not boxes:
        raise Unusable("nothing is drawn")
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    if right <= left and bottom <= top:
        raise Unusable("the drawing has no extent")
    return left, top, max(right - left, 1e-6), max(bottom - top, 1e-6)


def iterate_boxes(
    element: etree._Element, matrix: Matrix, by_id: Mapping[str, etree._Element], use_depth: int
) -> Iterator[tuple[float, float, float, float]]:
    """The box of each shape below an element."""
    name = local_name(element)
    matrix = parse_transform(element.get("transform")) * matrix
    if name in CONTAINERS:
        for child in element:
            yield from iterate_boxes(child, matrix, by_id, use_depth)
    elif name == "use" and use_depth < MAX_USE_DEPTH:
        target = used_element(element, by_id)
        if target is not None:
            yield from iterate_boxes(target, use_offset(element) * matrix, by_id, use_depth + 1)
    elif name in SHAPES:
        try:
            path = shape_path(element)
        except BeyondCompact:
            return
        box = (path * matrix).bbox() if path is not None else None
        if box:
            yield box
