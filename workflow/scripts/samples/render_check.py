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
    if np.array_equal(first, second):
        return Difference(0.0, 0.0, 1.0)
    rows = np.abs(first - second).reshape(SIZE // CELL, CELL, -1).sum(axis=1)  # one axis after the other: faster
    cells = rows.reshape(SIZE // CELL, SIZE // CELL, -1).sum(axis=2) / (CELL * CELL * 3)
    return Difference(float(cells.mean()), float(cells.max()), similarity(first @ LUMINANCE, second @ LUMINANCE))


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Mean SSIM of two grey pictures."""

    def local_mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, WINDOW)

    mean_1, mean_2 = local_mean(first), local_mean(second)
    variance_1, variance_2 = local_mean(first**2) - mean_1**2, local_mean(second**2) - mean_2**2
    covariance = local_mean(first * second) - mean_1 * mean_2
    numerator = (2 * mean_1 * mean_2 + C1) * (2 * covariance + C2)
    return float((numerator / ((mean_1**2 + mean_2**2 + C1) * (variance_1 + variance_2 + C2))).mean())
