"""Which drawings an audit found to belong together, with their partners, splits and captions, as JSON holds them.

Lists come with what a person should see first at their beginning: what reaches into a test split, then what reaches
into several splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.records import Sample
from samples.kinship import MAX_DRAWINGS_OF_A_CAPTION, caption_keys, count_drawings, find_straddling
from samples.near_duplicates import (
    MAX_CELL,
    MAX_MEAN,
    MAX_SHARE,
    find_near_duplicates,
    measure_pairs,
    read_fingerprints,
)

# By what a near-duplicate is known, for a reader of the lists.
NEAR_LIMITS = {"mean_difference": MAX_MEAN, "share_of_contrast": MAX_SHARE, "largest_difference": MAX_CELL}


@dataclass(frozen=True)
class NearPair:
    """Two drawings that look the same and are written differently, by id, and how their small pictures differ."""

    first: str
    second: str
    mean_difference: float  # of 255, over all cells
    largest_difference: int  # of 255, in one cell

    @property
    def ids(self) -> tuple[str, str]:
        return self.first, self.second


def read_near_pairs(fingerprints: Path, samples: Iterable[Sample]) -> list[NearPair] | None:
    """The near-duplicates among samples by the file of their fingerprints; None where none was drawn."""
    ids, hashes, pictures = read_fingerprints([fingerprints])
    if not ids:
        return None
    xml_of = {sample.id: sample.xml for sample in samples}
    places = [(a, b) for a, b in find_near_duplicates(hashes, pictures) if xml_of[ids[a]] != xml_of[ids[b]]]
    measured = measure_pairs(pictures, places)
    return [
        NearPair(ids[a], ids[b], round(mean, 2), largest)
        for (a, b), (mean, largest) in zip(places, measured, strict=True)
    ]


def list_near_pairs(pairs: Iterable[NearPair], samples: Mapping[str, Sample]) -> list[dict[str, Any]]:
    """Each pair of near-duplicates with the splits and captions of both; the most alike come first."""
    listed = [
        {
            "samples": [describe_member(samples[id_]) for id_ in pair.ids],
            "mean_difference": pair.mean_difference,
            "largest_difference": pair.largest_difference,
        }
        for pair in sorted(pairs, key=lambda pair: pair.mean_difference)
    ]
    return sorted(listed, key=lambda pair: urgency(member["split"] for member in pair["samples"]))


def list_duplicates(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Each drawing that several samples have (with one question, where there are any), with these samples."""
    alike: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        alike[sample.xml, sample.question].append(sample)
    listed = [{"samples": list(map(describe_member, some))} for some in alike.values() if len(some) > 1]
    return sorted(listed, key=lambda group: urgency(member["split"] for member in group["samples"]))


def list_leaks(samples: Iterable[Sample], groups: Mapping[str, str], pairs: Iterable[NearPair]) -> list[dict[str, Any]]:
    """Each group of samples that lies in several given splits: what its samples share, and the samples.

    Those that share something across splits come first; further ones are in the group through others.
    """
    samples = list(samples)
    straddling = find_straddling(samples, dict(groups))
    n_drawings = count_drawings(samples)
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if groups[sample.id] in straddling:
            members[groups[sample.id]].append(sample)
    near: dict[str, list[NearPair]] = defaultdict(list)
    for pair in pairs:
        near[groups[pair.first]].append(pair)
    listed = [
        describe_leak(some, [*find_shared(some, n_drawings), *map(shared_look, near[group])])
        for group, some in members.items()
    ]
    return sorted(listed, key=lambda leak: urgency(leak["splits"]))


def describe_leak(samples: list[Sample], shared: list[dict[str, Any]]) -> dict[str, Any]:
    """A group that lies in several splits, as JSON holds it."""
    by_id = {sample.id: sample for sample in samples}
    splits: dict[str, int] = defaultdict(int)
    for sample in samples:
        splits[sample.split] += 1

    def is_inside(one: dict[str, Any]) -> bool:
        return len({by_id[id_].split for id_ in one["ids"]} - {""}) < 2

    shared = sorted(shared, key=is_inside)
    order = dict.fromkeys([*(id_ for one in shared for id_ in one["ids"]), *by_id])
    return {"splits": splits, "shared": shared, "samples": [describe_member(by_id[id_]) for id_ in order]}


def find_shared(samples: list[Sample], n_drawings: Mapping[str, int]) -> list[dict[str, Any]]:
    """The drawings, captions and names of groups that several of some samples have, with the ids of these."""
    having: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in samples:
        having["drawing", sample.xml].append(sample.id)
        having["group name", sample.group].append(sample.id)
        for caption in caption_keys(sample):
            if n_drawings[caption] <= MAX_DRAWINGS_OF_A_CAPTION:
                having["caption", caption].append(sample.id)
    return [
        {"what": what, **({} if what == "drawing" else {"value": value}), "ids": ids}
        for (what, value), ids in having.items()
        if len(ids) > 1
    ]


def shared_look(pair: NearPair) -> dict[str, Any]:
    """That two samples look the same, as one of the things that samples share."""
    return {
        "what": "look",
        "mean_difference": pair.mean_difference,
        "largest_difference": pair.largest_difference,
        "ids": list(pair.ids),
    }


def describe_member(sample: Sample) -> dict[str, Any]:
    """A sample as the lists have it."""
    return {"id": sample.id, "split": sample.split, "captions": sample.references}


def urgency(splits: Iterable[str]) -> int:
    """How soon a person should see what lies in these splits: 0 for several with test, 1 for several, 2 for others."""
    given = set(splits) - {""}
    return 2 if len(given) < 2 else int("test" not in given)
