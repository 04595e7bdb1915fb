"""Questions of samples: where a model is asked the question of each sample, every sample needs one."""

from __future__ import annotations

from collections.abc import Iterable

from core.command import InputError
from core.records import Sample

SHOWN_IDS = 3


def check_questions(samples: Iterable[Sample]) -> None:
    """Raise InputError, with the first ids and the fix, where samples have no question."""
    without = [sample for sample in samples if not sample.question]
    if without:
        shown = ", ".join(sample.id for sample in without[:SHOWN_IDS]) + (", …" if len(without) > SHOWN_IDS else "")
        sources = " and ".join(sorted({sample.source for sample in without}))
        raise InputError(
            f"{len(without)} samples of {sources} have no question ({shown}), and "
            "prompt.from is question: name its field under dataset.sources.<source>.fields.question, leave these "
            "rows out by where, or set prompt.from: instruction"
        )
