"""Nothing that a file of data holds is lost uncounted: what cannot be read is a rejected record with its line."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_rows import ROWS, SVG, read
from svg_pictures import wrap

from core.command import InputError
from core.records import read_json
from preprocess_svg import build_parser, main
from readers.entries import SHARD_MARK

QUOTED = SVG.replace('"', '""')
PLAIN = SVG.replace('"', "'")


def faults(path, text):
    """The faults of the records of a text file, in order; empty for those that can be read."""
    path.write_text(text)
    return [record.fault for record in read(path)]


def csv_text(*captions):
    return "id,svg,caption\n" + "".join(f'r{n},"{QUOTED}",{caption}\n' for n, caption in enumerate(captions))


def tsv_text(*captions, svg=SVG):
    return "id\tsvg\tcaption\n" + "".join(f"r{n}\t{svg}\t{caption}\n" for n, caption in enumerate(captions))


def test_a_row_with_too_many_or_too_few_cells_is_rejected_with_its_line(tmp_path):
    found = faults(tmp_path / "a.csv", csv_text("a box, wide 1, on white", "whole", '"two\nlines"', "last\nrest"))
    assert [fault.split(" cells")[0] for fault in found] == ["line 2: 5", "", "", "", "line 7: 1"]


@pytest.mark.parametrize("caption", ['"quoted start of a box', '"a" box', '"'])
@pytest.mark.parametrize("svg", [SVG, PLAIN])
def test_a_stray_quote_costs_its_row_alone(tmp_path, caption, svg):
    found = faults(tmp_path / "a.tsv", tsv_text("one", caption, "three", "four", svg=svg))
    assert found == ["", "line 3: a quote begins a cell and does not end it", "", ""]


def test_two_stray_quotes_do_not_swallow_what_is_between_them(tmp_path):
    found = faults(tmp_path / "a.tsv", tsv_text("one", '"start', "three", 'end"', "five", svg=PLAIN))
    assert [bool(fault) for fault in found] == [False, True, False, False, False]
    records = read(tmp_path / "a.tsv")
    assert [record.captions for record in records if not record.fault] == [["one"], ["three"], ['end"'], ["five"]]


def test_quoted_cells_may_hold_lines_tabs_and_quotes(tmp_path):
    indented = SVG.replace("<path", "\n\t\t<path").replace('"', '""')
    assert faults(tmp_path / "a.tsv", f'id\tsvg\tcaption\na\t"{indented}"\t"a ""box""\tof\ntwo"\n') == [""]
    assert read(tmp_path / "a.tsv")[0].captions == ['a "box" of two']


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,svg,caption,caption\nr1,<svg/>,one,two\n", "2 columns are called 'caption'"),
        ("a.csv", 'id,svg,"caption\nr1,<svg/>,one\n', "line 1: a quote begins a cell"),
        ("a.json", '[{"id": "a"},\n' + "[" * 99_999, "line 2: not JSON that can be read .nested too deep"),
        ("a.json", '[{"id": 1},\n\n{"id": ' + "9" * 5000 + "}]", "line 3: not JSON"),
    ],
)
def test_a_file_in_which_something_would_be_lost_is_one_message(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


def test_columns_without_a_name_are_empty_or_numbers_of_rows(tmp_path):
    assert faults(tmp_path / "a.csv", f",id,svg,caption,,\n0,a,{PLAIN},one,,\n1,b,{PLAIN},one, wide,\n") == [
        "",
        "line 3: a cell in a column without a name; a cell with separators must be in quotes",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[" * 99_999, "nested too deep"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON (Exceeds the limit"),
        ('{"id": "x", "caption": "one", "caption": "two"}', "the field 'caption' is there twice"),
        ('{"id": "x", "captions": [{"caption": "one", "caption": "two"}]}', "the field 'caption' is there twice"),
    ],
)
def test_a_line_of_json_that_cannot_be_read_costs_that_line(tmp_path, line, fault):
    found = faults(tmp_path / "a.jsonl", "\n".join([json.dumps(ROWS[0]), line, json.dumps(ROWS[1])]))
    assert (found[0], found[2]) == ("", "")
    assert found[1].startswith("line 2: ")
    assert fault in found[1]


def test_a_repeated_field_in_an_array_costs_that_entry(tmp_path):
    text = f'[{json.dumps(ROWS[0])},\n{{"id": "x", "svg": 1, "svg": 2}},\n{json.dumps(ROWS[1])}]'
    assert faults(tmp_path / "a.json", text) == ["", "line 2: the field 'svg' is there twice", ""]


def test_a_bad_byte_is_told_with_its_line_and_place_in_the_file(tmp_path):
    line = json.dumps(ROWS[0]).encode() + b"\n"
    (tmp_path / "a.jsonl").write_bytes(line * 9000 + b'{"id": "\xff"}\n' + line)
    with pytest.raises(InputError, match=rf"a\.jsonl, line 9001: .* at byte {9000 * len(line) + 8}\)"):
        read(tmp_path / "a.jsonl")
    (tmp_path / "b.tsv").write_bytes("id\tsvg\tcaption\n".encode("utf-16") + b"\x00\xdc\x00\xdc")
    with pytest.raises(InputError, match=r"b\.tsv, line 2: .* at byte 32\)"):
        read(tmp_path / "b.tsv")


def test_a_damaged_page_of_parquet_is_one_message(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"id": ["a", "b"], "svg": [SVG, SVG], "caption": ["one", "two"]})
    pq.write_table(
        table, path, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    data = path.read_bytes()
    path.write_bytes(data.replace(b"one", b"0ne", 1))
    with pytest.raises(InputError, match=r"a\.parquet is not a Parquet file, or is damaged after row 0 \("):
        read(path)


def test_columns_and_texts_of_parquet_are_whole(tmp_path):
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["caption", "caption"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="2 columns are called 'caption'"):
        read(tmp_path / "a.parquet")
    captions = pa.array([b"one", b"\xff", b"three"]).view(pa.string())
    pq.write_table(pa.table({"id": list("abc"), "svg": [SVG] * 3, "caption": captions}), tmp_path / "b.parquet")
    found = [record.fault for record in read(tmp_path / "b.parquet")]
    assert found[0] == found[2] == ""
    assert found[1].startswith("row 2: 'utf-8' codec can't decode")


@pytest.mark.parametrize(
    "fields",
    [
        {"record_rows": [5]},
        {"record_flags": "blank"},
        {"record_fault": "x"},
        {"record_else": 7},
        {"record_position": 9},
    ],
)
def test_foreign_fields_are_no_fields_of_ours(tmp_path, fields):
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(ROWS[0])}\n{json.dumps(ROWS[1] | fields)}\n")
    expected = read(tmp_path / "a.jsonl")[1]
    assert (expected.position, expected.flags, expected.fault, expected.captions) == (1, [], "", ["café, two lines"])


def test_a_damaged_shard_is_one_message(tmp_path):
    (tmp_path / "a.jsonl").write_text(SHARD_MARK + '{"id": "a"}\n')
    with pytest.raises(InputError, match="line 2: no record of shard_source"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("key", ["id", "split", "group"])
def test_a_list_is_no_id_split_or_group(tmp_path, key):
    row = json.dumps({**ROWS[0], key: 0}).replace(f'"{key}": 0', f'"{key}": {"[" * 900 + "]" * 900}')
    assert faults(tmp_path / "a.jsonl", row) == [f"its {key} is a list or an object, not a text"]


def test_rows_of_a_table_without_a_drawing_are_rejected_with_their_lines(tmp_path):
    (tmp_path / "a.svg").write_text(SVG)
    rows = "a.svg,a red box\nghost.svg,not there\na.png,another\nsilent.svg,\nbroken.svg,a, b\n"
    (tmp_path / "captions.csv").write_text(f"file,caption\n{rows}")
    drawing, *others = read(tmp_path)
    assert (drawing.captions, drawing.fault) == (["a red box"], "")
    assert [(record.position, record.fault[:40]) for record in others[:2]] == [
        (1, "captions.csv, line 3: ghost.svg is no dr"),
        (2, "captions.csv, line 4: a.png is no drawin"),
    ]
    assert "captions.csv, line 6: 3 cells where the header has 2" in others[2].fault
    assert len(others) == 3


def test_texts_beside_drawings_are_decoded_and_flagged(tmp_path):
    texts = {"a": "une boîte".encode("latin-1"), "b": "une boîte".encode("utf-16"), "c": "une boîte".encode()}
    for name, data in {**texts, "d": b"\xff\xfe\x00\xdc"}.items():
        (tmp_path / f"{name}.svg").write_text(SVG)
        (tmp_path / f"{name}.txt").write_bytes(data)
    records = read(tmp_path)
    assert [record.captions for record in records] == [["une boîte"]] * 3 + [[]]
    assert [record.flags for record in records] == [["caption:encoding"], [], [], []]
    assert records[3].fault.startswith("d.txt: no text in utf-16")


@pytest.mark.parametrize("captions", [["a cat", 7], ["a cat", {"words": "a dog"}], '["a cat", 7]'])
def test_captions_that_are_no_texts_are_flagged(tmp_path, captions):
    (tmp_path / "a.json").write_text(
        json.dumps([{"svg": SVG, "captions": captions}, {"svg": SVG, "captions": [None, "x"]}])
    )
    first, second = read(tmp_path / "a.json")
    assert (first.captions, first.flags, second.flags) == (["a cat"], ["caption:not_text"], [])


def test_counts_are_those_of_the_file(tmp_path):
    svg = wrap("<rect width='300' height='300'/>").replace('"', "'")
    path = tmp_path / "in.tsv"
    path.write_text(tsv_text("a red box", '"a box', "a blue box", "a box\tof two", svg=svg))
    outputs = [part for name in ("output", "rejected", "counts") for part in (f"--{name}", str(tmp_path / name))]
    main(**vars(build_parser().parse_args(["--input", str(path), *outputs])))
    counts = read_json(tmp_path / "counts")
    assert (counts["in"], counts["kept"], counts["rejected"]) == (4, 2, 2)
    rejected = (tmp_path / "rejected").read_text()
    assert "line 3: a quote" in rejected
    assert "line 5: 4 cells" in rejected


def test_a_group_or_split_of_0_is_one(tmp_path):
    rows = [{"id": n, "svg": SVG, "caption": "a box", "group": 0, "split": n} for n in range(2)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [(record.group, record.split) for record in read(tmp_path / "a.jsonl")] == [("0", "0"), ("0", "1")]


def test_texts_of_a_parquet_file_may_be_bytes(tmp_path):
    table = pa.table({"id": [b"a"], "svg": [SVG.encode()], "captions": [[b"caf\xc3\xa9", b"\xff"]]})
    pq.write_table(table, tmp_path / "a.parquet")
    record = read(tmp_path / "a.parquet")[0]
    assert (record.id, record.drawing, record.captions, record.flags) == ("a", SVG, ["café"], ["caption:not_text"])


@pytest.mark.parametrize(
    "data",
    [
        csv_text("a box").encode("utf-32"),
        b"\n \n" + csv_text("a box").encode(),
        csv_text("a box").replace(",c", ", c", 1).encode(),
    ],
)
def test_other_encodings_empty_lines_and_spaces_in_a_header_lose_nothing(tmp_path, data):
    (tmp_path / "a.csv").write_bytes(data)
    assert [record.captions for record in read(tmp_path / "a.csv")] == [["a box"]]


def test_names_that_end_in_upper_case_gz_are_read(tmp_path):
    (tmp_path / "a.jsonl.GZ").write_bytes(gzip.compress(json.dumps(ROWS[0]).encode()))
    assert [record.id for record in read(tmp_path)] == ["a"]
