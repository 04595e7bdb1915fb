"""Resource usage of an experiment, by training and by rule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from core.command import format_duration
from report.inputs import Benchmark, Training

AS_GIVEN = "micro_batch: as_given"  # the reason that training/micro_batch.py gives for the configured cut


@dataclass(frozen=True)
class TrainingUsage:
    """Summary of a training. None where training.json has no value."""

    model: str
    trainable: int | None  # parameters
    total: int | None
    adapter_bytes: int | None
    predicted_bytes: int | None  # weights, gradients and optimizer
    steps: int | None
    planned_steps: int | None
    best_step: int | None
    best_loss: float | None
    stop_reason: str
    batch: str  # `8 = 1 × 2 × 4`: devices, samples a pass, passes a step
    batch_reason: str
    peak_memory_mb: float | None  # of the GPU where there is one
    seconds: float | None
    devices: int
    on_gpu: bool

    @property
    def share(self) -> float | None:
        """Trained parameters among all, in percent."""
        return 100 * self.trainable / self.total if self.trainable is not None and self.total else None

    @property
    def device_hours(self) -> float | None:
        """Hours times devices."""
        return None if self.seconds is None else self.seconds / 3600 * self.devices

    def cost(self, hour_price: float | None) -> float | None:
        """Device hours at a price."""
        return None if hour_price is None or self.device_hours is None else self.device_hours * hour_price


@dataclass(frozen=True)
class RuleUsage:
    """All jobs of a rule: their number, total wall-clock and CPU seconds, and the peak memory of one job."""

    rule: str
    jobs: list[Benchmark]

    @property
    def seconds(self) -> float:
        return sum(job.seconds for job in self.jobs)

    @property
    def cpu_seconds(self) -> float | None:
        return _known(sum, [job.cpu_seconds for job in self.jobs])

    @property
    def max_rss_mb(self) -> float | None:
        return _known(max, [job.max_rss_mb for job in self.jobs])

    @property
    def words(self) -> str:
        """`25 jobs, 31.0 s`."""
        n = len(self.jobs)
        return f"{n} job{'s' if n > 1 else ''}, {format_duration(self.seconds)}"


def usage_of_training(training: Training) -> TrainingUsage:
    """The values by which trainings are compared."""
    facts = training.facts
    parameters = facts.get("parameters") or {}
    return TrainingUsage(
        model=training.model,
        trainable=parameters.get("trainable"),
        total=parameters.get("total"),
        adapter_bytes=parameters.get("adapter_bytes"),
        predicted_bytes=sum(parameters["memory_bytes"].values()) if "memory_bytes" in parameters else None,
        steps=facts.get("steps"),
        planned_steps=facts.get("planned_steps"),
        best_step=facts.get("best_step"),
        best_loss=facts.get("best_eval_loss"),
        stop_reason=str(facts.get("stop_reason", "")),
        batch=describe_batch(facts),
        batch_reason=str(facts.get("micro_batch", {}).get("reason", "")).replace(AS_GIVEN, "as configured"),
        peak_memory_mb=facts.get("peak_gpu_memory_mb", facts.get("peak_memory_mb")),
        seconds=facts.get("seconds"),
        devices=facts.get("devices", 1),
        on_gpu="peak_gpu_memory_mb" in facts,
    )


def describe_batch(facts: dict[str, Any]) -> str:
    """The effective batch and its cut; empty for a training.json without them."""
    if "effective_batch" not in facts:
        return ""
    plan = facts.get("micro_batch", {})
    checkpointed = ", checkpointed" if plan.get("cut", {}).get("gradient_checkpointing") else ""
    packed = ", packed" if plan.get("packing", "").startswith("packed") else ""
    parts = f"{facts['devices']} × {facts['batch_size']} × {facts['accumulation']}"
    return f"{facts['effective_batch']} = {parts}{checkpointed}{packed}"


def usage_by_rule(benchmarks: list[Benchmark]) -> list[RuleUsage]:
    """Rules by total job time, longest first."""
    jobs: dict[str, list[Benchmark]] = defaultdict(list)
    for benchmark in benchmarks:
        jobs[benchmark.rule].append(benchmark)
    return sorted((RuleUsage(rule, found) for rule, found in jobs.items()), key=lambda e: (-e.seconds, e.rule))


def _known(combine: Any, numbers: list[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return combine(known) if known else None
