r"""Look at the captions of a system for what scores hide: empty, cut, echoing, repeating, in another language.

Input   captions, samples, and what was asked (--instruction) and is tolerated (--settings)
Output  health/<system>.json: how many captions have each flag, which rates are alarming, languages, lengths
        health/<system>.parquet: one row a sample

    python caption_health.py --system test3 --family lora --captions captions/test3.jsonl --samples data/test.parquet \
        --instruction "Describe this drawing." --settings '{"max_rates": {"empty": 0.01}}' \
        --output health/test3.json --table health/test3.parquet

captions/health.py says what the flags mean. A baseline is cheap on purpose: its flags are counted and raise no alarm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from captions.health import HealthSettings, diagnose
from core.command import log, run_command
from core.json_settings import settings_from_json
from core.records import check_ids, read_captions, read_samples, write_json
from scoring.health import describe, summarise, write_table


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
    check_ids(captions, [caption.id for caption in caption_list], [sample.id for sample in sample_list])
    diagnoses, language = diagnose(caption_list, sample_list, instruction, chosen)
    summary = {
        "system": system,
        **summarise(caption_list, sample_list, diagnoses, language, chosen, alarming=family != "baseline"),
    }
    write_table(table, caption_list, diagnoses)
    write_json(output, summary)
    log("caption_health", f"{system}: {describe(summary)}")


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
