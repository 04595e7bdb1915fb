"""The records of a plan: sources of samples, and the jobs that train and caption. plan/experiment.py makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plan.model_folders import Model


@dataclass(frozen=True)
class Source:
    """A source of samples: a file or folder of the user, a dataset of the hub, or one that is built here."""

    name: str
    path: str  # of the raw samples
    is_given: bool  # by the user; otherwise a rule writes `path`
    build: str | None
    sizes: dict[str, int]  # of generated scenes, by split
    hub: dict[str, str]  # hub, revision, subset, split; empty for other sources
    fields: str  # JSON: names of the fields of the raw samples
    where: str  # JSON: which rows take part; empty where all do
    has_questions: bool  # about the drawings
    max_chars: int | None


@dataclass(frozen=True)
class Training:
    """The training of one adapter; a model with several seeds has several."""

    name: str
    number: int  # among the trainings of its model
    seed: int
    base: Model
    folder: str
    settings: dict[str, Any]
    input: str  # what it reads of a drawing: code, image or both
    images: dict[str, str]  # files of pictures by split; none where it reads code alone
    nodes: int
    gpus: int  # of each node
    is_merged: bool

    @property
    def processes(self) -> int:
        """Processes that train together: one a GPU, one on a machine without."""
        return self.nodes * max(1, self.gpus)


@dataclass(frozen=True)
class LlmJob:
    """A job that captions by LLM systems of one base: one system, or all of them where jobs are grouped by base."""

    name: str
    systems: tuple[str, ...]
    base: Model
    described: str  # JSON: adapter and few-shot settings of each system, as caption_llm.py takes them
    adapters: tuple[str, ...]  # files that must exist
    inputs: tuple[str, ...]  # what its systems read of a drawing
    images: dict[str, str]  # files of pictures by split; none where no system reads them
    shows_examples: bool
    shards: int
    device_class: str


@dataclass(frozen=True)
class Captioner:
    """A captioner's job."""

    name: str
    family: str
    model: Model
    tokenizer: Model | None
    settings: dict[str, Any]
    trust_remote_code: bool
    environment: str
    python: str
    gpus: int
    shards: int
    device_class: str

    @property
    def manifests(self) -> list[str]:
        """Manifests of the model and, where it is another, of its tokenizer."""
        return [self.model.manifest, *([self.tokenizer.manifest] if self.tokenizer else [])]


@dataclass(frozen=True)
class System:
    """What writes captions. `parts` are the caption files of several jobs that are gathered, empty for one job.

    A row of the comparison is one system, or several: one a training of a model, of which the first bears its name.
    """

    name: str
    row: str
    label: str
    family: str
    base: str
    trained: bool | None  # on this data; None where nobody said it
    input: str | None  # what it reads of a drawing: code, image, both or none; None where nobody said it
    parts: tuple[str, ...]
    parts_ready: tuple[str, ...]  # files that are there when the parts are complete
