"""The render check: a rewritten drawing must give the same picture as the original; both are drawn and compared.

A picture is RGB on white at SIZE px. Three measures: the mean absolute difference of the channels (0 to 255), the same
in the worst cell of CELL x CELL px, and the mean structural similarity of the luminance (SSIM of Wang et al. 2004, IEEE
TIP 13(4), with a square window of 7 px and their constants; 1 for equal pictures). The first catches lost or wrongly
painted areas, the second such areas in a small part of a drawing, the third lost structure, which fills few pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from rendering.renderers import PictureStyle, paint_drawing
from svg.guard import guard_drawing

SIZE = 224
STYLE = PictureStyle(size=SIZE)
WINDOW = 7
CELL = 16  # px, which divide SIZE
REACH = 2 * (WINDOW // 2)  # px beside what differs: windows that reach in, and what these see
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Difference:
    """How two pictures differ."""

    mean_absolute: float  # of 255
    worst_cell: float  # of 255
    similarity: float  # SSIM, 1 where they are equal


def draw_picture(xml: str) -> np.ndarray:
    """A drawing on white as render_png draws it by default: SIZE x SIZE x 3, float32 from 0 to 255.

    Raises guard.Refused for a drawing that no renderer gets, and whatever the back end raises.
    """
    return np.asarray(paint_drawing(guard_drawing(xml), STYLE)[0], dtype=np.float32)


def compare_pictures(first: np.ndarray, second: np.ndarray) -> Difference:
    """The difference of two pictures of `draw_picture`."""
    differences = np.abs(first - second)
    rows = differences.reshape(SIZE // CELL, CELL, -1).sum(axis=1)  # one axis after the other: faster
    cells = rows.reshape(SIZE // CELL, SIZE // CELL, -1).sum(axis=2) / (CELL * CELL * 3)
    if not cells.any():
        return Difference(0.0, 0.0, 1.0)
    part = part_that_differs(cells > 0)
    return Difference(float(cells.mean()), float(cells.max()), similarity(first[part], second[part]))


def part_that_differs(cells: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of the pictures around all cells that differ, with room for the windows that reach in."""
    bounds = []
    for axis in (1, 0):
        places = np.flatnonzero(cells.any(axis=axis))
        bounds.append(slice(max(CELL * int(places[0]) - REACH, 0), min(CELL * (int(places[-1]) + 1) + REACH, SIZE)))
    return bounds[0], bounds[1]


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Mean SSIM of two pictures by luminance, of which parts are given: it is 1 where the pictures are equal."""
    one, other = first @ LUMINANCE, second @ LUMINANCE

    def local_mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, WINDOW)

    mean_1, mean_2 = local_mean(one), local_mean(other)
    product, squares = mean_1 * mean_2, mean_1**2 + mean_2**2
    variances = local_mean(one**2 + other**2) - squares
    covariance = local_mean(one * other) - product
    values = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return 1 - float((1 - values).sum()) / SIZE**2
