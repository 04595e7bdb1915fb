"""Audit a file of captions and their references by itself: no dataset, no workflow, no model.

Input   JSON, JSON lines, CSV, TSV or Parquet; each record with id (or filename), caption and reference
Output  a table of what is wrong with the captions, and the first ids of each kind; with --output also as JSON

    python workflow/scripts/audit_captions.py predictions.json

--fields names fields where they are not usual, also by a path: {"caption": "outputs.0.text", "references": "gt"}. Its
keys are id, caption, references and records (the list of records in a JSON object).
The flags and what is tolerated are those of the workflow (captions/health.py, and `health` in docs/configuration.md).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from captions.health import HealthSettings, diagnose
from captions.prediction_files import read_argument, read_fields
from captions.predictions import Prediction, read_predictions
from core.command import InputError, run_command
from core.json_settings import settings_from_json
from core.records import Sample, write_json
from plan.schema import default_settings
from scoring.health import summarise

SHOWN_IDS = 5


def audit(
    predictions: list[Prediction], instruction: str, settings: HealthSettings
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The health of the captions, and the ids with each flag."""
    captions = [prediction.caption for prediction in predictions]
    samples = [Sample(one.id, "file", "test", one.id, "", one.references) for one in predictions]
    diagnoses, language = diagnose(captions, samples, instruction, settings)
    ids: dict[str, list[str]] = {}
    for caption, diagnosis in zip(captions, diagnoses, strict=True):
        for flag in diagnosis.flags:
            ids.setdefault(flag, []).append(caption.id)
    return summarise(captions, samples, diagnoses, language, settings), ids


def render(summary: dict[str, Any], ids: dict[str, list[str]]) -> str:
    """The audit as lines for a person."""
    language, words = summary["language"], summary["words"]
    lines = [f"{summary['n']} captions, {summary['n_failed']} failed"]
    for flag in summary["flags"]:
        if flag["n"]:
            listed = ids[flag["name"]]
            more = ", …" if len(listed) > SHOWN_IDS else ""
            mark = "!" if flag["alarm"] else " "
            label, n, rate = flag["label"], flag["n"], flag["rate"]
            lines.append(f"{mark} {label:34}{n:6}{rate:8.1%}   {', '.join(listed[:SHOWN_IDS])}{more}")
    found = ", ".join(f"{code} {n}" for code, n in language["found"].items())
    lines.append(f"languages: {found or 'none'}; expected {language['expected'] or 'unknown'} ({language['detector']})")
    lines.append(f"median words: {words['median']:g}, references {words['reference_median']:g}")
    return "\n".join(lines)


def main(*, predictions: Path, fields: str, instruction: str, settings: str, output: Path | None) -> None:
    """Print the audit. Raises InputError where a record has no reference."""
    changes = read_argument("--settings", settings, dict)
    chosen = settings_from_json(HealthSettings, json.dumps(default_settings("health") | changes), "health")
    found = read_predictions(predictions, read_fields(fields), chosen.failure_markers)
    without = [one.position for one in found if not one.references]
    if without:
        raise InputError(
            f"{predictions}: {len(without)} records have no reference, record {without[0]} for one; "
            "name their field under references in --fields"
        )
    summary, ids = audit(found, instruction, chosen)
    print(render(summary, ids))
    if output:
        write_json(output, {**summary, "ids": ids})


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, help="file of captions with their references")
    parser.add_argument("--fields", default="{}", help="JSON: names or paths of fields, where not usual (above)")
    parser.add_argument("--instruction", default="", help="what models were asked, to find it echoed")
    parser.add_argument("--settings", default="{}", help="JSON: changes to the configuration's health")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
