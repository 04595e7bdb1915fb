"""The interface of a metric, and the lookup of a metric by name.

A metric is one file of this folder, `metrics/<name>.py`, whose `METRIC` is an instance of a subclass
of `Metric`. To add one, put a file here and name it under `metrics` in the configuration; tables,
intervals, slices, radar chart and report pick it up from there. For example `metrics/n_words.py`:

    from typing import ClassVar

    import numpy as np

    from scoring.metrics import MeanMetric, Texts, ValueInfo


    class WordCount(MeanMetric):
        name = "n_words"
        values: ClassVar = {"n_words": ValueInfo("words", low=0, high=50, radar=False)}

        def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
            return {"n_words": np.array([len(caption.split()) for caption in texts.tokens], dtype=float)}


    METRIC = WordCount()

A metric turns each sample into columns: its per-sample values (nan where it does not apply) and
statistics, `stat_<name>`, whose **sums** over any set of samples determine the corpus values of that
set. So a slice or a bootstrap resample is scored by adding up rows, thousands at a time.

A failed caption stays in n. A mean (`MeanMetric`) gives it the worst value of the range that `ValueInfo` states, so
that it never ranks above a caption that was written. BLEU and METEOR are no means: they are computed from counts of
words, to which an empty text adds only the length of its reference. So failures can raise them, and the mean of the
samples' values is shown beside them.
A metric file is imported often and by light scripts: numpy at its top, anything heavier inside functions.
Metrics of images (`clip_score`) are scored by `score_clip.py`, all others by `score_text.py`; both write
through `scoring/scores.py`.
"""

from __future__ import annotations

import abc
import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.command import InputError
from core.records import Caption, Sample

STATISTIC_PREFIX = "stat_"
# Whose values BLEU, METEOR, ROUGE-L and CIDEr have, to 1e-9 (tests/test_metrics_text.py).
FORMULA = "pycocoevalcap 1.2"
# Columns of a metric that reads only so many tokens: 1 where the caption is longer, and how many references are.
TRUNCATED, TRUNCATED_REFERENCES = "truncated", "truncated_references"
# Setting of metrics whose failed captions may get another value than the worst one.
FAILED_VALUE = "failed_value"


@dataclass(frozen=True)
class ValueInfo:
    """How one value of a metric is shown: its label, range, direction, place on the radar chart, remark.

    A `share` counts samples: its value is 0 or 1 on each, and its interval that of a share.
    """

    label: str
    low: float
    high: float
    higher_is_better: bool = True
    radar: bool = True
    note: str = ""
    share: bool = False

    @property
    def worst(self) -> float:
        """The end of the range that a failed caption gets."""
        return self.low if self.higher_is_better else self.high

    @property
    def no_spread(self) -> float:
        """Differences that are none: BLEU-4 without any match is not 0 but some 1e-6, since it is a root."""
        return 1e-5 * (self.high - self.low)


@dataclass(frozen=True)
class Texts:
    """What a text metric sees of one system. The lists run parallel, one entry a sample.

    The caption of a failed record is "" in `tokens`.
    """

    samples: list[Sample]
    captions: list[Caption]
    tokens: list[str]  # the caption, PTB-tokenised: lower case, no punctuation, words joined by one space
    reference_tokens: list[list[str]]  # the references likewise, at least one a sample
    paraphrases: Path | None = None  # METEOR's table for these references, where it was made beforehand
    model: Path | None = None  # folder of the model of a metric that needs one
    folder: Path | None = None  # folder with the files of a metric that needs other ones than a model
    settings: Mapping[str, Any] = field(default_factory=dict)  # the configuration's metric_options.<metric>.settings
    # The references of all samples, where `reference_tokens` are other ones: CIDEr counts in how many a word occurs.
    all_reference_tokens: list[list[str]] | None = None
    all_references: list[list[str]] | None = None  # the same as written

    @property
    def failed(self) -> np.ndarray:
        """Which captions are failed records, (n samples,)."""
        return np.array([caption.status == "failed" for caption in self.captions], dtype=bool)

    @property
    def model_folder(self) -> Path:
        """The folder of the metric's model. Raises InputError where none was given."""
        if self.model is None:
            raise InputError("this metric needs a model: name its folder by --model, metric_options.<metric>.source")
        return self.model

    @property
    def failed_value(self) -> float | None:
        """The value that the settings give failed captions; None for the worst one."""
        return self.settings.get(FAILED_VALUE)

    @property
    def files(self) -> Path:
        """The folder with the metric's files. Raises InputError where none was given."""
        if self.folder is None:
            raise InputError("this metric needs files: name their folder by --folder, metric_options.<metric>.folder")
        return self.folder


class Metric(abc.ABC):
    """A function of captions and references (or images): per-sample values, corpus values, a signature."""

    name: ClassVar[str]  # the module's name
    values: ClassVar[dict[str, ValueInfo]]  # value name → how it is shown
    known_settings: ClassVar[tuple[str, ...]] = ()  # keys of metric_options.<name>.settings that it reads
    needs_judge: ClassVar[bool] = False  # whether metric_options.<name>.judge must name a model that scores captions
    reads_pictures: ClassVar[bool] = False  # of a judge: whether it looks at the drawings' pictures
    needs_model: ClassVar[bool] = False  # whether metric_options.<name>.source must name a model
    needed_files: ClassVar[str] = ""  # files that metric_options.<name>.folder must hold, and where they come from
    facts: ClassVar[dict[str, str]] = {}  # what else the signature says of the implementation

    @abc.abstractmethod
    def score_samples(self, inputs: Any) -> dict[str, np.ndarray]:
        """Columns of floats, one row a sample: each value by its name, then the `stat_…` columns.

        Text metrics take `Texts`. Where the metric does not apply to a sample the values are nan
        and the statistics 0. A metric that truncates long texts adds the columns `truncated` (0 or 1) and, where it
        truncates references as well, `truncated_references` (how many).
        """

    @abc.abstractmethod
    def corpus(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Corpus values from summed statistics, by value name.

        `sums` maps each `stat_…` column to an array of any one shape (a scalar, or one entry for
        each resample); the values have that shape, nan where they rest on no sample.
        """

    def check_folder(self, folder: Path) -> None:  # noqa: B027  (most metrics need no files)
        """Raise InputError, in words for the user, where the folder lacks a file that the metric needs."""

    def facts_of_folder(self, folder: Path) -> dict[str, str]:
        """What the signature says of those files: their digest."""
        return {}

    def check_options(self, source: Mapping[str, Any], settings: Mapping[str, Any]) -> None:  # noqa: B027
        """Raise InputError for settings that the metric cannot obey, also with this model, before anything runs."""

    def facts_of_model(self, folder: Path, settings: Mapping[str, Any]) -> dict[str, object]:
        """What the signature says of the metric's model and settings, beside name and digest of the model."""
        return dict(settings)

    def signature(self, **facts: object) -> str:
        """One line that states how the numbers were computed: `bleu|tokens:ptb|n_references:1-3`.

        `facts` are those that only the scoring script knows: models, digests, numbers of references.
        """
        return "|".join([self.name, *(f"{key}:{value}" for key, value in {**self.facts, **facts}.items())])


class MeanMetric(Metric):
    """A metric whose corpus value is the mean over the samples to which it applies.

    A failed caption gets the worst value, whatever `values_of_samples` gives. The statistics of a value are itself
    and 1, or 0 and 0 where it is nan. Inputs are `Texts`, or others that tell which captions `failed`.
    """

    @abc.abstractmethod
    def values_of_samples(self, inputs: Any) -> dict[str, np.ndarray]:
        """Each value by its name, one float a sample, nan where it does not apply; and `truncated`, if it has that."""

    def score_samples(self, inputs: Any) -> dict[str, np.ndarray]:
        columns = dict(self.values_of_samples(inputs))
        for name, info in self.values.items():
            applies = ~np.isnan(columns[name])
            columns[name] = np.where(applies & inputs.failed, self.value_of_failure(info, inputs), columns[name])
            columns[f"{STATISTIC_PREFIX}{name}"] = np.where(applies, columns[name], 0.0)
            columns[f"{STATISTIC_PREFIX}{name}_n"] = applies.astype(float)
        return columns

    def value_of_failure(self, info: ValueInfo, inputs: Any) -> float:
        """What a failed caption gets."""
        return info.worst

    def corpus(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: divide_or_nan(sums[f"{STATISTIC_PREFIX}{name}"], sums[f"{STATISTIC_PREFIX}{name}_n"])
            for name in self.values
        }


def divide_or_nan(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, nan where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    return np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=denominator != 0)


def metric_names() -> list[str]:
    """The metrics that this folder holds, in alphabetical order."""
    return sorted(path.stem for folder in __path__ for path in Path(folder).glob("[!_]*.py"))


def load_metric(name: str) -> Metric:
    """The metric of `metrics/<name>.py`. Raises InputError for an unknown name or a file without METRIC."""
    if name not in metric_names():
        near = difflib.get_close_matches(name, metric_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(metric_names())}"
        raise InputError(f"unknown metric {name!r}: {hint}")
    metric = getattr(importlib.import_module(f"scoring.metrics.{name}"), "METRIC", None)
    if not isinstance(metric, Metric) or metric.name != name:
        raise InputError(f"metrics/{name}.py must end with METRIC = an instance of a Metric whose name is {name!r}")
    return metric
