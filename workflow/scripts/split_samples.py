"""Unite the sources, remove duplicates, and split by groups so that no twin of a drawing leaks.

Input: preprocessed/<source>.parquet of every source. Output, in one folder: <split>.parquet for each split,
counts.json, left_out.csv (what takes no part, with the reason).

    python workflow/scripts/split_samples.py --input a.parquet b.parquet --validation 0.1 --test 0.1 \
        --limits '{"a": {"max_chars": 400, "train": 150}}' --seed 7 --output-dir data
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from command import InputError, run_command, say, write_whole
from records import SPLITS, Sample, read_samples, write_json, write_samples

# source -> limit name (max_chars, train, validation, test) -> number
Limits = dict[str, dict[str, int]]
# id -> why the sample takes no part: too_long, over_cap, duplicates
LeftOut = dict[str, str]


def read_sources(paths: Iterable[Path]) -> list[Sample]:
    """All samples of all sources. Raises InputError for two records with one id."""
    samples: list[Sample] = []
    origin: dict[str, Path] = {}
    for path in paths:
        for sample in read_samples(path):
            if sample.id in origin:
                raise InputError(f"id {sample.id!r} is in {origin[sample.id]} and again in {path}; rename one of them")
            origin[sample.id] = path
            samples.append(sample)
    return samples


def find_duplicates(samples: list[Sample]) -> set[str]:
    """Ids of samples whose xml another sample has already; a test sample is kept before a train sample."""
    order = {"test": 0, "validation": 1, "train": 2, "": 3}
    first: dict[str, str] = {}
    duplicates = set()
    for sample in sorted(samples, key=lambda sample: order[sample.split]):
        if first.setdefault(sample.xml, sample.id) != sample.id:
            duplicates.add(sample.id)
    return duplicates


def unite_groups(samples: list[Sample]) -> dict[str, str]:
    """Representative of each sample's group: samples that share group or reference belong together.

    References unite only samples without a given split: who gives splits has decided.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for sample in samples:
        keys = [f"group:{sample.source}:{sample.group}"]
        if not sample.split:
            keys += [f"caption:{' '.join(reference.lower().split())}" for reference in sample.references]
        for key in keys:
            low, high = sorted((root(f"id:{sample.id}"), root(key)))
            parent[high] = low
    return {sample.id: root(f"id:{sample.id}") for sample in samples}


def uniform_hash(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on seed and text only, so that new samples do not move old ones."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64


def assign_splits(samples: list[Sample], validation: float, test: float, seed: int) -> list[Sample]:
    """Samples with their split: the given one, else by a hash of the group."""
    groups = unite_groups(samples)
    smallest_id: dict[str, str] = {}
    for sample in samples:
        group = groups[sample.id]
        smallest_id[group] = min(smallest_id.get(group, sample.id), sample.id)
    assigned = []
    for sample in samples:
        place = uniform_hash(seed, smallest_id[groups[sample.id]])
        drawn = "test" if place < test else "validation" if place < test + validation else "train"
        assigned.append(dataclasses.replace(sample, split=sample.split or drawn))
    return assigned


def apply_caps(samples: list[Sample], limits: Limits, seed: int) -> LeftOut:
    """Ids over the cap of their source and split; which ones stay is drawn by seed and id."""
    left_out: LeftOut = {}
    taken: Counter[tuple[str, str]] = Counter()
    for sample in sorted(samples, key=lambda sample: uniform_hash(seed, sample.id)):
        cap = limits.get(sample.source, {}).get(sample.split)
        if cap is not None and taken[sample.source, sample.split] >= cap:
            left_out[sample.id] = "over_cap"
        else:
            taken[sample.source, sample.split] += 1
    return left_out


def count_samples(samples: list[Sample], left_out: LeftOut) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of every source; what was kept by preprocessing equals the sum of all places it went."""
    counts = {}
    for source in sorted({sample.source for sample in samples}):
        places = Counter(left_out.get(sample.id, sample.split) for sample in samples if sample.source == source)
        named = {place: places[place] for place in ("too_long", "over_cap", "duplicates", *SPLITS)}
        kept = sum(sample.source == source for sample in samples)
        assert kept == sum(named.values()), f"counts of {source} do not add up: {kept} kept, {named}"
        counts[source] = {"kept": kept, **named}
    return {"sources": counts}


def write_left_out(path: Path, samples: list[Sample], left_out: LeftOut) -> None:
    """List what takes no part as CSV: id, source, reason."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "source", "reason"])
        writer.writerows([s.id, s.source, left_out[s.id]] for s in samples if s.id in left_out)


def main(*, input: list[Path], validation: float, test: float, limits: str, seed: int, output_dir: Path) -> None:
    """Write the splits. Raises InputError for an id that is there twice and for an empty split."""
    limit_table: Limits = json.loads(limits)
    samples = read_sources(input)
    left_out: LeftOut = dict.fromkeys(find_duplicates(samples), "duplicates")
    for sample in samples:
        longest = limit_table.get(sample.source, {}).get("max_chars")
        if sample.id not in left_out and longest is not None and sample.n_chars > longest:
            left_out[sample.id] = "too_long"
    assigned = assign_splits(samples, validation, test, seed)
    left_out |= apply_caps([sample for sample in assigned if sample.id not in left_out], limit_table, seed)
    kept = [sample for sample in assigned if sample.id not in left_out]
    for split in SPLITS:
        if not any(sample.split == split for sample in kept):
            raise InputError(
                f"the {split} split is empty: {len(samples)} samples came in, {len(left_out)} were left out; "
                f"raise dataset.{split} (the share of the samples), the limits, or give more data"
            )
    for split in SPLITS:
        write_samples(output_dir / f"{split}.parquet", [sample for sample in kept if sample.split == split])
    write_left_out(output_dir / "left_out.csv", assigned, left_out)
    write_json(output_dir / "counts.json", count_samples(assigned, left_out))
    sizes = ", ".join(f"{sum(sample.split == split for sample in kept)} {split}" for split in SPLITS)
    say("split_samples", f"{sizes}; {len(left_out)} left out {dict(Counter(left_out.values()))}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Split samples by groups into train, validation and test.")
    parser.add_argument("--input", type=Path, nargs="+", required=True, help="preprocessed samples, a file a source")
    parser.add_argument("--validation", type=float, required=True, help="share of the groups for validation")
    parser.add_argument("--test", type=float, required=True, help="share of the groups for test")
    parser.add_argument("--limits", default="{}", help="JSON: source -> {max_chars, train, validation, test}")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
