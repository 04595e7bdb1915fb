"""Formats of known datasets: their fields, the drawing inside a question, rows that are left out and counted."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_rows import KNOWN, RECORDS, SVG, turns, unisvg_row, vectorgym_row
from small_configuration import SCHEMA, only_fault, small_configuration

from captions.prediction_files import find_id, read_fields
from core.command import InputError
from core.records import read_json, read_samples
from plan.faults import find_faults
from preprocess_svg import build_parser, main
from readers.entries import open_entries, read_records
from readers.filters import failing_field
from readers.known_formats import FORMATS, recognise_format, resolve_source
from readers.questions import split_question
from shard_source import main as shard_source


def write_lines(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def read(path, format, **source):
    fields, where = resolve_source({"format": format, **source})
    return list(read_records(open_entries(path), fields, str(path), where))


def preprocess(path, folder, **options):
    given = {"input": path, "output": folder / "a.parquet", "counts": folder / "a.json", "rejected": folder / "r.csv"}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in {**given, **options}.items()]
    main(**vars(build_parser().parse_args([*words, "--no-render-check", "--questions"])))
    return read_samples(folder / "a.parquet"), read_json(folder / "a.json")


@pytest.mark.parametrize("format", KNOWN)
def test_a_format_knows_the_fields_of_its_rows(tmp_path, format):
    row, (id_, captions, question) = KNOWN[format]
    (record,) = read(write_lines(tmp_path / "rows.jsonl", [row]), format)
    drawing = RECORDS if format == "path_records" else SVG
    assert (record.id, record.captions, record.question) == (id_ or "rows-000000", captions, question)
    assert (record.drawing, record.fault, record.left_out) == (drawing, "", "")


@pytest.mark.parametrize("format", [*KNOWN, "unisvg"])
def test_a_file_is_recognised_by_its_fields(format):
    row = KNOWN[format][0] if format in KNOWN else unisvg_row()
    assert recognise_format(list(row)) == format


def test_a_question_gives_its_drawing_and_stays_without_it(tmp_path):
    rows = [unisvg_row(), unisvg_row(ask="Describe it."), unisvg_row("ISVGUN_description"), unisvg_row("TSVGEN")]
    path = write_lines(tmp_path / "train.jsonl", rows)
    first, second, *others = read(path, "unisvg")
    assert (first.drawing, first.question, first.captions) == (SVG, "What does this icon show?", ["A black square."])
    assert first.id.startswith("cat_1.png-")
    assert first.id != second.id  # the key is picture and question
    assert first.group == second.group == "cat_1.png"
    assert [record.left_out for record in others] == ["type", "type"]


@pytest.mark.parametrize(
    ("text", "question", "drawing"),
    [
        (f"What does this <svg> show? {SVG}", "What does this <svg> show?", SVG),
        (f"```xml\n{SVG}\n```\nWhat\nis it?", "What is it?", SVG),
        ("Cut off: <svg><path d='M0", "Cut off:", "<svg><path d='M0"),
        ("See <svg><svg></svg></svg>.", "See .", "<svg><svg></svg></svg>"),
        ("No code", "No code", ""),
    ],
)
def test_a_drawing_is_taken_out_of_a_text(text, question, drawing):
    assert split_question(text) == (question, drawing)


def test_a_question_without_code_is_rejected_for_that(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [unisvg_row("ISVGUN_usage")])
    (record,) = read(path, "unisvg", where={})
    assert record.fault == "no SVG in its field q_text"
    assert record.question == "What does this icon show?"


def test_an_instruction_may_hold_the_drawing(tmp_path):
    row = {"instruction": f"Caption this: {SVG}", "input": "", "output": "A square."}
    (record,) = read(write_lines(tmp_path / "a.jsonl", [row]), "alpaca")
    assert (record.drawing, record.question) == (SVG, "Caption this:")


def test_a_conversation_may_first_draw_and_then_explain(tmp_path):
    openai = {"roles": ("user", "assistant"), "names": ("role", "content")}
    rows = [
        {"messages": turns("<image>Convert this to SVG.", SVG, "Explain it.", "A square.", **openai)},
        {"messages": turns("Hello", "Hi", **openai)},
        {"messages": turns(f"Draw {SVG}", **openai)},
    ]
    records = read(write_lines(tmp_path / "a.jsonl", rows), "sharegpt")
    assert (records[0].drawing, records[0].question, records[0].captions) == (SVG, "Explain it.", ["A square."])
    assert records[1].fault == "no SVG in its turns"
    assert (records[2].drawing, records[2].captions) == (SVG, [])


def test_fields_of_ones_own_come_before_those_of_the_format(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [vectorgym_row(alt="Mine.", is_chart=True)])
    (record,) = read(path, "vectorgym", fields={"captions": ["alt", "text_caption"]})
    assert record.captions == ["Mine.", "Square 1."]
    (record,) = read(path, "vectorgym", where={"is_chart": False})
    assert record.left_out == "is_chart"


@pytest.mark.parametrize(
    ("value", "wanted", "takes_part"),
    [
        (False, False, True),
        ("False", False, True),
        ("false", False, True),
        ("TRUE", True, True),
        (True, False, False),
        (0, False, False),
        (1.0, 1, True),
        ("1", 1, True),
        ("b", ["a", "b"], True),
        (None, None, True),
        ("", [None, "a"], True),
        (None, "a", False),
    ],
)
def test_a_row_takes_part_by_its_value_however_a_file_writes_it(value, wanted, takes_part):
    assert (failing_field({"x": value}, {"x": wanted}) == "") is takes_part
    assert failing_field({}, {"x": "a"}) == "x"


@pytest.mark.parametrize("shards", [1, 2])
def test_rows_that_are_left_out_are_counted(tmp_path, shards):
    rows = [vectorgym_row(1), vectorgym_row(2, is_chart=True), vectorgym_row(3, original_svg=None), vectorgym_row(1)]
    path = tmp_path / "test.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    fields, where = map(json.dumps, resolve_source({"format": "vectorgym", "where": {"is_chart": False}}))
    if shards == 1:
        samples, counts = preprocess(path, tmp_path, fields=fields, where=where)
    else:
        shard = tmp_path / "one.jsonl"
        nothing = {"hub": None, "revision": "main", "subset": None, "split": None}
        shard_source(input=path, fields=fields, where=where, output=[shard], **nothing)
        samples, counts = preprocess(shard, tmp_path)
    assert [sample.id for sample in samples] == ["v1"]
    assert (counts["in"], counts["kept"], counts["rejected"], counts["filtered"]) == (4, 1, 2, {"is_chart": 1})
    assert counts["in"] == counts["kept"] + counts["rejected"] + sum(counts["filtered"].values())


def test_samples_keep_their_questions(tmp_path):
    path = write_lines(tmp_path / "train.jsonl", [unisvg_row(), unisvg_row("TSVGEN", picture="b.png")])
    fields, where = map(json.dumps, resolve_source({"format": "unisvg"}))
    (sample,), counts = preprocess(path, tmp_path, fields=fields, where=where)
    assert sample.question == "What does this icon show?"
    assert sample.xml.startswith("<svg")
    assert sample.group == "cat_1.png"
    assert counts["filtered"] == {"type": 1}


@pytest.fixture
def config():
    return small_configuration()


def source_of(config, path, **source):
    config["dataset"]["sources"] = {"mine": {"path": str(path), **source}}
    return config


def test_a_format_that_does_not_match_names_the_missing_field_and_those_found(config, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [KNOWN["mmsvg"][0]])
    assert find_faults(source_of(config, path, format="mmsvg"), SCHEMA) == []
    assert only_fault(source_of(config, path, format="vectorgym")) == (
        "dataset.sources.mine.format: vectorgym needs the field svg_id and original_svg and text_caption, which no "
        f"record of {path} has; there are: id, svg, description; these are the fields of mmsvg. Names of your own go "
        "under fields"
    )
    own = {"id": "id", "drawing": "svg", "captions": "description"}
    assert find_faults(source_of(config, path, format="vectorgym", fields=own), SCHEMA) == []
    assert "did you mean 'mmsvg'?" in only_fault(source_of(config, path, format="mmsv"))


def test_of_several_caption_columns_one_must_be_there(config, tmp_path):
    row = {"Filename": "a", "Svg": SVG, "caption_llava": "a square"}
    assert find_faults(source_of(config, write_lines(tmp_path / "a.jsonl", [row]), format="svg_stack"), SCHEMA) == []
    del row["caption_llava"]
    found = only_fault(source_of(config, write_lines(tmp_path / "a.jsonl", [row]), format="svg_stack"))
    assert "needs the field caption_blip2 or caption_cogvlm or caption_llava, which no record" in found


def test_a_filter_by_no_field_or_no_value_is_found(config, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [vectorgym_row()])
    assert find_faults(source_of(config, path, format="vectorgym", where={"is_chart": False}), SCHEMA) == []
    assert "where.is_chat: no record of" in only_fault(
        source_of(config, path, format="vectorgym", where={"is_chat": False})
    )
    assert "where.split: no record of" in only_fault(
        source_of(config, path, format="vectorgym", where={"split": "tst"})
    )
    path = write_lines(tmp_path / "b.jsonl", [unisvg_row("CSVGUN_usage"), unisvg_row("TSVGEN")])
    found = only_fault(source_of(config, path, format="unisvg"))
    assert found.startswith(f"dataset.sources.mine.where.type: no record of {path} has a value of 'CSVGUN_description'")
    assert "CSVGUN_usage" in found


def test_the_schema_lists_the_formats():
    assert SCHEMA["$defs"]["source"]["properties"]["format"]["enum"] == list(FORMATS)


def test_predictions_find_their_samples_by_the_same_key(tmp_path):
    (record,) = read(write_lines(tmp_path / "a.jsonl", [unisvg_row()]), "unisvg")
    row = {**unisvg_row(), "model_answer": "a square"}
    fields = {"id": ["image_path", "q_text"], "caption": "model_answer"}
    assert find_id("a", row, read_fields(json.dumps(fields))) == record.id
    with pytest.raises(InputError, match="no field image_path or q_text; there are model_answer"):
        find_id("a", {"model_answer": "a square"}, fields)
    with pytest.raises(InputError, match="the value of 'caption' must be the name or path"):
        read_fields('{"caption": ["a", "b"]}')
