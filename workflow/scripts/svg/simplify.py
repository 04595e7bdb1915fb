"""Outlines on the grid with fewer and shorter segments, none farther from what it replaces than a tolerance.

What a segment costs is how many numbers its text has. Again and again, until nothing changes, so that a simplified
outline stays as it is: a segment becomes a line or a curve of fewer controls, neighbours become one, and a curve goes
on from the one before it, which saves a control. All runs of segments of a drawing are fitted at once (svg/fit.py).

benchmarks/preprocess.py compares the texts with svgo's and scour's at equal fidelity, preprocess_steps.py tells this
step's share.
"""

from __future__ import annotations

import numpy as np

from svg import fit as svg_fit
from svg.fit import Runs
from svg.outlines import Outline, Segment, Subpath, ellipse_of, point_on

MAX_ROUNDS = 40
SMALL = 3  # units of the grid: what is worth trying to smooth
COSTS = {"L": 2, "Q": 4, "C": 6, "A": 6}
CHEAPER = {"L": 1, "Q": 2, "C": 4}  # along an axis; going on from the curve before
# Where runs of one, two and three segments are compared: which segment, and at which share of it.
OFFSETS = np.array([[0] * 8, [0] * 4 + [1] * 4, [0] * 3 + [1] * 3 + [2] * 2]).T
SHARES = np.array([[k / 8 for k in range(1, 9)], [0.25, 0.5, 0.75, 1] * 2, [1 / 3, 2 / 3, 1] * 2 + [0.5, 1]]).T
# The points at which the segment of a point begins and ends; 8 is the start of the run.
FIRST = np.array([[8] * 8, [8] * 4 + [3] * 4, [8] * 3 + [2] * 3 + [5] * 2]).T
LAST = np.array([[7] * 8, [3] * 4 + [7] * 4, [2] * 3 + [5] * 3 + [7] * 2]).T
DEGREES = {"L": 1, "Q": 2, "C": 3, "A": 1}  # of an arc that of the line between its ends
Table = list[tuple[complex, Segment]]  # segments with their starts


def simplify_outlines(outlines: list[Outline], tolerance: float) -> list[bool]:
    """Simplify outlines on the grid (whose unit is 1) in place; returns which of them have changed."""
    chains = [[Chain(sub) for sub in outline if sub.segments] for outline in outlines]
    active = [chain for own in chains for chain in own]
    for _ in range(MAX_ROUNDS):
        active = [chain for chain in active if True in chain.fresh]
        if not active:
            break
        replace_runs(active, tolerance**2)
        smooth_curves(active, tolerance**2)
    return [any(chain.changed for chain in own) for own in chains]


class Chain:
    """The segments of a subpath, and which of them nobody has tried to replace since they or those before changed."""

    def __init__(self, subpath: Subpath):
        self.first, self.closed = subpath.start, subpath.closed
        self.segments = subpath.segments
        self.fresh = [True] * len(self.segments)
        self.smoothed = [False] * len(self.segments)
        self.changed = False

    def start_of(self, position: int) -> complex:
        return self.segments[position - 1][-1] if position else self.first

    def mirrored(self, position: int) -> complex:
        """The control with which a curve goes on from the segment before it."""
        if not position:
            return self.first
        before = self.segments[position - 1]
        return 2 * before[-1] - before[-2] if before[0] == self.segments[position][0] else before[-1]

    def costs(self) -> list[float]:
        """How many numbers the text of each segment has."""
        costs: list[float] = []
        before: Segment = ("M", self.first)
        for segment in self.segments:
            kind, start = segment[0], before[-1]
            cheap = False
            if kind == "L":
                step = segment[1] - start
                cheap = not step.real or not step.imag
            elif kind != "A":
                cheap = segment[1] == (2 * start - before[-2] if before[0] == kind else start)
            costs.append((CHEAPER if cheap else COSTS)[kind])
            before = segment
        if self.closed and before[0] == "L":
            costs[-1] = CHEAPER["L"]  # written as `z`
        return costs

    def replace(self, position: int, length: int, segment: Segment) -> None:
        self.changed = True
        stop = position + length
        self.segments[position:stop] = [segment]
        self.fresh[position:stop] = [True]
        self.smoothed[position:stop] = [False]
        if position + 1 < len(self.fresh):  # its cost hangs on the segment before
            self.fresh[position + 1], self.smoothed[position + 1] = True, False


def replace_runs(chains: list[Chain], square: float) -> None:
    """Put a cheaper segment in the place of one, two or three, where it is near enough."""
    table: Table = []
    runs: list[tuple[Chain, int, int, int, float]] = []  # chain, position, length, row of the table, cost
    for chain in chains:
        costs, fresh, segments = chain.costs(), chain.fresh, chain.segments
        last = len(segments) - 1
        end = chain.first
        for position, segment in enumerate(segments):
            start, end = end, segment[-1]
            new = fresh[position]
            if not new and True not in fresh[max(position - 2, 0) : position + 3]:
                continue  # no run through it has anything new
            row, cost = len(table), costs[position]
            table.append((start, segment))
            if position < last:
                following = segments[position + 1]
                if (new or fresh[position + 1]) and may_join(start, segment, following):
                    runs.append((chain, position, 2, row, cost + costs[position + 1]))
                are_lines = segment[0] == following[0] == "L" and position + 1 < last
                if are_lines and segments[position + 2][0] == "L" and (new or True in fresh[position : position + 3]):
                    runs.append((chain, position, 3, row, sum(costs[position : position + 3])))
            if new and cost > CHEAPER["Q"] and may_shorten(start, segment):
                runs.append((chain, position, 1, row, cost))
        chain.fresh = [False] * len(segments)
    if not runs:
        return
    rows = np.array([row for _, _, _, row, _ in runs])
    lengths = np.array([length - 1 for _, _, length, _, _ in runs])
    points = sample(table, rows, lengths)
    fits = fit_segments(points, np.array([cost for *_, cost in runs]), square)
    before: Chain | None = None
    for (chain, position, length, _, _), fit in zip(runs, fits, strict=True):
        if chain is not before:
            before, gone, free = chain, 0, 0
        if fit is not None and position >= free:
            chain.replace(position - gone, length, fit)
            gone += length - 1
            free = position + length


def may_join(start: complex, first: Segment, second: Segment) -> bool:
    """False for a corner that no single segment goes around near enough."""
    if first[0] == "A" or second[0] == "A":
        return True
    joint = first[-1]
    before = joint - (first[-2] if len(first) > 2 else start)
    after = second[1] - joint
    dot = before.real * after.real + before.imag * after.imag
    if dot <= 0:
        return abs(before) < SMALL or abs(after) < SMALL
    cross, whole = before.real * after.imag - before.imag * after.real, before + after
    return cross * cross < SMALL * SMALL * (whole.real * whole.real + whole.imag * whole.imag)


def may_shorten(start: complex, segment: Segment) -> bool:
    """False for a cubic curve that is far from every quadratic one."""
    if segment[0] != "C":
        return True
    third = segment[3] - start + 3 * (segment[1] - segment[2])
    return abs(third) < 40 * SMALL


def smooth_curves(chains: list[Chain], square: float) -> None:
    """Let curves go on from the curve before them, which saves a control, where they nearly do."""
    table: Table = []
    runs: list[tuple[Chain, int]] = []
    firsts: list[complex] = []
    for chain in chains:
        for position, segment in enumerate(chain.segments):
            goes_on = segment[0] == "C" or (
                segment[0] == "Q" and position > 0 and chain.segments[position - 1][0] == "Q"
            )
            if goes_on and not chain.smoothed[position]:
                first = chain.mirrored(position)
                if segment[1] != first:
                    runs.append((chain, position))
                    table.append((chain.start_of(position), segment))
                    firsts.append(first)
        chain.smoothed = [True] * len(chain.segments)
    if not runs:
        return
    sampled = sample(table, np.arange(len(runs)), np.zeros(len(runs), dtype=int))
    fits = fit_going_on(sampled, [segment for _, segment in table], firsts, square)
    changed: tuple[Chain, int] | None = None
    for (chain, position), fit in zip(runs, fits, strict=True):
        if changed == (chain, position - 1):
            chain.smoothed[position] = False  # where it goes on from has just moved
        elif fit is not None:
            chain.replace(position, 1, fit)
            changed = (chain, position)


def fit_going_on(runs: Runs, segments: list[Segment], firsts: list[complex], square: float) -> list[Segment | None]:
    """The curve of the segment's kind with this first control near each run of points, or None."""
    best: list[Segment | None] = [None] * len(segments)
    controls = coordinates(firsts)
    is_cubic = np.array([segment[0] == "C" for segment in segments])
    cubics, quadratics = np.flatnonzero(is_cubic), np.flatnonzero(~is_cubic)
    if len(cubics):
        near, seconds = svg_fit.fit_second_control(runs.chosen(cubics), controls[:, cubics], square)
        for place, second in zip(cubics[near].tolist(), complexes(seconds[:, near]), strict=True):
            best[place] = ("C", firsts[place], second, segments[place][-1])
    if len(quadratics):
        near = svg_fit.near_quadratic(runs.chosen(quadratics), controls[:, quadratics], square)
        for place in quadratics[near].tolist():
            best[place] = ("Q", firsts[place], segments[place][-1])
    return best


def fit_segments(runs: Runs, costs: np.ndarray, square: float) -> list[Segment | None]:
    """The cheapest segment near each run of points and cheaper than what is there, or None."""
    best: list[Segment | None] = [None] * len(costs)
    ends = complexes((runs.starts + runs.ends)[:, 0])
    along_axis = (runs.ends == 0).any(axis=(0, 1))
    near = svg_fit.near_line(runs, square) & (costs > np.where(along_axis, CHEAPER["L"], COSTS["L"]))
    for place in np.flatnonzero(near).tolist():
        best[place] = ("L", ends[place])
    left = np.flatnonzero(~near & (costs > COSTS["Q"]))
    if not len(left):
        return best
    runs = runs.chosen(left)
    near, control = svg_fit.fit_quadratic(runs, square)
    for place, one in zip(left[near].tolist(), complexes(control[:, near]), strict=True):
        best[place] = ("Q", one, ends[place])
    rest = np.flatnonzero(~near & (costs[left] > COSTS["C"]))
    if not len(rest):
        return best
    left, runs = left[rest], runs.chosen(rest)
    near, first, second = svg_fit.fit_cubic(runs, square)
    controls = complexes(first[:, near]), complexes(second[:, near])
    for place, one, two in zip(left[near].tolist(), *controls, strict=True):
        best[place] = ("C", one, two, ends[place])
    rest = np.flatnonzero(~near)
    if not len(rest):
        return best
    left, runs = left[rest], runs.chosen(rest)
    near, radius, large, sweep = svg_fit.fit_arc(runs, square)
    shapes = radius[near].tolist(), large[near].tolist(), sweep[near].tolist()
    for place, size, *flags in zip(left[near].tolist(), *shapes, strict=True):
        best[place] = ("A", complex(size, size), 0, *flags, ends[place])
    return best


def sample(table: Table, rows: np.ndarray, kinds: np.ndarray) -> Runs:
    """Points of runs that begin at rows of the table and have a segment more than their kind says."""
    places, shares = rows + OFFSETS.take(kinds, axis=1), SHARES.take(kinds, axis=1)
    start, first, second, end = control_points(table)
    slope = 3 * (first - start)
    bend = 3 * (second - first) - slope
    points = (end - start - slope - bend).take(places, axis=1)
    for coefficient in (bend, slope, start):
        points *= shares
        points += coefficient.take(places, axis=1)
    place_arcs(points, table, places, shares)
    points[:, -1] = end.take(places[-1], axis=1)
    return Runs(start.take(rows, axis=1)[:, None], points, shares, FIRST.take(kinds, axis=1), LAST.take(kinds, axis=1))


def control_points(table: Table) -> list[np.ndarray]:
    """Control points, coordinates by rows, of segments as cubic curves; of an arc only its ends mean something."""
    corners: list[complex] = []
    for start, segment in table:
        is_curve, end = segment[0] in "QC", segment[-1]
        corners += (start, segment[1], segment[-2], end) if is_curve else (start, end, start, end)
    degrees = np.array([DEGREES[segment[0]] for _, segment in table])
    starts, firsts, seconds, ends = np.array(corners).view(float).reshape(-1, 4, 2).transpose(1, 2, 0).copy()
    return [starts, starts + (firsts - starts) * degrees / 3, ends + (seconds - ends) * degrees / 3, ends]


def place_arcs(points: np.ndarray, table: Table, places: np.ndarray, shares: np.ndarray) -> None:
    """Put the points of arcs where they are; `places` are rows of the table."""
    ellipses = {row: ellipse_of(*entry) for row, entry in enumerate(table) if entry[1][0] == "A"}
    if not ellipses:
        return
    is_arc = np.zeros(len(table), dtype=bool)
    is_arc[list(ellipses)] = True
    of_arcs = np.flatnonzero(is_arc.take(places))
    on_arcs = zip(places.take(of_arcs).tolist(), shares.take(of_arcs).tolist(), strict=True)
    points.reshape(2, -1)[:, of_arcs] = coordinates([point_on(ellipses[row], share) for row, share in on_arcs])


def coordinates(points: list[complex]) -> np.ndarray:
    """Complex numbers as an array of two rows."""
    numbers = np.array(points)
    return np.array([numbers.real, numbers.imag])


def complexes(points: np.ndarray) -> list[complex]:
    """Columns of two coordinates as complex numbers."""
    return np.ascontiguousarray(points.T).view(complex)[:, 0].tolist()
