"""Making samples: each text is checked against its drawing, and a milder one taken where it draws something else."""

import numpy as np
import pytest

from readers.entries import RawRecord
from samples import making as sample_making
from samples.making import Settings, make_sample, process_record, write_checked
from samples.reference_checks import ReferenceChecks
from samples.render_check import compare_pictures, draw_picture
from svg.canonical import read_drawing
from svg.parse import Unusable

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 90"><path id="x" d="M9 9h50v50h-50z"/></svg>'


def damage(monkeypatch, *levels):
    """Have these levels draw a small circle instead, as a fault of the rewriting would."""
    write_level = sample_making.write_level

    def write_damaged(repaired, canvas, precision, level, use="flatten"):
        if level in levels:
            repaired = read_drawing(SQUARE.replace('<path id="x" d="M9 9h50v50h-50z"', '<circle cx="30" cy="30" r="9"'))
        return write_level(repaired, canvas, precision, level, use)

    monkeypatch.setattr(sample_making, "write_level", write_damaged)


def test_a_drawing_that_passes_the_render_check_has_no_flag():
    checked = write_checked(read_drawing(SQUARE), Settings())
    assert (checked.flags, 'viewBox="0 0 512 512"' in checked.drawing.xml) == (set(), True)


@pytest.mark.parametrize(
    ("levels", "flags", "words"),
    [
        (["compact"], {"fell_back:compact"}, 'viewBox="0 0 90 90"><path d="M9'),
        (["compact", "safe"], {"fell_back:compact", "fell_back:safe"}, 'viewBox="0 0 90 90"><path d="M9'),
    ],
)
def test_a_text_that_draws_another_picture_is_replaced_by_a_milder_one(monkeypatch, levels, flags, words):
    damage(monkeypatch, *levels)
    checked = write_checked(read_drawing(SQUARE), Settings())
    assert checked.flags == flags
    assert words in checked.drawing.xml
    assert np.array_equal(checked.picture, draw_picture(SQUARE))


def test_a_drawing_of_which_no_text_renders_the_same_is_flagged(monkeypatch):
    damage(monkeypatch, "compact", "safe", "none")
    assert {"fell_back:none", "render_check_failed"} <= write_checked(read_drawing(SQUARE), Settings()).flags


def test_without_proof_nothing_is_drawn(monkeypatch):
    damage(monkeypatch, "compact")
    checked = write_checked(read_drawing(SQUARE), Settings(render_check=False))
    assert (checked.flags, checked.picture) == (set(), None)


def test_a_drawing_that_no_renderer_gets_is_flagged():
    blur = '<filter id="f"><feGaussianBlur stdDeviation="1e6"/></filter><g filter="url(#f)"><path d="M0 0h9v9z"/></g>'
    checked = write_checked(read_drawing(SQUARE.replace("<path", f"{blur}<path")), Settings())
    assert "render_check_failed" in checked.flags


def test_thresholds_decide():
    coarse = SQUARE.replace("M9 9h50v50h-50z", "M9.4 9.4h50.3v50.3h-50.3z")
    strict = Settings(canvas=64, max_difference=0.1)
    assert write_checked(read_drawing(coarse), strict).flags == {"fell_back:compact"}
    assert write_checked(read_drawing(coarse), Settings(canvas=64, max_difference=9, min_similarity=0.5)).flags == set()


def test_the_measures_of_a_difference():
    white = np.full((224, 224, 3), 255, dtype=np.float32)
    black = np.zeros_like(white)
    half = white.copy()
    half[:112] = 0
    assert compare_pictures(white, white.copy()).similarity == 1
    assert compare_pictures(white, half).mean_absolute == pytest.approx(127.5)
    assert compare_pictures(white, black).similarity < 0.01
    noisy = half + np.random.default_rng(1).normal(0, 5, half.shape).astype(np.float32)
    assert 0.3 < compare_pictures(half, noisy).similarity < 1


def test_a_record_without_any_usable_caption_says_why():
    record = RawRecord(0, "a", SQUARE, ["[GENERATION_FAILED]"], "", "")
    with pytest.raises(Unusable, match=r"no usable caption \(junk\)"):
        make_sample(record, "mine", Settings(), ReferenceChecks(), None)
    kept = make_sample(record, "mine", Settings(), ReferenceChecks(drop=[]), None).sample
    assert "caption:junk" in kept.flags


@pytest.mark.parametrize(
    ("matrix", "d"),
    [
        ("1e100 0 0 1e100 0 0", "M0 0L1e250 5L3 4z"),
        ("1e100 1e100 1e100 2e100 0 0", "M0 0C1e250 5 3 4 5 6L1 1L9 3z"),
        ("1 0 0 1 0 0", "M0 0Q1e308 1e308 -1e308 9L1 50C9 9 9 9 9 9e307z"),
        ("1 0 0 1 0 0", "M1 1A1e308 1e308 0 0 1 50 50L9 9z"),
        ("1e100 0 0 1e100 0 0", "M1e250 0h9v9z"),
    ],
)
def test_coordinates_that_overflow_are_a_reason(matrix, d):
    xml = SQUARE.replace("<path", f'<g transform="matrix({matrix})"><path d="{d}"/></g><path')
    rejection = process_record(RawRecord(0, "a", xml, ["a square"], "", ""), "x", Settings(), ReferenceChecks(), None)
    assert rejection.reason == "cannot be computed (OverflowError: coordinates out of all bounds)"
