"""Lines, curves and arcs fitted to points, many at once.

Points are arrays of two coordinates by points by columns; a column is a run of points from a start (not among them) to
an end (the last of them). Runs keep them relative to the start, and so work the fits; what a fit takes and returns is
absolute, with an entry a column; control points are two coordinates by columns. Sums run over the points one after the
other, so that they are the same on any machine.

Curves are fitted as in P. J. Schneider, An Algorithm for Automatically Fitting Digitized Curves, Graphics Gems (1990):
control points by least squares for given shares along the curve, then for each point the share nearer to it by a step
of Newton's method; both twice. Control points are whole numbers, since outlines are on a grid.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
TINY = 1e-9


class Runs:
    """Columns of points with their ends, relative to their starts, and how far along each is, from 0 to 1.

    `first` and `last` are the places of the ends of the segment of each point, and `shares` how far along in it.
    """

    def __init__(self, starts: Array, points: Array, shares: Array, first: Array, last: Array):
        self.starts, self.points = starts, points - starts
        self.ends = self.points[:, -1:]
        steps = self.points.copy()
        steps[:, 1:] -= self.points[:, :-1]
        along = np.zeros((len(shares) + 1, shares.shape[1]))
        np.cumsum(np.sqrt(steps[0] * steps[0] + steps[1] * steps[1]), axis=0, out=along[:-1])
        along /= np.maximum(along[-2], TINY)
        columns = np.arange(along.shape[1])
        low, high = along[first, columns], along[last, columns]
        self.shares = low + shares * (high - low)

    def chosen(self, columns: Array) -> Runs:
        """Some of the columns, by number."""
        chosen = Runs.__new__(Runs)
        chosen.starts, chosen.points, chosen.ends, chosen.shares = (
            array.take(columns, axis=-1) for array in (self.starts, self.points, self.ends, self.shares)
        )
        return chosen


def near_line(runs: Runs, square: float) -> Array:
    """Whether the line from start to end is near all points, one after the other."""
    way, points = runs.ends, runs.points
    length = way[0] ** 2 + way[1] ** 2
    along = points[0] * way[0] + points[1] * way[1]
    across = points[0] * way[1] - points[1] * way[0]
    slack = np.sqrt(square * length)
    inside = (along <= length + slack) & (along >= -slack) & (across * across <= square * length)
    return (length[0] > 0) & inside.all(axis=0)


def fit_quadratic(runs: Runs, square: float) -> tuple[Array, Array]:
    """Whether a quadratic curve is near all points, and its control points."""
    u = runs.shares
    for _ in range(2):
        weight = 2 * u * (1 - u)
        control = least_squares(weight, runs.points - u * u * runs.ends, runs)
        u = nearer_on_quadratic(control, runs, u)
    return are_near(quadratic_at(control, runs.ends, u), runs, square), absolute(control, runs)


def fit_cubic(runs: Runs, square: float) -> tuple[Array, Array, Array]:
    """Whether a cubic curve is near all points, and its control points."""
    u = runs.shares
    for _ in range(2):
        v, uu = 1 - u, u * u
        b1, b2 = 3 * u * v * v, 3 * uu * v
        rest = runs.points - uu * u * runs.ends
        a11, a12, a22 = (b1 * b1).sum(axis=0), (b1 * b2).sum(axis=0), (b2 * b2).sum(axis=0)
        r1, r2 = (b1 * rest).sum(axis=1, keepdims=True), (b2 * rest).sum(axis=1, keepdims=True)
        area = np.maximum(a11 * a22 - a12 * a12, TINY)
        first = on_grid((a22 * r1 - a12 * r2) / area, runs)
        second = on_grid((a11 * r2 - a12 * r1) / area, runs)
        u = nearer_on_cubic(first, second, runs, u)
    return are_near(cubic_at(first, second, runs.ends, u), runs, square), absolute(first, runs), absolute(second, runs)


def fit_second_control(runs: Runs, firsts: Array, square: float) -> tuple[Array, Array]:
    """Whether a cubic curve with this first control is near all points, and its second one."""
    u, firsts = runs.shares, firsts[:, None] - runs.starts
    for _ in range(2):
        v, uu = 1 - u, u * u
        rest = runs.points - 3 * u * v * v * firsts - uu * u * runs.ends
        second = least_squares(3 * uu * v, rest, runs)
        u = nearer_on_cubic(firsts, second, runs, u)
    return are_near(cubic_at(firsts, second, runs.ends, u), runs, square), absolute(second, runs)


def near_quadratic(runs: Runs, control: Array, square: float) -> Array:
    """Whether the quadratic curve with this control is near all points."""
    u, control = runs.shares, control[:, None] - runs.starts
    for _ in range(2):
        u = nearer_on_quadratic(control, runs, u)
    return are_near(quadratic_at(control, runs.ends, u), runs, square)


def fit_arc(runs: Runs, square: float) -> tuple[Array, Array, Array, Array]:
    """Whether a circle through start, middle and end is near all points; its radius, whether large, the sweep.

    Its centre is where the perpendicular bisectors of the two chords from the start meet.
    """
    points, (bx, by) = runs.points, runs.ends[:, 0]
    ax, ay = points[:, points.shape[1] // 2 - 1]
    cross = ax * by - ay * bx
    a, b = ax * ax + ay * ay, bx * bx + by * by
    with np.errstate(all="ignore"):
        cx, cy = (by * a - ay * b) / (2 * cross), (ax * b - bx * a) / (2 * cross)
        sweep, half = cross > 0, np.sqrt(b) / 2
        radius = np.rint(np.sqrt(cx * cx + cy * cy))
        # A flatter arc is nowhere farther from its chord than a point may be from what replaces it.
        flat = 2 * math.sqrt(square) * radius > half * half + square
        large = ((bx * cy - by * cx > 0) != sweep) & (radius > half)
        # The circle that a reader makes of ends, radius and flags.
        drawn = np.maximum(radius, half)
        height = np.sqrt(np.maximum(drawn * drawn - half * half, 0)) / (2 * half) * np.where(sweep != large, 1, -1)
        arm = np.empty((2, len(points[0]) + 1, len(bx)))  # from the centre to the start, then to the points
        arm[:, 0] = by * height - bx / 2, -bx * height - by / 2
        np.add(points, arm[:, :1], out=arm[:, 1:])
        distance = np.sqrt(arm[0, 1:] ** 2 + arm[1, 1:] ** 2)
        turn = arm[0, :-1] * arm[1, 1:] - arm[1, :-1] * arm[0, 1:]
        same_way = ((turn > 0) == sweep).all(axis=0)
        near = ((distance - drawn) ** 2 <= square).all(axis=0)
    return near & same_way & ~(flat & ~large) & (half > 0) & (radius > 0) & (cross != 0), radius, large, sweep


def least_squares(weight: Array, rest: Array, runs: Runs) -> Array:
    """The control point whose share `weight` of each point is nearest to the `rest` of it."""
    return on_grid((weight * rest).sum(axis=1, keepdims=True) / np.maximum((weight * weight).sum(axis=0), TINY), runs)


def on_grid(control: Array, runs: Runs) -> Array:
    return np.rint(control + runs.starts) - runs.starts


def absolute(control: Array, runs: Runs) -> Array:
    return (control + runs.starts)[:, 0]


def quadratic_at(control: Array, end: Array, u: Array) -> Array:
    slope = 2 * control
    return ((end - slope) * u + slope) * u


def cubic_at(first: Array, second: Array, end: Array, u: Array) -> Array:
    slope = 3 * first
    bend = 3 * second - 2 * slope
    return (((end - slope - bend) * u + bend) * u + slope) * u


def are_near(curve: Array, runs: Runs, square: float) -> Array:
    away = curve - runs.points
    return (away[0] ** 2 + away[1] ** 2).max(axis=0) <= square


def nearer_on_quadratic(control: Array, runs: Runs, u: Array) -> Array:
    """Shares of a quadratic curve nearer to the points; the curve and its derivatives by Horner's scheme."""
    slope = 2 * control
    bend = runs.ends - slope
    inner = bend * u
    outer = inner + slope
    return newton_step(u, outer * u - runs.points, inner + outer, 2 * bend)


def nearer_on_cubic(first: Array, second: Array, runs: Runs, u: Array) -> Array:
    """Shares of a cubic curve nearer to the points; the curve and its derivatives by Horner's scheme."""
    slope = 3 * first
    bend = 3 * second - 2 * slope
    inner = (runs.ends - slope - bend) * u
    middle = inner + bend
    outer = middle * u + slope
    middle += inner
    return newton_step(u, outer * u - runs.points, middle * u + outer, 2 * (middle + inner))


def newton_step(u: Array, away: Array, slope: Array, bend: Array) -> Array:
    """Shares after a step of Newton's method to where the way from a point and the slope are at right angles."""
    step = away * slope
    rate = slope * slope + away * bend
    rate = rate[0] + rate[1]
    rate[rate <= TINY] = np.inf
    moved = u - (step[0] + step[1]) / rate
    return np.minimum(np.maximum(moved, 0, out=moved), 1, out=moved)
