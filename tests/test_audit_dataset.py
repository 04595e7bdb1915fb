"""The audit of a dataset by itself, and the configuration for a new one: one small file with a fault of each kind."""

import json
import re

import pytest
import yaml
from known_rows import SVG, unisvg_row
from small_configuration import SCHEMA

import audit_dataset
from core.command import InputError
from core.records import Sample
from new_experiment import describe_source, main, write_configuration
from plan.faults import find_faults
from samples.audit import Audited, choose_shown, suspicion


def drawing(colour, x=2, inside=""):
    shape = f'<circle cx="{x}" cy="5" r="2" fill="{colour}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{shape}{inside}</svg>'


ROWS = [
    {"id": "red", "svg": drawing("red"), "caption": "a red disc on the left", "split": "train"},
    {"id": "again", "svg": drawing("red"), "caption": "the disc once more", "split": "test"},
    {"id": "near", "svg": drawing("#fa0000"), "caption": "a disc that looks alike", "split": "train"},
    {"id": "blank", "svg": drawing("white"), "caption": "nothing to see", "split": "train"},
    {"id": "leak", "svg": drawing("blue", 7, '<text y="9" font-size="2">sailboat</text>'), "caption": "a sailboat"},
    {"id": "cut", "svg": drawing("green", 7), "caption": "a green disc on the"},
    {"id": "junk", "svg": drawing("lime", 7), "caption": "N/A"},
    {"id": "no", "svg": "", "caption": "an empty drawing"},
    {"id": "script", "svg": drawing("teal", 8, "<script>x()</script>"), "caption": "<b>bold</b> disc & more"},
]


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """The audit of ROWS: its JSON, and its page."""
    folder = tmp_path_factory.mktemp("audit")
    path = write(folder / "rows.jsonl", ROWS)
    words = [str(path), "--workers", "1", "--budget", "50", "--output-dir", str(folder / "out")]
    audit_dataset.main(**vars(audit_dataset.build_parser().parse_args(words)))
    return json.loads((folder / "out" / "audit.json").read_text()), (folder / "out" / "audit.html").read_text()


def test_every_record_is_counted_with_its_reason(audited):
    found, _ = audited
    assert found["counts"] == {"in": 9, "kept": 7, "rejected": 2, "filtered": {}}
    assert found["rejected"] == {"no usable caption (junk)": 1, "no drawing": 1}
    assert found["removed"] == {"script": 1}
    assert found["other_flags"]["blank"] == 1
    assert found["format"] is None


def test_duplicates_and_leaks_between_the_given_splits_are_found(audited):
    found, _ = audited
    assert found["duplicates"]["exact"] == 1
    assert (found["duplicates"]["near_pairs"], found["duplicates"]["near_samples"]) == (1, 2)
    assert found["splits"]["given"] == {"train": 3, "none": 3, "test": 1}
    assert found["splits"]["leaking_groups"] == found["splits"]["leaking_groups_with_test"] == 1


def test_partners_are_named_with_their_splits_and_captions(audited):
    found, page = audited
    red, again = ({"id": row["id"], "split": row["split"], "captions": [row["caption"]]} for row in ROWS[:2])
    near = {"id": "near", "split": "train", "captions": ["a disc that looks alike"]}
    assert found["duplicates"]["exact_groups"] == [{"samples": [red, again]}]
    (pair,) = found["duplicates"]["near"]
    assert pair["samples"] == [red, near]
    assert (
        0
        < pair["mean_difference"]
        < pair["largest_difference"]
        <= found["duplicates"]["near_limits"]["largest_difference"]
    )
    (leak,) = found["splits"]["leaks"]
    assert leak["splits"] == {"train": 2, "test": 1}
    assert [(one["what"], one["ids"]) for one in leak["shared"]] == [
        ("drawing", ["red", "again"]),
        ("look", ["red", "near"]),
    ]
    assert leak["samples"] == [red, again, near]
    leaks = page[page.index('id="leaks"') : page.index('id="duplicates"')]
    assert [leaks.count(f'alt="Drawing {id_}"') for id_ in ("red", "again", "near")] == [1, 1, 1]
    assert re.search(r"<code>red</code>, <code>near</code>:\s+their pictures differ by [\d.]+ of 255 on average", leaks)


def test_rejected_and_flagged_records_are_named(audited):
    found, page = audited
    assert [(one["id"], one["reason"]) for one in found["rejected_records"]] == [
        ("junk", "no usable caption (junk)"),
        ("no", "no drawing"),
    ]
    assert found["flagged"]["removed:script"] == ["script"]
    assert next(iter(found["suspicious"].items())) == ("red", ["duplicate", "near-duplicate", "in several splits"])
    assert re.search(
        r"<code>no drawing</code> The field of the drawing is missing or empty\..*?<code>no</code>", page, re.DOTALL
    )


def test_the_page_points_at_no_code_and_says_what_was_looked_for(audited):
    _, page = audited
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\w/\w+\.py|\bNone\.", text)
    assert "nothing had to be repaired" in text


def test_captions_and_label_leakage_are_judged(audited):
    found, _ = audited
    assert found["label_leakage"] == {"left": 1, "removed": 0, "words": {"leak": "sailboat"}}
    assert found["captions"]["problems"] == {"cut_off": 1}
    assert (found["captions"]["n"], found["captions"]["different"], found["captions"]["repeated"]) == (7, 7, 0)


def test_the_share_that_fits_a_budget_is_that_of_the_lengths(audited):
    found, _ = audited
    assert found["budget"]["n"] == 7
    assert 0 < found["budget"]["fitting"] < 7
    assert sum(found["lengths"]["tokens"]["histogram"]) == 7
    assert found["lengths"]["tokens"]["max"] > 50 >= found["lengths"]["tokens"]["min"]


def test_the_page_shows_drawings_with_reasons_and_no_foreign_markup(audited):
    _, page = audited
    assert page.count('<img src="data:image/png;base64,') == page.count('<div class="audited-one">') > 7
    suspicious = page[page.index('id="suspicious"') : page.index('id="random"')]
    assert re.findall(r"<code>(\w+)</code>", suspicious) == ["red", "near", "blank", "again", "leak", "cut", "script"]
    assert re.search(r"<code>again</code>.*?shared across splits", suspicious, re.DOTALL)
    assert "&lt;b&gt;bold&lt;/b&gt; disc &amp; more" in page
    assert "<b>bold" not in page
    assert "script-src &#39;none&#39;" in page or "script-src 'none'" in page


def test_flags_that_are_ordinary_are_not_suspicious():
    assert suspicion("has_text") == suspicion("path_records") == 0
    assert suspicion("render_failed:too deep") > suspicion("repaired:colour") > 0


def test_a_known_format_is_recognised_and_its_rows_left_out(tmp_path):
    path = write(tmp_path / "a.jsonl", [unisvg_row(), unisvg_row("TSVGEN")])
    source = audit_dataset.read_source(path, None, "{}", None)
    assert source["format"] == "unisvg"
    with pytest.raises(InputError, match="vectorgym needs the field svg_id"):
        audit_dataset.read_source(path, "vectorgym", "{}", None)
    with pytest.raises(InputError, match="does not exist"):
        audit_dataset.read_source(tmp_path / "b.jsonl", None, "{}", None)


@pytest.mark.parametrize("option", ["--workers", "--budget", "--most"])
@pytest.mark.parametrize("number", ["0", "-5", "1.5"])
def test_numbers_below_one_are_refused(option, number, capsys):
    with pytest.raises(SystemExit):
        audit_dataset.build_parser().parse_args(["rows.jsonl", f"{option}={number}"])
    assert f"{option}: '{number}' is no whole number of 1 or more" in capsys.readouterr().err


def test_a_missing_tokenizer_is_told_as_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match=r"--tokenizer: .*nothere is no folder"):
        audit_dataset.token_counter(tmp_path / "nothere")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"has no tokenizer\.json; give the file in it that has one: .*model\.gguf"):
        audit_dataset.token_counter(tmp_path)


def test_random_drawings_are_the_same_again_and_the_worst_come_first():
    samples = [Sample(f"s{n}", "a", "", "g", "", []) for n in range(99)]
    reasons = {"s5": ["repaired:colour"], "s7": ["blank"], "s9": ["repaired:colour"]}
    audited = Audited(samples, [1] * 99, None, reasons=reasons)
    drawn, worst = choose_shown(audited, 40, 7)
    assert drawn == choose_shown(audited, 40, 7)[0] != choose_shown(audited, 40, 8)[0]
    assert len(set(drawn)) == 40
    assert worst == ["s7", "s5", "s9"]


@pytest.mark.parametrize("row", [{"id": "a", "svg": SVG, "caption": "a"}, unisvg_row()], ids=["usual", "unisvg"])
def test_a_new_configuration_is_short_and_has_no_faults(tmp_path, row):
    text = write_configuration("mine", describe_source(write(tmp_path / "a.jsonl", [row]), {}))
    assert len(text.splitlines()) <= 25
    config = yaml.safe_load(text)
    assert find_faults(config, SCHEMA) == []
    assert (config["prompt"].get("from") == "question") is ("q_text" in row)


def test_an_existing_configuration_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(InputError, match=r"mine\.yaml exists"):
        main(name="mine", data="a.jsonl", fields="{}")
    with pytest.raises(InputError, match="make new NAME=mine DATA="):
        main(name="", data="", fields="{}")


def test_a_failed_audit_leaves_nothing_and_the_same_command_works_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", [{"id": "a", "code": "no drawing", "alt": "a red disc"}])
    fields = '{"drawing": "code", "captions": "alt"}'
    with pytest.raises(InputError, match=r"mine\.yaml was not written"):
        main(name="mine", data="a.jsonl", fields=fields)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    write(tmp_path / "a.jsonl", [{"id": "a", "code": SVG, "alt": "a red disc"}])
    main(name="mine", data="a.jsonl", fields=fields)
    source = yaml.safe_load((tmp_path / "mine.yaml").read_text())["dataset"]["sources"]["drawings"]
    assert source["fields"] == {"drawing": "code", "captions": "alt"}


def test_a_new_experiment_is_written_and_audited(tmp_path, monkeypatch, capsys):
    write(tmp_path / "a.jsonl", ROWS[:2])
    monkeypatch.chdir(tmp_path)
    main(name="mine", data=str(tmp_path / "a.jsonl"), fields="{}")
    assert (tmp_path / "results" / "mine" / "audit" / "audit.html").is_file()
    assert "Next: snakemake all --profile profiles/local --configfile mine.yaml" in capsys.readouterr().out
