"""Reading: every format of the field gives the same records, in little memory; bad files are one clear message."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_rows import EXPECTED, PATH_RECORDS, ROWS, SVG, facts, read, write_csv

from core.command import InputError
from readers import formats as reader_formats
from readers.entries import as_captions, open_entries, read_records
from readers.folder import read_data_file

WRITERS = {
    "array.json": lambda path: path.write_text(json.dumps(ROWS, indent=2)),
    "bom.json": lambda path: path.write_text(json.dumps(ROWS), encoding="utf-8-sig"),
    "lines.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, ROWS))),
    "lines.json": lambda path: path.write_text("\n\n".join(map(json.dumps, ROWS))),
    "lines.jsonl.gz": lambda path: path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode())),
    "table.csv": lambda path: write_csv(path, ROWS),
    "semicolons.csv": lambda path: write_csv(path, ROWS, ";"),
    "table.tsv": lambda path: write_csv(path, ROWS, "\t"),
    "table.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_records(tmp_path, name):
    WRITERS[name](tmp_path / name)
    records = read(tmp_path / name)
    assert facts(records) == EXPECTED
    assert [record.position for record in records] == [0, 1]


def test_utf_16_is_told_by_its_mark(tmp_path):
    (tmp_path / "a.csv").write_text(f"id\tsvg\tcaption\nx\t{PATH_RECORDS.splitlines()[1]}\tcafé\n", encoding="utf-16")
    assert [(r.id, r.captions) for r in read(tmp_path / "a.csv")] == [("x", ["café"])]


def test_a_saved_dataset_and_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {"train": datasets.Dataset.from_list(ROWS[:1]), "dev": datasets.Dataset.from_list(ROWS[1:])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    records = read(tmp_path / "saved")
    assert sorted(facts(records)) == EXPECTED
    assert {r.id: r.split for r in records} == {"a": "train", "b": "validation"}


def test_a_folder_of_a_dataset_has_its_splits_in_the_names_of_its_files(tmp_path):
    for name, row in zip(("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"), ROWS, strict=True):
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / name)
    assert {r.id: r.split for r in read(tmp_path)} == {"a": "train", "b": "test"}


def test_a_hub_dataset_is_streamed_at_its_revision(monkeypatch):
    import datasets

    asked = {}

    def load_dataset(hub, subset, **settings):
        asked.update(hub=hub, subset=subset, **settings)
        rows = [{"Filename": "x.svg", "Svg": SVG, "one": "1st", "two": "2nd"}]
        return datasets.IterableDatasetDict({"train": datasets.Dataset.from_list(rows).to_iterable_dataset()})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    entries = reader_formats.read_hub_dataset("someone/icons", "f" * 40, None, None)
    (record,) = read_records(entries, {"captions": ["one", "two"]}, "icons")
    assert (record.id, record.split, record.captions) == ("x.svg", "train", ["1st", "2nd"])
    assert asked == {"hub": "someone/icons", "subset": None, "revision": "f" * 40, "split": None, "streaming": True}


def test_a_dataset_that_cannot_be_reached_is_one_message(monkeypatch):
    import datasets

    def load_dataset(*arguments, **settings):
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match="someone/icons at ffffffffffff cannot be read"):
        list(reader_formats.read_hub_dataset("someone/icons", "f" * 40, None, "train"))


@pytest.mark.parametrize(
    ("data", "flag"),
    [
        (b"\xef\xbb\xbf" + SVG.encode(), "repaired:bom"),
        (("\ufeff" + SVG).encode("utf-16-le"), "repaired:bom"),
        (SVG.encode("utf-16-be"), "repaired:encoding"),
        (b'<?xml version="1.0" encoding="latin-1"?>' + SVG.replace("M0", "M0").encode("latin-1"), None),
        (SVG.replace("<path", "<desc>café</desc><path").encode("latin-1"), "repaired:encoding"),
        (b'<?xml version="1.0" encoding="nonsense"?>' + SVG.encode(), "repaired:encoding"),
        (gzip.compress(SVG.encode(), mtime=0), None),
    ],
)
def test_bytes_of_any_encoding_become_the_drawing(tmp_path, data, flag):
    (tmp_path / "a.svg").write_bytes(data)
    (record,) = read(tmp_path)
    assert "M0 0h9v9z" in record.drawing
    assert [f for f in record.flags if f != "caption_from_drawing"] == ([flag] if flag else [])


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (gzip.compress(b" " * 6_000_000, mtime=0), "larger than"),
        (b"\x1f\x8bnonsense", "broken gzip"),
        (b"\xff\xfe\x00\xd8\x00\xd8", "no text in utf-16"),
    ],
)
def test_bytes_that_are_no_text_have_a_fault(tmp_path, data, fault):
    (tmp_path / "a.svgz").write_bytes(data)
    (record,) = read(tmp_path)
    assert record.drawing is None
    assert fault in record.fault


def test_names_of_fields_can_be_given(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"key": 7, "code": SVG, "words": "x", "part": "dev", "family": 3}]))
    (record,) = read(tmp_path / "a.json", id="key", drawing="code", captions="words", split="part", group="family")
    assert (record.id, record.captions, record.split, record.group) == ("7", ["x"], "validation", "3")


def test_captions_of_any_shape_become_a_list():
    assert as_captions(" a\nb ") == ["a b"]
    assert as_captions(["a", "", None, "a", "b"]) == ["a", "b"]
    assert as_captions('["a", "b"]') == ["a", "b"]
    assert as_captions('["quoted" words') == ['["quoted" words']
    assert as_captions("broken \ud83d") == ["broken ?"]
    assert as_captions(None) == []
    assert as_captions([{"caption": "a"}, {"id": 3}, {"caption": "b"}]) == ["a", "b"]
    assert as_captions([["a", "b"], "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "captions"),
    [
        ('[ "a", "b"]', ["a", "b"]),
        ('[{"caption": "a"}]', ["a"]),
        ("['a cat', 'a dog']", ["a cat", "a dog"]),
        ("""['a cat', "it's"]""", ["a cat", "it's"]),
        ("['a cat'\n 'a dog']", ["a cat", "a dog"]),
        ("[]", []),
        ("[sic] a cat", ["[sic] a cat"]),
        ("['a' or 'b']", ["['a' or 'b']"]),
        (r"['\xzz']", [r"['\xzz']"]),
        ("[1, 2]", ["[1, 2]"]),
        ("[" * 99_999, ["[" * 99_999]),
    ],
)
def test_a_list_that_a_table_has_as_text_is_read(text, captions):
    assert as_captions(text) == captions


def test_lone_surrogates_do_not_end_the_job(tmp_path):
    rows = [{"id": lone, "group": "\ud800", "split": "\ud800", "svg": SVG, "caption": "x"} for lone in "\ud800\ud801"]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    records = read(tmp_path / "a.json")
    assert [(r.id, r.group, r.split) for r in records] == [(rf"\ud80{n}", r"\ud800", r"\ud800") for n in range(2)]


def test_the_bytes_of_a_file_in_parquet_are_the_drawing(tmp_path):
    row = {"id": "a", "Svg": {"bytes": SVG.encode(), "path": "a.svg"}, "caption": "x"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    assert [record.drawing for record in read(tmp_path / "a.parquet")] == [SVG]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b"", "is empty"),
        ("a.csv", b"", "is empty"),
        ("a.json", b'[{"id": 1},\n{"id": }]', r"a\.json, line 2: not JSON"),
        ("a.json", b'[{"id": 1}', "not JSON"),
        ("a.json", b'[{"id": 1}] more', "more after the end"),
        ("a.jsonl", b'{"id": "caf\xe9"}', r"a\.jsonl, line 1: not UTF-8 text \(.* at byte 11\)"),
        ("a.jsonl.gz", b"{}", "not gzipped"),
        ("a.parquet", b"PAR1", "not a Parquet file"),
        ("a.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 9, mtime=0)[:-9], "cut off or damaged"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 9, "cut off or damaged"),
    ],
)
def test_a_bad_file_is_one_message(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


def test_a_broken_entry_costs_its_record_alone(tmp_path):
    lines = [json.dumps(ROWS[0]), "rubbish", "7", json.dumps(ROWS[1])]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    (tmp_path / "array.json").write_text(json.dumps([ROWS[0], "text", 7, ROWS[1]]))
    faults = ["", "line 2: not JSON (Expecting value)", "line 3: not an object with fields but int", ""]
    assert [(r.position, r.fault) for r in read(tmp_path / "train.jsonl")] == list(enumerate(faults))
    assert [bool(r.fault) for r in read(tmp_path / "array.json")] == [False, True, True, False]
    with pytest.raises(InputError, match=r"train\.jsonl, line 2: not JSON"):
        list(read_data_file(tmp_path / "train.jsonl"))
    (tmp_path / "array.json").unlink()
    assert [r.fault for r in read(tmp_path)] == [fault and f"train.jsonl, {fault}" for fault in faults]


def test_a_missing_file_and_an_empty_folder_are_one_message(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "none.json")
    with pytest.raises(InputError, match="neither SVG files nor data files"):
        read(tmp_path)


def test_an_array_is_read_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_formats, "BLOCK_CHARS", 7)
    rows = [{"id": f"é{number}", "svg": SVG * (number % 3)} for number in range(40)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1))
    assert list(open_entries(tmp_path / "a.json")) == rows
    (tmp_path / "b.json").write_text(
        json.dumps(rows, indent=1).replace('"é39"', "nonsense").replace('"\\u00e939"', "x")
    )
    with pytest.raises(InputError, match=r"line 159: not JSON"):
        list(open_entries(tmp_path / "b.json"))


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_objects_over_several_lines_are_read_one_by_one(tmp_path, monkeypatch, block):
    monkeypatch.setattr(reader_formats, "BLOCK_CHARS", block)
    rows = [{"id": f"é{number}", "captions": [{"caption": "a\n{"}]} for number in range(9)]
    text = "\n".join(json.dumps(row, indent=2) for row in rows)
    (tmp_path / "a.jsonl").write_text(text + "\n")
    assert list(open_entries(tmp_path / "a.jsonl")) == rows
    (tmp_path / "b.json").write_text('{"run": 1, "results": [\n' + ",\n".join(map(json.dumps, rows)) + "]}")
    assert list(open_entries(tmp_path / "b.json")) == [{"run": 1, "results": rows}]
    (tmp_path / "a.jsonl").write_text(text.replace('"\\u00e98"', "x"))
    with pytest.raises(InputError, match=r"a\.jsonl, line 66: not JSON \(Expecting value"):
        list(open_entries(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("cut", ['{"id": "x",', '{"id":', '{"id": "x"', '{"id": "', "{", '{"id": "x"} more'])
def test_a_first_line_that_is_cut_off_costs_that_line_alone(tmp_path, cut):
    (tmp_path / "a.jsonl").write_text(f"{cut}\n" + "".join(json.dumps(row) + "\n" for row in ROWS))
    faults = [record.fault for record in read(tmp_path / "a.jsonl")]
    assert faults[0].startswith("line 1: not JSON (")
    assert faults[1:] == [""] * len(ROWS)


def test_an_object_that_is_too_long_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_formats, "BLOCK_CHARS", 7)
    monkeypatch.setattr(reader_formats, "LONGEST_ENTRY", 20)
    (tmp_path / "a.json").write_text(json.dumps({"results": ["some text"] * 9}, indent=1))
    with pytest.raises(InputError, match="line 1: a value of more than 20 characters, or not JSON; write its records"):
        list(open_entries(tmp_path / "a.json"))
