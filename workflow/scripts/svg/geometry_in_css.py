"""Transforms and clipping shapes of CSS as the attributes and elements of SVG that draw the same.

CSS Transforms 1 and 2, CSS Masking 1, CSS Shapes 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tinycss2
from lxml import etree
from svgelements import Matrix

from svg.conditions import SCREEN
from svg.css_tokens import significant
from svg.css_values import (
    Box,
    Context,
    parse_css_transform,
    parse_origin,
    read_distance,
    write_transform,
)
from svg.parse import SVG_NAMESPACE, local_name
from svg.shapes import (
    BeyondCompact,
    fit_view,
    iterate_boxes,
    length_of_view,
    line_of,
    parse_length,
    parse_transform,
    stated_view_box,
)

# Elements whose geometry CSS may state, by properties.
GEOMETRY_OF = {
    "rect": {"x", "y", "width", "height", "rx", "ry"},
    "circle": {"cx", "cy", "r"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "use": {"x", "y"},
    **{name: {"x", "y", "width", "height"} for name in ("image", "foreignObject")},
}
_IN_SPACE = re.compile(r"3d\(|perspective\(|rotate[xy]\(", re.IGNORECASE)
BOXES = {"fill-box", "stroke-box", "view-box", "content-box", "padding-box", "border-box", "margin-box"}
OF_FILL = ("fill-box", "content-box", "padding-box")


def box_of_element(by_id: Mapping[str, etree._Element], element: etree._Element, keyword: str) -> Box | None:
    """The reference box of an element in its own coordinates: x, y, width, height; None where we do not know it."""
    if keyword == "view-box":
        try:
            return 0.0, 0.0, length_of_view(element, "width"), length_of_view(element, "height")
        except BeyondCompact:
            return None
    if local_name(element) == "text" or next(element.iter("{*}text"), None) is not None:
        return None
    line = None if keyword in OF_FILL else line_around(element)
    transform = element.attrib.pop("transform", None)
    try:
        boxes = list(iterate_boxes(element, Matrix(), by_id, line, 0))
    finally:
        if transform is not None:
            element.set("transform", transform)
    if not boxes:
        return None
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return left, top, max(box[2] for box in boxes) - left, max(box[3] for box in boxes) - top


def line_around(element: etree._Element) -> tuple[str, float]:
    """The stroke that an element inherits, and its width."""
    line = ("none", 1.0)
    for ancestor in reversed(list(element.iterancestors(etree.Element))):
        line = line_of(ancestor, line)
    return line


def resolve_transform(
    by_id: Mapping[str, etree._Element], element: etree._Element, said: dict[str, str], attribute: str, context: Context
) -> str | None:
    """The `transform` attribute of an element with these properties of CSS Transforms; None where we cannot tell it.

    `said` has the values of the properties, empty where they are not set, and `attribute` is that of SVG.
    """
    if any(value.lower() == "inherit" for value in said.values()):
        return None
    keyword = said["transform-box"].lower() or "view-box"
    is_root = element.getparent() is None
    uses_box = any("%" in value for value in said.values()) or said["transform-origin"] or keyword != "view-box"
    if is_root:
        box: Box | None = (0.0, 0.0, float(SCREEN), float(SCREEN))
    else:
        box = box_of_element(by_id, element, keyword) if uses_box else (0.0, 0.0, 0.0, 0.0)
    if box is None:
        return None
    matrix = parse_css_transform(said["transform"], box, context) if said["transform"] else None
    if said["transform"].lower() == "none":
        matrix = Matrix()
    elif matrix is None:  # there is none, or it is invalid: then the attribute counts
        matrix = None if _IN_SPACE.search(said["transform"]) else parse_transform(attribute)
    separate = matrix_of_properties(said, box, context)
    origin = parse_origin(said["transform-origin"] or ("50% 50%" if is_root else "0 0"), box, context)
    if matrix is None or separate is None or origin is None:
        return None
    x, y = box[0] + origin[0], box[1] + origin[1]
    return write_transform(Matrix.translate(-x, -y) * matrix * separate * Matrix.translate(x, y))


def matrix_of_properties(said: dict[str, str], box: Box, context: Context) -> Matrix | None:
    """The matrix of `scale`, then `rotate`, then `translate`."""
    matrix = Matrix()
    for name in ("scale", "rotate", "translate"):
        if said[name] and said[name].lower() != "none":
            parts = [part.serialize() for part in significant(said[name])]
            if name == "rotate":
                parts = [part for part in parts if part.lower() != "z"]
            function = f"{name}3d" if len(parts) > 2 else name
            part = parse_css_transform(f"{function}({','.join(parts)})", box, context)
            if part is None:
                return None
            matrix = matrix * part
    return matrix


def matrix_to_screen(root: etree._Element) -> Matrix | None:
    """The matrix from the view of a drawing to a screen that its picture fills; None where it has no view."""
    view = stated_view_box(root)
    if view is None:
        return None
    wide, high = parse_length(root.get("width")) or 0, parse_length(root.get("height")) or 0
    wide, high = (wide, high) if wide > 0 and high > 0 else view[2:]
    width, height = (SCREEN * side / max(wide, high) for side in (wide, high))
    return fit_view(root, view, width, height)


def transform_root(root: etree._Element, transform: str) -> None:
    """Put what is in the root into a group under a transform in pixels of the screen, as a browser transforms it."""
    view = stated_view_box(root)
    if view is None:
        return
    unit = max(view[2], view[3]) / SCREEN
    left, top = view[0] - (max(view[2:]) - view[2]) / 2, view[1] - (max(view[2:]) - view[3]) / 2
    to_screen = Matrix.translate(-left, -top) * Matrix.scale(1 / unit)
    matrix = to_screen * parse_transform(transform) * Matrix.scale(unit) * Matrix.translate(left, top)
    group = etree.Element(f"{{{SVG_NAMESPACE}}}g", transform=write_transform(matrix))
    group.extend(list(root))
    root.append(group)


def shape_clip(
    by_id: Mapping[str, etree._Element], element: etree._Element, clip: str, context: Context
) -> etree._Element | None:
    """The basic shape of CSS, or the box, that clips an element; None where we cannot tell it."""
    tokens = significant(clip)
    functions = [token for token in tokens if token.type == "function"]
    keywords = [token.lower_value for token in tokens if token.type == "ident"]
    box = box_of_element(by_id, element, keywords[0] if keywords else "") if len(functions) < 2 else None
    if box is None:
        return None
    if not functions:
        sides = zip(("x", "y", "width", "height"), box, strict=True)
        return etree.Element(f"{{{SVG_NAMESPACE}}}rect", {key: f"{value:.9g}" for key, value in sides})
    try:
        tag, attributes = shape_of(functions[0], box, context)
    except (ValueError, IndexError):
        return None
    return etree.Element(f"{{{SVG_NAMESPACE}}}{tag}", attributes)


def shape_of(function: Any, box: Box, context: Context) -> tuple[str, dict[str, str]]:
    """The element and the attributes of a basic shape in a box. Raises ValueError or IndexError."""
    x, y, width, height = box
    name = function.lower_name
    arguments = significant(function.arguments)
    if name in ("circle", "ellipse"):
        return round_shape(name, arguments, box, context)
    if name in ("inset", "rect", "xywh"):
        return inset_shape(name, arguments, box, context)
    if name == "polygon":
        rule, rest = fill_rule(arguments)
        numbers = [read_distance(t, (width, height)[n % 2], context) for n, t in enumerate(t for t in rest if t != ",")]
        points = [f"{x + a:.9g},{y + b:.9g}" for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        return "polygon", {"points": " ".join(points), **rule}
    if name == "path":
        rule, rest = fill_rule(arguments)
        if rest[0].type != "string":
            raise ValueError("no path data")
        shift = {"transform": f"translate({x:.9g} {y:.9g})"} if x or y else {}
        return "path", {"d": rest[0].value, **rule, **shift}
    raise ValueError("another shape")


def fill_rule(arguments: list[Any]) -> tuple[dict[str, str], list[Any]]:
    if arguments and arguments[0].type == "ident":
        return {"clip-rule": arguments[0].lower_value}, arguments[2:]
    return {}, arguments


def round_shape(name: str, arguments: list[Any], box: Box, context: Context) -> tuple[str, dict[str, str]]:
    x, y, width, height = box
    at = next((n for n, token in enumerate(arguments) if token.type == "ident" and token.lower_value == "at"), None)
    radii = arguments[: at if at is not None else len(arguments)]
    origin = parse_origin(
        tinycss2.serialize(spaced(arguments[at + 1 :])) if at is not None else "50% 50%", box, context
    )
    if origin is None:
        raise ValueError("no position")
    cx, cy = origin
    across, down = (cx, width - cx), (cy, height - cy)
    if name == "circle":
        sides = {"closest-side": min(map(abs, (*across, *down))), "farthest-side": max(map(abs, (*across, *down)))}
        r = radius(radii[0] if radii else None, math.hypot(width, height) / math.sqrt(2), sides, context)
        return "circle", {"cx": f"{x + cx:.9g}", "cy": f"{y + cy:.9g}", "r": f"{r:.9g}"}
    lengths = []
    for n, (side, ways) in enumerate(((width, across), (height, down))):
        sides = {"closest-side": min(map(abs, ways)), "farthest-side": max(map(abs, ways))}
        lengths.append(radius(radii[n] if n < len(radii) else None, side, sides, context))
    return "ellipse", {
        "cx": f"{x + cx:.9g}", "cy": f"{y + cy:.9g}", "rx": f"{lengths[0]:.9g}", "ry": f"{lengths[1]:.9g}"
    }  # fmt: skip


def radius(token: Any, whole: float, sides: dict[str, float], context: Context) -> float:
    if token is None:
        return sides["closest-side"]
    if token.type == "ident":
        if token.lower_value not in sides:
            raise ValueError("no radius")
        return sides[token.lower_value]
    return read_distance(token, whole, context)


def spaced(tokens: list[Any]) -> Iterator[Any]:
    """Tokens with spaces between them."""
    for token in tokens:
        yield from tinycss2.parse_component_value_list(" ")
        yield token


def inset_shape(name: str, arguments: list[Any], box: Box, context: Context) -> tuple[str, dict[str, str]]:
    """`inset`, `rect` and `xywh`; round corners are drawn where all are alike."""
    x, y, width, height = box
    where = next((n for n, t in enumerate(arguments) if t.type == "ident" and t.lower_value == "round"), len(arguments))
    corners, parts = arguments[where + 1 :], arguments[:where]
    if name == "xywh":
        left, top, wide, high = (read_distance(t, (width, height)[n % 2], context) for n, t in enumerate(parts))
    else:
        sides = (parts * 4)[:4] if len(parts) == 1 else [*parts, *parts[-2:]][:4] if len(parts) == 2 else parts
        sides = [*sides, sides[1]] if len(sides) == 3 else sides
        top, right, bottom, left = (read_distance(t, (height, width)[n % 2], context) for n, t in enumerate(sides))
        if name == "inset":
            right, bottom = width - right, height - bottom
        wide, high = right - left, bottom - top
    attributes = {"x": x + left, "y": y + top, "width": max(wide, 0.0), "height": max(high, 0.0)}
    if len(corners) > 1:
        raise ValueError("corners that differ")
    if corners:
        attributes |= {
            "rx": read_distance(corners[0], width, context),
            "ry": read_distance(corners[0], height, context),
        }
    return "rect", {key: f"{value:.9g}" for key, value in attributes.items()}
