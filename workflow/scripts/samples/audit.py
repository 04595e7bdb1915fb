"""What is wrong with a dataset, from what preprocessing made of it: an audit that needs no configuration.

`audit_samples` reads the samples once and keeps no drawing; `choose_shown` says which ones a page shows: some at
random, and the most suspicious ones with the reasons.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.records import Sample, stream_samples
from samples.kinship import (
    caption_keys,
    count_caption_duplicates,
    count_drawings,
    digest_of,
    find_duplicates,
    find_straddling,
    read_near_duplicates,
    unite_groups,
)
from samples.split_statistics import QUANTILES, whole_edges

# How suspicious a flag of a sample is; those that are not here are ordinary. The page sorts by the sum.
SUSPICIONS = {
    "blank": 5,
    "render_check_failed": 4,
    "in several splits": 4,
    "label_leakage_left": 3,
    "caption:language": 3,
    "caption:cut_off": 2,
    "caption:long": 2,
    "caption:encoding": 2,
    "caption:not_text": 2,
    "animated": 2,
    "near-duplicate": 1,
    "duplicate": 1,
    "over the budget": 1,
}
# The same for flags by what stands before their colon.
SUSPICIOUS_KINDS = {"render_failed": 4, "fell_back": 2, "unresolved": 2, "repaired": 1, "removed": 1}
TOKENIZED = 500  # drawings, as one call of a tokenizer is given: it works on them in parallel
FREQUENT_CAPTIONS = 10  # captions that are listed by how many drawings they have


@dataclass
class Audited:
    """The samples of a dataset without their texts, and what was found by comparing them."""

    samples: list[Sample]  # with the digest of their xml
    tokens: list[int]  # of the xml of each
    near_pairs: list[tuple[str, str]] | None  # None where no drawing was drawn
    reasons: dict[str, list[str]] = field(default_factory=dict)  # what is suspicious about a sample, by id


def audit_samples(
    path: Path, fingerprints: Path, count_tokens: Callable[[list[str]], list[int]], budget: int
) -> Audited:
    """Compare the samples of a file with each other. Tokens are counted for TOKENIZED drawings at a time."""
    samples: list[Sample] = []
    tokens: list[int] = []
    stream = stream_samples(path)
    while batch := list(itertools.islice(stream, TOKENIZED)):
        tokens += count_tokens([sample.xml for sample in batch])
        samples += [dataclasses.replace(sample, xml=digest_of(sample.xml)) for sample in batch]
    audited = Audited(samples, tokens, read_near_duplicates([fingerprints], samples))
    audited.reasons = find_reasons(audited, budget)
    return audited


def find_reasons(audited: Audited, budget: int) -> dict[str, list[str]]:
    """What is suspicious about each sample, for samples with anything."""
    reasons = {sample.id: [flag for flag in sample.flags if suspicion(flag)] for sample in audited.samples}
    for id_ in find_duplicates(audited.samples):
        reasons[id_].append("duplicate")
    for id_ in {id_ for pair in audited.near_pairs or () for id_ in pair}:
        reasons[id_].append("near-duplicate")
    groups = unite_groups(audited.samples, audited.near_pairs or ())
    straddling = find_straddling(audited.samples, groups)
    for sample, n_tokens in zip(audited.samples, audited.tokens, strict=True):
        if groups[sample.id] in straddling:
            reasons[sample.id].append("in several splits")
        if n_tokens > budget:
            reasons[sample.id].append("over the budget")
    return {id_: found for id_, found in reasons.items() if found}


def suspicion(reason: str) -> int:
    """How suspicious a reason is; 0 for a flag that is ordinary."""
    return SUSPICIONS.get(reason, SUSPICIOUS_KINDS.get(reason.partition(":")[0], 0))


def choose_shown(audited: Audited, number: int, seed: int) -> tuple[list[str], list[str]]:
    """The ids of samples drawn at random by seed, and of the most suspicious ones, the worst first."""
    ids = [sample.id for sample in audited.samples]
    drawn = random.Random(seed).sample(ids, min(number, len(ids)))
    order = {id_: place for place, id_ in enumerate(ids)}
    worst = sorted(audited.reasons, key=lambda id_: (-sum(map(suspicion, audited.reasons[id_])), order[id_]))
    return drawn, worst[:number]


def summarise(
    audited: Audited, counts: Mapping[str, Any], rejected: Iterable[str], budget: int, tokens_by: str
) -> dict[str, Any]:
    """The audit as JSON has it. `counts` are those of preprocessing, `rejected` the reason of each rejected record."""
    flags: dict[str, int] = counts["flags"]
    return {
        "counts": {key: counts[key] for key in ("in", "kept", "rejected", "filtered")},
        "rejected": dict(Counter(rejected).most_common()),
        "repaired": select_flags(flags, "repaired:"),
        "removed": select_flags(flags, "removed:"),
        "other_flags": {flag: n for flag, n in flags.items() if not is_listed(flag)},
        "duplicates": count_duplicates(audited),
        "splits": count_splits(audited),
        "label_leakage": {key: flags.get(f"label_leakage_{key}", 0) for key in ("left", "removed")},
        "captions": count_captions(audited.samples, flags),
        "lengths": measure_lengths(audited),
        "budget": {
            "tokens": budget,
            "counted_by": tokens_by,
            "fitting": sum(n <= budget for n in audited.tokens),
            "n": len(audited.tokens),
        },
    }


def is_listed(flag: str) -> bool:
    """Whether a flag has a place of its own in the audit."""
    return flag.startswith(("repaired:", "removed:", "caption:", "label_leakage_"))


def select_flags(flags: Mapping[str, int], prefix: str) -> dict[str, int]:
    """The flags that begin with a prefix, without it."""
    return {flag.removeprefix(prefix): n for flag, n in flags.items() if flag.startswith(prefix)}


def count_duplicates(audited: Audited) -> dict[str, Any]:
    """How many samples repeat a drawing, and how many look like another one that is written differently."""
    near = audited.near_pairs
    return {
        "exact": len(find_duplicates(audited.samples)),
        "near_pairs": None if near is None else len(near),
        "near_samples": None if near is None else len({id_ for pair in near for id_ in pair}),
    }


def count_splits(audited: Audited) -> dict[str, Any]:
    """The given splits, and the groups that lie in several of them: by drawing or caption, and by drawing alone."""
    sizes = Counter(sample.split or "none" for sample in audited.samples)
    pairs = audited.near_pairs or ()
    leaks = find_straddling(audited.samples, unite_groups(audited.samples, pairs))
    drawings = find_straddling(audited.samples, unite_groups(audited.samples, pairs, max_drawings=0))
    return {
        "given": dict(sizes.most_common()),
        "leaking_groups": len(leaks),
        "leaking_groups_with_test": sum("test" in splits for splits in leaks.values()),
        "leaking_groups_of_drawings": len(drawings),
    }


def count_captions(samples: list[Sample], flags: Mapping[str, int]) -> dict[str, Any]:
    """Problems of captions by kind, and captions that several drawings share."""
    drawings = count_drawings(samples)
    keys = {key for sample in samples for key in caption_keys(sample)}
    return {
        "n": sum(len(sample.references) for sample in samples),
        "different": len(keys),
        "problems": select_flags(flags, "caption:"),
        "repeated": sum(number > 1 for number in drawings.values()),
        "shared_inside_and_across_splits": count_caption_duplicates(samples),
        "most_frequent": [[text, n] for text, n in drawings.most_common(FREQUENT_CAPTIONS) if n > 1],
    }


def measure_lengths(audited: Audited) -> dict[str, Any]:
    """Quantiles and a histogram of the lengths of drawings and captions."""
    measures = {
        "tokens": audited.tokens,
        "characters": [sample.n_chars for sample in audited.samples],
        "shapes": [sample.n_shapes for sample in audited.samples],
        "caption_words": [len(text.split()) for sample in audited.samples for text in sample.references],
    }
    return {name: describe_numbers(np.array(numbers)) for name, numbers in measures.items() if numbers}


def describe_numbers(numbers: np.ndarray) -> dict[str, Any]:
    """Quantiles of whole numbers, and a histogram whose last bin holds the tail."""
    edges = whole_edges(numbers)
    quantiles = {name: float(np.quantile(numbers, share)) for name, share in QUANTILES.items()}
    return {**quantiles, "edges": edges, "histogram": np.histogram(numbers, edges)[0].tolist()}
