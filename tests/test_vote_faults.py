"""What files of votes show before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_configuration import SCHEMA, only_fault, small_configuration

from core.records import write_json
from plan.faults import find_faults
from scoring.ballots import VERSION


def write_votes(path: Path, rater: str, **vote: str) -> str:
    """A file of one vote on two systems of the small configuration."""
    votes = [{"sample": "s", "left": "tuned", "right": "llm-zero-shot", "vote": "left", "filter": "", **vote}]
    digests = {"tuned": "a", "llm-zero-shot": "b"}
    write_json(path, {"version": VERSION, "rater": rater, "drawings": "d", "captions": digests, "votes": votes})
    return str(path)


def configured(*paths: str) -> dict:
    return small_configuration() | {"human_votes": list(paths)}


def test_votes_of_several_raters_are_planned(tmp_path):
    files = [write_votes(tmp_path / f"{name}.json", name) for name in ("ada", "ben")]
    assert find_faults(configured(*files), SCHEMA) == []


def test_a_missing_file_names_the_nearest(tmp_path):
    write_votes(tmp_path / "ada.json", "ada")
    fault = only_fault(configured(f"{tmp_path}/adda.json"))
    assert fault.startswith(f"human_votes.0: {tmp_path}/adda.json does not exist")
    assert fault.endswith(f"did you mean '{tmp_path}/ada.json'?")


def test_an_unknown_system_names_the_nearest(tmp_path):
    path = write_votes(tmp_path / "ada.json", "ada", left="tunde")
    assert only_fault(configured(path)) == (
        f"human_votes: {path}: votes on the system 'tunde', which the experiment does not have; remove these votes; "
        "did you mean 'tuned'?"
    )


def test_a_rater_has_one_file(tmp_path):
    files = [write_votes(tmp_path / f"{number}.json", "ada") for number in range(2)]
    assert only_fault(configured(*files)) == (
        f"human_votes: {files[0]} and {files[1]} both have the votes of 'ada'; keep the later file, or correct the "
        "name of one rater"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[]", "holds no votes; give files that"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'"\xff"', "is not JSON"),
    ],
)
def test_a_file_of_something_else_is_a_fault(tmp_path, content, fault):
    (tmp_path / "ada.json").write_bytes(content)
    assert only_fault(configured(f"{tmp_path}/ada.json")).startswith(f"human_votes.0: {tmp_path}/ada.json {fault}")
