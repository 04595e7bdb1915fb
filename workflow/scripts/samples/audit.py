"""What is wrong with a dataset, from what preprocessing made of it: an audit that needs no configuration.

`audit_samples` reads the samples once and keeps no drawing; `choose_shown` says which ones a page shows: some at
random, and the most suspicious ones with the reasons.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.records import Rejection, Sample, stream_samples
from samples.audit_kin import NEAR_LIMITS, NearPair, list_duplicates, list_leaks, list_near_pairs, read_near_pairs
from samples.kinship import (
    caption_keys,
    count_caption_duplicates,
    count_drawings,
    digest_of,
    find_duplicates,
    find_straddling,
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
# What differs between records of one reason: where in the file, which other record, the parser's details.
_PLACE = re.compile(r"^(?:[^:]+, )?(?:line|row) \d+: |(?<=a copy of record) \d+$|(?<=^not XML) \(.*\)$", re.DOTALL)


@dataclass
class Audited:
    """The samples of a dataset without their texts, and what was found by comparing them."""

    samples: list[Sample]  # with the digest of their xml
    tokens: list[int]  # of the xml of each
    near_pairs: list[NearPair] | None  # None where no drawing was drawn
    groups: dict[str, str] = field(default_factory=dict)  # of each sample by id
    reasons: dict[str, list[str]] = field(default_factory=dict)  # what is suspicious about a sample, by id

    @property
    def near_ids(self) -> list[tuple[str, str]]:
        """The pairs of near-duplicates by id; none where they are not known."""
        return [pair.ids for pair in self.near_pairs or ()]


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
    audited = Audited(samples, tokens, read_near_pairs(fingerprints, samples))
    audited.groups = unite_groups(samples, audited.near_ids)
    audited.reasons = find_reasons(audited, budget)
    return audited


def find_reasons(audited: Audited, budget: int) -> dict[str, list[str]]:
    """What is suspicious about each sample, for samples with anything."""
    reasons = {sample.id: [flag for flag in sample.flags if suspicion(flag)] for sample in audited.samples}
    for id_ in find_duplicates(audited.samples):
        reasons[id_].append("duplicate")
    for id_ in {id_ for pair in audited.near_ids for id_ in pair}:
        reasons[id_].append("near-duplicate")
    straddling = find_straddling(audited.samples, audited.groups)
    for sample, n_tokens in zip(audited.samples, audited.tokens, strict=True):
        if audited.groups[sample.id] in straddling:
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
    return drawn, order_suspicious(audited)[:number]


def order_suspicious(audited: Audited) -> list[str]:
    """The ids of all samples with anything suspicious, the worst first."""
    order = {sample.id: place for place, sample in enumerate(audited.samples)}
    return sorted(audited.reasons, key=lambda id_: (-sum(map(suspicion, audited.reasons[id_])), order[id_]))


def summarise(
    audited: Audited,
    counts: Mapping[str, Any],
    rejected: list[Rejection],
    leaked_words: Mapping[str, str],
    budget: int,
    tokens_by: str,
) -> dict[str, Any]:
    """The audit as JSON has it.

    `counts` are those of preprocessing, `rejected` the records that it rejected, and `leaked_words` the words of their
    captions that samples contain, by id.
    """
    flags: dict[str, int] = counts["flags"]
    return {
        "counts": {key: counts[key] for key in ("in", "kept", "rejected", "filtered")},
        "rejected": dict(Counter(generalise_reason(one.reason) for one in rejected).most_common()),
        "rejected_records": [{"id": one.id, "position": one.position, "reason": one.reason} for one in rejected],
        "repaired": select_flags(flags, "repaired:"),
        "removed": select_flags(flags, "removed:"),
        "other_flags": {flag: n for flag, n in flags.items() if not is_listed(flag)},
        "flagged": find_flagged(audited.samples),
        "duplicates": describe_duplicates(audited),
        "splits": describe_splits(audited),
        "label_leakage": {
            **{key: flags.get(f"label_leakage_{key}", 0) for key in ("left", "removed")},
            "words": dict(leaked_words),
        },
        "captions": count_captions(audited.samples, flags),
        "lengths": measure_lengths(audited),
        "budget": {
            "tokens": budget,
            "counted_by": tokens_by,
            "fitting": sum(n <= budget for n in audited.tokens),
            "n": len(audited.tokens),
        },
        "suspicious": {id_: audited.reasons[id_] for id_ in order_suspicious(audited)},
    }


def generalise_reason(reason: str) -> str:
    """The reason of a rejected record without what differs between records of one reason."""
    return _PLACE.sub("", reason)


def find_flagged(samples: Iterable[Sample]) -> dict[str, list[str]]:
    """The ids of the samples that have each flag."""
    flagged: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        for flag in sample.flags:
            flagged[flag].append(sample.id)
    return flagged


def is_listed(flag: str) -> bool:
    """Whether a flag has a place of its own in the audit."""
    return flag.startswith(("repaired:", "removed:", "caption:", "label_leakage_"))


def select_flags(flags: Mapping[str, int], prefix: str) -> dict[str, int]:
    """The flags that begin with a prefix, without it."""
    return {flag.removeprefix(prefix): n for flag, n in flags.items() if flag.startswith(prefix)}


def describe_duplicates(audited: Audited) -> dict[str, Any]:
    """Samples that repeat a drawing, and those that look like another one that is written differently."""
    pairs = audited.near_pairs
    by_id = {sample.id: sample for sample in audited.samples}
    return {
        "exact": len(find_duplicates(audited.samples)),
        "exact_groups": list_duplicates(audited.samples),
        "near_pairs": None if pairs is None else len(pairs),
        "near_samples": None if pairs is None else len({id_ for pair in pairs for id_ in pair.ids}),
        "near": list_near_pairs(pairs or (), by_id),
        "near_limits": NEAR_LIMITS,
    }


def describe_splits(audited: Audited) -> dict[str, Any]:
    """The given splits, and the groups that lie in several of them: by drawing or caption, and by drawing alone."""
    sizes = Counter(sample.split or "none" for sample in audited.samples)
    leaks = list_leaks(audited.samples, audited.groups, audited.near_pairs or ())
    of_drawings = unite_groups(audited.samples, audited.near_ids, max_drawings=0)
    return {
        "given": dict(sizes.most_common()),
        "leaking_groups": len(leaks),
        "leaking_groups_with_test": sum("test" in leak["splits"] for leak in leaks),
        "leaking_groups_of_drawings": len(find_straddling(audited.samples, of_drawings)),
        "leaks": leaks,
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
