"""Votes that came back: results of simulated raters, and files that belong to something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_fixture import make_experiment
from vote_files import make_ballot, write_ballot

import analyse_votes
from core.command import InputError
from core.records import read_captions, read_json, read_samples, write_captions, write_json

WEAK, MIDDLE, GOOD = "smollm2-zero-shot", "smollm2-test1", "smollm2-test3"
PAIRS = [(WEAK, MIDDLE), (WEAK, GOOD), (MIDDLE, GOOD)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_experiment(tmp_path_factory.mktemp("votes"), n_samples=40, n_systems=3).folder


def run(folder: Path, *ballots: Path) -> dict[str, Any]:
    analyse_votes.main(
        votes=list(ballots),
        samples=folder / "data" / "test.parquet",
        captions_dir=folder / "captions",
        scores_dir=folder / "scores",
        comparison=folder / "comparison.json",
        n_resamples=500,
        confidence=0.95,
        seed=7,
        output=folder / "votes.json",
    )
    return read_json(folder / "votes.json")


def chooser(seed: int, share: float = 0.8):
    """Prefers the second system, the better one, in a share of the cases."""
    generator = np.random.default_rng(seed)
    return lambda number, first, second: second if generator.random() < share else first


def find(records: list[dict], **wanted) -> dict:
    (record,) = (one for one in records if all(one[key] == value for key, value in wanted.items()))
    return record


def test_raters_who_prefer_a_system_rank_it_first(folder):
    results = run(folder, *(write_ballot(folder, f"rater {n}", PAIRS, chooser(n)) for n in range(5)))
    assert (results["n_votes"], results["n_samples"], results["n_groups"]) == (600, 40, 39)
    pair = find(results["pairs"], a=WEAK, b=GOOD)
    assert pair["a_wins"] + pair["b_wins"] == 200
    assert pair["rate"] == pair["a_wins"] / 200
    assert pair["low"] < pair["rate"] < pair["high"] < 0.5
    assert pair["p_holm"] < 0.05
    assert [one["system"] for one in results["strengths"]] == [GOOD, MIDDLE, WEAK]
    assert sum(one["strength"] for one in results["strengths"]) == pytest.approx(0, abs=1e-6)
    assert all(one["low"] < one["strength"] < one["high"] for one in results["strengths"])
    assert results["strengths"][0]["low"] > results["strengths"][2]["high"]
    assert results["agreement"]["low"] < results["agreement"]["alpha"] < results["agreement"]["high"]
    assert results["agreement"]["n_shared"] == 120
    assert results["warnings"] == []


def test_equal_systems_do_not_differ(folder):
    results = run(folder, *(write_ballot(folder, f"rater {n}", PAIRS[:1], chooser(n, 0.5)) for n in range(5)))
    pair = results["pairs"][0]
    assert pair["low"] < 0.5 < pair["high"]
    assert pair["p"] > 0.05


def test_sides_do_not_matter_and_ties_are_half_wins(folder):
    outcomes = ["alike", "neither", WEAK, GOOD, GOOD]
    results = run(folder, write_ballot(folder, "ada", [(WEAK, GOOD)], lambda number, *_: outcomes[number % 5]))
    pair = results["pairs"][0]
    assert [pair[name] for name in ("a_wins", "b_wins", "alike", "neither")] == [8, 16, 8, 8]
    assert pair["rate"] == pytest.approx((8 + 8) / 40)


def test_the_metric_that_votes_as_people_do_comes_first(folder):
    """A rater who follows the CLIP score to the letter."""
    scores = {name: np.array(read_scores(folder, name)) for name in (WEAK, GOOD)}

    def follow(number, first, second):
        lead = np.nan_to_num(scores[first][number] - scores[second][number])
        return first if lead > 0 else second if lead < 0 else "alike"

    results = run(folder, write_ballot(folder, "ada", [(WEAK, GOOD)], follow))
    metrics = {one["value"]: one for one in results["metrics"]}
    assert metrics["clip_score"]["tau"] == 1
    assert metrics["clip_score"]["n_ties"] == 0
    assert results["metrics"][0]["tau"] == 1
    assert results["metrics"][0]["behind"] is None
    assert all(one["behind"] is not None for one in results["metrics"][1:])
    opposite = {"left": "right", "right": "left"}
    ballot = make_ballot(folder, "ada", [(WEAK, GOOD)], follow)
    for vote in ballot["votes"]:
        vote["vote"] = opposite.get(vote["vote"], vote["vote"])
    write_json(folder / "ada.json", ballot)
    assert find(run(folder, folder / "ada.json")["metrics"], value="clip_score")["tau"] == -1


def read_scores(folder: Path, system: str) -> list[float]:
    import pyarrow.parquet as pq

    return [float("nan") if one is None else one for one in pq.read_table(
        folder / "scores" / system / "clip_score.parquet")["clip_score"].to_pylist()]  # fmt: skip


def test_a_filtered_selection_has_no_p_value(folder):
    ballot = make_ballot(folder, "ada", PAIRS[:2], chooser(1))
    ballot["votes"][3]["filter"] = "relation:a"
    write_json(folder / "ada.json", ballot)
    results = run(folder, folder / "ada.json")
    assert (results["pairs"][0]["filtered"], results["pairs"][0]["p"], results["pairs"][0]["p_holm"]) == (
        True,
        None,
        None,
    )
    assert results["pairs"][1]["p_holm"] is not None
    assert "1 of 80 votes are on drawings that a filter" in results["warnings"][0]
    assert results["raters"] == [{"name": "ada", "n_votes": 80, "n_filtered": 1}]


def test_what_weakens_the_results_is_told(folder):
    left = make_ballot(folder, "ada", PAIRS[:1], lambda *_: "alike")
    for vote in left["votes"]:
        vote["vote"] = "left"
    write_json(folder / "ada.json", left)
    warnings = run(folder, folder / "ada.json")["warnings"]
    assert "One rater: the intervals hardly cover what other people would prefer." in warnings
    assert "ada chose the left side in 100% of the decided votes; sides are drawn by lot." in warnings
    results = run(
        folder,
        write_ballot(folder, "ada", PAIRS[:1], chooser(1), n=5),
        write_ballot(folder, "ben", PAIRS[1:2], chooser(2), n=5),
    )
    assert "No two raters voted on the same captions: their agreement is not measured." in results["warnings"]
    assert any(warning.startswith("The votes are on few groups of drawings") for warning in results["warnings"])
    assert results["agreement"] == {"alpha": None, "low": None, "high": None, "n_shared": 0}


def test_systems_that_no_pair_joins_have_no_common_strengths(tmp_path):
    folder = make_experiment(tmp_path, n_samples=24, n_systems=4).folder
    results = run(folder, write_ballot(folder, "ada", [(WEAK, MIDDLE), (GOOD, "clip-nearest")], chooser(1)))
    assert results["strengths"] == []
    assert len(results["pairs"]) == 2


def changed(folder: Path, change) -> Path:
    ballot = make_ballot(folder, "ada", PAIRS, chooser(1))
    change(ballot)
    write_json(folder / "ada.json", ballot)
    return folder / "ada.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.pop("votes"), r"ada\.json holds no votes; give files that the report's blind comparison saved"),
        (lambda b: b.update(votes=[]), r"ada\.json has no votes; remove it"),
        (lambda b: b.pop("version"), r"ada\.json: its format is version 1, not 2"),
        (lambda b: b.update(rater=" "), r"ada\.json does not say who voted"),
        (lambda b: b.pop("drawings"), r"ada\.json lacks the digests"),
        (lambda b: b.update(drawings="x"), r"ada\.json: ada voted in another report, on other drawings; remove"),
        (lambda b: b["captions"].update({GOOD: "x"}), rf"vote 40: ada voted on other captions of {GOOD} than its pres"),
        (lambda b: b["votes"][7].update(sample="s-1"), r"ada\.json, vote 7: 's-1' is no test sample; remove this vote"),
        (lambda b: b["votes"][0].update(left="smollm2-zero"), r"votes on the system 'smollm2-zero', .*did you mean"),
        (
            lambda b: b["votes"][2].update(vote="lft"),
            r"ada\.json, vote 2: no vote is called 'lft'; did you mean 'left'",
        ),
        (lambda b: b["votes"][2].update(right=WEAK, left=WEAK), r"vote 2: smollm2-zero-shot is compared with itself"),
        (lambda b: b["votes"][2].pop("filter"), r"vote 2: a vote has sample, left, right, vote and filter"),
        (
            lambda b: b["votes"].append(b["votes"][0]),
            r"vote 120: ada has a vote on \S+ for these systems already, vote 0",
        ),
    ],
)
def test_a_file_of_something_else_is_refused(folder, change, message):
    with pytest.raises(InputError, match=message):
        run(folder, changed(folder, change))


def test_two_files_of_one_rater_are_refused(folder):
    first, second = (write_ballot(folder, name, PAIRS, chooser(1)) for name in ("Ada", "ada "))
    with pytest.raises(
        InputError, match=r"Ada\.json and .*ada \.json both have the votes of 'ada'; keep the later file"
    ):
        run(folder, first, second)


def test_votes_stay_valid_when_another_system_is_added_but_not_when_a_caption_changes(tmp_path):
    folder = make_experiment(tmp_path, n_samples=24, n_systems=3).folder
    ballot = write_ballot(folder, "ada", PAIRS[:1], chooser(1))
    path = folder / "captions" / f"{GOOD}.jsonl"
    captions = read_captions(path)
    captions[0].caption += "!"
    write_captions(path, captions)
    run(folder, ballot)
    path = folder / "captions" / f"{WEAK}.jsonl"
    captions = read_captions(path)
    captions[0].caption += "!"
    write_captions(path, captions)
    with pytest.raises(InputError, match="on other captions of smollm2-zero-shot"):
        run(folder, ballot)
    assert len(read_samples(folder / "data" / "test.parquet")) == 24
