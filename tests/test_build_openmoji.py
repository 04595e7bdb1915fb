"""OpenMoji with Unicode names: near-duplicates share a group, captions are words, nothing is lost uncounted."""

import json
from collections import Counter

import pytest

from build_openmoji import clean_names, find_drawings, join_names, join_samples, main, read_captions

DRAWINGS = find_drawings()
SAMPLES, LEFT_OUT = join_samples(DRAWINGS, read_captions())
BY_ID = {sample["id"]: sample for sample in SAMPLES}
BY_CAPTION = {caption: sample for sample in SAMPLES for caption in sample["captions"]}


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
    "twins",
    [
        ["woman running", "man running", "person running", "person running facing right"],
        ["man red hair", "woman white hair", "person", "bald"],
        ["health worker", "man health worker", "woman health worker"],
        ["keycap 1", "keycap 2", "keycap #", "keycap 10"],
        ["prince", "princess", "person with crown"],
        ["couplekiss", "kiss man man", "kiss woman woman"],
        ["pregnant woman", "pregnant man"],
        ["family", "family man girl", "family adult child child"],
        ["left-facing fist", "right-facing fist"],
        ["red heart", "light blue heart"],
        ["one o'clock", "twelve-thirty"],
    ],
)
def test_twins_share_a_group(twins):
    assert len({BY_CAPTION[caption]["group"] for caption in twins}) == 1


def test_different_drawings_have_different_groups():
    different = [
        "grinning face",
        "red heart",
        "woman running",
        "woman walking",
        "keycap 1",
        "one o'clock",
        "rat",
        "farmer",
    ]
    assert len({BY_CAPTION[caption]["group"] for caption in different}) == len(different)
    sizes = Counter(sample["group"] for sample in SAMPLES)
    assert len(sizes) > 1250
    assert max(sizes.values()) < 40


def test_one_drawing_under_several_names_is_one_sample_with_all_of_them():
    assert len({sample["svg"] for sample in SAMPLES}) == len(SAMPLES)
    assert BY_CAPTION["man farmer"]["captions"] == ["farmer", "man farmer"]
    assert join_names(["man farmer"], ["farmer"]) == ["farmer", "man farmer"]


def test_names_become_words_once():
    assert clean_names([":woman’s_hat:", ":womans_hat:"]) == ["woman's hat"]
    assert clean_names([":twelve-thirty:", ":clock1230:"]) == ["twelve-thirty"]
    assert clean_names([":OK_button:", ":ok:"]) == ["ok button"]
    assert clean_names([":ox:"]) == ["ox"]


def test_flags_take_no_part():
    assert "1F1EB-1F1F7" in DRAWINGS
    assert "openmoji-1F1EB-1F1F7" not in BY_ID


def test_the_file_holds_every_sample(tmp_path):
    main(output=tmp_path / "raw" / "openmoji.jsonl")
    lines = (tmp_path / "raw" / "openmoji.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == SAMPLES
