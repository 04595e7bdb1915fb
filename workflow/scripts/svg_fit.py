"""Lines, curves and arcs fitted to points, many at once.

Points are arrays of two coordinates by points by columns; a column is a run of points from a start (not among them) to
an end (the last of them). A curve is the coefficients of its polynomial, the highest first, each of two coordinates by
one by columns. Sums run over the points one after the other, so that they are the same on any machine.

Curves are fitted as in P. J. Schneider, An Algorithm for Automatically Fitting Digitized Curves, Graphics Gems (1990):
control points by least squares for given shares along the curve, then for each point the share nearer to it by a step
of Newton's method; both twice. Control points are whole numbers, since outlines are on a grid. What a fit returns has
an entry a column; control points are two coordinates by columns.
"""

from __future__ import annotations

import copy

import numpy as np

Array = np.ndarray
Curve = list[np.ndarray]
TINY = 1e-9


class Runs:
    """Columns of points with their starts and ends, and about how far along each point is, from 0 to 1.

    `first` and `last` are the places of the ends of the segment of each point, and `shares` how far along in it.
    """

    def __init__(self, starts: Array, points: Array, shares: Array, first: Array, last: Array):
        steps = np.concatenate([points[:, :1] - starts, points[:, 1:] - points[:, :-1]], axis=1)
        along = np.cumsum(np.sqrt(steps[0] * steps[0] + steps[1] * steps[1]), axis=0)
        along = np.concatenate([along / np.maximum(along[-1], TINY), np.zeros_like(along[:1])])
        columns = np.arange(along.shape[1])
        low, high = along[first, columns], along[last, columns]
        self.starts, self.points, self.ends = starts, points, points[:, -1:]
        self.shares = low + shares * (high - low)

    def chosen(self, columns: Array) -> Runs:
        """Some of the columns."""
        chosen = copy.copy(self)
        chosen.starts, chosen.points, chosen.ends, chosen.shares = (
            array[..., columns] for array in (self.starts, self.points, self.ends, self.shares)
        )
        return chosen


def near_line(runs: Runs, square: float) -> Array:
    """Whether the line from start to end is near all points, one after the other."""
    way, points = runs.ends - runs.starts, runs.points - runs.starts
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
        v = 1 - u
        weight = 2 * u * v
        rest = runs.points - v * v * runs.starts - u * u * runs.ends
        control = np.rint((weight * rest).sum(axis=1) / np.maximum((weight * weight).sum(axis=0), TINY))[:, None]
        curve = quadratic(runs.starts, control, runs.ends)
        u = moved_nearer(curve, u, runs.points)
    return are_near(curve, u, runs.points, square), control[:, 0]


def fit_cubic(runs: Runs, square: float) -> tuple[Array, Array, Array]:
    """Whether a cubic curve is near all points, and its control points."""
    u = runs.shares
    for _ in range(2):
        v = 1 - u
        b1, b2 = 3 * u * v * v, 3 * u * u * v
        rest = runs.points - v * v * v * runs.starts - u * u * u * runs.ends
        a11, a12, a22 = (b1 * b1).sum(axis=0), (b1 * b2).sum(axis=0), (b2 * b2).sum(axis=0)
        r1, r2 = (b1 * rest).sum(axis=1), (b2 * rest).sum(axis=1)
        area = np.maximum(a11 * a22 - a12 * a12, TINY)
        first, second = np.rint((a22 * r1 - a12 * r2) / area), np.rint((a11 * r2 - a12 * r1) / area)
        curve = cubic(runs.starts, first[:, None], second[:, None], runs.ends)
        u = moved_nearer(curve, u, runs.points)
    return are_near(curve, u, runs.points, square), first, second


def fit_second_control(runs: Runs, firsts: Array, square: float) -> tuple[Array, Array]:
    """Whether a cubic curve with this first control is near all points, and its second one."""
    u = runs.shares
    for _ in range(2):
        v = 1 - u
        weight = 3 * u * u * v
        rest = runs.points - v * v * v * runs.starts - 3 * u * v * v * firsts - u * u * u * runs.ends
        second = np.rint((weight * rest).sum(axis=1) / np.maximum((weight * weight).sum(axis=0), TINY))[:, None]
        curve = cubic(runs.starts, firsts, second, runs.ends)
        u = moved_nearer(curve, u, runs.points)
    return are_near(curve, u, runs.points, square), second[:, 0]


def near_quadratic(runs: Runs, control: Array, square: float) -> Array:
    """Whether the quadratic curve with this control is near all points."""
    curve, u = quadratic(runs.starts, control, runs.ends), runs.shares
    for _ in range(2):
        u = moved_nearer(curve, u, runs.points)
    return are_near(curve, u, runs.points, square)


def fit_arc(runs: Runs, square: float) -> tuple[Array, Array, Array, Array]:
    """Whether a circle through start, middle and end is near all points; its radius, whether large, the sweep.

    Its centre is where the perpendicular bisectors of the two chords from the start meet.
    """
    points, (bx, by) = runs.points, (runs.ends - runs.starts)[:, 0]
    ax, ay = points[:, points.shape[1] // 2 - 1] - runs.starts[:, 0]
    cross = ax * by - ay * bx
    a, b = ax * ax + ay * ay, bx * bx + by * by
    with np.errstate(all="ignore"):
        cx, cy = (by * a - ay * b) / (2 * cross), (ax * b - bx * a) / (2 * cross)  # from the start to the centre
        sweep, half = cross > 0, np.sqrt(b) / 2
        radius = np.rint(np.sqrt(cx * cx + cy * cy))
        large = ((bx * cy - by * cx > 0) != sweep) & (radius > half)
        # The circle that a reader makes of ends, radius and flags.
        drawn = np.maximum(radius, half)
        height = np.sqrt(np.maximum(drawn * drawn - half * half, 0)) / (2 * half) * np.where(sweep != large, 1, -1)
        centre = runs.starts + np.stack([bx / 2 - by * height, by / 2 + bx * height])[:, None]
        away = points - centre
        distance = np.sqrt(away[0] ** 2 + away[1] ** 2)
        line = np.concatenate([runs.starts, points], axis=1)
        step, arm = line[:, 1:] - line[:, :-1], line[:, :-1] - centre
        same_way = ((arm[0] * step[1] - arm[1] * step[0] > 0) == sweep).all(axis=0)
        near = ((distance - drawn) ** 2 <= square).all(axis=0)
    return near & same_way & (half > 0) & (radius > 0) & (cross != 0), radius, large, sweep


def quadratic(start: Array, control: Array, end: Array) -> Curve:
    slope = 2 * (control - start)
    return [end - start - slope, slope, start]


def cubic(start: Array, first: Array, second: Array, end: Array) -> Curve:
    slope = 3 * (first - start)
    bend = 3 * (second - first) - slope
    return [end - start - slope - bend, bend, slope, start]


def points_of(curve: Curve, u: Array) -> Array:
    value = curve[0]
    for coefficient in curve[1:]:
        value = value * u
        value += coefficient
    return value


def derivative(curve: Curve) -> Curve:
    degree = len(curve) - 1
    return [(degree - place) * coefficient for place, coefficient in enumerate(curve[:-1])]


def moved_nearer(curve: Curve, u: Array, points: Array) -> Array:
    """Shares of a curve nearer to the points, by a step of Newton's method.

    Nearest is where `step`, the product of the way from the point and the slope, is 0; `rate` is its derivative.
    """
    slopes = derivative(curve)
    away, slope, bend = points_of(curve, u) - points, points_of(slopes, u), points_of(derivative(slopes), u)
    step = away[0] * slope[0] + away[1] * slope[1]
    rate = slope * slope
    rate += away * bend
    rate = rate[0] + rate[1]
    moved = u - step / np.where(rate > TINY, rate, np.inf)
    return np.minimum(np.maximum(moved, 0, out=moved), 1, out=moved)


def are_near(curve: Curve, u: Array, points: Array, square: float) -> Array:
    away = points_of(curve, u) - points
    return (away[0] ** 2 + away[1] ** 2).max(axis=0) <= square
