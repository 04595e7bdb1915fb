"""Votes of the report's blind comparison, as one rater exported them, and what shows that they are of this report.

    {"version": 2, "experiment", "report", "rater", "seed", "n_drawings", "pairing", "view", "drawings": digest,
     "captions": {system: digest}, "votes": [{"sample", "left", "right", "vote", "filter"}]}

`vote` is left, right, alike or neither. `filter` says by which filters of the explorer the drawing was chosen, "" for
none. The digests are those of the drawings and of each system's captions: votes stay valid when a metric or a system is
added, and are refused when a caption that was voted on has changed. A file is untrusted: every part is checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from core.records import Caption, Sample, read_json

VERSION = 2
OUTCOMES = ("left", "right", "alike", "neither")


@dataclass(frozen=True)
class Vote:
    """What a rater said of the captions of two systems of one sample."""

    sample: str
    left: str
    right: str
    outcome: str  # one of OUTCOMES
    filter: str

    @property
    def pair(self) -> frozenset[str]:
        return frozenset((self.left, self.right))


@dataclass(frozen=True)
class Ballot:
    """The votes of one rater."""

    path: Path
    rater: str
    drawings: str  # digest
    captions: dict[str, str]  # digests by system
    votes: list[Vote]


def drawings_digest(samples: Sequence[Sample]) -> str:
    """Twelve hexadecimal digits that stand for ids and drawings, in their order."""
    return _digest([[sample.id, sample.xml] for sample in samples])


def captions_digest(captions: Sequence[Caption]) -> str:
    """Twelve hexadecimal digits that stand for the captions of a system, in the samples' order."""
    return _digest([[caption.id, caption.status, caption.caption] for caption in captions])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()[:12]


def read_ballot(path: Path) -> Ballot:
    """Read a file of votes. Raises InputError for anything but the votes of a named rater."""
    try:
        raw = read_json(path)
    except (RecursionError, UnicodeDecodeError) as error:  # a file of anybody's may be nested without end
        raise InputError(f"{path} is not JSON that the report saved ({type(error).__name__})") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("votes"), list):
        raise InputError(f"{path} holds no votes; give files that the report's blind comparison saved as JSON")
    if raw.get("version") != VERSION:
        raise InputError(
            f"{path}: its format is version {raw.get('version', 1)}, not {VERSION}: another version of the report "
            "saved it, and it does not say on which captions; vote in a report of this version"
        )
    rater = raw.get("rater")
    rater = rater.encode("utf-8", "replace").decode() if isinstance(rater, str) else ""  # a lone surrogate
    if not rater.strip():
        raise InputError(f'{path} does not say who voted; put the name of its rater after "rater"')
    digests = raw.get("captions")
    if not isinstance(digests, dict) or not all(
        isinstance(one, str) for one in (raw.get("drawings"), *digests.values())
    ):
        raise InputError(f"{path} lacks the digests of drawings and captions; save the votes again from the report")
    votes = [read_vote(f"{path}, vote {number}", vote) for number, vote in enumerate(raw["votes"])]
    if not votes:
        raise InputError(f"{path} has no votes; remove it from human_votes")
    seen: dict[tuple[str, frozenset[str]], int] = {}
    for number, vote in enumerate(votes):
        key = (vote.sample, vote.pair)
        if key in seen:
            raise InputError(
                f"{path}, vote {number}: {rater} has a vote on {vote.sample!r} for these systems already, vote "
                f"{seen[key]}; keep one"
            )
        seen[key] = number
    return Ballot(path, rater.strip(), raw["drawings"], dict(digests), votes)


def read_vote(where: str, raw: Any) -> Vote:
    """One vote. Raises InputError for one that lacks a part or holds something else."""
    parts = [raw.get(name) if isinstance(raw, dict) else None for name in ("sample", "left", "right", "vote", "filter")]
    if not all(isinstance(part, str) for part in parts):
        raise InputError(f"{where}: a vote has sample, left, right, vote and filter, all texts; save the votes again")
    vote = Vote(*map(str, parts))
    if vote.outcome not in OUTCOMES:
        raise InputError(f"{where}: no vote is called {vote.outcome!r}; {propose_name(vote.outcome, OUTCOMES)}")
    if vote.left == vote.right:
        raise InputError(f"{where}: {vote.left} is compared with itself; remove this vote")
    return vote


def ballot_faults(ballots: Sequence[Ballot], systems: Collection[str]) -> Iterator[str]:
    """What the files alone show: two of one rater, and systems that the experiment does not have."""
    firsts: dict[str, Path] = {}
    for ballot in ballots:
        key = ballot.rater.casefold()
        if key in firsts:
            yield (
                f"{firsts[key]} and {ballot.path} both have the votes of {ballot.rater!r}; keep the later file, or "
                "correct the name of one rater"
            )
        firsts.setdefault(key, ballot.path)
        unknown = {name for vote in ballot.votes for name in vote.pair} - set(systems)
        for name in sorted(unknown):
            yield (
                f"{ballot.path}: votes on the system {name!r}, which the experiment does not have; remove these votes; "
                f"{propose_name(name, systems)}"
            )


def check_ballots(ballots: Sequence[Ballot], samples: Sequence[Sample], captions: Mapping[str, list[Caption]]) -> None:
    """Raise InputError for votes on other drawings or captions than those that are there now."""
    for fault in ballot_faults(ballots, captions):
        raise InputError(fault)
    drawings, ids = drawings_digest(samples), {sample.id for sample in samples}
    digests = {system: captions_digest(records) for system, records in captions.items()}
    for ballot in ballots:
        if ballot.drawings != drawings:
            raise InputError(
                f"{ballot.path}: {ballot.rater} voted in another report, on other drawings; remove the file from "
                "human_votes, or vote in the report of this experiment"
            )
        for number, vote in enumerate(ballot.votes):
            if vote.sample not in ids:
                raise InputError(
                    f"{ballot.path}, vote {number}: {vote.sample!r} is no test sample; remove this vote; "
                    f"{propose_name(vote.sample, sorted(ids), most=5)}"
                )
            for system in (vote.left, vote.right):
                if ballot.captions.get(system) != digests[system]:
                    raise InputError(
                        f"{ballot.path}, vote {number}: {ballot.rater} voted on other captions of {system} than its "
                        "present ones; remove the votes on it, or vote again in the present report"
                    )
