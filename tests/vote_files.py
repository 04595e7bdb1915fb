"""Files of votes on a made experiment of report_fixture.py, as the blind comparison saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.records import read_captions, read_samples, write_json
from scoring.ballots import VERSION, captions_digest, drawings_digest

# Number of a sample, the two systems → the preferred system, "alike" or "neither".
Chooser = Callable[[int, str, str], str]


def make_ballot(
    folder: Path, rater: str, systems: list[tuple[str, str]], choose: Chooser, filter: str = "", n: int | None = None
) -> dict[str, Any]:
    """Votes on the first n samples for each pair of systems; every second one with the sides exchanged."""
    samples = read_samples(folder / "data" / "test.parquet")
    votes = []
    for first, second in systems:
        for number, sample in enumerate(samples[:n]):
            left, right = (second, first) if number % 2 else (first, second)
            chosen = choose(number, first, second)
            vote = {left: "left", right: "right"}.get(chosen, chosen)
            votes.append({"sample": sample.id, "left": left, "right": right, "vote": vote, "filter": filter})
    names = sorted({name for pair in systems for name in pair})
    return {
        "version": VERSION,
        "experiment": "demo",
        "report": "0" * 12,
        "rater": rater,
        "seed": 1,
        "n_drawings": None,
        "pairing": "ab",
        "view": "",
        "drawings": drawings_digest(samples),
        "captions": {name: captions_digest(read_captions(folder / "captions" / f"{name}.jsonl")) for name in names},
        "votes": votes,
    }


def write_ballot(folder: Path, rater: str, *arguments: Any, **more: Any) -> Path:
    """Write such a file and give its path."""
    path = folder / f"{rater}.json"
    write_json(path, make_ballot(folder, rater, *arguments, **more))
    return path
