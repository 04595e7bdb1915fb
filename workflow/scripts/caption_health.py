r"""Look at the captions of a system for what scores hide: empty, cut, echoing, repeating, in another language.

Input   captions, samples, and what was asked (--instruction) and is tolerated (--settings)
Output  health/<system>.json: how many captions have each flag, which rates are alarming, languages, lengths
        health/<system>.parquet: one row a sample

    python caption_health.py --system test3 --family lora --captions captions/test3.jsonl --samples data/test.parquet \
        --instruction "Describe this drawing." --settings '{"max_rates": {"empty": 0.01}}' \
        --output health/test3.json --table health/test3.parquet

health.py says what the flags mean. A baseline is cheap on purpose: its flags are counted and raise no alarm.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from command import InputError, run_command, say, write_whole
from health import FLAGS, Diagnosis, HealthSettings, diagnose, words_of
from json_settings import settings_from_json
from languages import detector_name
from records import Caption, Sample, read_captions, read_json, read_samples, write_json
from score_text import check_same_ids

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


def main(
    *,
    system: str,
    family: str,
    captions: Path,
    samples: Path,
    instruction: str,
    settings: str,
    output: Path,
    table: Path,
) -> None:
    """Diagnose all captions of a system and write what was found."""
    chosen = settings_from_json(HealthSettings, settings, "health")
    caption_list, sample_list = read_captions(captions), read_samples(samples)
    check_same_ids(captions, [caption.id for caption in caption_list], sample_list)
    diagnoses, language = diagnose(caption_list, sample_list, instruction, chosen)
    summary = {
        "system": system,
        **summarise(caption_list, sample_list, diagnoses, language, chosen, alarming=family != "baseline"),
    }
    write_table(table, caption_list, diagnoses)
    write_json(output, summary)
    say("caption_health", f"{system}: {describe(summary)}")


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
    }


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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", required=True, help="name of the system, for the record")
    parser.add_argument("--family", required=True, help="the system's family; a baseline raises no alarm")
    parser.add_argument("--captions", type=Path, required=True, help="captions of the system")
    parser.add_argument("--samples", type=Path, required=True, help="samples that they belong to")
    parser.add_argument("--instruction", default="", help="what models were asked, to find it echoed")
    parser.add_argument("--settings", default="{}", help="JSON: the configuration's health")
    parser.add_argument("--output", type=Path, required=True, help="health/<system>.json")
    parser.add_argument("--table", type=Path, required=True, help="health/<system>.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
