"""Predictions as other tools write them: shapes of JSON, names and paths of fields, failures, ground truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_configuration import SCHEMA, only_fault, small_configuration
from test_health import SENTENCES, samples_of

import audit_captions
import import_captions
from captions.prediction_files import read_fields
from captions.predictions import Prediction, read_predictions
from core.command import InputError
from core.records import Caption, read_captions, read_json, write_samples
from plan.faults import find_faults

RECORDS = [{"id": "s0", "prediction": "A star."}, {"id": "s1", "prediction": "A house."}]
CAPTIONS = [Caption("s0", "A star."), Caption("s1", "A house.")]


def read(folder: Path, value: object, indent: int | None = None, **fields: str) -> list[Prediction]:
    """The predictions of a JSON file."""
    path = folder / "mine.json"
    path.write_text(json.dumps(value, indent=indent))
    return read_predictions(path, fields, ["generation_failed"])


def captions(folder: Path, value: object, indent: int | None = None, **fields: str) -> list[Caption]:
    return [prediction.caption for prediction in read(folder, value, indent, **fields)]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "value",
    [
        RECORDS,
        {"results": RECORDS},
        {"id": "run 7", "name": "mine", "config": {"stages": [{"id": 1}]}, "results": RECORDS, "warnings": []},
        {"output": {"metrics": {"CIDEr": 0.1}, "predictions": RECORDS}},
        {"results": [{**record, "boxes": [{"x": 1}]} for record in RECORDS]},
    ],
    ids=["array", "object", "other lists", "nested", "lists in records"],
)
def test_a_list_of_records_is_found_in_an_object(tmp_path, value, indent):
    assert captions(tmp_path, value, indent) == CAPTIONS


def test_one_record_and_pretty_records_are_read(tmp_path):
    assert captions(tmp_path, {**RECORDS[0], "boxes": [{"x": 1}]}, indent=2) == CAPTIONS[:1]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps(record, indent=2) for record in RECORDS))
    assert [prediction.caption for prediction in read_predictions(path, {}, [])] == CAPTIONS


def test_of_several_lists_one_is_named(tmp_path):
    value = {"small": RECORDS, "large": {"test": [{"id": "s0", "prediction": "Another."}]}}
    with pytest.raises(InputError, match=r"several lists of records: small, large\.test; name .* fields\.records"):
        captions(tmp_path, value)
    assert captions(tmp_path, value, records="large.test") == [Caption("s0", "Another.")]
    with pytest.raises(InputError, match=r"no list of records at 'large\.tst'; did you mean 'large\.test'"):
        captions(tmp_path, value, records="large.tst")
    with pytest.raises(InputError, match="is a list of records itself"):
        captions(tmp_path, RECORDS, records="small")


def test_an_object_without_records_is_one_message(tmp_path):
    with pytest.raises(InputError, match=r"mine\.json has no records"):
        captions(tmp_path, {"results": []})
    with pytest.raises(InputError, match=r"record 0: no field caption .*; there are id, answer\. "):
        captions(tmp_path, {"results": [{"id": "s0", "answer": "A star."}]})
    with pytest.raises(InputError, match=r"record 0: no field id .*; there are s0, s1\. "):
        captions(tmp_path, {"s0": "A star.", "s1": "A house."})


@pytest.mark.parametrize("name", ["generated_caption", "hypothesis", "prediction", "output", "generated", "caption"])
def test_usual_names_of_captions(tmp_path, name):
    assert captions(tmp_path, [{"id": "s0", name: "A star."}]) == CAPTIONS[:1]


def test_a_caption_beside_a_prediction_is_ground_truth(tmp_path):
    found = read(tmp_path, [{"id": "s0", "caption": "The truth.", "output": "x.png", "generated_caption": "A star."}])
    assert (found[0].caption, found[0].references) == (CAPTIONS[0], ["The truth."])
    assert captions(tmp_path, [{"id": "s0", "caption": "A star.", "generated_caption": "x"}], caption="caption") == [
        CAPTIONS[0]
    ]


@pytest.mark.parametrize("names", [("caption", "output"), ("prediction", "hypothesis")])
def test_of_several_captions_one_is_named(tmp_path, names):
    record = {"id": "s0", **dict.fromkeys(names, "A star.")}
    with pytest.raises(InputError, match=r"record 0: .* may each be the caption; name .* fields\.caption"):
        captions(tmp_path, [record])
    assert captions(tmp_path, [record], caption=names[0]) == CAPTIONS[:1]


@pytest.mark.parametrize("name", ["reference", "references", "captions", "ground_truth", "gt"])
def test_usual_names_of_ground_truth(tmp_path, name):
    assert read(tmp_path, [{"id": "s0", "caption": "x", name: ["one", "two"]}])[0].references == ["one", "two"]


def test_fields_are_named_by_path(tmp_path):
    record = {
        "meta": {"key": "s0", "a.b": 1},
        "outputs": [{"text": "A star.", "truth": ["A moon."]}],
        "flat.id": "s9",
    }
    paths = {"id": "meta.key", "caption": "outputs.0.text", "references": "outputs.0.truth"}
    found = read(tmp_path, [record], **paths)
    assert (found[0].caption, found[0].references) == (CAPTIONS[0], ["A moon."])
    assert captions(tmp_path, {"runs": [record]}, **{**paths, "id": "flat.id"}) == [Caption("s9", "A star.")]
    with pytest.raises(InputError, match=r"no field outputs\.1\.text; there are meta\.key, .*, outputs\.0\.text, "):
        captions(tmp_path, [record], **{**paths, "caption": "outputs.1.text"})
    with pytest.raises(InputError, match="no record has a text under 'truth'"):
        captions(tmp_path, [record], **{**paths, "references": "truth"})


def test_columns_of_parquet_are_named_by_path(tmp_path):
    rows = [{"id": "s0", "answer": {"text": "A star."}, "error": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    assert read_predictions(tmp_path / "mine.parquet", {"caption": "answer.text"}, [])[0].caption == CAPTIONS[0]


@pytest.mark.parametrize(
    ("record", "text", "reason"),
    [
        ({"success": False, "error": "CUDA out\nof memory"}, "", "CUDA out of memory"),
        ({"success": False, "caption": "A half"}, "A half", "the file says success: false"),
        ({"success": "False", "caption": ""}, "", "the file says success: false"),
        ({"error": "timeout", "caption": None}, "", "timeout"),
        ({"error": {"code": 429, "message": "too many requests"}}, "", "too many requests"),
        ({"error": True, "caption": "A half"}, "A half", "the file says error: true"),
    ],
)
def test_a_record_that_says_it_failed_is_a_failure_with_that_text(tmp_path, record, text, reason):
    assert captions(tmp_path, [{"id": "s0", **record}]) == [Caption("s0", text, "failed", reason)]


@pytest.mark.parametrize("error", [None, "", " ", "None", "nan", False, 0.25, "0.25", {}, []])
def test_no_error_is_no_failure(tmp_path, error):
    record = {"id": "s0", "caption": "A star.", "success": True, "error": error}
    assert captions(tmp_path, [record]) == CAPTIONS[:1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"idd": "x"}', "unknown key 'idd'; did you mean 'id'?"),
        ('{"reference": "x"}', "unknown key 'reference'; did you mean 'references'?"),
        ('{"xyz": "x"}', "unknown key 'xyz'; there are: id, caption, references, records"),
        ('{"id": 3}', "the value of 'id' must be the name or path of a field, not 3"),
        ('{"id": ""}', "the value of 'id' must be the name or path of a field, not \"\""),
        ("[]", "--fields must be a JSON object, not []"),
        ("{id: x}", "--fields is not JSON"),
    ],
)
def test_wrong_fields_are_one_message(text, message):
    with pytest.raises(InputError) as fault:
        read_fields(text)
    assert message in str(fault.value)


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (import_captions, ["--fields", '{"idd": "x"}'], "error: --fields: unknown key 'idd'; did you mean 'id'?"),
        (import_captions, ["--failure-markers", "none"], "error: --failure-markers is not JSON"),
        (audit_captions, ["--fields", "id"], "error: --fields is not JSON"),
        (audit_captions, ["--settings", "[]"], "error: --settings must be a JSON object, not []"),
    ],
)
def test_wrong_arguments_of_the_commands_are_one_line(tmp_path, command, arguments, message):
    (tmp_path / "mine.json").write_text(json.dumps(RECORDS))
    files = [tmp_path / "mine.json"]
    if command is import_captions:
        files = ["--predictions", *files, "--samples", "x", "--output", tmp_path / "o", "--record", tmp_path / "r"]
    done = subprocess.run([sys.executable, command.__file__, *files, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(message)


@pytest.mark.parametrize(
    ("record", "message"),
    [({"id": ["s0"], "caption": "x"}, "the id in id is a list"), ({"id": {"a": 1}, "caption": "x"}, "is an object")],
)
def test_an_id_that_is_no_text_is_one_message(tmp_path, record, message):
    with pytest.raises(InputError, match=message):
        captions(tmp_path, [record])


def test_ground_truth_of_other_samples_is_a_warning(tmp_path, capsys):
    write_samples(tmp_path / "test.parquet", samples_of(SENTENCES))
    truths = [SENTENCES[0].upper(), SENTENCES[3], None, ["x", SENTENCES[3]], "Cut off"]
    records = [{"id": f"s{n}", "output": "A star.", "gt": truth} for n, truth in enumerate(truths)]
    (tmp_path / "mine.json").write_text(json.dumps({"results": records}, indent=1))
    import_captions.main(
        predictions=tmp_path / "mine.json",
        samples=tmp_path / "test.parquet",
        fields="{}",
        failure_markers="[]",
        output=tmp_path / "captions.jsonl",
        record=tmp_path / "record.json",
    )
    assert read_json(tmp_path / "record.json")["other_references"] == ["s1", "s4"]
    assert "WARNING: the ground truth in 2 records of mine.json is none of their samples'" in capsys.readouterr().err
    assert [caption.caption for caption in read_captions(tmp_path / "captions.jsonl")] == ["A star."] * 5


def test_the_plan_reads_predictions_as_the_import_does(tmp_path):
    config = small_configuration()
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"results": [{"key": "s0", "output": "A star."}, {"key": "s1", "error": "x"}]}, indent=1)
    )
    config["systems"] = {"mine": {"kind": "file", "path": str(path), "fields": {"id": "key"}}}
    assert find_faults(config, SCHEMA) == []
    config["systems"]["mine"]["fields"] = {"id": "key", "records": "result"}
    assert only_fault(config) == (
        f"systems.mine: {path}: fields.records: no list of records at 'result'; did you mean 'results'?"
    )
    config["systems"]["mine"]["fields"] = {"key": "id"}
    assert "systems.mine.fields.key: unknown key" in only_fault(config)
