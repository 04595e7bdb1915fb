"""Generated scenes: captions are exact, and reading them back finds every mistake."""

import dataclasses
import json
import math

import pytest

from generate_scenes import generate_scenes, main
from samples.scenes import Facts, Thing, parse_caption, write_captions
from scoring.metrics.scenes import score_caption

SIZES = {"train": 200, "validation": 20, "test": 40}
RECORDS = list(generate_scenes(SIZES, seed=7))


def test_every_reference_reads_back_to_the_same_facts():
    for record in RECORDS:
        facts = {parse_caption(caption) for caption in record["captions"]}
        assert len(facts) == 1
        assert None not in facts
        (scene,) = facts
        assert record["captions"] == write_captions(scene)


@pytest.mark.parametrize("record", RECORDS[:40], ids=lambda record: record["id"])
def test_a_mistake_changes_the_facts(record):
    facts = parse_caption(record["captions"][0])
    first, *rest = facts.things
    wrong = [
        dataclasses.replace(facts, row=not facts.row),
        dataclasses.replace(facts, things=facts.things[::-1]),
        dataclasses.replace(facts, things=(dataclasses.replace(first, large=not first.large), *rest)),
        dataclasses.replace(facts, things=(dataclasses.replace(first, colour="grey"), *rest)),
        dataclasses.replace(facts, things=(*facts.things, Thing("circle", "red", False))),
    ]
    for mistake in wrong:
        wordings = write_captions(mistake)
        assert wordings
        assert all(parse_caption(caption) != facts for caption in wordings)


def test_wording_does_not_matter():
    expected = Facts(True, (Thing("circle", "red", False), Thing("square", "blue", True)))
    for caption in (
        "A small red circle left of a large blue square.",
        "the big blue square to the right of  the little red circle",
        "from left to right: a small red circle and a large blue square",
    ):
        assert parse_caption(caption) == expected


@pytest.mark.parametrize(
    "caption", ["", "a red circle", "a dog left of a cat", "a small red circle left of a red", "circle"]
)
def test_what_is_no_scene_is_none(caption):
    assert parse_caption(caption) is None


def test_scenes_never_repeat_across_splits():
    facts = [parse_caption(record["captions"][0]) for record in RECORDS]
    assert len(set(facts)) == len(RECORDS) == sum(SIZES.values())
    assert len({record["svg"] for record in RECORDS}) == len(RECORDS)


def test_the_same_seed_gives_the_same_file(tmp_path):
    for name in ("one", "two"):
        main(n_train=5, n_validation=2, n_test=3, seed=3, output=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    first = json.loads((tmp_path / "one").read_text().splitlines()[0])
    assert (first["split"], first["group"]) == ("train", first["id"])


def test_the_metric_scores_scenes_and_leaves_other_samples_out():
    references = RECORDS[0]["captions"]
    assert score_caption(references[-1].capitalize() + ".", references) == 1.0
    assert score_caption(RECORDS[1]["captions"][0], references) == 0.0
    assert score_caption("", references) == 0.0
    assert math.isnan(score_caption("a small red circle left of a large blue square", ["grinning face"]))
