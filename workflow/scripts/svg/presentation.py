"""What browsers draw and the back ends do not, written so that they do: backgrounds, dashes by `pathLength`, gradients
in linear light, text from right to left.
"""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
from lxml import etree
from svgelements import Matrix
from tinycss2.color3 import RGBA

from svg.clean import CONDITIONS
from svg.colours import decoded, encoded, parse_colour
from svg.css_tokens import significant
from svg.outlines import Segment, Subpath, ellipse_of, point_at, point_on
from svg.parse import SVG_NAMESPACE, local_name
from svg.references import GRADIENTS
from svg.shapes import (
    SHAPES,
    BeyondCompact,
    elements_by_id,
    fit_view,
    link_of,
    parse_length,
    shape_outline,
    stated_view_box,
)
from svg.style import parse_opacity, read_style
from svg.stylesheets import parse_declarations
from svg.values import write_declaration

UNEVEN = 1e-3  # by which two scales may differ
PARTS = 16  # of a curve whose length is measured
MAX_REFERENCES = 16  # of gradients to gradients
STEPS = 16  # colours between two stops of a gradient in linear light


def add_background(root: etree._Element, text: str, flags: set[str]) -> None:
    """A rectangle of the root's background colour over all that is seen, under the drawing."""
    found = (parse_colour(token.serialize()) for token in significant(text))
    colour = next((one for one in found if one is not None), None)
    if "gradient(" in text or "url(" in text:
        flags.add("unresolved:background")
    view = stated_view_box(root)
    if colour is None or not colour.alpha or view is None:
        return
    width, height = parse_length(root.get("width")) or 0, parse_length(root.get("height")) or 0
    wide, high = (width, height) if width > 0 and height > 0 else view[2:]
    matrix = fit_view(root, view, wide, high)
    seen = {
        "x": -matrix.e / matrix.a,
        "y": -matrix.f / matrix.d,
        "width": wide / matrix.a,
        "height": high / matrix.d,
    }
    attributes = {key: f"{value:.9g}" for key, value in seen.items()}
    attributes |= {"fill": f"rgb({','.join(str(round(255 * channel)) for channel in colour[:3])})", "stroke": "none"}
    rectangle = etree.Element(f"{{{SVG_NAMESPACE}}}rect", attributes | {"fill-opacity": f"{colour.alpha:.6g}"})
    root.insert(0, rectangle)


def scale_dashes(element: etree._Element, styled: dict[str, str], values: dict[str, str]) -> None:
    """Let the dashes of a shape be of its own length, not of its `pathLength` (SVG 2, 9.6.1)."""
    stated = parse_length(element.attrib.pop("pathLength"))
    dashes = [parse_length(part) for part in values["stroke-dasharray"].split()]
    if local_name(element) not in SHAPES or stated is None or stated < 0 or None in dashes:
        return
    try:
        length = sum(map(length_of, shape_outline(element)))
    except BeyondCompact:
        return
    for key in ("stroke-dasharray", "stroke-dashoffset"):
        styled.pop(key, None)
    if not stated:
        element.set("stroke-dasharray", "none")
        return
    scale = length / stated
    element.set("stroke-dasharray", " ".join(f"{scale * dash:.6g}" for dash in dashes if dash is not None))
    offset = parse_length(values["stroke-dashoffset"])
    if offset:
        element.set("stroke-dashoffset", f"{scale * offset:.6g}")


def length_of(sub: Subpath) -> float:
    """The length of a subpath."""
    total, start = 0.0, sub.start
    for segment in sub.segments:
        total += length_of_segment(start, segment)
        start = segment[-1]
    return total + (abs(sub.start - start) if sub.closed else 0.0)


def length_of_segment(start: complex, segment: Segment) -> float:
    """The length of a segment; of a curve by chords, extrapolated (L. F. Richardson) from those of half as many."""
    if segment[0] == "L":
        return abs(segment[-1] - start)
    shares = [n / PARTS for n in range(PARTS + 1)]
    if segment[0] == "A":
        ellipse = ellipse_of(start, segment)
        points = [point_on(ellipse, share) for share in shares]
    else:
        points = [point_at(start, segment, share) for share in shares]
    fine, coarse = (
        math.fsum(abs(other - one) for one, other in itertools.pairwise(some)) for some in (points, points[::2])
    )
    return (4 * fine - coarse) / 3


def copy_stops(root: etree._Element) -> None:
    """Give each gradient that has the stops of another one a copy of them."""
    by_id = elements_by_id(root)
    gradients = list(root.iter(*(f"{{{SVG_NAMESPACE}}}{name}" for name in GRADIENTS)))
    stops = {gradient: [child for child in gradient if local_name(child) == "stop"] for gradient in gradients}
    for gradient in gradients:
        owner: etree._Element | None = gradient
        for _ in range(MAX_REFERENCES):
            if owner is None or stops.get(owner):
                break
            owner = by_id.get(link_of(owner).strip().removeprefix("#"))
        if owner is not None and owner is not gradient:
            gradient.extend(copy.deepcopy(stops.get(owner, [])))


def wrap_views(root: etree._Element) -> None:
    """Let groups around nested views have their transforms and opacities: resvg leaves those out, or counts them twice.

    CSS says more of a view than its attributes only where styles were resolved into these.
    """
    for view in list(root.iter(f"{{{SVG_NAMESPACE}}}svg")):
        parent = view.getparent()
        style = read_style(view.get("style") or "")
        if parent is None or not (view.get("transform") or view.get("opacity") or "opacity" in style):
            continue
        group = etree.Element(f"{{{SVG_NAMESPACE}}}g")
        parent.replace(view, group)
        group.append(view)
        for key in ("id", "transform", "opacity", *CONDITIONS):
            value = view.attrib.pop(key, None)
            if value is not None:
                group.set(key, value)
        if "opacity" in style:
            group.set("opacity", style["opacity"])
            declared = (one for one in parse_declarations(view.get("style") or "") if one.name != "opacity")
            view.set("style", ";".join(map(write_declaration, declared)))


def expand_gradient(gradient: etree._Element) -> None:
    """Put stops between those of a gradient whose colours are mixed in linear light, so that mixing in sRGB agrees."""
    gradient.set("color-interpolation", "sRGB")
    before: tuple[float, np.ndarray, float] | None = None
    for stop in [child for child in gradient if local_name(child) == "stop"]:
        style = {**stop.attrib, **read_style(stop.get("style") or "")}
        colour = parse_colour(style.get("stop-color", "#000")) or RGBA(0, 0, 0, 1)
        offset = max(parse_opacity(stop.get("offset") or "0"), before[0] if before else 0.0)
        opacity = parse_opacity(style.get("stop-opacity", "1")) * colour.alpha
        light = decoded(np.array(colour[:3]))
        if before and offset > before[0]:
            for step in range(1, STEPS):
                share = step / STEPS
                mixed = encoded(before[1] + share * (light - before[1]))
                attributes = {
                    "offset": f"{before[0] + share * (offset - before[0]):.6g}",
                    "stop-color": f"rgb({','.join(str(round(255 * channel)) for channel in mixed)})",
                    "stop-opacity": f"{before[2] + share * (opacity - before[2]):.6g}",
                }
                stop.addprevious(etree.Element(f"{{{SVG_NAMESPACE}}}stop", attributes))
        before = offset, light, opacity


def scale_stroke(
    element: etree._Element, styled: dict[str, str], values: dict[str, str], matrix: Matrix | None, flags: set[str]
) -> None:
    """Let a stroke that is not scaled (SVG 2, 8.13) have its width on the screen, under the matrix to there."""
    name = local_name(element)
    effect = styled.pop("vector-effect", "") or element.get("vector-effect") or ""
    if effect.strip().lower() != "non-scaling-stroke" or (name not in SHAPES and name != "text"):
        element.attrib.pop("vector-effect", None)
        return
    width = parse_length(values["stroke-width"])
    dashes = [parse_length(part) for part in values["stroke-dasharray"].split()]
    scale = even_scale(matrix) if matrix is not None else None
    if scale is None or width is None or (None in dashes and values["stroke-dasharray"] != "none"):
        element.set("vector-effect", "non-scaling-stroke")
        flags.add("unresolved:vector-effect")
        return
    element.attrib.pop("vector-effect", None)
    for key in ("stroke-width", "stroke-dasharray", "stroke-dashoffset"):
        styled.pop(key, None)
    element.set("stroke-width", f"{width / scale:.9g}")
    if None not in dashes:
        element.set("stroke-dasharray", " ".join(f"{dash / scale:.6g}" for dash in dashes if dash is not None))
        element.set("stroke-dashoffset", f"{(parse_length(values['stroke-dashoffset']) or 0.0) / scale:.6g}")


def even_scale(matrix: Matrix) -> float | None:
    """The scale of a matrix that keeps circles circles; None of another one."""
    first, second = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    across = abs(matrix.a * matrix.c + matrix.b * matrix.d)
    is_even = first > 0 and abs(first - second) <= UNEVEN * first and across <= UNEVEN * first * second
    return first if is_even else None


MIRRORED = {"start": "end", "end": "start"}


def mirror_text(element: etree._Element, styled: dict[str, str], values: dict[str, str]) -> None:
    """Anchor text that runs from right to left at its other end; the back ends know no direction."""
    if values["direction"].lower() != "rtl":
        return
    own = {"direction", "text-anchor"} & {*styled, *element.attrib}
    if local_name(element) != "text" and not own:
        return
    styled.pop("text-anchor", None)
    element.set("text-anchor", MIRRORED.get(values["text-anchor"], values["text-anchor"]))
