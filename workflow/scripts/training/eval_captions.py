"""Captions of a fixed subset of the validation split, written and scored at each evaluation of a training.

    captions = EvalCaptions(samples, writer, score, settings, checkpoints)
    captions.evaluate(model, step)      # {"eval_cider": 0.31, "caption_seconds": 4.2}

What writes and what scores is given by the command: both lie in packages that training does not know. On several
devices each process writes a share and all get the score, so that what is best is the same in all of them. The training
goes on as if nothing had been written: its random numbers are put back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel

from core.records import Caption, Sample
from training.caption_files import write_step
from training.history import CAPTION_SECONDS, EVALUATED, caption_seconds
from training.settings import EvalCaptionSettings


class Writer(Protocol):
    """What lets a model that is in evaluation mode write captions of the subset."""

    def write(self, model: PeftModel, share: int, n_shares: int) -> dict[str, Caption]:
        """Captions by id, of each n-th sample from `share` (0-based) on; all shares together are all samples."""


def choose_subset(samples: Sequence[Sample], n_samples: int, seed: int) -> list[Sample]:
    """So many samples of a split by a seed, in the split's order; all where there are no more."""
    places = random.Random(seed).sample(range(len(samples)), min(n_samples, len(samples)))
    return [samples[place] for place in sorted(places)]


class EvalCaptions:
    """Writes, scores and keeps the captions of `samples`; `score` takes captions in their order."""

    def __init__(
        self,
        samples: Sequence[Sample],
        writer: Writer,
        score: Callable[[Sequence[Caption]], float],
        settings: EvalCaptionSettings,
        checkpoints: Path,
    ):
        self.samples, self.writer, self.score = samples, writer, score
        self.settings, self.checkpoints = settings, checkpoints

    def evaluate(self, model: PeftModel, step: int) -> dict[str, float]:
        """The score of what the model writes at this step, and the seconds that it took, the same on all devices."""
        start = time.monotonic()
        with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
            written = self._write(model)
        outcome = [0.0, 0.0]
        if is_first_rank():
            captions = [written[sample.id] for sample in self.samples]
            write_step(self.checkpoints, step, self.samples, captions)
            outcome = [self.score(captions), round(time.monotonic() - start, 2)]
        if torch.distributed.is_initialized():
            torch.distributed.broadcast_object_list(outcome, src=0)
        return {EVALUATED + self.settings.metric: outcome[0], CAPTION_SECONDS: outcome[1]}

    def check(self) -> None:
        """Score a reference of each sample, so that a metric that cannot be computed here shows before the training.

        Raises InputError for one.
        """
        self.score([Caption(sample.id, sample.references[0]) for sample in self.samples])

    def summarise(self, history: Sequence[dict[str, Any]], best_step: int, best_by: str) -> dict[str, Any]:
        """What training.json says of them: `best_score` is that of the step whose adapter is kept, by `best_by`."""
        key = EVALUATED + self.settings.metric
        scores = {record["step"]: record[key] for record in history if key in record}
        return {
            "metric": self.settings.metric,
            "best_score": scores[best_step],
            "best_by": best_by,
            "seconds": round(caption_seconds(history), 2),
            "max_new_tokens": self.settings.max_new_tokens,
            "samples": [sample.id for sample in self.samples],
        }

    def _write(self, model: PeftModel) -> dict[str, Caption]:
        """The captions of all samples; each process writes its share of them."""
        if not torch.distributed.is_initialized():
            return self.writer.write(model, 0, 1)
        rank, n_ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        shares: list[dict[str, Caption]] = [{}] * n_ranks
        torch.distributed.all_gather_object(shares, self.writer.write(model, rank, n_ranks))
        return {id: caption for share in shares for id, caption in share.items()}


def is_first_rank() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
