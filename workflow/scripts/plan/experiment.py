"""The plan of an experiment: typed records of its jobs, computed once from the validated configuration.

    plan = make_plan(config)
    plan.trainings["llama-test3"].gpus          what rules/training.smk reads
    plan.systems["blip-large"].label

Rules read plain fields of these records; nothing here knows Snakemake. Paths are relative to the working directory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plan.configuration import (
    Configuration,
    fetched_sources,
    runs_of,
    stage_seed,
    systems,
    training_seed,
    trainings_of,
)
from plan.endpoints import HostedSystem, hosted_systems
from plan.jobs import Captioner, LlmJob, Source, System, Training
from plan.judges import Judge, plan_judges
from plan.metrics import CLIP_BASELINE, CLIP_METRIC, score_files
from plan.model_folders import Build, Model, base_of, builds, model_of
from readers.known_formats import has_questions, resolve_source

LLM_FAMILIES = ("zero_shot", "few_shot", "lora")


@dataclass(frozen=True)
class Plan:
    """Everything that rules look up."""

    config: Configuration
    results: str
    sources: dict[str, Source]
    trainings: dict[str, Training]
    llm_jobs: dict[str, LlmJob]
    captioners: dict[str, Captioner]
    endpoints: dict[str, HostedSystem]
    judges: dict[str, Judge]  # by metric
    systems: dict[str, System]
    fetched: dict[str, dict[str, Any]]  # model sources by their folder in the store
    built: dict[str, Build]  # bases that are put together here
    clip: Model | None
    first_llm: str | None  # by whose tokens samples are sliced into short and long

    def model(self, source: dict[str, Any]) -> Model:
        """Where the model of a source lies."""
        return model_of(self.config, source)

    def systems_of(self, *families: str) -> list[str]:
        """Names of the systems of the given families."""
        return [name for name, system in self.systems.items() if system.family in families]

    @property
    def rows(self) -> dict[str, System]:
        """The rows of the comparison, each by the system that bears its name."""
        return {name: system for name, system in self.systems.items() if system.row == name}

    def describe_rows(self) -> dict[str, dict[str, Any]]:
        """What the comparison states of each row: `trainings` are the systems of a model by their numbers,
        `shares_model` the metrics by whose own model a system captions.
        """
        described = ("label", "family", "base", "trained", "input")
        rows: dict[str, dict[str, Any]] = {
            name: {key: getattr(system, key) for key in described} | {"shares_model": shared_metrics(system)}
            for name, system in self.rows.items()
        }
        for name, system in self.systems.items():
            if name in self.trainings:
                rows[system.row].setdefault("trainings", {})[str(self.trainings[name].number)] = name
        return rows

    def with_one_job(self, *families: str) -> list[str]:
        """Systems of the given families whose captions one job writes."""
        return [name for name in self.systems_of(*families) if not self.systems[name].parts]

    @property
    def gathered(self) -> list[str]:
        """Systems whose captions several jobs write, or a job that captions other systems as well."""
        return [name for name, system in self.systems.items() if system.parts]

    @property
    def merged(self) -> list[str]:
        """Records of the merged models that the configuration asks for."""
        return [f"{one.folder}/merged/merged.json" for one in self.trainings.values() if one.is_merged]

    @property
    def text_metrics(self) -> list[str]:
        return [metric for metric in self.config["metrics"] if metric not in ("clip_score", *self.judges)]

    @property
    def imported_metrics(self) -> dict[str, dict[str, Any]]:
        """The entries of `scores_from` by the names of their metrics."""
        return score_files(self.config)

    @property
    def splits_of_images(self) -> dict[str, list[str]]:
        """The shards of the images of each split; none where one job renders a split."""
        count = self.config["render"]["shards"]
        names = [f"{number}-of-{count}" for number in range(1, count + 1)] if count > 1 else []
        return {
            split: [f"{self.results}/images/shards/{split}/{name}.parquet" for name in names]
            for split in ("train", "validation", "test")
        }

    def llm_job_of(self, name: str) -> LlmJob:
        """The LLM job of a system, or of the name under which its parts are written."""
        job = self.llm_jobs.get(name)
        return job or next(job for job in self.llm_jobs.values() if name in job.systems)

    def prompt(self, *inputs: str) -> dict[str, Any]:
        """The settings of prompts for these inputs: what becomes of missing pictures only where both are read.

        Where each sample's question is asked, the instruction is not, and takes no part.
        """
        unused = {"missing_picture"} if "both" not in inputs else set()
        unused |= {"instruction"} if self.asks_questions else {"from"}
        return {key: value for key, value in self.config["prompt"].items() if key not in unused}

    @property
    def asks_questions(self) -> bool:
        """Whether LLMs are asked the question that each sample comes with."""
        return self.config["prompt"]["from"] == "question"

    def seed(self, stage: str) -> int:
        return stage_seed(self.config["seed"], stage)

    def device_classes(self) -> dict[str, str]:
        """cpu, small or large for each job on a model: a cluster profile chooses partitions by it."""
        clip = "small" if self.config["decoding"]["gpus"] else "cpu"
        return {
            "clip": clip,
            **{name: job.device_class for name, job in self.llm_jobs.items()},
            **{name: one.device_class for name, one in self.captioners.items()},
            **{f"judge {name}": one.device_class for name, one in self.judges.items()},
            # A model and the system of its captions have one name.
            **{f"train {name}": "large" if one.gpus else "cpu" for name, one in self.trainings.items()},
        }

    def figures(self) -> list[str]:
        """Names of the radar charts of single systems, of families, and of bases with and without adapter."""
        families: dict[str, set[str]] = {}
        for system in self.rows.values():
            families.setdefault(system.base, set()).add(system.family)
        bases = [base for base, found in families.items() if {"zero_shot", "lora"} <= found]
        groups = {
            "systems": list(self.rows),
            "families": [system.family for system in self.rows.values()],
            "bases": bases,
        }
        return sorted({f"{folder}/{name}" for folder, names in groups.items() for name in names})

    def qualitative_value(self) -> str:
        """The value by which samples are chosen for the printed page."""
        chosen = self.config["report"]["qualitative"].get("value")
        return chosen or ("cider" if "cider" in self.config["metrics"] else self.config["report"]["radar"][0])

    def last_files(self) -> list[str]:
        """What a run makes last, except for the README that describes it."""
        wandb = [] if self.config["report"]["wandb"] == "disabled" else [f"{self.results}/wandb.json"]
        return [f"{self.results}/report.html", f"{self.results}/qualitative.html", *wandb]


def shared_metrics(system: System) -> list[str]:
    """The metrics by whose own model a system captions: CLIP finds the nearest picture, and scores it."""
    return [CLIP_METRIC] if (system.family, system.name) == ("baseline", CLIP_BASELINE) else []


def make_plan(config: Configuration) -> Plan:
    """The plan of a validated configuration with its defaults and resolved presets."""
    results = f"results/{config['experiment']}"
    rows = systems(config)
    table = {run: system for row, system in rows.items() for run in runs_of(config, row)}
    trainings = {
        name: _training(config, results, model, name, number)
        for model in config["models"]
        for name, number in trainings_of(config, model).items()
    }
    llm_jobs = {job.name: job for job in _llm_jobs(config, results, table)}
    captioners = {name: _captioner(config, name) for name in config["captioners"]}
    clip = config.get("clip") or {}
    return Plan(
        config=config,
        results=results,
        sources={name: _source(results, name, source) for name, source in config["dataset"]["sources"].items()},
        trainings=trainings,
        llm_jobs=llm_jobs,
        captioners=captioners,
        endpoints=hosted_systems(config, results),
        judges=plan_judges(config, results),
        systems={
            run: _system(config, results, run, row, system, llm_jobs)
            for row, system in rows.items()
            for run in runs_of(config, row)
        },
        fetched=fetched_sources(config),
        built=builds(config),
        clip=_clip(config, results, clip) if clip else None,
        first_llm=next((name for name, one in table.items() if _has_token_counts(one)), None),
    )


def _has_token_counts(system: dict[str, Any]) -> bool:
    """Whether the lengths of a system's prompts are those of the drawings' code: no examples, not the picture alone."""
    return system["family"] in ("zero_shot", "lora") and system["input"] != "image"


def _source(results: str, name: str, source: dict[str, Any]) -> Source:
    given = "path" in source
    fields, where = resolve_source(source) if given or "hub" in source else ({}, {})
    return Source(
        name=name,
        path=source["path"] if given else f"{results}/raw/{name}.jsonl",
        is_given=given,
        build=source.get("build"),
        sizes=source.get("scenes", {}),
        hub={key: source[key] for key in ("hub", "revision", "subset", "split") if key in source},
        fields=_json(dict(sorted(fields.items()))),
        where=_json(where) if where else "",
        has_questions=has_questions(fields),
        max_chars=source["limits"].get("max_chars"),
    )


def _training(config: Configuration, results: str, model_name: str, name: str, number: int) -> Training:
    model = config["models"][model_name]
    return Training(
        name=name,
        number=number,
        seed=training_seed(config["seed"], number),
        base=base_of(config, model["base"]),
        folder=f"{results}/adapters/{name}",
        settings=model["settings"],
        input=model["input"],
        images=_images(results, "train", "validation") if model["input"] != "code" else {},
        nodes=model["nodes"],
        gpus=model["gpus"],
        is_merged=model["merge"] and name == model_name,
    )


def _llm_jobs(config: Configuration, results: str, table: dict[str, dict[str, Any]]) -> Iterator[LlmJob]:
    by_job: dict[str, list[str]] = {}
    for name, system in table.items():
        if system["family"] in LLM_FAMILIES:
            job = system["base"] if config["decoding"]["group_by_base"] else name
            by_job.setdefault(job, []).append(name)
    for job, names in by_job.items():
        base_name = table[names[0]]["base"]
        base = config["bases"][base_name]
        described: dict[str, dict[str, Any]] = {name: {} for name in names}
        for name in names:
            if table[name]["family"] == "lora":
                described[name]["adapter"] = f"{results}/adapters/{name}"
            if table[name]["family"] == "few_shot":
                described[name]["few_shot"] = base["few_shot"]
            if table[name]["input"] != "code":
                described[name]["input"] = table[name]["input"]
        adapters = [one["adapter"] for one in described.values() if "adapter" in one]
        with_pictures = [one for one in described.values() if "input" in one]
        splits = ["test"] * bool(with_pictures) + ["train"] * any("few_shot" in one for one in with_pictures)
        yield LlmJob(
            name=job,
            systems=tuple(names),
            base=base_of(config, base_name),
            described=_json(described),
            adapters=tuple(f"{folder}/adapter_model.safetensors" for folder in adapters),
            inputs=tuple(sorted({table[name]["input"] for name in names})),
            images=_images(results, *splits),
            shows_examples=any("few_shot" in one for one in described.values()),
            shards=base["shards"],
            device_class=_device_class(config, config["decoding"]["gpus"], base["size_b"]),
        )


def _images(results: str, *splits: str) -> dict[str, str]:
    """The files of rendered pictures by split."""
    return {split: f"{results}/images/{split}.parquet" for split in splits}


def _captioner(config: Configuration, name: str) -> Captioner:
    captioner = config["captioners"][name]
    return Captioner(
        name=name,
        family=captioner["family"],
        model=model_of(config, captioner["source"]),
        tokenizer=model_of(config, captioner["tokenizer"]) if "tokenizer" in captioner else None,
        settings=captioner["settings"],
        trust_remote_code=captioner["trust_remote_code"],
        environment=captioner.get("environment", "envs/main.yaml"),
        python=captioner.get("python", "python"),
        gpus=captioner["gpus"],
        shards=captioner["shards"],
        device_class=_device_class(config, captioner["gpus"], captioner["size_b"]),
    )


def _device_class(config: Configuration, gpus: int, size_b: float) -> str:
    if not gpus:
        return "cpu"
    return "large" if size_b >= config["large_size_b"] else "small"


def _system(
    config: Configuration, results: str, name: str, row: str, system: dict[str, Any], llm_jobs: dict[str, LlmJob]
) -> System:
    parts, ready = _parts(config, results, name, system, llm_jobs)
    return System(name=name, row=row, **system, parts=parts, parts_ready=ready)


def _parts(
    config: Configuration, results: str, name: str, system: dict[str, Any], llm_jobs: dict[str, LlmJob]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The caption files of a system that several jobs write, and the files that say that these are complete."""
    if system["family"] in LLM_FAMILIES:
        job = next(job for job in llm_jobs.values() if name in job.systems)
        if job.shards == 1 and not config["decoding"]["group_by_base"]:
            return (), ()
        folders = [f"{results}/captions/passes/{job.name}/{shard}" for shard in _shard_names(job.shards)]
        ready = [f"{folder}/manifest.json" for folder in folders]
    elif system["family"] == "captioner" and config["captioners"][name]["shards"] > 1:
        shards = _shard_names(config["captioners"][name]["shards"])
        folders = [f"{results}/captions/shards/{name}/{shard}" for shard in shards]
        ready = [f"{folder}/{name}.jsonl" for folder in folders]
    else:
        return (), ()
    return tuple(f"{folder}/{name}.jsonl" for folder in folders), tuple(ready)


def _clip(config: Configuration, results: str, clip: dict[str, Any]) -> Model:
    if "train" in clip:
        return Model(f"{results}/clip", f"{results}/clip/training.json")
    return model_of(config, clip["source"])


def _shard_names(count: int) -> list[str]:
    """Shards as they stand in file names: 1-of-2, 2-of-2."""
    return [f"{number}-of-{count}" for number in range(1, count + 1)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def metric_files(options: dict[str, Any]) -> list[str]:
    """The files of the folder that a metric reads; nothing for a metric without."""
    folder = options.get("folder")
    return sorted(str(path) for path in Path(folder).iterdir() if path.is_file()) if folder else []


def one_of(names: Iterable[str]) -> str:
    """A regular expression for wildcards: one of the names; without a name it matches nothing."""
    return "|".join(names) or "(?!)"
