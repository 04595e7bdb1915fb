"""The faults of a configuration: everything that can be known before anything runs.

`find_faults(config, schema)` lists each as one line with key path, value and remedy. The schema comes first
(schema_faults.py); if it finds nothing, what no schema can say: names that refer to each other and settings that must
agree (here), metrics and what the report shows of them (report_faults.py), files and folders (file_faults.py), and
systems that read pictures (picture_faults.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comparison.resampling import resamples_needed
from core.command import InputError
from core.hints import propose_name
from plan.adapter_faults import adapter_faults
from plan.configuration import run_names, system_names
from plan.endpoints import endpoint_faults
from plan.file_faults import file_faults
from plan.judges import judge_faults
from plan.languages import language_fault
from plan.picture_faults import picture_faults
from plan.presets import all_presets
from plan.report_faults import report_faults
from plan.schema import Configuration, Node, fill_defaults, load_schema
from plan.schema_faults import colour_hint, schema_faults
from readers.known_formats import has_questions, resolve_source
from scoring.subset_score import metric_of_texts
from training.settings import SHARDED_WITH, TrainingSettings


def find_faults(config: Configuration, schema: Node) -> list[str]:
    """Every fault of a configuration as a line: key path, value, what would be right."""
    faults = sorted(set(schema_faults(config, schema)))
    return faults or list(dict.fromkeys(_cross_faults(config)))


def _cross_faults(config: Configuration) -> Iterator[str]:
    full = fill_defaults(config, load_schema())
    yield from _reference_faults(config)
    yield from endpoint_faults(config)
    yield from _name_faults(full)
    yield from _language_faults(full)
    yield from _background_faults(full["render"]["background"])
    yield from file_faults(full)
    yield from _picture_faults(config, full)
    yield from report_faults(config, full)
    yield from judge_faults(config, full)
    yield from _decoding_faults(full["decoding"])
    yield from _few_shot_faults(full)
    yield from _question_faults(full)
    yield from _resampling_faults(full)
    for name, model in config.get("models", {}).items():
        yield from _training_faults(config, name, model, full["decoding"]["engine"])


def _reference_faults(config: Configuration) -> Iterator[str]:
    for name, model in config.get("models", {}).items():
        for key, entries in (("base", config["bases"]), ("preset", all_presets(config))):
            if model[key] not in entries:
                yield f"models.{name}.{key}: no entry {model[key]!r} in {key}s; {propose_name(model[key], entries)}"


def _name_faults(config: Configuration) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path, name in run_names(config):
        if name in seen:
            yield f"{path}: a system named {name!r} exists already ({seen[name]}); rename one of them"
        seen[name] = path
    results = Path("results") / config["experiment"]
    if results.resolve() == Path(config["model_store"]).resolve():
        yield (
            f"model_store: {config['model_store']} is the folder of the experiment's outputs; rename the experiment, "
            "or give model_store another folder"
        )


def _language_faults(config: Configuration) -> Iterator[str]:
    languages = {
        "dataset.captions.language": config["dataset"]["captions"]["language"],
        "health.language": config["health"]["language"],
    }
    for path, language in languages.items():
        fault = language_fault(language)
        if fault:
            yield f"{path}: {fault}"


def _background_faults(colour: str) -> Iterator[str]:
    if not colour_hint(colour):
        yield f"render.background: {colour!r} is no colour; give a CSS name or #rrggbb"


def _decoding_faults(decoding: dict[str, Any]) -> Iterator[str]:
    if decoding["num_beams"] > 1:
        if decoding["do_sample"]:
            yield "decoding.do_sample: true and num_beams above 1 exclude each other; choose one"
        if decoding["engine"] == "vllm":
            yield "decoding.num_beams: engine vllm decodes without beams; set 1, or engine: transformers"


def most_train_samples(config: Configuration) -> int | None:
    """The most samples that the train split can have, by what the sources state; None where one states nothing."""
    most = 0
    for source in config["dataset"]["sources"].values():
        stated = [source["limits"]["train"]] if "train" in source["limits"] else []
        if source.get("build") == "scenes":
            stated.append(source["scenes"]["train"])
        if not stated:
            return None
        most += min(stated)
    return most


def _few_shot_faults(config: Configuration) -> Iterator[str]:
    most = most_train_samples(config)
    for name, base in config["bases"].items():
        k = base["few_shot"]["k"] if "few_shot" in base else 0
        if most is not None and k > most:
            yield (
                f"bases.{name}.few_shot.k: {k} examples are more than the {most} train samples that the sources can "
                f"give; set {most} or less, or raise scenes.train or limits.train of a source"
            )


def _question_faults(config: Configuration) -> Iterator[str]:
    """Sources without questions where the question of each sample is asked."""
    if config["prompt"]["from"] != "question":
        return
    for name, source in config["dataset"]["sources"].items():
        if "build" in source or not has_questions(resolve_source(source)[0]):
            yield (
                f"dataset.sources.{name}: prompt.from is question, and this source has none; name their field under "
                "fields.question, choose a format with questions, or set prompt.from: instruction"
            )


def _picture_faults(config: Configuration, full: Configuration) -> Iterator[str]:
    """Those of models whose base and preset exist; the others are faults already."""
    presets = all_presets(config)
    models = {
        # Defaults must not stand above the preset.
        name: {**model, "settings": {**presets[model["preset"]], **config["models"][name].get("settings", {})}}
        for name, model in full["models"].items()
        if model["base"] in full["bases"] and model["preset"] in presets
    }
    yield from picture_faults({**full, "models": models})


def _resampling_faults(config: Configuration) -> Iterator[str]:
    given, confidence = config["comparison"]["n_resamples"], config["comparison"]["confidence"]
    n_systems = len(list(system_names(config)))
    needed = resamples_needed(n_systems, confidence)
    if given < needed:
        yield (
            f"comparison.n_resamples: with {given} no difference between {n_systems} systems could be significant "
            f"({math.comb(n_systems, 2)} pairs, corrected by Holm, confidence {confidence}); set {needed} or more"
        )


def _training_faults(config: Configuration, name: str, model: dict[str, Any], engine: str) -> Iterator[str]:
    settings = {**all_presets(config).get(model["preset"], {}), **model.get("settings", {})}
    settings = fill_defaults(settings, {"$ref": "#/$defs/training"})
    yield from adapter_faults(f"models.{name}.settings", settings, engine)
    evaluate, save = settings["eval_steps"], settings["save_steps"]
    if save % evaluate:
        yield (
            f"models.{name}: save_steps {save} is no multiple of eval_steps {evaluate}, so the best evaluation may "
            "have no checkpoint; choose a multiple"
        )
    yield from _eval_caption_faults(name, settings)
    if settings["sharding"] == "fsdp":
        yield from (f"models.{name}: sharding: fsdp {fault}" for fault in _sharding_faults(model, settings))


def _eval_caption_faults(name: str, settings: dict[str, Any]) -> Iterator[str]:
    try:
        if settings["eval_captions"]["samples"]:
            metric_of_texts(settings["eval_captions"]["metric"])
        TrainingSettings(best_by=settings["best_by"], eval_captions=settings["eval_captions"])
    except InputError as error:
        yield f"models.{name}.settings.{error}"


def _sharding_faults(model: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """What training/sharding.py would refuse when the job runs."""
    if model.get("gpus", 1) < 2:
        yield "shares the weights out over several GPUs; set gpus: 2 or more"
    for key, values in SHARDED_WITH.items():
        if settings[key] not in values:
            yield f"with {key}: {settings[key]} is not supported; set {key}: {json.dumps(values[0])}"
    if model.get("input", "code") != "code":
        yield f"trains models that read code alone, not input: {model['input']}; set sharding: none"
    if settings["eval_captions"]["samples"]:
        yield "writes no captions while it trains; set eval_captions.samples: 0"
