"""Outlines in directions in which `nonzero` paints what `evenodd` does: judged by pictures."""

import cmath
import copy
import math
import random

import pytest

from samples.render_check import compare_pictures, draw_picture
from svg.fill_rule import MAX_EDGES, as_nonzero
from svg.normal import reverse
from svg.outlines import Subpath, doubled_area, on_grid, read_outline
from svg.paths import PathWriter

SQUARE = "M100 100H400V400H100Z"
SQUARE_BACK = "M100 100V400H400V100Z"
INNER, INNER_BACK = "M200 200H300V300H200Z", "M200 200V300H300V200Z"
INNERMOST = "M230 230H270V270H230Z"
CIRCLE = "M256 56A200 200 0 0 1 256 456A200 200 0 0 1 256 56Z"


def picture(outline, rule):
    d = PathWriter(0).write(outline)
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">'
    return draw_picture(f'{head}<path d="{d}" fill-rule="{rule}"/></svg>')


def difference(outline, other):
    return compare_pictures(picture(outline, "evenodd"), picture(other, "nonzero")).worst_cell


def clockwise(outline):
    return [doubled_area(sub) > 0 for sub in outline]


def polygon(n, radius, middle=256 + 256j):
    points = [on_grid(middle + cmath.rect(radius, 2 * math.pi * k / n)) for k in range(n)]
    return Subpath(points[0], [("L", point) for point in [*points[1:], points[0]]], True)


def circle(radius, middle, kind):
    """A circle of two arcs, or about one of four curves."""
    if kind == "A":
        size = complex(radius, radius)
        halves = [("A", size, 0, False, True, middle + side) for side in (radius, -radius)]
        return Subpath(middle - radius, halves, True)
    segments = []
    for turn in (1j**k for k in range(2, 6)):
        start, end = radius * turn, radius * turn * 1j
        pull = {"Q": [start + end], "C": [start + 0.55 * end, end + 0.55 * start]}[kind]
        segments.append((kind, *[on_grid(middle + point) for point in pull], middle + end))
    return Subpath(middle - radius, segments, True)


def blob(chance, radius, middle):
    """A closed line of curves through random points around a middle, or of an arc and a corner."""
    points = [
        on_grid(middle + cmath.rect(radius * chance.uniform(0.4, 1), (k + chance.random() / 2) * 2 * math.pi / 4))
        for k in range(4)
    ]
    segments = []
    for before, point in zip(points, [*points[1:], points[0]], strict=True):
        pulls = [on_grid(one + cmath.rect(radius / 3, chance.uniform(0, 7))) for one in (before, point)]
        size = complex(round(radius), round(radius * chance.uniform(0.5, 1)))
        arc = ("A", size, chance.randrange(180), chance.random() < 0.1, chance.random() < 0.8, point)
        segments.append(chance.choice([("C", *pulls, point), ("Q", pulls[0], point), ("L", point), arc]))
    return Subpath(points[0], segments, True)


def random_outline(chance):
    """Shapes within each other, beside each other or across each other, each in either direction."""
    outline = []
    middle, radius = complex(256, 256), chance.randint(120, 250)
    for _ in range(chance.randint(1, 5)):
        form = chance.choice(["polygon", "polygon", "A", "C", "Q", "blob"])
        if form == "polygon":
            sub = polygon(chance.randint(3, 8), radius, middle)
        else:
            sub = blob(chance, radius, middle) if form == "blob" else circle(radius, middle, form)
        if chance.random() < 0.3:
            sub.closed = False
            if len(sub.segments) > 2 and sub.segments[-1][0] == "L":
                sub.segments.pop()
        if chance.random() < 0.5:
            reverse(sub)
        outline.append(sub)
        if chance.random() < 0.7:
            radius = max(4, round(radius * chance.uniform(0.3, 0.8)))
        middle += on_grid(cmath.rect(radius * chance.choice([0, 0.2, 0.4, 2.2]), chance.uniform(0, 7)))
    chance.shuffle(outline)
    return outline


def test_random_outlines_are_painted_the_same():
    looked_at = turned = 0
    for seed in range(600):
        outline = random_outline(random.Random(seed))
        before = copy.deepcopy(outline)
        result = as_nonzero(outline)
        assert outline == before, seed
        if result is None:
            continue
        looked_at += 1
        worst = difference(outline, result)
        assert worst < 8, (seed, worst)
        turned += difference(outline, outline) >= 8
    # More are left alone, and not a few would be painted otherwise in the directions they had.
    assert 150 < looked_at < 300
    assert turned > 25


CROSSED = {
    "a pentagram": "M256 50L377 422L60 192H452L135 422Z",
    "a figure eight": "M100 100L400 400V100L100 400Z",
    "a figure eight of curves": "M256 256C500 0 500 512 256 256C12 0 12 512 256 256Z",
    "a loop in one curve": "M200 400C600 0 -100 0 300 400Z",
    "two squares that overlap": "M100 100H300V300H100Z M200 200H400V400H200Z",
    "a line through a circle": f"{CIRCLE} M10 250H500V260H10Z",
    "circles that overlap by a little": "M56 256A100 100 0 0 1 256 256A100 100 0 0 1 56 256Z"
    "M254 256A100 100 0 0 1 454 256A100 100 0 0 1 254 256Z",
    "an open line that crosses where it is closed": "M100 100H400V400L300 50",
}
TOUCHING = {
    "squares side by side": "M100 100H200V200H100Z M200 100H300V200H200Z",
    "squares side by side in part": "M100 100H200V200H100Z M200 150H300V180H200Z",
    "squares at a corner": "M100 100H200V200H100Z M200 200H300V300H200Z",
    "a corner on a side": "M100 100H400V400H100Z M100 250L200 200V300Z",
    "one square twice": f"{SQUARE} {SQUARE}",
    "a circle in a square": f"{CIRCLE} M56 56H456V456H56Z",
    "a line that touches itself": "M100 100H400V400L250 100L100 400Z",
    "a way along a line again": "M100 100H400V300H200V100H300V50H100Z",
}


@pytest.mark.parametrize("d", [*CROSSED.values(), *TOUCHING.values()], ids=[*CROSSED, *TOUCHING])
def test_lines_that_cross_or_touch_are_left_alone(d):
    assert as_nonzero(read_outline(d)) is None


NESTED = {
    "a square": (SQUARE, [True]),
    "a square backwards": (SQUARE_BACK, [True]),
    "an open square": ("M100 100V400H400V100", [True]),
    "a ring of equal directions": (SQUARE + INNER, [True, False]),
    "a ring of equal directions backwards": (SQUARE_BACK + INNER_BACK, [True, False]),
    "a ring of opposite directions": (SQUARE + INNER_BACK, [True, False]),
    "a ring of opposite directions the other way": (SQUARE_BACK + INNER, [True, False]),
    "a ring whose hole comes first": (INNER + SQUARE, [False, True]),
    "three squares": (SQUARE + INNER + INNERMOST, [True, False, True]),
    "three squares in another order": (INNERMOST + SQUARE_BACK + INNER, [True, True, False]),
    "two apart": ("M10 10H100V100H10Z M200 10V100H300V10Z", [True, True]),
    "two holes": (SQUARE + "M120 120H220V220H120Z M250 250V350H350V250Z", [True, False, False]),
    "one beside a bay, in the box of another": ("M100 100H400V150H150V400H100Z M200 200H300V300H200Z", [True, True]),
    "a hole level with corners": ("M256 56L456 256L256 456L56 256Z M200 256L256 200L300 256L256 300Z", [True, False]),
    "a bulge that the corners do not show": ("M100 256Q256 -200 412 256Z M200 150L312 150L256 200Z", [True, False]),
}


@pytest.mark.parametrize(("d", "directions"), NESTED.values(), ids=NESTED)
def test_paint_runs_clockwise_and_holes_anticlockwise(d, directions):
    outline = read_outline(d)
    result = as_nonzero(outline)
    assert clockwise(result) == directions
    assert difference(outline, result) < 1
    assert as_nonzero(result) == result


def test_an_arc_counts_with_all_of_its_area():
    outline = read_outline("M256 56A200 200 0 1 1 200 64L230 400Z")
    assert clockwise(outline) == [False]  # by its corners and chord, though it runs clockwise around most of a circle
    assert as_nonzero(outline) == outline
    backwards = copy.deepcopy(outline)
    reverse(backwards[0])
    assert as_nonzero(backwards) == outline


BULGES = {  # how far they reach, and their data
    "A": (1, "M100 56A{0} 200 0 0 1 100 456Z"),
    "Q": (0.5, "M100 56Q{1} 256 100 456Z"),
    "C": (0.75, "M100 56C{1} 56 {1} 456 100 456Z"),
}


@pytest.mark.parametrize(("share", "bulge"), BULGES.values(), ids=BULGES)
def test_curves_are_looked_at_closely(share, bulge):
    for size in range(41, 260):
        d, reach = bulge.format(size, 100 + size), 100 + size * share
        crossed, passed = math.floor(reach - 0.5), math.floor(reach + 1)
        assert as_nonzero(read_outline(f"{d}M{crossed} 6H500V506H{crossed}Z")) is None, size
        assert as_nonzero(read_outline(f"{d}M{passed} 6H500V506H{passed}Z")) is not None, size


def test_what_has_no_area_stays_as_it_is():
    outside = ["M10 10L90 90", "M90 90L10 10Z", "M300 10L10 10L200 10Z", "M10 10"]
    for d in [*outside, "M150 150L350 350", "M350 150H150H250Z", "M200 200"]:
        outline = read_outline(SQUARE_BACK + d)
        assert as_nonzero(outline)[1:] == outline[1:], d
    assert as_nonzero([]) == []


def test_the_result_is_a_copy():
    outline = read_outline(SQUARE)
    (result,) = as_nonzero(outline)
    assert result == outline[0]
    assert result is not outline[0]
    assert result.segments is not outline[0].segments


def test_no_more_edges_than_the_bound_are_looked_at():
    square, n = polygon(4, 100), MAX_EDGES
    assert as_nonzero([polygon(n, 10000)]) is not None
    assert as_nonzero([polygon(n + 1, 10000)]) is None
    assert as_nonzero([polygon(n - 4, 10000), square]) is not None
    assert as_nonzero([square, polygon(n - 3, 10000)]) is None
    assert as_nonzero([circle(10**6, 0j, "A")]) is None
    goes_on = polygon(n, 10000)
    goes_on.segments += square.segments
    assert as_nonzero([goes_on]) is None
