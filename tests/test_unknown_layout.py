"""Files in which drawings and captions are not found by name: one line each, with the file and the fix."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_rows import SVG

from core.command import InputError
from new_experiment import describe_source
from readers.unknown_layout import check_fields

ROW = {"id": "a", "svg": SVG, "caption": "a disc"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", {"code": SVG, "alt": "a disc"}, '--fields \'{"drawing": "code", "captions": "alt"}\''),
        ("a.jsonl", {"svg": SVG, "alt": "a disc"}, '--fields \'{"captions": "alt"}\''),
        ("a.jsonl", {"id": "a", "svg": SVG}, "no field has a usual name of captions.* Add a field 'caption'"),
        ("a.jsonl", {"id": "a", "caption": "a disc"}, "none holds SVG.* Add a field 'svg'"),
        ("a.jsonl", {**ROW, "caption": None}, "the field 'caption' is empty in its first records"),
        ("a.json", {"data": [ROW]}, "a list in the field 'data'; write this list as a file of its own"),
        ("a.json", {"a": ROW, "b": ROW}, "the values of a, b; write them as a list"),
        ("a.jsonl", "no\nneither\n", r"line 1: not JSON \(Expecting value\), and no other"),
        ("a.log", "no\n", "the file must hold JSON lines, a JSON array, CSV, TSV or Parquet"),
        ("a.csv", "id,svg,caption\n", "holds no records; it must have one for each drawing"),
        ("a.csv", "a,<svg/>,a disc\nb,<svg/>,a disc\n", "must be the names of the columns, such as id,svg,caption"),
        ("a.svg", SVG, "is one drawing; give the folder that holds your drawings"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.zip", "PK\3\4", "a zip archive; unpack it"),
    ],
)
def test_a_file_without_known_fields_is_told_with_its_fix(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=told) as fault:
        describe_source(path, {})
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_parquet_file_without_captions_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a"], "code": [SVG]}), path)
    with pytest.raises(InputError, match="no field has a usual name of captions"):
        describe_source(path, {})


def test_given_names_are_taken_and_checked(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"code": SVG, "alt": "a disc"}))
    fields = {"drawing": "code", "captions": "alt"}
    assert describe_source(path, fields) == {"path": str(path), "fields": fields}
    with pytest.raises(InputError, match=r"data\.fields\.captions: no record of .* has a field 'altt'"):
        describe_source(path, {**fields, "captions": "altt"})
    with pytest.raises(InputError, match="did you mean 'captions'"):
        check_fields({"caption": "alt"})
    with pytest.raises(InputError, match="must be the name of a field"):
        check_fields({"captions": 5})
