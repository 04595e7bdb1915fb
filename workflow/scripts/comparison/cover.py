"""What the interval of a score covers, in words: the choice of test drawings, and the seeds of trainings if several."""

from __future__ import annotations

from collections.abc import Mapping

UNMEASURED = "variation between trainings not measured"


def describe_cover(n_trainings: Mapping[str, int], subject: str = "it covers") -> str:
    """`it covers the choice of test drawings; one training seed (X): …`, by the trainings of each trained model."""
    once = [label for label, n in n_trainings.items() if n == 1]
    seeds = ", and of training seeds where a model has several" if len(once) < len(n_trainings) else ""
    whose = "" if len(once) == len(n_trainings) else f" ({', '.join(once)})"
    not_covered = f"; one training seed{whose}: {UNMEASURED}" if once else ""
    return f"{subject} the choice of test drawings{seeds}{not_covered}"
