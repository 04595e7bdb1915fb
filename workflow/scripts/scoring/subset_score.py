"""The score of captions in memory by one value of a text metric, as train_lora takes it while it trains.

    score = SubsetScore("cider", samples)
    score(captions)      # 0.31

References and captions are tokenised as score_text has them. CIDEr's document frequencies are those of these samples,
so that scores of one subset compare with each other, and with no other ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.command import InputError
from core.hints import propose_name
from core.records import Caption, Sample
from scoring.metrics import STATISTIC_PREFIX, Metric, Texts, load_metric, metric_names
from scoring.tokens import texts_of, tokenize_groups

# It scores pictures by what score_clip.py gives it.
NO_TEXT_METRICS = ("clip_score",)


class SubsetScore:
    """Scores captions of `samples` by a value. Raises InputError for a value that texts alone do not give."""

    def __init__(self, value: str, samples: Sequence[Sample]):
        self.value, self.metric, self.samples = value, metric_of_texts(value), list(samples)
        self._references: list[list[str]] = []

    def __call__(self, captions: Sequence[Caption]) -> float:
        """The corpus value of captions in the samples' order. Raises InputError where it applies to none of them."""
        groups = [texts_of(caption) for caption in captions]
        if not self._references:
            groups += [texts_of(sample) for sample in self.samples]
        tokens = tokenize_groups(groups)
        self._references = self._references or tokens[len(captions) :]
        texts = Texts(
            self.samples, list(captions), [caption for (caption,) in tokens[: len(captions)]], self._references
        )
        columns = self.metric.score_samples(texts)
        sums = {name: column.sum() for name, column in columns.items() if name.startswith(STATISTIC_PREFIX)}
        score = float(self.metric.corpus(sums)[self.value])
        if math.isnan(score):
            raise InputError(
                f"eval_captions.metric: {self.value} applies to none of the {len(captions)} validation samples that "
                "are captioned; choose another metric"
            )
        return score


def metric_of_texts(value: str) -> Metric:
    """The metric that has a value. Raises InputError for one that needs more than texts, or of which less is better."""
    found: dict[str, Metric] = {}
    for name in metric_names():
        try:
            metric = load_metric(name)
        except InputError:  # a file of the user's that is no metric; a fault of its own where it is listed
            continue
        if name not in NO_TEXT_METRICS and not needs_more(metric):
            found |= {one: metric for one, info in metric.values.items() if info.higher_is_better}
    if value not in found:
        raise InputError(
            f"eval_captions.metric: {value!r} is no value that texts alone give, the higher the better; "
            f"{propose_name(value, found)}"
        )
    return found[value]


def needs_more(metric: Metric) -> bool:
    """Whether a metric needs a model, a judge, or files."""
    return bool(metric.needs_model or metric.needs_judge or metric.needed_files)
