"""The judges of an experiment: models that score captions for a metric (clair, caption_qa, image_judge)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from core.records import read_samples
from generation.endpoints.estimate import Estimate
from models.encoder_decoders import ENCODER_DECODERS
from plan.configuration import Configuration, systems
from plan.endpoints import address_faults, endpoint_settings
from plan.model_folders import Model, base_of
from plan.picture_faults import describe_base
from samples.split_statistics import count_tokens
from scoring.choice_questions import read_questions
from scoring.judgements import JudgeMetric
from scoring.metrics import load_metric, metric_names

CAPTION_TOKENS = 40  # of a caption that is not there yet, about


@dataclass(frozen=True)
class Judge:
    """The judge of a metric: a base, or an endpoint."""

    metric: str
    name: str  # of the base, or the endpoint's model
    base: Model | None
    endpoint: dict[str, Any] | None  # as score_judge.py takes it
    decoding: dict[str, Any]  # of a local judge
    images: str | None  # the file of pictures that it looks at
    questions: dict[str, Any] | None  # the file of questions that it answers, {"path", "fields"}
    repeated: int
    price: dict[str, float] | None
    kin: tuple[str, ...]  # systems of the same model
    device_class: str

    @property
    def api_key_env(self) -> str | None:
        return self.endpoint.get("api_key_env") if self.endpoint else None


def plan_judges(config: Configuration, results: str) -> dict[str, Judge]:
    """The judges of the listed metrics, by metric."""
    metrics = {name: load_metric(name) for name in config["metrics"]}
    return {name: _judge(config, results, one) for name, one in metrics.items() if isinstance(one, JudgeMetric)}


def _judge(config: Configuration, results: str, metric: JudgeMetric) -> Judge:
    entry = config["metric_options"][metric.name]["judge"]
    base = entry.get("base")
    n_tokens = entry.get("max_new_tokens", metric.max_new_tokens)
    decoding = {key: config["decoding"][key] for key in ("dtype", "batch_tokens", "attention", "cuda_graphs")}
    large = base and config["bases"][base]["size_b"] >= config["large_size_b"]
    return Judge(
        metric=metric.name,
        name=base or entry["model"],
        base=base_of(config, base) if base else None,
        endpoint=None if base else endpoint_settings(entry, n_tokens),
        decoding={**decoding, "max_new_tokens": n_tokens},
        images=f"{results}/images/test.parquet" if metric.reads_pictures else None,
        questions=question_file(config["metric_options"][metric.name]) if metric.needs_questions else None,
        repeated=entry["repeated"],
        price=entry.get("price"),
        kin=tuple(_kin(config, entry)),
        device_class=("large" if large else "small") if config["decoding"]["gpus"] else "cpu",
    )


def question_file(options: dict[str, Any]) -> dict[str, Any] | None:
    """The file of questions that a metric's options name, also where they name nothing but a path; None without one."""
    entry = options.get("questions")
    # Without a default in the schema: Snakemake would set it on a path, which is no mapping.
    return {"fields": {}, **({"path": entry} if isinstance(entry, str) else entry)} if entry else None


def _kin(config: Configuration, entry: dict[str, Any]) -> Iterator[str]:
    """The systems whose captions are written by the judge's own model, with an adapter or without."""
    folder = base_of(config, entry["base"]).folder if "base" in entry else None
    for name, system in systems(config).items():
        if system["family"] == "endpoint":
            same = config["systems"][name]["model"] == entry.get("model")
        elif system["family"] == "captioner":
            source = {"bases": {name: config["captioners"][name]}}
            same = folder is not None and base_of({**config, **source}, name).folder == folder
        else:
            base = system["base"]
            same = folder is not None and base in config["bases"] and base_of(config, base).folder == folder
        if same:
            yield name


def judge_faults(config: Configuration, full: Configuration) -> Iterator[str]:
    """What is wrong with the judges of a configuration that the schema accepts; `full` has its defaults."""
    for name, options in full["metric_options"].items():
        if name not in metric_names() or not {"judge", "questions"} & set(options):
            continue
        metric = load_metric(name)
        if "judge" in options and not isinstance(metric, JudgeMetric):
            yield f"metric_options.{name}.judge: the metric {name} is computed and takes no judge; remove it"
        if "questions" in options and not (isinstance(metric, JudgeMetric) and metric.needs_questions):
            yield f"metric_options.{name}.questions: the metric {name} asks no questions of a file; remove it"
    for name in full["metrics"]:
        if name not in metric_names():
            continue
        try:
            metric = load_metric(name)
        except InputError:  # reported under `metrics`
            continue
        if isinstance(metric, JudgeMetric):
            yield from _faults_of_judge(config, full, metric)
            if metric.needs_questions:
                options = full["metric_options"].get(name, {})
                yield from _faults_of_questions(f"metric_options.{name}.questions", options)


def _faults_of_questions(path: str, options: dict[str, Any]) -> Iterator[str]:
    """Their file is read to its end: a row that is no question would stop the job after all captions are there."""
    entry = question_file(options)
    if entry is None:
        yield f"{path}: is not there; name a file with questions about test drawings"
        return
    try:
        read_questions(Path(entry["path"]), entry["fields"])
    except (InputError, OSError) as error:
        yield f"{path}: {error}"


def _faults_of_judge(config: Configuration, full: Configuration, metric: JudgeMetric) -> Iterator[str]:
    path = f"metric_options.{metric.name}.judge"
    entry = full["metric_options"].get(metric.name, {}).get("judge")
    if entry is None:
        yield f"metrics: {metric.name} needs a judge; name a base or an endpoint under {path}"
        return
    yield from address_faults(path, entry)
    base = entry.get("base")
    if base is None:
        return
    for key in ("api_key_env", "parallel", "price"):
        if key in config["metric_options"][metric.name]["judge"]:
            yield f"{path}.{key}: belongs to an endpoint, and the judge is a base; remove it"
    if base not in full["bases"]:
        yield f"{path}.base: no entry {base!r} in bases; {propose_name(base, full['bases'])}"
        return
    described = describe_base(full, base)
    if described and described.get("model_type") in ENCODER_DECODERS:
        yield f"{path}.base: bases.{base} is a {described['model_type']}, which answers no questions; choose another"
    elif described and metric.reads_pictures and "vision_config" not in described:
        yield f"{path}.base: {metric.name} looks at pictures, and bases.{base} reads none; choose one that does"


def expected_cost_of_judge(judge: Judge, n_systems: int, samples: Path) -> Estimate | None:
    """What a hosted judge will cost at most, with nothing in the store; None while the samples are not there yet."""
    if not samples.is_file() or judge.endpoint is None:
        return None
    metric = load_metric(judge.metric)
    assert isinstance(metric, JudgeMetric)
    try:
        found = read_samples(samples)
    except InputError:  # a file of another version, which its rule is about to make anew
        return None
    if judge.questions:
        metric = metric.asking(read_questions(Path(judge.questions["path"]), judge.questions["fields"]))
    items = metric.items(found)
    inquiries = [metric.inquire(item, "", found[item.place].references, b"", is_second=False) for item in items]
    mean = sum(count_tokens(one.chat.turns[0]) for one in inquiries) / max(len(items), 1) + CAPTION_TOKENS
    n_repeated = round(len(items) * min(judge.repeated, len(found)) / len(found))
    n_requests = (n_systems + metric.n_controls) * len(items) + n_systems * n_repeated
    return Estimate(n_requests, 0, round(n_requests * mean), n_requests * judge.endpoint["max_new_tokens"])
