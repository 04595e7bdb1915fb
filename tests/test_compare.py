"""The comparison: same samples for all, cells, pairs, best and ties, slices, files, table."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample
from scored_experiment import METRICS, SYSTEMS, N, find_cell, run, write_health, write_system, write_values

import compare
from comparison.slices import is_monochrome, make_slices
from comparison.version import VERSION
from core.command import InputError
from core.records import Caption, read_json, write_captions, write_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three systems scored on 60 samples of two sources."""
    folder = tmp_path_factory.mktemp("experiment")
    samples = [
        make_sample(number, ["x y z"], source="scenes" if number % 3 else "openmoji", n_commands=number % 20)
        for number in range(N)
    ]
    write_samples(folder / "test.parquet", samples)
    for system in SYSTEMS:
        write_system(folder, system, [sample.id for sample in samples])
    return folder


@pytest.fixture(scope="module")
def comparison(folder) -> dict:
    return run(folder)


def test_comparison_says_what_was_compared(comparison):
    assert comparison["version"] == VERSION
    assert (comparison["experiment"], comparison["n_samples"], comparison["seed"]) == ("demo", N, 7)
    unsaid = {"trainings": None, "shares_model": []}
    assert comparison["systems"] == [{"name": name, **entry, **unsaid} for name, entry in SYSTEMS.items()]
    assert [value["name"] for value in comparison["values"]] == [f"bleu_{n}" for n in range(1, 5)] + METRICS[1:]
    signature = comparison["values"][0]["signature"]
    assert signature.startswith("bleu|formula:pycocoevalcap 1.2|")
    assert signature.endswith("|resampled:groups|n_resamples:500|seed:7")


def test_every_system_value_and_slice_has_a_cell(comparison):
    assert len(comparison["cells"]) == 3 * 6 * len(comparison["slices"])
    for cell in comparison["cells"]:
        assert cell["low"] is None or cell["low"] <= cell["score"] <= cell["high"]
    without = {(cell["system"], cell["value"]) for cell in comparison["cells"] if cell["low"] is None}
    assert without <= {("weak", "bleu_3"), ("weak", "bleu_4")}, "which have no match in any sample"


def test_scores_are_those_of_the_score_files_with_failures_counted_in(comparison, folder):
    cell = find_cell(comparison, "good", "bleu_4")
    assert cell["score"] == pytest.approx(read_json(folder / "scores/good/bleu.json")["values"]["bleu_4"], abs=1e-12)
    assert (cell["n"], cell["n_failed"]) == (N, 6)


def test_score_of_a_slice_rests_on_its_own_samples(comparison, folder):
    import pyarrow.parquet as pq

    column = pq.read_table(folder / "scores/weak/rouge_l.parquet")["rouge_l"].to_numpy()
    cell = find_cell(comparison, "weak", "rouge_l", "source=openmoji")
    assert cell["score"] == pytest.approx(column[::3].mean())
    assert (cell["n"], cell["n_failed"]) == (20, 2)


def test_slices_of_a_slicing_hold_every_sample_once(comparison):
    sizes = {part["name"]: part["n"] for part in comparison["slices"]}
    assert sizes["all"] == N
    assert sizes["source=openmoji"] + sizes["source=scenes"] == N
    thirds = {name: n for name, n in sizes.items() if name.startswith("commands=")}
    assert thirds == {"commands=0-6": 21, "commands=7-13": 21, "commands=14-19": 18}


def test_best_beats_the_weak_system_and_ties_with_its_twin(comparison):
    for value in ("bleu_1", "rouge_l", "cider"):
        best = comparison["best"][value]
        assert {best["system"], *best["ties"]} == {"good", "twin"}


def test_pairs_give_difference_interval_and_corrected_p_value(comparison):
    pairs = {(pair["a"], pair["b"]): pair for pair in comparison["pairs"] if pair["value"] == "rouge_l"}
    assert list(pairs) == [("weak", "good"), ("weak", "twin"), ("good", "twin")]
    pair = pairs["weak", "good"]
    scores = [find_cell(comparison, system, "rouge_l")["score"] for system in ("weak", "good")]
    assert pair["difference"] == pytest.approx(scores[0] - scores[1])
    assert pair["low"] < pair["difference"] < pair["high"] < 0
    assert pair["p"] == pytest.approx(1 / 501)  # none of 500 trials reached it
    assert pair["p_holm"] == pytest.approx(3 / 501)
    assert pairs["good", "twin"]["low"] < 0 < pairs["good", "twin"]["high"]
    assert pairs["good", "twin"]["p"] > 0.05


def test_systems_are_resampled_on_the_same_draws(folder):
    """So a system does not differ from a copy of itself at all."""
    import shutil

    shutil.copytree(folder / "scores/good", folder / "scores/copy", dirs_exist_ok=True)
    comparison = run(folder, systems={"good": SYSTEMS["good"], "copy": {"family": "lora"}})
    for pair in comparison["pairs"]:
        assert (pair["difference"], pair["low"], pair["high"], pair["p"]) == (0, None, None, 1)
    assert comparison["best"]["cider"] == {
        "system": "good", "ties": ["copy"], "testable": True, "by_sample_mean": None
    }  # fmt: skip
    unsaid = dict.fromkeys(("base", "trained", "input", "trainings"))
    copy = {"name": "copy", "label": "copy", "family": "lora", **unsaid, "shares_model": []}
    assert comparison["systems"][1] == copy
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        uses = {row["system"]: (row["trained"], row["input"]) for row in csv.DictReader(file)}
    assert uses == {"good": ("yes", "code"), "copy": ("unknown", "unknown")}
    assert "\n  trained?, input?  " in (folder / "comparison.txt").read_text()


def test_numbers_do_not_depend_on_what_else_is_compared(folder, comparison):
    alone = run(folder, systems={"good": SYSTEMS["good"]}, metrics=["rouge_l"], slices=["source"])
    for part in ("all", "source=scenes"):
        own, beside = (find_cell(one, "good", "rouge_l", part) | {"by_training": None} for one in (alone, comparison))
        assert own == pytest.approx(beside)
    assert (alone["best"]["rouge_l"]["system"], alone["best"]["rouge_l"]["ties"]) == ("good", [])
    assert alone["pairs"] == []


def test_same_seed_same_comparison_and_another_seed_other_intervals(folder, comparison):
    assert run(folder) == comparison
    assert find_cell(run(folder, seed=8), "good", "cider")["low"] != find_cell(comparison, "good", "cider")["low"]


def test_table_holds_the_cells_with_labels_and_signatures(folder):
    comparison = run(folder)
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(comparison["cells"])
    assert rows[0]["label"] == "Weak, zero-shot"
    assert rows[0]["signature"] == comparison["values"][0]["signature"]
    marks = {row["system"]: row["best"] for row in rows if (row["value"], row["slice"]) == ("rouge_l", "all")}
    assert sorted(marks.values()) == ["", "best", "tie"]
    assert marks[comparison["best"]["rouge_l"]["system"]] == "best"
    assert float(rows[-1]["score"]) == comparison["cells"][-1]["score"]


def test_printed_table_fits_and_marks_best_and_ties(folder, comparison, capsys):
    run(folder)
    shown = (folder / "comparison.txt").read_text()
    assert shown.strip() in capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert "BLEU-2" not in shown  # not a headline value
    best = find_cell(comparison, comparison["best"]["rouge_l"]["system"], "rouge_l")
    assert "*" + f"{best['score']:.3f}".removeprefix("0") in shown
    assert "6 failed" in shown


def test_flags_stand_beside_every_score_and_alarms_under_the_table(folder):
    write_health(folder, {"empty": [3, 4], "cut_at_end": list(range(30))}, alarms=["cut_at_end"])
    comparison = run(folder, systems={"good": SYSTEMS["good"]}, slices=["source"], health_dir=folder / "health")
    whole = comparison["health"][0]["intervals"]
    assert whole["empty"] == pytest.approx([0.009, 0.116], abs=1e-3)  # Wilson's, with t for 60 groups
    assert [{key: entry for key, entry in record.items() if key != "intervals"} for record in comparison["health"]] == [
        {"system": "good", "slice": "all", "n": 60, "flags": {"empty": 2, "cut_at_end": 30}, "alarms": ["cut_at_end"]},
        {"system": "good", "slice": "source=openmoji", "n": 20, "flags": {"empty": 1, "cut_at_end": 10}, "alarms": []},
        {"system": "good", "slice": "source=scenes", "n": 40, "flags": {"empty": 1, "cut_at_end": 20}, "alarms": []},
    ]
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["slice"], row["cut_at_end"]) for row in rows} == {
        ("all", "30"),
        ("source=openmoji", "10"),
        ("source=scenes", "20"),
    }
    assert "Good: cut at the end 50% (37–63%)" in (folder / "comparison.txt").read_text()


def test_human_agreement_stands_beside_the_systems(folder, comparison):
    """The scores of a system, taken for those of the references: then both must be equal."""
    for ending in ("json", "parquet"):
        target = folder / f"human/rouge_l.{ending}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((folder / f"scores/good/rouge_l.{ending}").read_bytes())
    with_humans = run(folder, human_dir=folder / "human")
    cell = find_cell(comparison, "good", "rouge_l")
    (record,) = with_humans["human"]
    assert (record["value"], record["n"], record["score"]) == ("rouge_l", N, pytest.approx(cell["score"]))
    assert record["low"] < record["score"] < record["high"]
    assert with_humans["cells"] == comparison["cells"]
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["system"], last["family"], float(last["score"])) == ("human", "human", record["score"])
    printed = " ".join((folder / "comparison.txt").read_text().split())
    highest = max(find_cell(comparison, system, "rouge_l")["score"] for system in SYSTEMS)
    assert f"on the {N} of {N} samples that have two or more ({N} groups)" in printed
    assert f"ROUGE-L {record['score']:.3f} ({highest:.3f})".replace("0.", ".") in printed


def test_samples_of_several_references_are_a_slice_wherever_people_are_compared(tmp_path):
    samples = [make_sample(n, ["x"] * (1 + n % 2), source="scenes", group=str(n)) for n in range(12)]
    parts = {part.name: part.members.tolist() for part in make_slices(samples, ["references"])}
    assert parts["references=two or more"] == [1, 3, 5, 7, 9, 11]
    assert parts["references=one"] == [0, 2, 4, 6, 8, 10]


def test_a_system_that_uses_the_metrics_own_model_is_neither_best_nor_a_tie(folder, comparison):
    best = comparison["best"]["rouge_l"]
    named = [best["system"], *best["ties"]]
    sharing = {name: entry | {"shares_model": ["rouge_l"]} for name, entry in SYSTEMS.items() if name in named}
    changed = run(folder, systems=SYSTEMS | sharing)
    assert changed["best"]["rouge_l"]["system"] == "weak"
    assert changed["best"]["rouge_l"]["ties"] == []
    assert changed["best"]["bleu_4"] == comparison["best"]["bleu_4"], "other metrics are not its own"
    assert changed["cells"] == comparison["cells"]
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        marks = {(row["system"], row["value"]): row["best"] for row in csv.DictReader(file) if row["slice"] == "all"}
    assert marks[named[0], "rouge_l"] == "metric's own model"


def test_samples_are_sliced_by_the_tokens_that_an_llm_counted(folder):
    counts = [100 * (number % 2) + 50 for number in range(N - 1)] + [None]
    write_captions(
        folder / "llm.jsonl", [Caption(f"s{n}", "x", n_prompt_tokens=count) for n, count in enumerate(counts)]
    )
    comparison = run(folder, slices=["tokens"], token_counts=folder / "llm.jsonl")
    assert {part["name"]: part["n"] for part in comparison["slices"]} == {
        "all": N,
        "tokens=50": 30,
        "tokens=150": 29,
        "tokens=unknown": 1,
    }
    assert [part["name"] for part in run(folder, slices=["tokens"])["slices"]] == ["all"]


def test_health_of_other_samples_is_refused(folder):
    write_health(folder, {"empty": []}, alarms=[], n=N - 1)
    with pytest.raises(InputError, match=r"good\.parquet is not of the samples of this comparison"):
        run(folder, systems={"good": SYSTEMS["good"]}, health_dir=folder / "health")


def test_system_scored_on_other_samples_is_named_with_the_ids(folder):
    write_system(folder, "weak", [f"s{number}" for number in range(N - 2)] + ["other", "foreign"])
    with pytest.raises(InputError, match=r"weak by bleu .* 2 missing \(s58, s59\) and 2 not of .* \(foreign, other\)"):
        run(folder)
    write_system(folder, "weak", [f"s{number}" for number in range(N)])


def test_systems_scored_in_different_ways_are_refused(folder):
    write_system(folder, "twin", [f"s{number}" for number in range(N)], n_references=2)
    with pytest.raises(InputError, match="weak and twin are scored by bleu in different ways"):
        run(folder)
    write_system(folder, "twin", [f"s{number}" for number in range(N)])


@pytest.fixture
def small(tmp_path) -> Path:
    write_samples(tmp_path / "test.parquet", [make_sample(number, ["x"]) for number in range(4)])
    return tmp_path


def test_value_missing_for_one_system_only_is_refused(small):
    write_values(small, "weak", [0.1, 0.2, np.nan, 0.4])
    write_values(small, "good", [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(InputError, match=r"missing for only one of weak and good on 1 samples \(s2\)"):
        run(small, systems={"weak": SYSTEMS["weak"], "good": SYSTEMS["good"]}, metrics=["rouge_l"])


def test_sample_left_out_for_all_is_left_out_of_n(small):
    write_values(small, "good", [0.1, 0.2, np.nan, 0.6])
    cell = find_cell(run(small, systems={"good": SYSTEMS["good"]}, metrics=["rouge_l"]), "good", "rouge_l")
    assert (cell["n"], cell["score"]) == (3, pytest.approx(0.3))


def test_value_that_never_applies_is_null_and_has_no_best(small):
    for system in ("weak", "good"):
        write_values(small, system, [np.nan] * 4)
    systems = {"weak": SYSTEMS["weak"], "good": SYSTEMS["good"]}
    comparison = run(small, systems=systems, metrics=["rouge_l"])
    cell = find_cell(comparison, "good", "rouge_l")
    assert (cell["score"], cell["low"], cell["high"], cell["n"]) == (None, None, None, 0)
    assert comparison["best"]["rouge_l"] is None
    assert comparison["pairs"] == []
    assert "missing" in (small / "comparison.txt").read_text()


def test_missing_score_file_is_named(small):
    with pytest.raises(InputError, match=r"good/rouge_l\.json does not exist"):
        run(small, systems={"good": SYSTEMS["good"]}, metrics=["rouge_l"])


def test_numbers_of_equal_size_stay_in_one_slice():
    samples = [make_sample(number, ["x"], n_commands=commands) for number, commands in enumerate([5] * 8 + [1, 9])]
    slices = make_slices(samples, ["commands"])
    assert [(part.name, len(part.members)) for part in slices] == [("all", 10), ("commands=1-5", 9), ("commands=9", 1)]


def test_black_white_and_grey_are_monochrome():
    drawings = {
        "<path d='M0 0'/>": True,
        '<path fill="#333" stroke="white"/>': True,
        '<path style="fill:rgb(9,9,9);stroke:none"/>': True,
        '<path fill="#d22f27"/><path fill="black"/>': False,
        '<path fill="url(#a)"/><stop stop-color="blue"/>': False,
    }
    assert {xml: is_monochrome(xml) for xml in drawings} == drawings
    samples = [make_sample(number, ["x"], xml=xml) for number, xml in enumerate(drawings)]
    assert [(part.name, len(part.members)) for part in make_slices(samples, ["colours"])[1:]] == [
        ("colours=monochrome", 3),
        ("colours=colour", 2),
    ]


def test_slicing_with_one_label_adds_nothing():
    samples = [make_sample(number, ["x"]) for number in range(3)]
    assert [part.name for part in make_slices(samples, ["source", "colours", "words", "characters"])] == ["all"]


def test_command_runs_as_the_rule_calls_it(folder):
    command = [sys.executable, Path(compare.__file__), "--experiment", "demo", "--samples", "test.parquet"]
    command += ["--systems", json.dumps(SYSTEMS), "--metrics", *METRICS, "--scores-dir", "scores", "--seed", "7"]
    command += ["--n-resamples", "100", "--output", "c.json", "--table", "c.csv", "--text", "c.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 systems compared on 60 samples" in done.stderr
    assert [part["name"] for part in read_json(folder / "c.json")["slices"]] == [
        "all",
        "source=openmoji",
        "source=scenes",
    ]


def test_no_label_is_a_formula_in_the_table(folder):
    label = '=HYPERLINK("http://x.invalid")'
    run(folder, systems=SYSTEMS | {"weak": SYSTEMS["weak"] | {"label": label}})
    with open(folder / "comparison.csv", newline="") as file:
        labels = {row["system"]: row["label"] for row in csv.DictReader(file)}
    assert (labels["weak"], labels["good"]) == (f"'{label}", "Good")
    assert read_json(folder / "comparison.json")["systems"][0]["label"] == label
