"""One outline for one picture: where its subpaths begin, which way they run, and whether they are closed.

Editors write a shape from any of its points on, in either direction, and close it or not where nobody sees which.
Here a closed subpath begins at its topmost point (of these the leftmost) and has the line back to its start among its
segments; closed subpaths run clockwise, open ones downwards; what is filled only is closed. What would show is left
alone: the start of dashes, the ends of an open stroke, the directions of subpaths that cut holes into each other.

It saves no tokens (benchmarks/preprocess_steps.py); that one picture has one text is tested in test_svg_normal.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from svg.outlines import Box, Outline, Segment, Subpath, box_around, doubled_area, reverse
from svg.style import Attributes

MAX_SUBPATHS = 100  # of an outline whose subpaths are compared with each other


def normalise(outline: Outline, paint: Attributes) -> Outline:
    """The normal form of an outline on the grid under its paint; empty where nothing is drawn."""
    style = dict(paint)
    stroked, filled = "stroke" in style, style.get("fill") != "none"
    dots = stroked and style.get("stroke-linecap", "butt") != "butt"
    subpaths = [sub for given in outline for sub in ended(given, stroked, dots, False)]
    if subpaths and any(style.get(name, "").startswith("url(") for name in ("fill", "stroke")):
        # A gradient may be laid out in the box of all subpaths, also of those that draw nothing.
        subpaths = [sub for given in outline for sub in ended(given, stroked, dots, True)]
    if "stroke-dasharray" in style:
        return subpaths
    free = not filled or style.get("fill-rule") == "evenodd"
    for together in [[sub] for sub in subpaths] if free else touching(subpaths):
        if runs_backwards(together):
            for sub in together:
                reverse(sub)
    for sub in subpaths:
        if sub.closed:
            begin_at_the_top(sub)
    return subpaths


def ended(sub: Subpath, stroked: bool, dots: bool, boxed: bool) -> Iterator[Subpath]:
    """A copy of a subpath with the line that closes it; none of one that draws nothing, unless its box counts."""
    start = before = sub.start
    segments = []
    for segment in sub.segments:
        if segment[-1] != before or (segment[0] in "QC" and segment.count(before) < len(segment) - 1):
            segments.append(segment)
            before = segment[-1]
    if not segments:
        if dots or boxed:  # a place that a round or square cap makes visible
            yield Subpath(start, [("L", start)])
        return
    closed = sub.closed or not stroked
    if closed and segments[-1][-1] != start:
        segments.append(("L", start))
    ending = Subpath(start, segments, closed)
    if stroked or boxed or len(segments) > 2 or not draws_no_area([ending]):
        yield ending


def draws_no_area(outline: Outline) -> bool:
    """Whether an outline is of single lines, there or there and back, which a fill does not show."""
    for sub in outline:
        n = len(sub.segments)
        if n > 2 or any(segment[0] != "L" for segment in sub.segments) or (n == 2 and sub.segments[1][1] != sub.start):
            return False
    return True


def touching(subpaths: Outline) -> list[Outline]:
    """The subpaths in groups of which none touches the box of another; none where they are too many to look."""
    if len(subpaths) == 1:
        return [subpaths]
    if len(subpaths) > MAX_SUBPATHS:
        return []
    groups: list[tuple[Outline, list[Box]]] = []
    for sub in subpaths:
        left, top, right, bottom = box_around(sub)
        members, boxes = [sub], [(left, top, right, bottom)]
        apart = []
        for group in groups:
            if any(b[0] <= right and left <= b[2] and b[1] <= bottom and top <= b[3] for b in group[1]):
                members, boxes = group[0] + members, group[1] + boxes
            else:
                apart.append(group)
        groups = [*apart, (members, boxes)]
    return [members for members, _ in groups]


def runs_backwards(together: Outline) -> bool:
    """Whether subpaths go around their area anticlockwise; an open one whether it ends above its start."""
    if len(together) == 1 and not together[0].closed:
        first, last = together[0].start, together[0].segments[-1][-1]
        if first != last:
            return (last.imag, last.real) < (first.imag, first.real)
    area = sum(doubled_area(sub) for sub in together)
    return area < 0 or (area == 0 and len(together) == 1 and is_later_than_reversed(together[0]))


def is_later_than_reversed(sub: Subpath) -> bool:
    """Which way a subpath runs whose area does not say it: that whose points come first in order."""
    orders = []
    for backwards in (False, True):
        one = Subpath(sub.start, list(sub.segments), sub.closed)
        if backwards:
            reverse(one)
        if one.closed:
            begin_at_the_top(one)
        orders.append(points_in_order(one.segments))
    return orders[1] < orders[0]


def points_in_order(segments: Iterable[Segment]) -> list[tuple[float, float]]:
    return [(point.imag, point.real) for segment in segments for point in segment[1:] if isinstance(point, complex)]


def begin_at_the_top(sub: Subpath) -> None:
    """Let a closed subpath begin at its topmost point, of these the leftmost, in place.

    Where it passes there several times, the points that follow, in order, tell where.
    """
    places = [(segment[-1].imag, segment[-1].real) for segment in sub.segments]
    top = min(places)
    starts = [n + 1 for n, place in enumerate(places) if place == top]
    begin = starts[0] if len(starts) == 1 else least_rotation([points_in_order([s]) for s in sub.segments], starts)
    sub.segments[:] = sub.segments[begin:] + sub.segments[:begin]
    sub.start = complex(top[1], top[0])


def least_rotation(items: Sequence[Any], starts: Sequence[int]) -> int:
    """The one of `starts`, in order, from which items in a circle come first in order; in time linear in the items.

    Where two starts agree up to a place and differ there, no start from the later one's to that place is the least
    (J.-P. Duval, Factorizing words over an ordered alphabet, 1983). Items before two starts must end alike.
    """
    n = len(items)
    one, other = 0, 1
    while max(one, other) < len(starts):
        first, second = starts[one], starts[other]
        same = 0
        while same < n and items[(first + same) % n] == items[(second + same) % n]:
            same += 1
        if same == n:
            break
        if items[(first + same) % n] > items[(second + same) % n]:
            one = bisect_right(starts, first + same)
            one += one == other
        else:
            other = bisect_right(starts, second + same)
            other += one == other
    return starts[min(one, other)]
