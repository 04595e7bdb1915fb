"""How many questions captions answer, by subject, between a floor (no caption) and a ceiling (the first reference)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.command import InputError
from core.records import Caption, Sample
from scoring.choice_questions import QuestionFile
from scoring.judgements import Item, Verdict

# They stand among the systems, none of which can have such a name.
FLOOR, CEILING = "(no caption)", "(reference)"
MOST_LISTED = 20  # ids


def control_captions(samples: Sequence[Sample]) -> dict[str, list[Caption]]:
    """What is shown for the floor and the ceiling in place of a system's captions."""
    return {
        FLOOR: [Caption(sample.id, FLOOR) for sample in samples],
        CEILING: [Caption(sample.id, sample.references[0]) for sample in samples],
    }


def foreign_ids(questions: QuestionFile, samples: Sequence[Sample]) -> list[str]:
    """The ids of questions that are none of these samples'. Raises InputError where all are."""
    known = {sample.id for sample in samples}
    foreign = [id_ for id_ in questions.by_id if id_ not in known]
    if len(foreign) == len(questions.by_id):
        raise InputError(
            f"none of {len(foreign)} drawings with questions ({', '.join(foreign[:3])}) is in the test split "
            f"({', '.join(sample.id for sample in samples[:3])}, …); give the questions the ids of data/test.parquet"
        )
    return foreign


def measure_questions(
    questions: QuestionFile,
    samples: Sequence[Sample],
    items: Sequence[Item],
    out: np.ndarray,
    verdicts: Mapping[str, Sequence[Verdict | None]],
) -> dict[str, Any]:
    """What the record says of the questions; verdicts on the items of each system, of FLOOR and of CEILING.

    Of a failed caption all answers are wrong. What the judge failed on is left out (`out`) for the systems; of floor
    and ceiling it is left out there alone, and counted.
    """
    foreign = foreign_ids(questions, samples)
    kept = [(item, number) for number, item in enumerate(items) if not out[number]]
    subjects = Counter(item.asked.subject for item, _ in kept)
    scores = {name: [score_of(found[number], name) for _, number in kept] for name, found in verdicts.items()}
    places = [item.place for item, _ in kept]
    differences = np.array(scores[CEILING], dtype=float) - np.array(scores[FLOOR], dtype=float)
    return {
        "digest": questions.digest,
        "n": len(items),
        "n_left_out": int(out.sum()),
        "n_drawings": len({item.place for item in items}),
        "n_without": len(samples) - len({item.place for item in items}),
        "foreign": {
            "n": sum(len(questions.by_id[id_]) for id_ in foreign),
            "n_drawings": len(foreign),
            "ids": foreign[:MOST_LISTED],
        },
        "subjects": dict(sorted(subjects.items())),
        "rows": {
            name: {
                "score": mean_of(means_of_drawings(places, found)),
                "accuracy": mean_of(found),
                "n_failed": sum(map(math.isnan, found)),
                "subjects": {
                    subject: mean_of(
                        [score for score, (item, _) in zip(found, kept, strict=True) if item.asked.subject == subject]
                    )
                    for subject in sorted(subjects)
                },
            }
            for name, found in scores.items()
        },
        "gap": measure_gap(means_of_drawings(places, differences.tolist())),
    }


def score_of(verdict: Verdict | None, name: str) -> float:
    """1 for a right answer, 0 for a wrong one and for a failed caption; nan where floor or ceiling has no answer."""
    if verdict is not None and verdict.score is not None:
        return verdict.score
    return math.nan if name in (FLOOR, CEILING) else 0.0


def means_of_drawings(places: Sequence[int], scores: Sequence[float]) -> list[float]:
    """The mean over each drawing's questions that have a score; a drawing without one has none."""
    found: dict[int, list[float]] = {}
    for place, score in zip(places, scores, strict=True):
        if not math.isnan(score):
            found.setdefault(place, []).append(score)
    return [float(np.mean(own)) for own in found.values()]


def mean_of(scores: Sequence[float]) -> float | None:
    """The mean of the scores that are there."""
    present = [score for score in scores if not math.isnan(score)]
    return float(np.mean(present)) if present else None


def measure_gap(differences: Sequence[float]) -> dict[str, float | None]:
    """The mean of the drawings' differences of ceiling and floor, and the lower end of its interval.

    The interval is Student's of 95 % over drawings; it needs two drawings.
    """
    mean = mean_of(differences)
    if mean is None or len(differences) < 2:
        return {"mean": mean, "low": None}
    import scipy.special

    error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    return {"mean": mean, "low": mean + float(scipy.special.stdtrit(len(differences) - 1, 0.025)) * error}


def describe_rates(asked: Mapping[str, Any]) -> str:
    """Floor, ceiling and questions that no sample has, as the end of a line of a log."""
    rates = {name: asked["rows"][name]["score"] for name in (FLOOR, CEILING)}
    told = ", ".join(f"{name} {'none' if rate is None else f'{rate:.3f}'}" for name, rate in rates.items())
    foreign = asked["foreign"]
    if not foreign["n"]:
        return f"; {told}"
    ids = ", ".join(foreign["ids"][:3])
    return (
        f"; {told}; {foreign['n']} questions are of {foreign['n_drawings']} drawings outside the test split ({ids}, …)"
    )
