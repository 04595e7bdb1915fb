"""Outlines: the geometry of a shape as subpaths of lines, curves and arcs, whose points are complex numbers.

Path data is read by the lexer of svgelements. A segment is a tuple of its kind and its points, as absolute ones:

    ("L", end)   ("Q", control, end)   ("C", control, control, end)   ("A", radii, turn, large, sweep, end)

with the radii of an arc as a complex number and its turn in degrees. Points are put on the grid once, absolutely; then
they are whole numbers, in units of the grid.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from svgelements import Matrix
from svgelements.svgelements import PATTERN_FLOAT, SVGLexicalParser

Segment = tuple[Any, ...]
Ellipse = tuple[complex, complex, complex, float, float]
# The lexer looks for what parts numbers, then for a number. Atomic, so that no number is taken for two.
_NEXT_NUMBER = re.compile(rf"[\s,]*({PATTERN_FLOAT})")
_NEXT_POINT = re.compile(rf"[\s,]*((?>{PATTERN_FLOAT}))[\s,]*({PATTERN_FLOAT})")
QUARTER = math.pi / 2
ONES = complex(3 << 51, 3 << 51)  # among such numbers floating point has whole ones only: adding it rounds
MAX_BULGE = 1.5  # in units of the grid: how far the middle of an arc may move when its radii are rounded


@dataclass
class Subpath:
    """Segments from a start on; a closed one has a line back to it."""

    start: complex
    segments: list[Segment]
    closed: bool = False


Outline = list[Subpath]
Box = tuple[float, float, float, float]  # left, top, right, bottom


class NotFinite(ValueError):
    """Path data with a number out of all bounds."""


class OutlineReader(SVGLexicalParser):
    """Makes an outline of path data: the lexer calls a method for each command."""

    pos: int

    def __init__(self) -> None:
        super().__init__()
        self.outline: Outline = []
        self.point = 0j
        self.control: complex | None = None  # of the curve before, for the smooth commands
        self.kind = ""

    def _number(self) -> float | None:
        match = _NEXT_NUMBER.match(self.pathd, self.pos)
        if match is None:
            return super()._number()
        self.pos = match.end()
        return float(match[1])

    def _coord(self) -> complex | None:
        match = _NEXT_POINT.match(self.pathd, self.pos)
        if match:
            self.pos = match.end()
            return complex(float(match[1]), float(match[2]))
        x = self._number()
        if x is None:
            return None
        y = self._number()
        if y is None:
            raise ValueError("half a point")
        return complex(x, y)

    def _rcoord(self) -> complex | None:
        point = self._coord()
        return None if point is None else self.point + point

    def start(self) -> None: ...

    def end(self) -> None: ...

    def move(self, point: complex, relative: bool) -> None:
        self.outline.append(Subpath(point, []))
        self.point, self.kind = point, "M"

    def closed(self, relative: bool) -> None:
        last = self.outline[-1]
        last.closed = True
        self.point, self.kind = last.start, "Z"

    def line(self, point: complex, relative: bool) -> None:
        self._add("L", None, point)

    def horizontal(self, x: float, relative: bool) -> None:
        self._add("L", None, complex(self.point.real + x if relative else x, self.point.imag))

    def vertical(self, y: float, relative: bool) -> None:
        self._add("L", None, complex(self.point.real, self.point.imag + y if relative else y))

    def quad(self, control: complex, end: complex, relative: bool) -> None:
        self._add("Q", control, control, end)

    def smooth_quad(self, end: complex, relative: bool) -> None:
        control = self._reflected("Q")
        self._add("Q", control, control, end)

    def cubic(self, first: complex, second: complex, end: complex, relative: bool) -> None:
        self._add("C", second, first, second, end)

    def smooth_cubic(self, second: complex, end: complex, relative: bool) -> None:
        self._add("C", second, self._reflected("C"), second, end)

    def arc(self, rx: float, ry: float, turn: float, large: bool, sweep: bool, end: complex, relative: bool) -> None:
        if rx and ry:
            self._add("A", None, complex(abs(rx), abs(ry)), turn, large, sweep, end)
        else:
            self._add("L", None, end)

    def _reflected(self, kind: str) -> complex:
        return 2 * self.point - self.control if self.kind == kind and self.control is not None else self.point

    def _add(self, kind: str, control: complex | None, *values: Any) -> None:
        if self.kind == "Z":
            self.outline.append(Subpath(self.point, []))
        self.outline[-1].segments.append((kind, *values))
        self.point, self.control, self.kind = values[-1], control, kind
        if not cmath.isfinite(self.point):
            raise NotFinite("path data with a number that is not finite")


def read_outline(d: str) -> Outline:
    """The outline of path data. Raises ValueError where it cannot be read, NotFinite for a number."""
    reader = OutlineReader()
    try:
        reader.parse(reader, d)
    except NotFinite:
        raise
    except (ValueError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"path data that cannot be read: {d[:40]!r}") from error
    return reader.outline


def transform_outline(outline: Outline, matrix: Matrix) -> Outline:
    """The outline under a matrix. Raises OverflowError where a number gets out of all bounds."""
    straight = complex(matrix.a + matrix.d, matrix.b - matrix.c) / 2
    mirrored = complex(matrix.a - matrix.d, matrix.b + matrix.c) / 2
    offset = complex(matrix.e, matrix.f)

    def move(point: complex) -> complex:
        return straight * point + mirrored * point.conjugate() + offset

    def transform(segment: Segment) -> Segment:
        if segment[0] == "A":
            moved = transform_arc(segment, matrix, move(segment[-1]))
        elif mirrored:
            moved = (segment[0], *map(move, segment[1:]))
        else:
            moved = (segment[0], *[straight * point + offset for point in segment[1:]])
        finite(sum(moved[1:]))
        return moved

    return [Subpath(finite(move(sub.start)), list(map(transform, sub.segments)), sub.closed) for sub in outline]


def finite(point: complex) -> complex:
    """The point itself. Raises OverflowError where a number of it is infinite or none."""
    if not cmath.isfinite(point):
        raise OverflowError("coordinates out of all bounds")
    return point


def transform_arc(arc: Segment, matrix: Matrix, end: complex) -> Segment:
    """An arc under a matrix: the axes of its ellipse by the singular values of the matrix (in closed form)."""
    _, radii, turn, large, sweep, _ = arc
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    a = (matrix.a * cosine + matrix.c * sine) * radii.real
    b = (matrix.b * cosine + matrix.d * sine) * radii.real
    c = (matrix.c * cosine - matrix.a * sine) * radii.imag
    d = (matrix.d * cosine - matrix.b * sine) * radii.imag
    straight, mirrored = complex(a + d, b - c) / 2, complex(a - d, b + c) / 2
    longer, shorter = abs(straight) + abs(mirrored), abs(abs(straight) - abs(mirrored))
    turn = math.degrees(cmath.phase(straight) + cmath.phase(mirrored)) / 2 if abs(mirrored) > 1e-9 * longer else 0.0
    flipped = matrix.a * matrix.d - matrix.b * matrix.c < 0
    # Of the two ways to say it the one with less of a turn; judged by whole degrees, as turns are written.
    upright = 45 < round(turn % 180) <= 135
    radii = complex(shorter, longer) if upright else complex(longer, shorter)
    return ("A", radii, (turn - 90 if upright else turn) % 180, large, sweep != flipped, end)


def ellipse_of(start: complex, arc: Segment) -> Ellipse:
    """The centre of an arc, its half axes as vectors, the angle of its start and its sweep (SVG 2, appendix B.2.4)."""
    _, radii, turn, large, sweep, end = arc
    unit = cmath.exp(1j * math.radians(turn))
    half = (start - end) / 2 / unit
    x, y = half.real / radii.real, half.imag / radii.imag  # on the unit circle
    square = x * x + y * y
    scale = max(1.0, math.sqrt(square))
    rx, ry = radii.real * scale, radii.imag * scale
    away = math.sqrt(max(0.0, 1 / square - 1)) if 0 < square < 1 else 0.0
    side = -away if large == sweep else away
    x, y = x / scale, y / scale
    centre = complex(side * y, -side * x)
    first, last = cmath.phase(complex(x, y) - centre), cmath.phase(complex(-x, -y) - centre)
    swept = last - first
    if sweep and swept < 0:
        swept += 2 * math.pi
    elif not sweep and swept > 0:
        swept -= 2 * math.pi
    middle = (start + end) / 2 + complex(rx * centre.real, ry * centre.imag) * unit
    return middle, rx * unit, ry * 1j * unit, first, swept


def point_on(ellipse: Ellipse, share: float) -> complex:
    """The point of an arc at a share of its sweep."""
    middle, along, across, first, swept = ellipse
    angle = first + swept * share
    return middle + along * math.cos(angle) + across * math.sin(angle)


def arc_as_cubics(start: complex, arc: Segment) -> list[Segment]:
    """An arc as cubic curves of at most a quarter each."""
    middle, along, across, first, swept = ellipse_of(start, arc)
    n = max(1, math.ceil(abs(swept) / QUARTER - 1e-9))
    reach = 4 / 3 * math.tan(swept / n / 4)
    cubics = []
    for number in range(n):
        low, high = first + swept * number / n, first + swept * (number + 1) / n
        (c0, s0), (c1, s1) = (math.cos(low), math.sin(low)), (math.cos(high), math.sin(high))
        one = middle + along * (c0 - reach * s0) + across * (s0 + reach * c0)
        two = middle + along * (c1 + reach * s1) + across * (s1 - reach * c1)
        end = arc[-1] if number == n - 1 else middle + along * c1 + across * s1
        cubics.append(("C", one, two, end))
    return cubics


def round_outline(outline: Outline) -> Outline:
    """The outline on the grid, whose unit is 1; segments that draw nothing are left out."""

    def rounded(sub: Subpath) -> Iterator[Segment]:
        exact, point, before = sub.start, on_grid(sub.start), False
        for segment in sub.segments:
            parts = round_arc(exact, segment, point, on_grid(segment[-1])) if segment[0] == "A" else [segment]
            for part in parts:
                if part[0] != "A":
                    part = (part[0], *[one + ONES - ONES for one in part[1:]])
                draws = part.count(point) < len(part) - 1
                # Right after a move a line to the same place is a dot that a round cap makes visible.
                if draws or (part[0] == "L" and not before):
                    yield part
                    before = True
                point = part[-1]
            exact = segment[-1]

    return [Subpath(on_grid(sub.start), list(rounded(sub)), sub.closed) for sub in outline]


def on_grid(point: complex) -> complex:
    return point + ONES - ONES


def round_arc(exact: complex, arc: Segment, start: complex, end: complex) -> list[Segment]:
    """An arc with radii on the grid that bulges as the exact one does; as cubics where none does."""
    _, radii, turn, large, sweep, _ = arc
    if exact == arc[-1]:
        return []
    wanted = point_on(ellipse_of(exact, arc), 0.5)
    if start == end or min(radii.real, radii.imag) < 0.5:  # as good as flat, or next to nothing or to all of it
        if abs(wanted - (start + end) / 2) > MAX_BULGE:
            return arc_as_cubics(exact, arc)
        return [("L", end)] if start != end else []
    half_chord = abs(end - start) / 2
    candidates = []
    for rounding in (round, math.floor, math.ceil):
        size = complex(max(rounding(radii.real), 1), max(rounding(radii.imag), 1))
        is_circle = size.real == size.imag
        # A half circle: radii up to its own are drawn alike.
        half = is_circle and half_chord >= size.real - 1e-9
        one = ("A", size, 0 if is_circle else round(turn) % 180, large and not half, sweep, end)
        bulge = abs(point_on(ellipse_of(start, one), 0.5) - wanted)
        candidates.append((bulge, one))
        if bulge < 0.5:
            break
    bulge, best = min(candidates, key=lambda candidate: candidate[0])
    return [best] if bulge <= MAX_BULGE else arc_as_cubics(exact, arc)


def box_of(outline: Outline) -> Box | None:
    """The box of what an outline draws; None where nothing is drawn."""
    points = [point for sub in outline if sub.segments for point in extremes(sub)]
    if not points:
        return None
    xs, ys = [point.real for point in points], [point.imag for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def extremes(sub: Subpath) -> Iterator[complex]:
    """Points of a subpath among which its outermost ones are."""
    point = sub.start
    yield point
    for segment in sub.segments:
        for part in arc_as_cubics(point, segment) if segment[0] == "A" else [segment]:
            if part[0] != "L":
                for t in turning_points(point, part):
                    yield point_at(point, part, t)
            point = part[-1]
            yield point


def turning_points(start: complex, curve: Segment) -> Iterator[float]:
    """Where a curve runs straight along an axis: the roots of its derivative's coordinates within it."""
    first, second, end = (curve[1], curve[2], curve[3]) if curve[0] == "C" else elevated(start, *curve[1:])
    a, b, c = end - 3 * second + 3 * first - start, 2 * (second - 2 * first + start), first - start
    for p, q, r in ((a.real, b.real, c.real), (a.imag, b.imag, c.imag)):
        if abs(p) < 1e-12:
            roots = [-r / q] if q else []
        else:
            root = cmath.sqrt(q * q - 4 * p * r)
            roots = [] if root.imag else [(-q + root.real) / (2 * p), (-q - root.real) / (2 * p)]
        yield from (t for t in roots if 0 < t < 1)


def elevated(start: complex, control: complex, end: complex) -> tuple[complex, complex, complex]:
    """A quadratic curve as a cubic one."""
    return start + (control - start) * 2 / 3, end + (control - end) * 2 / 3, end


def point_at(start: complex, curve: Segment, t: float) -> complex:
    u = 1 - t
    if curve[0] == "Q":
        return u * u * start + 2 * u * t * curve[1] + t * t * curve[2]
    return u**3 * start + 3 * u * u * t * curve[1] + 3 * u * t * t * curve[2] + t**3 * curve[3]


def box_around(sub: Subpath, reach: float = 0) -> Box:
    """A box that holds a subpath and what its stroke covers."""
    points = [sub.start]
    for segment in sub.segments:
        if segment[0] == "A":
            points += [point for part in arc_as_cubics(points[-1], segment) for point in part[1:]]
        else:
            points += segment[1:]
    xs, ys = [point.real for point in points], [point.imag for point in points]
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach


def doubled_area(sub: Subpath) -> float:
    """Twice the area in the polygon of a subpath's points, clockwise ones positive; of arcs a half circle on top."""
    area, before = 0.0, sub.start
    for segment in sub.segments:
        if segment[0] == "A":
            chord = abs(segment[-1] - before)
            area += chord * chord if segment[4] else -chord * chord
            points = segment[-1:]
        else:
            points = segment[1:]
        for point in points:
            area += before.real * point.imag - before.imag * point.real
            before = point
    return area + before.real * sub.start.imag - before.imag * sub.start.real


def reverse(sub: Subpath) -> None:
    """Let a subpath run the other way, in place."""
    ends = [sub.start, *(segment[-1] for segment in sub.segments)]
    turned: list[Segment] = []
    for end, segment in zip(ends, sub.segments, strict=False):
        if segment[0] == "A":
            _, radii, turn, large, sweep, _ = segment
            turned.append(("A", radii, turn, large, not sweep, end))
        else:
            turned.append((segment[0], *segment[-2:0:-1], end))
    sub.start, sub.segments[:] = ends[-1], turned[::-1]
