"""Reading: every format of the field gives the same records, in little memory; bad files are one clear message."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.command import InputError
from readers import formats as reader_formats
from readers.entries import as_captions, open_entries, read_records
from readers.folder import read_data_file

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
PATH_RECORDS = "style=fill:3,84,76;stroke:None\td=M0,0 L9,9 L0,9 \nstyle=fill:null d=M1,1 L2,2"
ROWS = [
    {"id": "a", "svg": SVG, "caption": "a  square"},
    {"id": "b", "svg": PATH_RECORDS, "caption": "café, two\nlines"},
]
EXPECTED = [("a", SVG, ["a square"]), ("b", PATH_RECORDS, ["café, two lines"])]


def read(path, **fields):
    return list(read_records(open_entries(path), fields, str(path)))


def facts(records):
    return [(record.id, record.drawing, record.captions) for record in records]


def write_csv(path, rows, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


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


def svg_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "deep" / "b.svgz").write_bytes(gzip.compress(PATH_RECORDS.encode()))
    return tmp_path


@pytest.mark.parametrize("key", ["filename", "id"])
def test_a_folder_of_drawings_with_a_table(tmp_path, key):
    rows = [{key: "a.svg", "caption": "a square"}, {key: "deep/b", "caption": "café, two lines"}]
    write_csv(svg_folder(tmp_path) / "captions.csv", rows)
    records = read(tmp_path)
    assert facts(records) == [("a", SVG, ["a square"]), ("deep/b", PATH_RECORDS, ["café, two lines"])]


def captions_of_folder(folder, table, files):
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(SVG)
    (folder / "captions.csv").write_text(table)
    return {record.id: record.captions for record in read(folder)}


@pytest.mark.parametrize(
    ("row", "files", "captioned"),
    [
        ("a/x.svg", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("a/x", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("./a/x.png", ["a/x.svg", "b/x.svg"], ["a/x"]),
        ("x.svg", ["a/x.svg", "b/y.svg"], ["a/x"]),
        ("x", ["a/x.svg", "b/y.svg"], ["a/x"]),
        ("x.svg", ["a/x.svg", "b/x.svg"], []),
        ("x.svg", ["x.svg", "b/x.svg"], ["x"]),
        ("b/x.svg", ["a/x.svg"], []),
        ("v1.2", ["v1.svg", "v1.2.svg"], ["v1.2"]),
    ],
)
def test_a_row_of_a_table_describes_no_other_drawing(tmp_path, row, files, captioned):
    captions = captions_of_folder(tmp_path, f"filename,caption\n{row},words\n", files)
    assert [id_ for id_, texts in captions.items() if texts] == captioned


@pytest.mark.parametrize("names", [["a.svg"] * 4, ["a.svg", "a", "./a.svg", "a"], ["a.png"] * 4])
def test_rows_of_one_drawing_are_its_captions_in_order(tmp_path, names):
    rows = zip(names, ["a cat", "", "a dog", "a cat"], strict=True)
    table = "filename,caption\n" + "".join(f"{name},{caption}\n" for name, caption in rows)
    assert captions_of_folder(tmp_path, table, ["a.svg", "b.svg"]) == {"a": ["a cat", "a dog"], "b": []}


def test_rows_in_several_tables_and_lists_are_all_captions(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.jsonl").write_text('{"file": "a.svg", "captions": ["1", "2"], "split": "val"}\n{"file": "a"}\n')
    (tmp_path / "b.csv").write_text("file,caption,group\na.svg,3,g\na.svg,2,\n")
    (record,) = read(tmp_path)
    assert (record.captions, record.split, record.group) == (["1", "2", "3"], "validation", "g")


def test_a_name_with_another_suffix_counts_where_no_row_has_the_drawings(tmp_path):
    table = "filename,caption\nx.dark,dark\nx.svg,light\nx.dark,black\n"
    expected = {"x": ["light"], "x.dark": ["dark", "black"]}
    assert captions_of_folder(tmp_path, table, ["x.svg", "x.dark.svg"]) == expected


@pytest.mark.parametrize("field", ["split", "group"])
def test_rows_that_disagree_on_split_or_group_are_rejected(tmp_path, field):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.csv").write_text(f"file,caption,{field}\na.svg,1,test\na.svg,2,dev\n")
    (record,) = read(tmp_path)
    assert record.fault.startswith("its rows disagree: test and")


def test_a_row_without_caption_leaves_the_text_beside_the_drawing(tmp_path):
    (tmp_path / "a.txt").write_text("of the text\n")
    (tmp_path / "b.txt").write_text(" \n")
    (tmp_path / "b.svg").write_text(SVG.replace("<path", "<title>of the drawing</title><path"))
    (tmp_path / "a.svg").write_text((tmp_path / "b.svg").read_text())
    (tmp_path / "captions.csv").write_text("filename,words,group\na.svg,,g\nb.svg,,h\n")
    first, second = read(tmp_path, captions="words")
    assert (first.captions, first.flags, first.group) == (["of the text"], [], "g")
    assert (second.captions, second.flags, second.group) == (["of the drawing"], ["caption_from_drawing"], "h")
    (tmp_path / "captions.csv").write_text("filename,words\na.svg,of the table\n")
    assert [record.captions for record in read(tmp_path, captions="words")] == [["of the table"], ["of the drawing"]]


def test_other_files_and_folders_among_drawings_are_left_alone(tmp_path, capsys):
    (tmp_path / "icons.svg").mkdir()
    (tmp_path / "data.csv").mkdir()
    (tmp_path / "icons.svg" / "a.svg").write_text(SVG)
    (tmp_path / "package.json").write_text(json.dumps({"name": "icons", "version": "1.0"}, indent=2))
    (tmp_path / "colours.json").write_text(json.dumps([{"colour": "red"}]))
    assert facts(read(tmp_path)) == [("icons.svg/a", SVG, [])]
    assert "colours.json is no table of captions" in capsys.readouterr().err
    (tmp_path / "captions.jsonl").write_text('{"filename": "a.svg", "caption": "x"}\n{"caption": "y"}\nz\n')
    with pytest.raises(InputError, match="a row names no file"):
        read(tmp_path)


def test_a_folder_of_drawings_with_texts_beside_them(tmp_path):
    svg_folder(tmp_path)
    (tmp_path / "a.txt").write_text("a square\nanother caption\n")
    first, second = read(tmp_path)
    assert first.captions == ["a square", "another caption"]
    assert second.captions == []


def test_a_folder_of_drawings_that_describe_themselves(tmp_path):
    inside = (
        "<title>a square</title><desc>of black</desc><metadata><rdf:RDF xmlns:rdf='r' xmlns:dc='d'><dc:description>in a"
        " corner</dc:description></rdf:RDF></metadata><g><title>tooltip of a part</title></g>"
    )
    (tmp_path / "a.svg").write_text(SVG.replace("<path", f"{inside}<path"))
    (tmp_path / "broken.svg").write_text("<svg")
    first, second = read(tmp_path)
    assert first.captions == ["a square", "of black", "in a corner"]
    assert first.flags == ["caption_from_drawing"]
    assert second.captions == []


def test_what_metadata_says_of_people_and_terms_is_no_caption(tmp_path):
    (tmp_path / "a.svg").write_text(
        """<svg xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"><title>My cat</title><desc/>
        <metadata><rdf:RDF><cc:Work><dc:title>My cat</dc:title><dc:description>It sleeps</dc:description>
        <dc:creator><cc:Agent><dc:title>John Doe</dc:title></cc:Agent></dc:creator>
        <dc:publisher><cc:Agent><dc:title>Open Clip Art Library</dc:title></cc:Agent></dc:publisher>
        <dc:rights><cc:Agent><dc:title>Public Domain</dc:title></cc:Agent></dc:rights>
        <dc:contributor><dc:description>Jane</dc:description></dc:contributor></cc:Work></rdf:RDF></metadata></svg>"""
    )
    (entry,) = open_entries(tmp_path)
    assert entry["record_else"]["captions"] == ["My cat", "It sleeps"]


@pytest.mark.parametrize(
    ("data", "flag"),
    [
        (b"\xef\xbb\xbf" + SVG.encode(), "repaired:bom"),
        (("\ufeff" + SVG).encode("utf-16-le"), "repaired:bom"),
        (SVG.encode("utf-16-be"), "repaired:encoding"),
        (b'<?xml version="1.0" encoding="latin-1"?>' + SVG.replace("M0", "M0").encode("latin-1"), None),
        (SVG.replace("<path", "<desc>café</desc><path").encode("latin-1"), "repaired:encoding"),
        (b'<?xml version="1.0" encoding="nonsense"?>' + SVG.encode(), "repaired:encoding"),
        (gzip.compress(SVG.encode()), None),
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
        (gzip.compress(b" " * 6_000_000), "larger than"),
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
        ("a.jsonl", b'{"id": "caf\xe9"}', "not UTF-8"),
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
    faults = ["", "not JSON (Expecting value)", "not an object with fields but int", ""]
    assert [(r.position, r.fault) for r in read(tmp_path / "train.jsonl")] == list(enumerate(faults))
    assert [bool(r.fault) for r in read(tmp_path / "array.json")] == [False, True, True, False]
    with pytest.raises(InputError, match=r"train\.jsonl, line 2: not JSON"):
        list(read_data_file(tmp_path / "train.jsonl"))
    (tmp_path / "array.json").unlink()
    assert [r.fault for r in read(tmp_path)] == faults


@pytest.mark.parametrize(
    ("name", "data", "fault", "captions"),
    [
        ("a.json", '[{"file": "a.svg", "caption": "x"},\n{"file": }]', "a.json, line 2: not JSON", ["x"]),
        ("a.json", '[{"file": "a.svg", "caption": "x"}', "a.json, line 1: not JSON", ["x"]),
        ("a.json", '[{"file": "a.svg", "caption": "x"}] more', "a.json: not JSON (there is more", ["x"]),
        ("a.json", "[rubbish]", "a.json, line 1: not JSON", []),
        ("a.json", "", "a.json is empty", []),
        ("a.jsonl", 'rubbish\n{"file": "a.svg", "caption": "x"}', "a.jsonl, line 1: not JSON", ["x"]),
    ],
)
def test_broken_json_among_drawings_is_a_rejected_record(tmp_path, name, data, fault, captions):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / name).write_text(data)
    drawing, rejected = read(tmp_path)
    assert (drawing.id, drawing.captions, drawing.fault) == ("a", captions, "")
    assert (rejected.position, rejected.drawing, rejected.captions) == (1, None, [])
    assert rejected.fault.startswith(f"{tmp_path}/{fault}")
    assert rejected.fault.endswith("; fix it, or take the file out of the folder")


def test_a_table_among_drawings_that_cannot_be_read_is_one_message(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    (tmp_path / "a.csv").write_bytes(b"file,caption\na.svg,caf\xe9\n")
    with pytest.raises(InputError, match=r"a\.csv is not UTF-8"):
        read(tmp_path)


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
