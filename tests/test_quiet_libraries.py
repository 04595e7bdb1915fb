"""Logs of jobs hold our own lines alone: no advice, no deprecation, no progress bar of a library."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import build_tiny_model

from core.records import Sample, write_samples

SCRIPTS = Path(__file__).parent.parent / "workflow" / "scripts"
TRAINING = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "accumulation": 2, "gradient_checkpointing": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny base with samples of every split."""
    folder = tmp_path_factory.mktemp("jobs")
    build_tiny_model(folder / "base")
    for split in ("train", "validation", "test"):
        drawings = [f'<svg><rect width="{n}" height="{n * n}"/></svg>' for n in range(1, 5)]
        samples = [Sample(f"s{n}", "a", split, "g", xml, ["a red square"]) for n, xml in enumerate(drawings)]
        write_samples(folder / f"{split}.parquet", samples)
    return folder


def log_of(folder, script, *options):
    """What a job writes to its log; every job here succeeds."""
    command = [sys.executable, SCRIPTS / f"{script}.py", "--base", "base", "--seed", "7", *options]
    run = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_training_and_captioning_log_their_own_lines_alone(folder):
    splits = ["--train", "train.parquet", "--validation", "validation.parquet"]
    training = log_of(
        folder, "train_lora", "--name", "m", *splits, "--settings", json.dumps(TRAINING), "--output-dir", "m"
    )
    options = ["--systems", '{"m": {"adapter": "m"}}', "--samples", "test.parquet", "--output-dir", "captions"]
    captioning = log_of(folder, "caption_llm", *options, "--decoding", '{"max_new_tokens": 4}')
    for name, log in (("train_lora", training), ("caption_llm", captioning)):
        strange = [line for line in log.splitlines() if not re.match(rf"\d\d:\d\d:\d\d {name}( m)?: ", line)]
        assert log
        assert not strange, log
