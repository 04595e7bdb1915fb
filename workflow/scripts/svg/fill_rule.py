"""Outlines filled by `evenodd` in the directions in which `nonzero`, the default, paints the same.

Where no lines cross or touch, each subpath lies in a number of others: those in an even number paint, the others cut
holes. Let the one kind run clockwise and the other anticlockwise, and the winding number is 1 in paint and 0 in holes.
Curves are looked at as polygons near them, whose corners are whole numbers on a finer grid: what is said of these is
exact. What touches is left alone, as the curves themselves may cross there.

That one picture has one text by either rule is tested by test_svg_fill_rule.py; benchmarks/preprocess_steps.py says how
little it saves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby, islice

import numpy as np

from svg.outlines import Outline, Segment, Subpath, ellipse_of, on_grid, point_at, point_on, reverse

MAX_EDGES = 400  # of all polygons, whose edges are compared with each other
MAX_GAP = 0.25  # in units of the grid: how far a curve may lie from its polygon
FINER = 64  # corners of polygons per unit of the grid


def as_nonzero(outline: Outline) -> Outline | None:
    """The outline with directions in which `nonzero` paints what `evenodd` does.

    None where lines cross or touch, or are too many to look at. Each subpath counts as closed.
    """
    polygons = as_polygons(outline)
    if polygons is None:
        return None
    lengths = np.array([len(polygon) for polygon in polygons], dtype=int)
    first = np.cumsum(lengths) - lengths
    following = np.arange(1, lengths.sum() + 1)
    following[first + lengths - 1] = first
    corners = np.array([corner for polygon in polygons for corner in polygon], dtype=complex)
    ends = corners[following]
    sides = sides_of_edges(corners, ends)
    if any_touch(corners, ends, following, sides):
        return None
    foreign = np.repeat(np.arange(len(polygons)), lengths)[:, None] != np.arange(len(polygons))
    crossed = crossed_by_rays(corners, ends, first, sides) & foreign
    # Each polygon around a corner is crossed an odd number of times by a ray from it, each other one an even number.
    holes = crossed.sum(axis=0) % 2 == 1
    areas = np.add.reduceat((corners.conj() * ends).imag, first)
    return [directed(*one) for one in zip(outline, np.where(holes, areas > 0, areas < 0), strict=True)]


def as_polygons(outline: Outline) -> list[list[complex]] | None:
    """The corners of a polygon near each subpath, on the finer grid; None where they are too many."""
    polygons, room = [], MAX_EDGES
    for sub in outline:
        points = (on_grid(point * FINER) for point in points_along(sub))
        corners = [corner for corner, _ in islice(groupby(points), room + 2)]
        if len(corners) > 1 and corners[-1] == corners[0]:
            corners.pop()
        room -= len(corners)
        if room < 0:
            return None
        polygons.append(corners)
    return polygons


def points_along(sub: Subpath) -> Iterator[complex]:
    before = sub.start
    yield before
    for segment in sub.segments:
        if segment[0] != "L":
            yield from points_within(before, segment)
        before = segment[-1]
        yield before


def points_within(start: complex, curve: Segment) -> Iterator[complex]:
    """Points between the ends of a curve: as many as its second derivative asks for."""
    if curve[0] == "A":
        ellipse = ellipse_of(start, curve)
        bend = max(abs(ellipse[1]), abs(ellipse[2])) * ellipse[4] ** 2
    else:
        points = (start, *curve[1:])
        degree = len(points) - 1
        bends = [abs(a - 2 * b + c) for a, b, c in zip(points, points[1:], points[2:], strict=False)]
        bend = degree * (degree - 1) * max(bends)
    n = math.ceil(math.sqrt(bend / 8 / MAX_GAP))
    for number in range(1, n):
        yield point_on(ellipse, number / n) if curve[0] == "A" else point_at(start, curve, number / n)


def sides_of_edges(corners: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each edge (row) and corner (column) on which side of the edge's line the corner lies: by sign, 0 on it."""
    along = ends - corners
    lines = np.stack([-along.imag, along.real, -(along.conj() * corners).imag], axis=1)
    return lines @ np.stack([corners.real, corners.imag, np.ones(len(corners))])


def any_touch(corners: np.ndarray, ends: np.ndarray, following: np.ndarray, sides: np.ndarray) -> bool:
    """Whether two edges have a point in common, other than neighbours."""
    parted = sides * sides[:, following] <= 0
    one, other = np.nonzero(np.triu(parted & parted.T, 1))
    near = (following[one] != other) & (following[other] != one)
    for low, high in (
        (np.minimum(corners.real, ends.real), np.maximum(corners.real, ends.real)),
        (np.minimum(corners.imag, ends.imag), np.maximum(corners.imag, ends.imag)),
    ):
        near &= (low[one] <= high[other]) & (low[other] <= high[one])
    return bool(near.any())


def crossed_by_rays(corners: np.ndarray, ends: np.ndarray, first: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """For each edge (row) and polygon (column) whether a ray rightwards from the polygon's first corner crosses it."""
    height = corners[first].imag
    starts_above, ends_above = corners.imag[:, None] < height, ends.imag[:, None] < height
    return (starts_above != ends_above) & ((sides[:, first] > 0) == starts_above)


def directed(sub: Subpath, backwards: bool) -> Subpath:
    """A copy of a subpath, reversed where it runs backwards."""
    copy = Subpath(sub.start, list(sub.segments), sub.closed)
    if backwards:
        reverse(copy)
    return copy
