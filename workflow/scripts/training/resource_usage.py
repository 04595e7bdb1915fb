"""What a training took over all its attempts: seconds, and the most memory; a resumed job adds to the one before.

`effort.json` beside the checkpoints is written at each log and save, so that kill -9 loses only the seconds since.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from core.records import read_json, write_json


class CountEffort(TrainerCallback):
    """Counts this attempt, from `start` (time.monotonic) on, on top of those before it."""

    def __init__(self, path: Path, start: float):
        self.path, self.start = path, start
        self.before: dict[str, Any] = read_json(path) if path.is_file() else {"attempts": 0, "seconds": 0.0}

    def on_log(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            write_json(self.path, self.total())

    def on_save(self, args, state, control, **kwargs) -> None:
        self.on_log(args, state, control)

    def total(self) -> dict[str, Any]:
        """`attempts`, `seconds`, `peak_memory_mb`, and on a GPU `peak_gpu_memory_mb`, of all attempts."""
        seconds = self.before["seconds"] + time.monotonic() - self.start
        peaks = {name: max(peak, self.before.get(name, 0)) for name, peak in peak_memory_mb().items()}
        return {"attempts": self.before["attempts"] + 1, "seconds": round(seconds, 1), **peaks}


def peak_memory_mb() -> dict[str, float]:
    """Most memory that this process held, on the GPU where there is one."""
    peaks: dict[str, float] = {"peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if torch.cuda.is_available():
        peaks["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return peaks
