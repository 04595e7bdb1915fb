"""OpenMoji with Unicode names: twins share a group, captions are words, nothing is lost uncounted."""

import pytest

from build_openmoji import find_drawings, group_of, join_samples, read_captions

DRAWINGS = find_drawings()
SAMPLES, LEFT_OUT = join_samples(DRAWINGS, read_captions())
BY_ID = {sample["id"]: sample for sample in SAMPLES}


def test_every_drawing_is_used_or_counted():
    assert len(SAMPLES) + sum(LEFT_OUT.values()) == len(DRAWINGS)
    assert len(SAMPLES) > 1400
    assert LEFT_OUT["skin-tone variants"] > 1000
    assert LEFT_OUT["flags"] > 200


def test_captions_are_plain_words():
    assert "grinning face" in BY_ID["openmoji-1F600"]["captions"]
    for sample in SAMPLES:
        assert sample["captions"]
        assert not any(mark in caption for caption in sample["captions"] for mark in ":_")


def test_aliases_are_further_references():
    assert sum(len(sample["captions"]) > 1 for sample in SAMPLES) > 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1F3C3-200D-2640", "1F3C3-200D-2642"),  # woman running, man running
        ("1F3C3", "1F3C3-200D-27A1"),  # person running, facing right
        ("1F468-200D-1F9B0", "1F469-200D-1F9B3"),  # red hair, white hair
        ("1F468-200D-2695", "1F9D1-200D-2695"),  # man, person: health worker
        ("1F44B", "1F44B-1F3FD"),  # skin tone
        ("0031-20E3", "0032-20E3"),  # keycaps
    ],
)
def test_twins_share_a_group(one, other):
    assert group_of(one.split("-")) == group_of(other.split("-"))


def test_different_drawings_have_different_groups():
    assert group_of(["1F600"]) != group_of(["1F601"])
    assert len({sample["group"] for sample in SAMPLES}) > 1000


def test_flags_take_no_part():
    assert "1F1EB-1F1F7" in DRAWINGS
    assert "openmoji-1F1EB-1F1F7" not in BY_ID
