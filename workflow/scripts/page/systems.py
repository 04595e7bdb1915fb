"""Which systems of an experiment can caption a drawing on this machine, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.command import InputError
from core.local_gpus import visible_gpus
from models.files import check_adapter, check_model_folder
from plan.experiment import LLM_FAMILIES, Plan
from plan.jobs import Captioner, LlmJob, System

DEFAULT_ENVIRONMENT, DEFAULT_PYTHON = "envs/main.yaml", "python"  # of captioners that run in the workflow's own


@dataclass(frozen=True)
class Place:
    """A system, what people call it, and what keeps it from captioning here; empty where nothing does."""

    system: System
    label: str
    obstacle: str


def find_places(plan: Plan) -> list[Place]:
    """All systems in the order of the comparison."""
    n_gpus = len(visible_gpus())
    return [
        Place(system, label_of(plan, system), next(_obstacles(plan, system, n_gpus), ""))
        for system in plan.systems.values()
    ]


def label_of(plan: Plan, system: System) -> str:
    """The label of a system; of a model that was trained several times, with the number of the training."""
    is_one_of_several = sum(other.row == system.row for other in plan.systems.values()) > 1
    return f"{system.label}, training {plan.trainings[system.name].number}" if is_one_of_several else system.label


def wants_gpu(plan: Plan) -> bool:
    """Whether any system of the experiment runs on a GPU; without one the page computes on the CPU, as the jobs did."""
    return bool(plan.config["decoding"]["gpus"]) or any(one.gpus for one in plan.captioners.values())


def _obstacles(plan: Plan, system: System, n_gpus: int) -> Iterator[str]:
    if system.family in LLM_FAMILIES:
        yield from _llm_obstacles(plan, system, plan.llm_job_of(system.name), n_gpus)
    elif system.family == "captioner":
        yield from _captioner_obstacles(plan.captioners[system.name], n_gpus)
    elif system.name == "clip_nearest":
        yield from clip_obstacles(plan)
    elif system.family == "file":
        path = plan.config["systems"][system.name]["path"]
        yield f"Its captions were read from a file ({path}): only test samples have one."
    elif system.family == "endpoint":
        yield "Its captions come from an endpoint, and this page uses no network: only test samples have one."


def _llm_obstacles(plan: Plan, system: System, job: LlmJob, n_gpus: int) -> Iterator[str]:
    decoding = plan.config["decoding"]
    if decoding["engine"] != "transformers":
        yield f"It is decoded by {decoding['engine']} (decoding.engine), which this page does not start."
    if decoding.get("python", DEFAULT_PYTHON) != DEFAULT_PYTHON:
        yield f"It runs in an environment of its own (decoding.python: {decoding['python']})."
    yield from _gpu_obstacles("decoding.gpus", decoding["gpus"], n_gpus)
    yield from _model_obstacles(job.base.folder)
    if system.family == "lora":
        folder = Path(plan.trainings[system.name].folder)
        if not (folder / "adapter_model.safetensors").is_file():
            yield f"Its adapter is missing: {folder} has no adapter_model.safetensors. Train it: snakemake train"
        else:
            yield from _faults_of(lambda: check_adapter(folder, Path(job.base.folder)))
    if system.family == "few_shot" and system.input != "code" and not Path(job.images["train"]).is_file():
        yield f"The pictures of its examples are missing: {job.images['train']} does not exist."


def _captioner_obstacles(captioner: Captioner, n_gpus: int) -> Iterator[str]:
    if captioner.environment != DEFAULT_ENVIRONMENT or captioner.python != DEFAULT_PYTHON:
        own = captioner.python if captioner.python != DEFAULT_PYTHON else captioner.environment
        yield f"It runs in an environment of its own ({own}), which this page does not start."
    yield from _gpu_obstacles(f"captioners.{captioner.name}.gpus", captioner.gpus, n_gpus)
    yield from _model_obstacles(captioner.model.folder)
    if captioner.tokenizer and not Path(captioner.tokenizer.folder).is_dir():
        yield f"The tokenizer folder {captioner.tokenizer.folder} does not exist; fetch it: snakemake fetch_models"


def clip_obstacles(plan: Plan) -> Iterator[str]:
    """What keeps train drawings from being compared with a picture."""
    features = Path(plan.results) / "clip_features" / "train.parquet"
    if plan.clip is None:
        yield "The experiment has no CLIP model (clip)."
    elif not features.is_file():
        yield f"{features} does not exist: only the baseline clip_nearest needs it."
    else:
        yield from _model_obstacles(plan.clip.folder)


def _gpu_obstacles(key: str, wanted: int, n_gpus: int) -> Iterator[str]:
    if wanted and not n_gpus:
        yield f"It needs a GPU ({key}: {wanted}), and this machine has none."


def _model_obstacles(folder: str) -> Iterator[str]:
    yield from _faults_of(lambda: check_model_folder(Path(folder)))


def _faults_of(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except InputError as error:
        yield str(error)
