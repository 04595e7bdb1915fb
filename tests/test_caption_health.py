"""A system's health as files: counts, alarms, languages; and audits of foreign files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_health import SENTENCES, samples_of

import audit_captions
import caption_health
from core.command import InputError
from core.records import Caption, read_json, write_captions, write_samples
from plan.schema import default_settings
from scoring.health import read_health

ITALIAN = "L'immagine rappresenta una figura composta da linee curve e rettilinee su sfondo"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten samples; a system that left one empty, one failed, and wrote the rest in Italian up to its limit."""
    samples = samples_of(SENTENCES * 2)
    write_samples(tmp_path / "test.parquet", samples)
    captions = [Caption(s.id, f"{ITALIAN} {n}.", finish_reason="length") for n, s in enumerate(samples)]
    captions[3] = Caption("s3", "", "failed", "the model wrote nothing")
    captions[7] = Caption("s7", "", "failed", "out of memory")
    write_captions(tmp_path / "captions.jsonl", captions)
    return tmp_path


def run(folder: Path, **changes) -> dict:
    arguments = {
        "system": "mine",
        "family": "lora",
        "captions": folder / "captions.jsonl",
        "samples": folder / "test.parquet",
        "instruction": "Describe this drawing.",
        "settings": json.dumps(default_settings("health")),
        "output": folder / "health/mine.json",
        "table": folder / "health/mine.parquet",
    }
    caption_health.main(**{**arguments, **changes})
    return read_json(folder / "health/mine.json")


def flags_by_name(health: dict) -> dict[str, dict]:
    return {flag["name"]: flag for flag in health["flags"]}


def test_counts_rates_and_alarms(folder):
    health = run(folder)
    assert (health["system"], health["n"], health["n_failed"]) == ("mine", 10, 2)
    assert health["reasons"] == {"the model wrote nothing": 1, "out of memory": 1}
    flags = flags_by_name(health)
    assert flags["empty"] == {
        "name": "empty",
        "label": "empty",
        "n": 2,
        "rate": 0.2,
        "max_rate": 0.01,
        "alarm": True,
    }
    assert (flags["cut_at_end"]["n"], flags["wrong_language"]["n"]) == (8, 8)
    assert not flags["svg_echo"]["alarm"]
    assert health["language"]["expected"] == "en"
    assert health["language"]["found"] == {"it": 8}
    assert health["words"]["reference_median"] == 15


def test_every_sample_has_a_row(folder):
    run(folder)
    rows = pq.read_table(folder / "health/mine.parquet").to_pylist()
    assert [row["id"] for row in rows] == [f"s{n}" for n in range(10)]
    assert rows[3] == {
        "id": "s3",
        "flags": ["empty"],
        "language": None,
        "language_probability": None,
        "n_words": 0,
        "length_ratio": None,
    }
    assert rows[0]["language"] == "it"
    assert rows[0]["language_probability"] > 0.7
    assert read_health(folder / "health", "mine")[1]["s0"] == ["cut_at_end", "wrong_language"]


def test_thresholds_are_settings_and_a_baseline_raises_no_alarm(folder):
    settings = default_settings("health") | {"max_rates": {"empty": 0.2, "cut_at_end": 0.79}}
    flags = flags_by_name(run(folder, settings=json.dumps(settings)))
    assert (flags["empty"]["alarm"], flags["cut_at_end"]["alarm"]) == (False, True)
    health = run(folder, family="baseline")
    assert flags_by_name(health)["empty"]["n"] == 2
    assert not any(flag["alarm"] for flag in health["flags"])


def test_captions_of_other_samples_and_unknown_settings_are_refused(folder):
    write_samples(folder / "test.parquet", samples_of(SENTENCES))
    with pytest.raises(InputError, match="5 not of the samples"):
        run(folder)
    with pytest.raises(InputError, match=r"health\.longst: unknown key; did you mean 'longest'"):
        run(folder, settings='{"longst": 2}')


def test_no_samples_give_no_alarm(tmp_path):
    write_samples(tmp_path / "test.parquet", [])
    write_captions(tmp_path / "captions.jsonl", [])
    health = run(tmp_path)
    assert (health["n"], health["most_frequent"]) == (0, None)
    assert not any(flag["alarm"] for flag in health["flags"])


def test_a_file_with_its_own_references_is_audited_by_itself(tmp_path, capsys):
    records = [{"id": n, "reference": text, "caption": f"{ITALIAN} {n} con. Poi"} for n, text in enumerate(SENTENCES)]
    records[2]["caption"] = "[GENERATION_FAILED]"
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(records))
    done = subprocess.run([sys.executable, audit_captions.__file__, path], capture_output=True, text=True, check=True)
    assert "5 captions, 1 failed" in done.stdout
    assert "! wrong language" in done.stdout
    assert "0, 1, 3, 4" in done.stdout
    assert "expected en" in done.stdout
    del records[4]["reference"]
    path.write_text(json.dumps(records))
    done = subprocess.run([sys.executable, audit_captions.__file__, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = "1 records have no reference, record 4 for one; name their field under references in --fields"
    assert done.stderr == f"error: {path}: {message}\n"
