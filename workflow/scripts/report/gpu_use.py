"""What jobs did with their GPUs, from the samples that sample_gpu.py leaves beside their logs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from core.records import open_text

ENDING = ".log.gpu.jsonl"


@dataclass(frozen=True)
class GpuUse:
    """The use of GPUs by a job, all its attempts together; None where no sample could tell."""

    job: str  # rule/name
    attempts: int
    gpus: int  # the most that an attempt had
    gpu: str  # name of the model, as "NVIDIA L40S"
    hours: float  # GPU hours: of each attempt its time, as far as samples reach, times its GPUs
    peak_memory_mb: int | None  # of one GPU, as the driver counts it
    memory_total_mb: int | None
    utilisation: float | None  # mean over samples and GPUs, percent
    failed_samples: int


def read_gpu_use(logs: Path) -> list[GpuUse]:
    """The use of each job whose samples lie below a folder of logs, in the order of their names."""
    return [
        summarise(str(path.relative_to(logs)).removesuffix(ENDING), _records(path))
        for path in sorted(logs.rglob(f"*{ENDING}"))
    ]


def summarise(job: str, records: list[dict[str, Any]]) -> GpuUse:
    """One job's use from the records of its samples."""
    attempts = [list(group) for _, group in groupby(records, key=lambda record: record["attempt"])]
    seen = [gpu for record in records for gpu in record.get("gpus", ())]
    utilisations = [gpu["utilisation"] for gpu in seen if gpu["utilisation"] is not None]
    return GpuUse(
        job=job,
        attempts=len(attempts),
        gpus=max(map(_gpus, attempts), default=0),
        gpu=seen[0]["name"] if seen else "",
        hours=sum(_gpus(attempt) * (attempt[-1]["time"] - attempt[0]["attempt"]) / 3600 for attempt in attempts),
        peak_memory_mb=_most(gpu["memory_mb"] for gpu in seen),
        memory_total_mb=_most(gpu["memory_total_mb"] for gpu in seen),
        utilisation=sum(utilisations) / len(utilisations) if utilisations else None,
        failed_samples=sum("error" in record for record in records),
    )


def _most(values: Iterable[int | None]) -> int | None:
    """The largest of what was reported; None where nothing was."""
    return max((value for value in values if value is not None), default=None)


def _gpus(attempt: list[dict[str, Any]]) -> int:
    return max(len(record.get("gpus", ())) for record in attempt)


def _records(path: Path) -> list[dict[str, Any]]:
    """The records of a file. A last line without its end was being written when the job was killed."""
    with open_text(path) as file:  # a line ends at a newline only: JSON may hold U+2028 and its like
        return [json.loads(line) for line in file if line.endswith("\n")]
