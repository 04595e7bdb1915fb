"""The comparison of two pictures: measured where they differ, it is that of the whole pictures."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from samples.render_check import C1, C2, LUMINANCE, SIZE, WINDOW, compare_pictures

PICTURE = np.random.default_rng(20).integers(0, 256, (SIZE, SIZE, 3)).astype(np.float32)


def whole_similarity(first, second):
    """Mean SSIM of whole pictures, as Wang et al. 2004 write it."""
    x, y = (picture.astype(np.float64) @ LUMINANCE for picture in (first, second))
    mean_x, mean_y, square_x, square_y, product = (uniform_filter(v, WINDOW) for v in (x, y, x * x, y * y, x * y))
    covariance, variances = product - mean_x * mean_y, square_x - mean_x**2 + square_y - mean_y**2
    ssim = (2 * mean_x * mean_y + C1) * (2 * covariance + C2) / ((mean_x**2 + mean_y**2 + C1) * (variances + C2))
    return ssim.mean()


@pytest.mark.parametrize(
    "place", [(slice(40, 41), slice(90, 91)), (slice(0, 9), slice(200, SIZE)), (slice(31, 160), slice(15, 16))]
)
def test_the_similarity_is_that_of_the_whole_pictures(place):
    other = PICTURE.copy()
    other[place] = 255 - other[place]
    difference = compare_pictures(PICTURE, other)
    assert difference.similarity == pytest.approx(whole_similarity(PICTURE, other), abs=1e-5)
    assert difference.similarity < 1
    assert difference.mean_absolute == pytest.approx(np.abs(PICTURE - other).mean(), rel=1e-4)


def test_equal_pictures_do_not_differ():
    difference = compare_pictures(PICTURE, PICTURE.copy())
    assert (difference.mean_absolute, difference.worst_cell, difference.similarity) == (0, 0, 1)
