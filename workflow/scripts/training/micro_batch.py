"""The cut of an optimizer step into forward passes: micro-batch, accumulation and gradient checkpointing.

    plan = plan_micro_batch(model, batching, samples, order, settings, device, checkpoints)

The effective batch never changes, so neither do loss and update, but for rounding and the masks of dropout: they are
drawn a pass. On a GPU the longest batch of each cut is tried, with room for the optimizer; those that fit are timed on
a step of median length. A cut is taken instead of the given one where it is clearly faster; then packed rows
(training/packing.py) are timed against padded ones. All ranks measure, and agree by the slowest. On a CPU the cut is as
given: its memory can't be tried without being killed, it learns as fast in passes of any size (docs/design.md), and a
choice by its clock would change the last bits of an adapter at each run.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from core.command import InputError
from core.records import read_json, write_json
from models.gpus import device_name
from models.sequence_attention import attend_by_row, attend_by_sequence
from training.data import Encoded, Example
from training.model import set_checkpointing
from training.packing import Batching, Collate, Packing
from training.parameters import ADAM_BYTES
from training.settings import TrainingSettings

PLAN_FILE = "micro_batch.json"
# How much faster than the given cut another must be; timings of one pass differ by less.
MARGIN = 1.2
MAX_SECONDS = 60.0
# The same for packed rows: both are timed on several steps, N_ROUNDS times, of which the fastest counts.
PACKING_MARGIN = 1.05
N_ROUNDS = 2
# Share of a GPU's memory that stays free where a cut takes more than the given one, for fragments.
HEADROOM = 0.05


@dataclasses.dataclass(frozen=True)
class Cut:
    """How the samples of a device and optimizer step go through the model."""

    batch_size: int
    accumulation: int
    gradient_checkpointing: bool

    @classmethod
    def given(cls, settings: TrainingSettings) -> Cut:
        return cls(settings.batch_size, settings.accumulation, settings.gradient_checkpointing)

    @property
    def n_samples(self) -> int:
        return self.batch_size * self.accumulation

    def with_size(self, size: int) -> Cut:
        """The same samples in passes of `size`, a divisor of their number."""
        return dataclasses.replace(self, batch_size=size, accumulation=self.n_samples // size)

    def __str__(self) -> str:
        return f"{self.batch_size} x {self.accumulation}{' checkpointed' if self.gradient_checkpointing else ''}"


@dataclasses.dataclass(frozen=True)
class MicroBatchPlan:
    """The chosen cut, why, on which device, and of each cut that was timed the tokens a second and device."""

    cut: Cut
    reason: str
    device: str
    tokens_per_second: dict[str, float]
    packing: str = ""  # of training/packing.py: whether batches are packed, and why
    packed: bool = False

    def apply(self, settings: TrainingSettings) -> TrainingSettings:
        """The settings with this cut."""
        return dataclasses.replace(settings, **dataclasses.asdict(self.cut))

    @classmethod
    def read(cls, path: Path) -> MicroBatchPlan | None:
        if not path.is_file():
            return None
        facts = read_json(path)
        return cls(**{**facts, "cut": Cut(**facts["cut"])})


def is_measured(settings: TrainingSettings, device: torch.device) -> bool:
    """Whether the start of a training is measured. With sharding a whole model may fit on no device."""
    return settings.micro_batch == "auto" and settings.sharding == "none" and memory_can_be_tried(device)


def why_not_measured(settings: TrainingSettings) -> str:
    if settings.micro_batch == "as_given":
        return "micro_batch: as_given"
    return f"as given with sharding: {settings.sharding}" if settings.sharding != "none" else "as given on a CPU"


def plan_micro_batch(
    model: PeftModel,
    batching: Batching,
    samples: Sequence[Encoded],
    order: Sequence[tuple[int, int]],
    settings: TrainingSettings,
    device: torch.device,
    checkpoints: Path,
) -> MicroBatchPlan:
    """The cut to train with on `device`, whether rows are packed, and the model set to both.

    `order` is that of the whole training. An interrupted training keeps its plan, written beside its checkpoints,
    unless it goes on on another device. Raises InputError where not even one sample fits.
    """
    given, name = Cut.given(settings), device_name()
    as_chosen: dict[str, Any] = {"packing": batching.reason, "packed": isinstance(batching.collate, Packing)}
    if not is_measured(settings, device):
        return MicroBatchPlan(given, why_not_measured(settings), name, {}, **as_chosen)
    before = MicroBatchPlan.read(checkpoints / PLAN_FILE)
    # Asked of all ranks before the first of them writes a plan.
    if all_agree(before is not None and before.device == name, device) and before is not None:
        plan = before if batching.rival else dataclasses.replace(before, **as_chosen)
    else:
        with Trial(model.to(device), batching.collate, samples, order, given).leaving_no_trace() as trial:
            cut, reason = choose_cut(trial, given, settings)
            if batching.rival:
                packed, why = choose_packing(trial, cut, batching.rival)
                as_chosen = {"packing": why, "packed": packed}
            plan = MicroBatchPlan(cut, reason, name, trial.tokens_per_second, **as_chosen)
        if is_first_rank():
            write_json(checkpoints / PLAN_FILE, dataclasses.asdict(plan))
    set_checkpointing(model, plan.cut.gradient_checkpointing)
    if batching.rival and plan.packed:
        attend_by_sequence(model.get_base_model())
    return plan


def choose_packing(trial: Trial, cut: Cut, rival: Packing) -> tuple[bool, str]:
    """Whether packed rows are clearly faster than padded ones with a cut, and how much."""
    start = trial.seconds_spent()
    with trial.packing(rival):
        if not trial.fits(cut):
            return False, "padded: packed rows do not fit into memory"
    shares, seconds = (0.25, 0.5, 0.75), {False: math.inf, True: math.inf}
    expected = (trial.seconds_spent() - start) * cut.accumulation * len(shares) * len(seconds)
    examples = [example for share in shares for example in trial.typical_examples(cut.n_samples, share)]
    for _ in range(N_ROUNDS):
        start = trial.seconds_spent()
        if start + expected > MAX_SECONDS:
            break
        seconds[False] = min(seconds[False], trial.seconds(cut, examples))
        with trial.packing(rival):
            seconds[True] = min(seconds[True], trial.seconds(cut, examples))
        expected = trial.seconds_spent() - start
    if math.isinf(seconds[True]):
        return False, "padded: a pass takes too long to measure packing"
    gain = seconds[False] / seconds[True]
    if gain < PACKING_MARGIN:
        return False, f"padded: packed is {gain:.2f} times as fast"
    return True, f"packed, {gain:.2f} times as fast as padded"


def choose_cut(trial: Trial, given: Cut, settings: TrainingSettings) -> tuple[Cut, str]:
    """The cut and the reason for it. Raises InputError where not even one sample fits."""
    cuts = fitting_cuts(trial, given)
    if not cuts:
        least = Cut(1, given.n_samples, gradient_checkpointing=True)
        raise InputError(out_of_memory(dataclasses.replace(settings, **dataclasses.asdict(least)), trial.samples))
    if len(cuts) == 1:
        return cuts[0], "as given: there is no other" if cuts[0] == given else "the only one that fits into memory"
    paces = trial.measure(cuts)
    if not paces:
        return cuts[0], f"{'as given' if cuts[0] == given else 'fits into memory'}: a pass takes too long to measure"
    fastest = max(paces, key=lambda cut: paces[cut])
    if given not in cuts:
        return fastest, f"{given} as given does not fit into memory; the fastest of {len(paces)} measured"
    if paces[fastest] < MARGIN * paces[given]:
        return given, f"as given: none of {len(paces)} measured is {MARGIN - 1:.0%} faster"
    return fastest, f"{paces[fastest] / paces[given]:.1f} times as fast as {given} as given"


def fitting_cuts(trial: Trial, given: Cut) -> list[Cut]:
    """The cuts whose longest batch fits into memory: the given one first, or the largest that fits below it."""
    cuts = fitting_sizes(trial, given)
    # Checkpointing costs time: it is worth a try where the given cut does not fit without it.
    if trial.can_checkpoint and (given.gradient_checkpointing or given not in cuts):
        cuts += fitting_sizes(
            trial, dataclasses.replace(given, gradient_checkpointing=not given.gradient_checkpointing)
        )
    return cuts


def fitting_sizes(trial: Trial, given: Cut) -> list[Cut]:
    """Of a cut and those of other sizes: it and all above that fit, else the largest below that fits."""
    sizes = divisors(given.n_samples)
    fitting: list[Cut] = []
    for size in (size for size in sizes if size >= given.batch_size):
        if (fitting and trial.seconds_spent() > MAX_SECONDS) or not trial.fits(given.with_size(size)):
            break
        fitting.append(given.with_size(size))
    below = (given.with_size(size) for size in reversed(sizes) if size < given.batch_size)
    return fitting or [cut for cut in below if trial.fits(cut)][:1]


def divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]


def memory_can_be_tried(device: torch.device) -> bool:
    """Whether too large a batch is an error, and not the end of the process."""
    return device.type == "cuda"


class Trial:
    """Forward and backward passes of a model, to see what fits and what is fast."""

    def __init__(
        self,
        model: PeftModel,
        collate: Collate,
        samples: Sequence[Encoded],
        order: Sequence[tuple[int, int]],
        given: Cut,
    ):
        self.model, self.collate, self.samples, self.order, self.given = model, collate, samples, order, given
        self.device: torch.device = model.device
        self.tokens_per_second: dict[str, float] = {}
        self.start = time.monotonic()

    @property
    def can_checkpoint(self) -> bool:
        return bool(self.model.get_base_model().supports_gradient_checkpointing)

    @contextmanager
    def leaving_no_trace(self) -> Iterator[Trial]:
        """Gradients, memory and its peak are afterwards as if nothing had been tried; Trainer seeds random numbers."""
        self.model.train()
        yield self
        self.model.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    @contextmanager
    def packing(self, rival: Packing) -> Iterator[None]:
        """Rows are packed, and attended to by sequence."""
        base, padded = self.model.get_base_model(), self.collate
        attend_by_sequence(base)
        self.collate = rival
        try:
            yield
        finally:
            self.collate = padded
            attend_by_row(base)

    def fits(self, cut: Cut) -> bool:
        """Whether all ranks find memory for the longest batch there can be, beside the optimizer's."""
        longest = sorted(self.samples, key=len)[-cut.batch_size :]
        examples = [Example(sample.prompt, max(sample.captions, key=len), sample.png) for sample in longest]
        set_checkpointing(self.model, cut.gradient_checkpointing)
        fits = True
        try:
            reserved = torch.empty(self.bytes_to_reserve(cut), dtype=torch.uint8, device=self.device)
            self.pass_through(examples)
            del reserved
        except torch.OutOfMemoryError:
            fits = False
        self.model.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return all_agree(fits, self.device)

    def bytes_to_reserve(self, cut: Cut) -> int:
        """What the optimizer and DDP will take, and headroom where a cut takes more than the given one."""
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        n_bytes = ADAM_BYTES * sum(weight.numel() for weight in trained)
        if n_ranks() > 1:  # a copy of the gradients, in the buckets in which they are reduced
            n_bytes += sum(weight.nbytes for weight in trained)
        takes_more = cut.batch_size > self.given.batch_size or (
            self.given.gradient_checkpointing and not cut.gradient_checkpointing
        )
        if takes_more and self.device.type == "cuda":
            n_bytes += round(HEADROOM * torch.cuda.mem_get_info()[1])
        return n_bytes

    def measure(self, cuts: Sequence[Cut]) -> dict[Cut, float]:
        """Real tokens a second of each cut, of as many as MAX_SECONDS allow; none where one pass takes too long."""
        examples = self.typical_examples(max(cut.batch_size for cut in cuts))
        n_tokens = sum(example.n_tokens for example in examples)
        warm_up = self.seconds(cuts[0], examples[: cuts[0].batch_size])
        expected, paces = warm_up * math.ceil(len(examples) / cuts[0].batch_size), {}
        for cut in cuts:
            if self.seconds_spent() + expected > MAX_SECONDS:
                break
            expected = self.seconds(cut, examples)
            paces[cut] = n_tokens / expected
        self.tokens_per_second = {str(cut): round(pace, 1) for cut, pace in paces.items()}
        return paces

    def typical_examples(self, n_examples: int, share: float = 0.5) -> list[Example]:
        """The first examples of the step of median length, or of that of another share; a step is of like length."""
        size = self.given.n_samples * n_ranks()
        steps = [self.order[start : start + size] for start in range(0, len(self.order), size)]
        lengths = [sum(len(self.samples[place]) for place, _ in step) for step in steps]
        chosen = sorted(range(len(steps)), key=lambda number: lengths[number])[int(share * len(steps))]
        drawn = [(self.samples[place], reference) for place, reference in steps[chosen][:n_examples]]
        return [Example(sample.prompt, sample.captions[reference], sample.png) for sample, reference in drawn]

    def seconds(self, cut: Cut, examples: Sequence[Example]) -> float:
        """Seconds of the slowest rank for all the examples in passes of the cut's size."""
        set_checkpointing(self.model, cut.gradient_checkpointing)
        start = time.monotonic()
        for first in range(0, len(examples), cut.batch_size):
            self.pass_through(examples[first : first + cut.batch_size])
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return largest(time.monotonic() - start, self.device)

    def seconds_spent(self) -> float:
        return largest(time.monotonic() - self.start, self.device)

    def pass_through(self, examples: Sequence[Example]) -> None:
        batch = self.collate(examples)
        inputs = {name: value.to(self.device) if torch.is_tensor(value) else value for name, value in batch.items()}
        self.model(**inputs).loss.backward()


def n_ranks() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def is_first_rank() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def largest(value: float, device: torch.device) -> float:
    """The largest value of all ranks."""
    if n_ranks() == 1:
        return value
    shared = torch.tensor(value, device=device, dtype=torch.float32)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return float(shared)


def all_agree(answer: bool, device: torch.device) -> bool:
    """Whether all ranks answer yes."""
    return not largest(float(not answer), device)


def out_of_memory(settings: TrainingSettings, samples: Sequence[Encoded]) -> str:
    """What to lower when the GPU's memory does not hold a batch."""
    fixes = []
    if settings.batch_size > 1:
        automatic = "" if settings.micro_batch == "auto" else "set micro_batch: auto, or "
        fixes.append(f"{automatic}halve batch_size and double accumulation (the same effective batch)")
    if not settings.gradient_checkpointing:
        fixes.append("set gradient_checkpointing: true")
    fixes += [*smaller_weights(settings), "lower prompt.max_tokens"]
    longest = max(len(sample) for sample in samples)
    return (
        f"out of GPU memory with {settings.batch_size} x {longest:,} tokens, the longest batch: {'; or '.join(fixes)}"
    )


def smaller_weights(settings: TrainingSettings) -> list[str]:
    """Settings with which a GPU holds less of the base's weights."""
    if settings.quantisation != "none":
        return []
    sharding = ["set sharding: fsdp with several gpus"] if settings.sharding == "none" else []
    return ["set quantisation: nf4", *sharding]
