"""Files of the captions that a training writes at its evaluations.

    checkpoints/captions/step-<step>.jsonl   while it runs: {"id", "caption", "finish_reason", "references"}
    eval_captions.jsonl                      when it is done: {"id", "references", "captions": {<step>: caption}}

A line is a sample of the fixed subset, in the same order in all files. A failed caption is an empty text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.records import Caption, MissingFile, Sample, read_json_lines, write_json_lines

RESULT = "eval_captions.jsonl"
N_SHOWN = 3  # samples whose captions monitor, report and trackers show


def step_file(checkpoints: Path, step: int) -> Path:
    return checkpoints / "captions" / f"step-{step}.jsonl"


def write_step(checkpoints: Path, step: int, samples: Sequence[Sample], captions: Sequence[Caption]) -> None:
    """Write the captions of an evaluation, whole; `captions` stand in the samples' order."""
    write_json_lines(
        step_file(checkpoints, step),
        (
            {
                "id": sample.id,
                "caption": caption.caption,
                "finish_reason": caption.finish_reason,
                "references": sample.references,
            }
            for sample, caption in zip(samples, captions, strict=True)
        ),
    )


def read_steps(checkpoints: Path, steps: Sequence[int], most: int | None = None) -> list[dict[str, Any]]:
    """The captions of these steps as records of the result, of the first `most` samples; none without steps."""
    records: list[dict[str, Any]] = []
    for step in steps:
        lines = read_json_lines(step_file(checkpoints, step))[:most]
        records = records or [{"id": line["id"], "references": line["references"], "captions": {}} for line in lines]
        for record, line in zip(records, lines, strict=True):
            record["captions"][str(step)] = line["caption"]
    return records


def read_result(folder: Path) -> list[dict[str, Any]]:
    """The records of a training that is done; none where it wrote no captions."""
    try:
        return read_json_lines(folder / RESULT)
    except MissingFile:
        return []


def write_result(folder: Path, checkpoints: Path, steps: Sequence[int]) -> None:
    """Put the captions of these steps beside the adapter; those of an earlier training go where there are none."""
    if steps:
        write_json_lines(folder / RESULT, read_steps(checkpoints, steps))
    else:
        (folder / RESULT).unlink(missing_ok=True)
