"""Shapes of a drawing: their lengths, their paths, where they lie, and the view that shows them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree
from svgelements import Matrix

from svg.outlines import Box, NotFinite, Outline, Segment, Subpath, box_of, read_outline, transform_outline
from svg.parse import NOTHING_DRAWN, XLINK_HREF, Unusable, local_name
from svg.style import read_style

CONTAINERS = {"svg", "g", "a", "switch"}
WINDOWS = {"svg", "symbol"}
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
DEFAULT_FONT_SIZE = "16"
LETTER_WIDTH = 0.6  # of the font size, of a usual letter
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
    """The elements by their ids; of several with one, the first counts, as in browsers."""
    by_id: dict[str, etree._Element] = {}
    for element in root.iter(etree.Element):
        if element.get("id"):
            by_id.setdefault(element.get("id"), element)
    return by_id


def used_element(element: etree._Element, by_id: Mapping[str, etree._Element]) -> etree._Element | None:
    """What a `use` refers to, or None."""
    return by_id.get(link_of(element).removeprefix("#"))


def link_of(element: etree._Element) -> str:
    return element.get("href") or element.get(XLINK_HREF) or ""


def is_embedded(image: etree._Element) -> bool:
    """Whether an image carries its pixels; any other is not drawn, here and by the renderers."""
    return link_of(image).strip().lower().startswith("data:")


def use_offset(element: etree._Element) -> Matrix:
    return Matrix.translate(read_length(element, "x"), read_length(element, "y"))


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


def read_length(element: etree._Element, key: str, default: str = "0") -> float:
    """An attribute that is a length. Raises BeyondCompact for one in other units, or a share of an unknown view."""
    value = element.get(key) or default
    length = parse_length(value)
    if length is None and value.strip().endswith("%"):
        share = parse_length(value.strip()[:-1])
        return share / 100 * length_of_view(element, key) if share else 0.0
    if length is None and value.strip() != "auto":
        raise BeyondCompact("lengths in other units")
    return length or 0.0


def length_of_view(element: etree._Element, key: str) -> float:
    """What a percentage of an element's attribute is a share of: SVG 2, 8.9. Raises BeyondCompact."""
    view = next((ancestor for ancestor in element.iterancestors() if local_name(ancestor) in WINDOWS), None)
    box = stated_view_box(view) if view is not None else None
    if box is None:
        raise BeyondCompact("percentages of an unknown view")
    width, height = box[2], box[3]
    if key in ("r", "fr"):
        return math.hypot(width, height) / math.sqrt(2)
    return height if key in ("y", "height", "cy", "ry", "fy", "y1", "y2") else width


def stated_view_box(element: etree._Element) -> Box | None:
    """The view box of an element: x, y, width, height; of the root also by its size. None where it is not usable."""
    stated = [parse_length(part) for part in re.split(r"[\s,]+", (element.get("viewBox") or "").strip())]
    numbers = [number for number in stated if number is not None]
    if len(stated) == len(numbers) == 4 and numbers[2] > 0 and numbers[3] > 0:
        return numbers[0], numbers[1], numbers[2], numbers[3]
    width, height = parse_length(element.get("width")), parse_length(element.get("height"))
    is_root = element.getparent() is None
    return (0.0, 0.0, width, height) if is_root and width and height and width > 0 and height > 0 else None


@dataclass
class Window:
    """The viewport of a nested `svg` or of a `symbol` that is used.

    `placed` is the matrix of its size, from (0, 0) on, and `inner` that of what is in it.
    """

    width: float
    height: float
    placed: Matrix
    inner: Matrix


def window_of(element: etree._Element, user: etree._Element | None, matrix: Matrix) -> Window | None:
    """The viewport that an element opens under a matrix; None of one without size. Raises BeyondCompact.

    `user` is the `use` element that shows it.
    """
    width, height = (
        read_length(user if user is not None and user.get(key) else element, key, "100%") for key in ("width", "height")
    )
    if width <= 0 or height <= 0:
        return None
    placed = use_offset(element) * matrix
    box = stated_view_box(element)
    return Window(width, height, placed, fit_view(element, box, width, height) * placed if box else placed)


def fit_view(element: etree._Element, box: Box, width: float, height: float) -> Matrix:
    """The matrix that puts a view box into a viewport, by `preserveAspectRatio` (SVG 2, 8.6)."""
    x, y, own_width, own_height = box
    scale_x, scale_y = width / own_width, height / own_height
    align, *how = (element.get("preserveAspectRatio") or "xMidYMid").split() or ["xMidYMid"]
    if align != "none":
        scale_x = scale_y = max(scale_x, scale_y) if how == ["slice"] else min(scale_x, scale_y)
    shares = {"Min": 0.0, "Mid": 0.5, "Max": 1.0}
    left = (width - scale_x * own_width) * shares.get(align[1:4], 0)
    top = (height - scale_y * own_height) * shares.get(align[5:8], 0)
    return Matrix(scale_x, 0, 0, scale_y, left - scale_x * x, top - scale_y * y)


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


def find_view(root: etree._Element) -> tuple[Box, bool]:
    """The view box of a drawing (x, y, width, height), and whether it had to be worked out from the geometry.

    Raises Unusable where nothing is drawn that a view could show.
    """
    stated = stated_view_box(root)
    return (stated, False) if stated else (find_bounds(root), True)


def find_bounds(root: etree._Element) -> Box:
    """The box of the drawn geometry: x, y, width, height. Raises Unusable where there is none."""
    by_id = elements_by_id(root)
    line = line_of(root, ("none", 1.0))
    boxes = [box for child in root for box in iterate_boxes(child, Matrix(), by_id, line, 0)]
    if not boxes:
        raise Unusable(NOTHING_DRAWN)
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
    element: etree._Element, matrix: Matrix, by_id: Mapping[str, etree._Element], line: Line | None, use_depth: int
) -> Iterator[Box]:
    """The box of each shape below an element, with the half of its line that is outside, or none with no `line`."""
    name = local_name(element)
    if not name or is_hidden(element):
        return
    matrix, line = matrix_within(element, matrix), line and line_of(element, line)
    if name in CONTAINERS:
        for child in element:
            yield from iterate_boxes(child, matrix, by_id, line, use_depth)
        return
    try:
        if name == "use":
            target, matrix = used_element(element, by_id), use_offset(element) * matrix
            if target is None or use_depth >= MAX_USE_DEPTH:
                return
            if local_name(target) != "symbol":
                yield from iterate_boxes(target, matrix, by_id, line, use_depth + 1)
                return
            outline, line = outline_of_symbol(target, element), None
        else:
            outline = outline_of_box(element)
    except BeyondCompact:
        return
    box = box_of(transform_outline(outline, matrix))
    if box:
        reach = (
            0.0
            if line is None or line[0] == "none"
            else line[1] / 2 * abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
        )
        yield box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach


def outline_of_symbol(symbol: etree._Element, user: etree._Element) -> Outline:
    """The viewport in which a `use` shows a symbol; where that hangs on a view nobody knows, the symbol's own."""
    own = stated_view_box(symbol)
    if own and not user.get("width") and not user.get("height"):
        return rectangle(0j, own[2], own[3], 0, 0)
    window = window_of(symbol, user, Matrix())
    return rectangle(0j, window.width, window.height, 0, 0) if window else []


def outline_of_box(element: etree._Element) -> Outline:
    """The outline of a shape, or the box of an image or (estimated) of a text."""
    name = local_name(element)
    if name in SHAPES:
        return shape_outline(element)
    if name not in ("image", "text"):
        return []
    corner = complex(read_length(element, "x"), read_length(element, "y"))
    if name == "image":
        return rectangle(corner, read_length(element, "width"), read_length(element, "height"), 0, 0)
    size = read_length(element, "font-size", DEFAULT_FONT_SIZE)
    width = LETTER_WIDTH * size * len("".join(element.itertext()).strip())
    left = {"middle": width / 2, "end": width}.get(element.get("text-anchor") or "", 0.0)
    return rectangle(corner - left - 1j * size, width, 1.25 * size, 0, 0)
