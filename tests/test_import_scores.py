"""Scores that other tools gave: what fits is compared like any metric, and what does not fit is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample
from scored_experiment import METRICS, SYSTEMS, find_cell, run, write_system
from small_configuration import only_fault, small_configuration

import import_scores
from core.command import InputError
from core.records import Caption, write_captions, write_json_lines, write_samples
from plan.configuration import order_keys
from plan.experiment import make_plan
from plan.faults import find_faults
from plan.presets import resolve_defaults
from plan.schema import fill_defaults, load_schema
from report.comparison import read_comparison
from report.inputs import read_values
from scoring.imported import load_imported, make_info
from scoring.scores import read_scores

N = 40
IDS = [make_sample(number, ["x"]).id for number in range(N)]
LEVEL = {"weak": 0.2, "good": 0.6, "twin": 0.6}


def true_value(system: str, number: int) -> float:
    return LEVEL[system] + (number * 7 % 11) / 100


def caption_of(system: str, number: int) -> Caption:
    failed = number == 9 and system == "weak"
    return Caption(IDS[number], "", "failed", "empty") if failed else Caption(IDS[number], f"{system} {number}")


def records(**more) -> list[dict]:
    return [
        {"id": id_, "system": system, "value": true_value(system, number), **more}
        for system in SYSTEMS
        for number, id_ in enumerate(IDS)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three systems with captions, scored by our own metrics."""
    folder = tmp_path_factory.mktemp("experiment")
    samples = [make_sample(n, ["x y z"], source="scenes" if n % 3 else "openmoji") for n in range(N)]
    write_samples(folder / "test.parquet", samples)
    for system in SYSTEMS:
        write_system(folder, system, IDS)
        write_captions(folder / "captions" / f"{system}.jsonl", [caption_of(system, n) for n in range(N)])
    return folder


def import_file(folder: Path, file: Path, entry: dict | None = None) -> None:
    import_scores.main(
        metric="pac_s",
        file=file,
        systems=list(SYSTEMS),
        captions_dir=folder / "captions",
        entry=json.dumps(entry or {}),
        scores_dir=folder / "scores",
    )


def import_records(folder: Path, rows: list[dict], entry: dict | None = None) -> None:
    write_json_lines(folder / "pac_s.jsonl", rows)
    import_file(folder, folder / "pac_s.jsonl", entry)


def test_imported_scores_get_intervals_tests_and_slices(folder):
    import_records(folder, records(), {"label": "PAC-S", "range": [0, 1]})
    comparison = run(folder, imported=["pac_s"])
    (value,) = (value for value in comparison["values"] if value["name"] == "pac_s")
    assert (value["label"], value["range"], value["corpus"]) == ("PAC-S", [0, 1], False)
    assert value["signature"].startswith("pac_s|file:pac_s.jsonl|sha256:")
    assert "captions:unchecked" in value["signature"]
    cell = find_cell(comparison, "good", "pac_s")
    assert cell["score"] == pytest.approx(np.mean([true_value("good", n) for n in range(N)]))
    assert cell["low"] < cell["score"] < cell["high"]
    assert find_cell(comparison, "good", "pac_s", "source=scenes")["n"] == N - N // 3 - 1
    pairs = {(pair["a"], pair["b"]): pair for pair in comparison["pairs"] if pair["value"] == "pac_s"}
    assert pairs["weak", "good"]["p_holm"] < 0.05
    assert pairs["good", "twin"]["p_holm"] == 1
    assert comparison["best"]["pac_s"] == {"system": "good", "ties": ["twin"], "testable": True, "by_sample_mean": None}


def test_the_report_reads_them(folder):
    import_records(folder, records())
    run(folder, imported=["pac_s"], metrics=METRICS)
    columns = read_values(folder / "scores", "twin", read_comparison(folder / "comparison.json"), IDS)
    assert columns["pac_s"] == pytest.approx([true_value("twin", n) for n in range(N)])


def test_a_csv_file_gives_the_same_scores(folder):
    import_records(folder, records())
    metric = load_imported(folder / "scores", "pac_s", "good")
    before = read_scores(folder / "scores", "good", metric)
    with open(folder / "pac_s.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["system", "value", "id"])
        writer.writeheader()
        writer.writerows(reversed(records()))
    import_file(folder, folder / "pac_s.csv")
    assert (read_scores(folder / "scores", "good", metric).columns["pac_s"] == before.columns["pac_s"]).all()


def test_a_failed_caption_gets_the_worst_value(folder):
    import_records(folder, records(), {"range": [-1, 1]})
    scores = read_scores(folder / "scores", "weak", load_imported(folder / "scores", "pac_s", "weak"))
    assert (scores.columns["pac_s"][9], scores.failed[9]) == (-1, True)
    import_records(folder, records(), {"higher_is_better": False})
    metric = load_imported(folder / "scores", "pac_s", "weak")
    highest = max(true_value(system, n) for system in SYSTEMS for n in range(N))
    assert read_scores(folder / "scores", "weak", metric).columns["pac_s"][9] == pytest.approx(highest)


def test_null_leaves_a_sample_out_for_all_systems(folder):
    rows = [row | ({"value": None} if row["id"] == IDS[3] else {}) for row in records()]
    import_records(folder, rows)
    assert find_cell(run(folder, imported=["pac_s"]), "good", "pac_s")["n"] == N - 1
    rows[3]["value"] = 0.5
    import_records(folder, rows)
    with pytest.raises(InputError, match=r"pac_s is missing for only one of weak and good on 1 samples"):
        run(folder, imported=["pac_s"])


def test_the_captions_of_a_file_must_be_those_of_the_comparison(folder):
    rows = [row | {"caption": caption_of(row["system"], number % N).caption} for number, row in enumerate(records())]
    import_records(folder, rows)
    metric = load_imported(folder / "scores", "pac_s", "good")
    assert metric.values["pac_s"].note == ""
    assert "captions:checked" in read_scores(folder / "scores", "good", metric).signature
    rows[N + 2]["caption"] = "an older one"
    with pytest.raises(InputError, match=r"record 42: good has another caption .*'an older one'.*score its captions"):
        import_records(folder, rows)


def broken(change) -> list[dict]:
    rows = records()
    change(rows)
    return rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(5), r"pac_s\.jsonl: weak has no value for 1 of 40 test samples \(\S+\); add"),
        (lambda rows: rows[2].update(id="nowhere"), r"pac_s\.jsonl, record 2: 'nowhere' is no id of a test sample"),
        (lambda rows: rows[2].update(system="wek"), r"record 2: no system 'wek'; .*; did you mean 'weak'\?"),
        (lambda rows: rows.append(rows[0]), r"record 120: weak has a value for \S+ already, in record 0; keep one"),
        (lambda rows: rows[1].update(value="high"), r"record 1: the value 'high' is no finite number; give one"),
        (lambda rows: rows[1].update(value="nan"), r"record 1: the value 'nan' is no finite number"),
        (lambda rows: rows[1].update(value=True), r"record 1: the value True is no finite number"),
        (lambda rows: rows[1].update(value=1.5), r"record 1: the value 1\.5 lies outside the range \[0, 1\]"),
        (lambda rows: rows[0].pop("value"), r"record 0: no field 'value'; a record has id, system and value"),
        (
            lambda rows: [row.update(value=None) for row in rows],
            r"scores_from\.pac_s: its file has no value other than null",
        ),
    ],
)
def test_what_does_not_fit_is_refused(folder, change, message):
    with pytest.raises(InputError, match=message):
        import_records(folder, broken(change), {"range": [0, 1]})


def test_a_metric_that_was_not_imported_is_refused(folder):
    with pytest.raises(InputError, match=r"bleu\.json holds no imported scores; run import_scores again"):
        run(folder, imported=["bleu"])


# The configuration


def configured(tmp_path: Path, rows: list[dict], **entry) -> dict:
    path = tmp_path / "pac_s.jsonl"
    write_json_lines(path, rows)
    return small_configuration() | {"scores_from": {"pac_s": {"path": str(path), **entry} if entry else str(path)}}


ROW = {"id": "a", "system": "tuned", "value": 0.5}


@pytest.mark.parametrize("entry", [{}, {"label": "PAC-S", "range": [0, 1]}])
def test_a_file_or_an_entry_is_planned(tmp_path, entry):
    config = configured(tmp_path, [ROW], **entry)
    assert find_faults(config, load_schema()) == []
    resolve_defaults(config)
    plan = make_plan(order_keys(fill_defaults(config, load_schema())))
    assert plan.imported_metrics["pac_s"]["path"].endswith("pac_s.jsonl")
    assert "pac_s" not in plan.text_metrics


def test_its_value_may_be_on_the_radar_chart(tmp_path):
    config = configured(tmp_path, [ROW]) | {"report": {"radar": ["cider", "meteor", "pac_s"]}}
    assert find_faults(config, load_schema()) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"system": "tunde"}, "record 0: no system 'tunde'; name systems as the configuration does, and remove the "),
        ({"value": "x"}, "record 0: the value 'x' is no finite number"),
    ],
)
def test_the_first_records_are_checked_before_anything_runs(tmp_path, row, fault):
    found = only_fault(configured(tmp_path, [ROW | row]))
    assert found.startswith(f"scores_from.pac_s: {tmp_path}/pac_s.jsonl, {fault}")


def test_a_missing_file_names_the_nearest(tmp_path):
    config = configured(tmp_path, [ROW])
    config["scores_from"] = {"pac_s": f"{tmp_path}/pacs.jsonl"}
    assert only_fault(config).endswith(f"did you mean '{tmp_path}/pac_s.jsonl'?")


@pytest.mark.parametrize(("name", "owner"), [("cider", "cider"), ("bleu_4", "bleu")])
def test_the_name_of_a_metric_is_taken(tmp_path, name, owner):
    config = configured(tmp_path, [ROW])
    config["scores_from"] = {name: config["scores_from"]["pac_s"]}
    assert only_fault(config).startswith(f"scores_from.{name}: that is a name of the metric {owner}; choose another")


def test_a_range_has_a_length(tmp_path):
    assert "[1, 1] is no range" in only_fault(configured(tmp_path, [ROW], range=[1, 1]))


@pytest.mark.parametrize(
    ("values", "limits", "is_share"),
    [([0, 1, 1, np.nan], None, True), ([1, 1], [0, 1], True), ([0, 0.5, 1], None, False), ([0, 1], [0, 5], False)],
)
def test_values_of_0_and_1_are_a_share_whose_interval_is_wilsons(values, limits, is_share):
    assert make_info("mine", {"range": limits} if limits else {}, values, is_checked=True).share == is_share
