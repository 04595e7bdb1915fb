"""Rectangles, circles and ellipses among outlines, whatever element they were drawn with.

Outlines are in units of the grid; they may still be between its points. An outline is taken for a basic shape where
the places looked at are no farther from that than TOLERANCE.

benchmarks/preprocess.py compares the texts with svgo's and scour's, preprocess_steps.py tells this step's share.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping

from svg.outlines import Box, Outline, Segment, Subpath, box_of, doubled_area, ellipse_of, on_grid, point_at, point_on
from svg.style import short_decimal

TOLERANCE = 0.5  # in units of the grid
MAX_SEGMENTS = 12
FULL_TURN = 2 * math.pi
ROUGH = 0.5  # tangent of the angle between two curves that are still no corner

Drawn = list[tuple[complex, Segment]]  # segments with their starts
Found = tuple[str, complex, dict[str, float]]  # a name, where its outline starts, its attributes


def basic_shape(outline: Outline, style: Mapping[str, str], precision: int) -> str:
    """The element, without paint, of an outline that is a rectangle, circle or ellipse; empty for any other.

    Where the stroke is dashed it must begin and run as the standard has it for that element.
    """
    if len(outline) != 1 or len(outline[0].segments) > MAX_SEGMENTS:
        return ""
    sub = outline[0]
    n = len(sub.segments)
    if n < 2 or ("stroke" in style and not sub.closed):
        return ""
    curved = len([segment for segment in sub.segments if segment[0] != "L"])
    if curved not in (0, 4, n):
        return ""
    if not curved:
        found = rectangle_of(sub) if n in (3, 4) else None
    else:
        starts = [sub.start, *(segment[-1] for segment in sub.segments)]
        drawn = [(start, segment) for start, segment in zip(starts, sub.segments, strict=False) if start != segment[-1]]
        kinds = {segment[0] for _, segment in drawn}
        found = rounded_rectangle(drawn) if "L" in kinds else ellipse_of_curves(sub, drawn) if kinds else None
    if found is None:
        return ""
    name, start, values = found
    if "stroke-dasharray" in style and (abs(sub.start - start) > TOLERANCE or doubled_area(sub) < 0):
        return ""
    attributes = {key: short_decimal(value / 10**precision, precision) for key, value in values.items()}
    return name + "".join(f' {key}="{value}"' for key, value in attributes.items() if value != "0")


def whole(value: float) -> int:
    """A number on the grid; what lies between two but for the last digits of floating point goes to the even one."""
    return round(round(value, 6))


def rectangle_of(sub: Subpath) -> Found | None:
    """The rectangle around which the lines of a subpath run on the grid."""
    points = [on_grid(point) for point in (sub.start, *(segment[-1] for segment in sub.segments))]
    if len(points) == 5 and points[4] == points[0]:
        points = points[:4]
    if len(points) != 4:
        return None
    xs, ys = [point.real for point in points], [point.imag for point in points]
    across = ys[0] == ys[1] and xs[1] == xs[2] and ys[2] == ys[3] and xs[3] == xs[0]
    down = xs[0] == xs[1] and ys[1] == ys[2] and xs[2] == xs[3] and ys[3] == ys[0]
    return rectangle(min(xs), min(ys), max(xs), max(ys), 0, 0) if across or down else None


def rectangle(left: float, top: float, right: float, bottom: float, rx: float, ry: float) -> Found | None:
    """A rectangle on the grid by its sides and the radii of its corners; None of one without area."""
    left, top, right, bottom = map(whole, (left, top, right, bottom))
    if right <= left or bottom <= top:
        return None
    values: dict[str, float] = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    # On the grid also where a reader cuts them to half a side.
    rx, ry = min(whole(rx), (right - left) // 2), min(whole(ry), (bottom - top) // 2)
    if (2 * rx, 2 * ry) == (right - left, bottom - top):
        return upright_ellipse(complex(left + rx, top + ry), rx, ry)
    if rx and ry:  # alone, one would stand for both
        values |= {"rx": rx} if rx == ry else {"rx": rx, "ry": ry}
    return "rect", complex(left + values.get("rx", 0), top), values


def ellipse_of_curves(sub: Subpath, curves: Drawn) -> Found | None:
    """The upright ellipse that curves go around once."""
    if abs(sub.segments[-1][-1] - sub.start) > TOLERANCE:
        return None
    found = one_ellipse(curves) if curves[0][1][0] == "A" else ellipse_of_cubics(sub, curves)
    if found is None:
        return None
    centre, radii = found
    rx, ry = whole(radii.real), whole(radii.imag)
    return upright_ellipse(centre, rx, ry) if rx and ry else None


def upright_ellipse(centre: complex, rx: float, ry: float) -> Found:
    values: dict[str, float] = {"cx": whole(centre.real), "cy": whole(centre.imag)}
    if rx == ry:
        return "circle", centre + rx, values | {"r": rx}
    return "ellipse", centre + rx, values | {"rx": rx, "ry": ry}


def one_ellipse(curves: Drawn) -> tuple[complex, complex] | None:
    """The centre and the radii of the ellipse of which these are the arcs, one after the other."""
    first: tuple[complex, complex] | None = None
    turned = 0.0
    for start, arc in curves:
        if arc[0] != "A":
            return None
        centre, along, across, _, swept = ellipse_of(start, arc)
        if abs(along.imag) > abs(along.real):
            along, across = across, along
        radii = complex(abs(along), abs(across))
        if abs(radii.real - radii.imag) * abs(along.imag) > TOLERANCE * radii.real:
            return None  # it is turned, and that shows
        first = first or (centre, radii)
        if abs(centre - first[0]) > TOLERANCE or abs(radii - first[1]) > TOLERANCE:
            return None
        turned += swept
    return first if abs(abs(turned) - FULL_TURN) < 0.1 else None


def ellipse_of_cubics(sub: Subpath, curves: Drawn) -> tuple[complex, complex] | None:
    """The centre and the radii of the upright ellipse along which curves run once, always the same way."""
    if len(curves) < 2 or not are_smooth([curve for _, curve in curves]):
        return None
    left, top, right, bottom = box_of([sub]) or (0, 0, 0, 0)
    centre, radii = complex(left + right, top + bottom) / 2, complex(right - left, bottom - top) / 2
    if not radii.real or not radii.imag:
        return None
    steps = []
    before = in_unit_circle(curves[0][0], centre, radii)
    for start, curve in curves:
        for share in (0.25, 0.5, 0.75, 1.0):
            point = in_unit_circle(place_on(start, curve, share), centre, radii)
            if abs(abs(point) - 1) * max(radii.real, radii.imag) > TOLERANCE:
                return None
            steps.append(cmath.phase(point * before.conjugate()))
            before = point
    goes_around = abs(abs(sum(steps)) - FULL_TURN) < 0.1 and (min(steps) > 0 or max(steps) < 0)
    return (centre, radii) if goes_around else None


def are_smooth(curves: list[Segment]) -> bool:
    """Whether each curve goes on nearly the way that the one before it came."""
    for before, after in zip(curves[-1:] + curves[:-1], curves, strict=True):
        if before[0] == "A" or after[0] == "A":
            continue
        came, goes = before[-1] - before[-2], after[1] - before[-1]
        cross, dot = came.real * goes.imag - came.imag * goes.real, came.real * goes.real + came.imag * goes.imag
        if dot <= 0 or abs(cross) > ROUGH * dot:
            return False
    return True


def in_unit_circle(point: complex, centre: complex, radii: complex) -> complex:
    return complex((point - centre).real / radii.real, (point - centre).imag / radii.imag)


def place_on(start: complex, curve: Segment, share: float) -> complex:
    return point_on(ellipse_of(start, curve), share) if curve[0] == "A" else point_at(start, curve, share)


def rounded_rectangle(drawn: Drawn) -> Found | None:
    """The rectangle whose corners are four equal quarters of an ellipse."""
    sides = [(start, segment[-1]) for start, segment in drawn if segment[0] == "L"]
    curves = [(start, segment) for start, segment in drawn if segment[0] != "L"]
    if len(curves) != 4 or not all(is_upright(*side) for side in sides):
        return None
    xs, ys = [start.real for start, _ in drawn], [start.imag for start, _ in drawn]
    box = left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    step = curves[0][1][-1] - curves[0][0]
    radii = complex(abs(step.real), abs(step.imag))
    if not radii.real or not radii.imag:
        return None
    if not all(is_side(*side, left, right) or is_side(side[0] * -1j, side[1] * -1j, top, bottom) for side in sides):
        return None
    corners = {corner_of(start, curve, box, radii) for start, curve in curves}
    return (
        rectangle(left, top, right, bottom, radii.real, radii.imag)
        if len(corners) == 4 and None not in corners
        else None
    )


def corner_of(start: complex, curve: Segment, box: Box, radii: complex) -> tuple[bool, bool] | None:
    """Which corner of a box a curve rounds, as whether it is at the left and at the top; None where it does not."""
    left, top, right, bottom = box
    middle, end = place_on(start, curve, 0.5), curve[-1]
    at_left, at_top = middle.real < (left + right) / 2, middle.imag < (top + bottom) / 2
    centre = complex(
        left + radii.real if at_left else right - radii.real, top + radii.imag if at_top else bottom - radii.imag
    )
    size = complex(abs((end - start).real), abs((end - start).imag))
    off = [abs(abs(in_unit_circle(point, centre, radii)) - 1) for point in (start, middle, end)]
    is_near = max(off) * max(radii.real, radii.imag) <= TOLERANCE and abs(size - radii) <= TOLERANCE
    return (at_left, at_top) if is_near else None


def is_upright(start: complex, end: complex) -> bool:
    """Whether a line runs along an axis."""
    way = end - start
    return min(abs(way.real), abs(way.imag)) < TOLERANCE


def is_side(start: complex, end: complex, low: float, high: float) -> bool:
    """Whether a line runs upright along one of the two."""
    x = start.real
    return abs(end.real - x) < TOLERANCE and min(abs(x - low), abs(x - high)) < TOLERANCE
