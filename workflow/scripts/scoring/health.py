"""Summaries of caption checks: counts, rates and alarms of a system, and their files health/<system>.{json,parquet}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from captions.health import FLAGS, Diagnosis, HealthSettings, words_of
from captions.languages import detector_name
from core.command import InputError, write_whole
from core.records import Caption, Sample, read_json

TABLE = pa.schema(
    [
        ("id", pa.string()),
        ("flags", pa.list_(pa.string())),
        ("language", pa.string()),
        ("language_probability", pa.float64()),
        ("n_words", pa.int32()),
        ("length_ratio", pa.float64()),
    ]
)


def summarise(
    captions: Sequence[Caption],
    samples: Sequence[Sample],
    diagnoses: Sequence[Diagnosis],
    language: str | None,
    settings: HealthSettings,
    alarming: bool = True,
) -> dict[str, Any]:
    """What docs/design.md describes as a system's health. An alarm is a rate above the one that is tolerated."""
    n = len(captions)
    counts = Counter(flag for diagnosis in diagnoses for flag in diagnosis.flags)
    flags = [
        {
            "name": name,
            "label": label,
            "n": counts[name],
            "rate": counts[name] / n if n else 0.0,
            "max_rate": settings.max_rates.get(name),
            "alarm": alarming and n > 0 and counts[name] / n > settings.max_rates.get(name, 1.0),
        }
        for name, label in FLAGS.items()
    ]
    failed = Counter(caption.reason for caption in captions if caption.status == "failed")
    found = [diagnosis.language for diagnosis in diagnoses if diagnosis.language]
    return {
        "n": n,
        "n_failed": failed.total(),
        "reasons": dict(failed.most_common()),
        "flags": flags,
        "language": {
            "expected": language,
            "detector": detector_name(),
            "min_probability": settings.min_language_probability,
            "found": dict(
                Counter(
                    one.code if one.probability >= settings.min_language_probability else "uncertain" for one in found
                ).most_common()
            ),
        },
        "words": {
            "median": median([diagnosis.n_words for diagnosis in diagnoses] or [0]),
            "reference_median": median([len(text.split()) for sample in samples for text in sample.references] or [0]),
        },
        "most_frequent": most_frequent(captions),
        "alone": count_alone(captions),
    }


def count_alone(captions: Sequence[Caption]) -> dict[str, int] | None:
    """Of how many captions in 16 bits it was asked whether the prompt alone gives the same, and how many differ."""
    answers = [caption.same_alone for caption in captions if caption.same_alone is not None]
    return {"n": len(answers), "n_differ": answers.count(False)} if answers else None


def most_frequent(captions: Sequence[Caption]) -> dict[str, Any] | None:
    """The caption that most samples have and how many, compared by words; None where all are empty."""
    texts: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for caption in captions:
        if caption.caption.strip():
            words = " ".join(words_of(caption.caption))
            texts.setdefault(words, caption.caption)
            counts[words] += 1
    if not counts:
        return None
    words, n = counts.most_common(1)[0]
    return {"caption": texts[words], "n": n}


def write_table(path: Path, captions: Sequence[Caption], diagnoses: Sequence[Diagnosis]) -> None:
    """Write one row a sample."""
    rows = [
        {
            "id": caption.id,
            "flags": diagnosis.flags,
            "language": diagnosis.language and diagnosis.language.code,
            "language_probability": diagnosis.language and diagnosis.language.probability,
            "n_words": diagnosis.n_words,
            "length_ratio": diagnosis.length_ratio,
        }
        for caption, diagnosis in zip(captions, diagnoses, strict=True)
    ]
    with write_whole(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=TABLE), partial, compression="zstd")


def read_health(folder: Path, system: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The summary of a system and the flags of each sample by id. Raises InputError for a missing or foreign file."""
    summary, table = read_json(folder / f"{system}.json"), folder / f"{system}.parquet"
    if not table.is_file():
        raise InputError(f"{table} does not exist; make the health of {system} again")
    rows = pq.ParquetFile(table).read(columns=["id", "flags"]).to_pylist()
    return summary, {row["id"]: row["flags"] for row in rows}


def describe(summary: dict[str, Any]) -> str:
    """The flags with their numbers, those that alarm with an exclamation mark."""
    found = [f"{flag['n']} {flag['label']}{'!' if flag['alarm'] else ''}" for flag in summary["flags"] if flag["n"]]
    return f"{', '.join(found) or 'nothing wrong'} (n {summary['n']})"
