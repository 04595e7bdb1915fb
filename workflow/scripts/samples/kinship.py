"""Which samples belong together: one drawing, near-duplicates, one caption. What splits and audits are made by.

The `xml` of the samples may be its digest, so that the texts of a large source need not be in memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.records import Sample
from samples.groups import unite_by_keys
from samples.near_duplicates import find_near_duplicates, read_fingerprints
from samples.reference_checks import ReferenceChecks

# A caption of more drawings than this ("icon") says nothing of their kinship and unites nobody.
MAX_DRAWINGS_OF_A_CAPTION = ReferenceChecks().max_drawings
# How the key of a group's own name begins: before the keys of drawings and captions, so that it names the united group.
GROUP_KEY = "group:"


def digest_of(xml: str) -> str:
    return hashlib.sha256(xml.encode()).hexdigest()


def read_near_duplicates(paths: Sequence[Path], samples: list[Sample]) -> list[tuple[str, str]] | None:
    """Pairs of ids of drawings that look the same and are written differently; None where none was drawn."""
    ids, hashes, pictures = read_fingerprints(paths)
    if not ids:
        return None
    xml_of = {sample.id: sample.xml for sample in samples}
    pairs = ((ids[first], ids[second]) for first, second in find_near_duplicates(hashes, pictures))
    return [pair for pair in pairs if xml_of[pair[0]] != xml_of[pair[1]]]


def find_duplicates(samples: list[Sample]) -> dict[str, str]:
    """The ids of samples whose xml another sample has already, each with the reason "duplicates".

    Which one stays: that of the test split before that of train. Another question about a drawing is another sample.
    """
    order = {"test": 0, "validation": 1, "train": 2, "": 3}
    first: dict[tuple[str, str], str] = {}
    duplicates: dict[str, str] = {}
    for sample in sorted(samples, key=lambda sample: order[sample.split]):
        if first.setdefault((sample.xml, sample.question), sample.id) != sample.id:
            duplicates[sample.id] = "duplicates"
    return duplicates


def unite_groups(
    samples: list[Sample],
    near_duplicates: Iterable[tuple[str, str]] = (),
    max_drawings: int = MAX_DRAWINGS_OF_A_CAPTION,
) -> dict[str, str]:
    """The group of each sample by id: samples that share group, xml, picture or caption belong together.

    Captions unite across sources: sets of emoji draw the same things. With `max_drawings` 0 they unite nobody. A group
    goes by the name that sorts first, one that came with its samples, so that a new near-duplicate does not rename it.
    """
    n_drawings = count_drawings(samples)
    keys = {
        sample.id: [
            f"{GROUP_KEY}{sample.source}:{sample.group}",
            f"xml:{sample.xml}",
            *(f"reference:{c}" for c in caption_keys(sample) if n_drawings[c] <= max_drawings),
        ]
        for sample in samples
    }
    for first, second in near_duplicates:
        keys[first].append(keys[second][1])
    return unite_by_keys(keys)


def caption_keys(sample: Sample) -> set[str]:
    """The captions of a sample as they are compared: case and white space aside."""
    return {" ".join(reference.lower().split()) for reference in sample.references}


def count_drawings(samples: Iterable[Sample]) -> Counter[str]:
    """How many drawings each caption has."""
    return Counter(caption for sample in samples for caption in caption_keys(sample))


def find_common(samples: list[Sample], max_drawings: int) -> set[str]:
    """Captions that are common to more drawings than `max_drawings`."""
    return {caption for caption, number in count_drawings(samples).items() if number > max_drawings}


def given_splits(samples: list[Sample], groups: dict[str, str]) -> dict[str, set[str]]:
    """The splits that came with the samples of a group, for groups with any. More than one is a leak."""
    given: dict[str, set[str]] = {}
    for sample in samples:
        if sample.split:
            given.setdefault(groups[sample.id], set()).add(sample.split)
    return given


def find_straddling(samples: list[Sample], groups: dict[str, str]) -> dict[str, set[str]]:
    """The groups that lie in several given splits, with these."""
    return {group: splits for group, splits in given_splits(samples, groups).items() if len(splits) > 1}


def count_caption_duplicates(samples: Iterable[Sample]) -> dict[str, int]:
    """How many captions several drawings of one split have, and how many those of several splits."""
    splits: dict[str, list[str]] = {}
    for sample in samples:
        for caption in caption_keys(sample):
            splits.setdefault(caption, []).append(sample.split)
    repeated = [len(set(of_caption)) > 1 for of_caption in splits.values() if len(of_caption) > 1]
    return {"inside": repeated.count(False), "across": repeated.count(True)}


def count_kept_together(samples: list[Sample], groups: dict[str, str]) -> int:
    """Samples that are in a split with others since they share a drawing, a picture or a caption, and no group name."""
    names: dict[str, set[tuple[str, str]]] = {}
    for sample in samples:
        names.setdefault(groups[sample.id], set()).add((sample.source, sample.group))
    return sum(len(names[groups[sample.id]]) > 1 for sample in samples)


def usable_references(sample: Sample, common: set[str]) -> list[str]:
    """The references of a sample that are not common to very many drawings."""
    return [text for text in sample.references if " ".join(text.lower().split()) not in common]
