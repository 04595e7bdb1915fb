"""Captions that were made elsewhere: formats, ids, failures, and what a person did wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_health import samples_of

from captions.health import HealthSettings, diagnose
from core.command import InputError
from core.records import Caption, read_captions, read_json, write_samples
from import_captions import main

RECORDS = [
    {"id": "s2", "caption": 'A star, "bright"\nand\u2028round.'},
    {"id": "s0", "caption": "A red circle."},
    {"id": "s1", "caption": "[GENERATION_FAILED]"},
    {"id": "s3", "caption": ""},
    {"id": "other", "caption": "A house."},
]


@pytest.fixture
def samples(tmp_path) -> Path:
    write_samples(tmp_path / "test.parquet", samples_of([f"reference {n}" for n in range(5)]))
    return tmp_path / "test.parquet"


def run(path: Path, fields: dict | None = None) -> tuple[list[Caption], dict]:
    folder = path.parent
    main(
        predictions=path,
        samples=folder / "test.parquet",
        fields=json.dumps(fields or {}),
        failure_markers='["generation_failed"]',
        output=folder / "captions/mine.jsonl",
        record=folder / "imports/mine.json",
    )
    return read_captions(folder / "captions/mine.jsonl"), read_json(folder / "imports/mine.json")


def write_records(path: Path, records: list[dict]) -> Path:
    """Write records in the format that the file's name asks for."""
    if path.suffix == ".json":
        path.write_text(json.dumps(records))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        with open(path, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(records[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(records)
    return path


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "tsv"])
def test_every_format_gives_one_caption_a_sample_in_order(samples, ending):
    captions, record = run(write_records(samples.parent / f"mine.{ending}", RECORDS))
    assert captions == [
        Caption("s0", "A red circle."),
        Caption("s1", "[GENERATION_FAILED]", "failed", "failure marker: [GENERATION_FAILED]"),
        Caption("s2", RECORDS[0]["caption"]),
        Caption("s3", "", "failed", "empty in the file"),
        Caption("s4", "", "failed", "not in the file"),
    ]
    assert record == {
        "file": f"mine.{ending}",
        "n_records": 5,
        "n_matched": 4,
        "n_failed": 3,
        "missing": ["s4"],
        "foreign": ["other"],
        "replaced": [],
        "other_references": [],
    }


def test_other_names_of_fields_and_why_a_caption_ended(samples):
    records = [{"nr": f"s{n}", "text": "A star.", "finish_reason": "length", "id": "x"} for n in range(5)]
    captions, _ = run(write_records(samples.parent / "mine.json", records), {"id": "nr", "caption": "text"})
    assert captions[0] == Caption("s0", "A star.", finish_reason="length")


def test_a_caption_that_is_no_text_is_a_failure(samples):
    records = [{"id": "s0", "caption": None}, {"id": "s1", "caption": ["a"]}, {"id": "s2", "caption": "A star."}]
    captions, _ = run(write_records(samples.parent / "mine.json", records))
    assert [caption.reason for caption in captions[:2]] == ["empty in the file", "not a text but list"]


@pytest.mark.parametrize("text", ["[like this]", "<like this>", "{A star.}", "[N/A]", "\u200b"])
def test_a_caption_in_brackets_is_treated_as_one_that_a_model_wrote(samples, text):
    captions, _ = run(write_records(samples.parent / "mine.json", [{"id": "s0", "caption": text}]))
    written = Caption.written("s0", text)
    assert (captions[0].caption, captions[0].status) == (written.caption, written.status)
    flags = [
        diagnose([one], samples_of(["reference"]), "", HealthSettings())[0][0].flags for one in (captions[0], written)
    ]
    assert flags[0] == flags[1]
    assert flags[0][0] == ("failure_marker" if written.caption else "empty")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"id": "a", "caption": "A"}], r"none of its 1 ids .* like 'a', the samples 's0'"),
        ([{"id": "s0", "caption": "A"}, {"id": "s0", "caption": "B"}], r"record 1: the id 's0' is that of record 0"),
        ([{"id": "s0", "answer": "A"}], r"record 0: no field caption or output .* there are id, answer"),
        ([{"caption": "A"}], r"no field id or filename .*fields\.id"),
        (["A"], "line 1: not an object"),
        ([], "has no records"),
    ],
    ids=["foreign", "twice", "no caption", "no id", "no object", "nothing"],
)
def test_what_cannot_be_matched_is_one_clear_error(samples, records, message):
    path = samples.parent / "mine.json"
    path.write_text(json.dumps(records))
    with pytest.raises(InputError, match=message):
        run(path)
    assert not (samples.parent / "captions").exists()


def test_text_of_another_encoding_is_named(samples):
    path = samples.parent / "mine.csv"
    path.write_bytes("id,caption\ns0,café\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        run(path)


def test_a_lone_surrogate_becomes_a_question_mark_and_is_counted(samples):
    path = samples.parent / "mine.jsonl"
    path.write_text('{"id": "s0", "caption": "a \\ud83d cat"}\n{"id": "s\\ud800", "caption": "a dog"}\n')
    captions, record = run(path)
    assert captions[0].caption == "a ? cat"
    assert (record["replaced"], record["foreign"]) == (["s0"], [r"s\ud800"])
