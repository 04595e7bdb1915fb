"""The command preprocess_svg: nothing is lost uncounted, and a mistake is one clear message."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from svg_pictures import wrap

import preprocess_svg
from core.command import InputError
from core.records import read_json, read_samples
from preprocess_svg import build_parser, main


def run(tmp_path, records, text=None, options=()):
    (tmp_path / "in.json").write_text(json.dumps(records) if text is None else text)
    outputs = {name: tmp_path / name for name in ("output", "fingerprints", "rejected", "label-leakage", "counts")}
    arguments = [str(tmp_path / "in.json"), *options]
    arguments = ["--input", *arguments, *(part for name, path in outputs.items() for part in (f"--{name}", str(path)))]
    main(**vars(build_parser().parse_args(arguments)))
    return outputs


NOT_XML = "not XML (line 1: Start tag expected, '<' not found)"
RECT = wrap('<rect width="300" height="300"/>')


def test_counts_add_up_and_rejections_have_reasons(tmp_path):
    records = [
        {"id": "a", "svg": RECT, "caption": "a  square"},
        {"filename": "b", "xml": RECT, "captions": ["one", "two"]},
        {"id": "c", "svg": RECT},
        {"id": "d", "caption": "no drawing"},
        {"id": "e", "svg": "rubbish", "caption": "x"},
    ]
    outputs = run(tmp_path, records)
    counts = read_json(outputs["counts"])
    assert (counts["in"], counts["kept"], counts["rejected"]) == (5, 2, 3)
    with open(outputs["rejected"]) as file:
        reasons = {row["id"]: (row["position"], row["reason"]) for row in csv.DictReader(file)}
    assert reasons == {"c": ("2", "no caption"), "d": ("3", "no drawing"), "e": ("4", NOT_XML)}
    first, second = read_samples(outputs["output"])
    assert (first.references, second.id, second.references) == (["a square"], "b", ["one", "two"])
    assert first.n_chars == len(first.xml)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('[{"id": 1,]', "line 1: not JSON"),
        ('{"id": "a", "svg": "<svg/>"}\nrubbish', "1 x not JSON"),
        ('[{"id": "a"}]', "none of 1 records"),
        ('[{"id": "a"}, {"id": "b"}, {"id": "a", "caption": "x"}]', "records 0 and 2 have one id 'a'"),
        ("[1]", "1 x not an object"),
    ],
)
def test_a_bad_file_is_one_clear_message_and_no_output(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path, None, text)
    assert {path.name for path in tmp_path.iterdir()} == {"in.json"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "in.json does not exist"),
        ("", "in.json is empty; it must hold a JSON array or JSON lines of samples"),
        ('[{"id": "a",]', "in.json, line 1: not JSON"),
        (json.dumps([{"id": "a", "svg": RECT}]), "none of 1 records became a sample: 1 x no caption"),
        (json.dumps([{"id": "a", "caption": "x"}]), "none of 1 records became a sample: 1 x no drawing"),
        (
            json.dumps([{"id": "a", "svg": RECT, "caption": text} for text in "xy"]),
            "in.json: records 0 and 1 have one id 'a'",
        ),
    ],
    ids=["missing", "empty", "not JSON", "no caption", "no drawing", "one id twice"],
)
def test_the_command_ends_with_one_clear_line_and_leaves_nothing(tmp_path, text, message):
    if text is not None:
        (tmp_path / "in.json").write_text(text)
    before = [path for path in tmp_path.rglob("*") if path.is_file()]
    command = [sys.executable, Path(preprocess_svg.__file__), "--input", "in.json", "--source", "mine", "--output"]
    command += ["out/mine.parquet", "--rejected", "out/mine.rejected.csv", "--counts", "out/mine.counts.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == before


def test_a_copy_of_a_record_is_rejected_as_one(tmp_path):
    record = {"id": "a", "svg": RECT, "caption": "a red square"}
    outputs = run(tmp_path, [record, {**record, "id": "b"}, record])
    assert [sample.id for sample in read_samples(outputs["output"])] == ["a", "b"]
    assert outputs["rejected"].read_text().splitlines()[1:] == ["drawings,a,2,a copy of record 0"]
    counts = read_json(outputs["counts"])
    assert (counts["in"], counts["kept"], counts["rejected"]) == (3, 2, 1)


def test_the_outputs_tell_of_label_leakage_captions_and_pictures(tmp_path):
    records = [
        {
            "id": "a",
            "svg": wrap('<g id="lighthouse"><path d="M0 0h300v300z"/></g>'),
            "caption": "a lighthouse by night",
        },
        {"id": "b", "svg": wrap('<text y="50">Lighthouse</text><path d="M9 9h99v99z"/>'), "caption": "a lighthouse"},
        {"id": "c", "svg": RECT, "captions": ["a square", "The image depicts import requests"]},
        {"id": "d", "svg": RECT, "caption": "The image depicts ."},
        {"id": "e", "svg": wrap('<path d="M0 0h9v9z" fill="white"/>'), "caption": "white on white"},
    ]
    outputs = run(tmp_path, records)
    samples = {sample.id: sample for sample in read_samples(outputs["output"])}
    assert samples["a"].flags == ["label_leakage_removed"]
    assert {"label_leakage_left", "has_text"} <= set(samples["b"].flags)
    assert (samples["c"].references, samples["c"].flags) == (["a square"], ["caption:junk"])
    assert samples["e"].flags == ["blank"]
    assert outputs["label-leakage"].read_text().splitlines() == ["id,words", "b,lighthouse"]
    assert "d,3,no usable caption (junk)" in outputs["rejected"].read_text()
    assert pq.read_table(outputs["fingerprints"])["id"].to_pylist() == ["a", "b", "c", "e"]


def test_what_is_too_long_to_take_part_is_not_drawn(tmp_path):
    outputs = run(tmp_path, [{"id": "a", "svg": RECT, "caption": "a square"}], options=["--max-chars", "20"])
    assert len(read_samples(outputs["output"])) == 1
    assert pq.read_table(outputs["fingerprints"]).num_rows == 0


def test_one_file_is_printed_with_its_measures(tmp_path, capsys):
    (tmp_path / "a.svg").write_text(RECT)
    main(**vars(build_parser().parse_args([str(tmp_path / "a.svg")])))
    printed = capsys.readouterr()
    assert printed.out.startswith("<svg ")
    assert "tokens" in printed.err
    assert "1 shapes" in printed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["."], "is no file"),
        (["no-such.svg"], "is no file"),
        (["drawing.svg", "--precision", "-1"], "from 0 to 6"),
        (["drawing.svg", "--canvas", "0"], "from 16 to 4096"),
        (["rubbish.svg"], "not XML"),
        (["--input", "drawings.json", "--output", "o.parquet", "--rejected", "r.csv", "--counts", "c.json",
          "--fields", "{bad"], "--fields is not JSON"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawing.svg").write_text(wrap("<path d='M0 0h9v9z'/>"))
    (tmp_path / "rubbish.svg").write_text("no drawing")
    (tmp_path / "drawings.json").write_text("[]")
    with pytest.raises(InputError, match=words):
        main(**vars(build_parser().parse_args(arguments)))
