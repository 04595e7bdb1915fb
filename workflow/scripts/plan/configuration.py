"""The look-ups that rules need: which systems there are, where a model lies, the seed of a stage.

The functions take a checked configuration (faults.py) with its defaults filled in (presets.py, then the schema's);
rules/common.smk does both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plan.schema import Configuration

# The order in which families appear in tables and figures.
FAMILIES = ("zero_shot", "few_shot", "lora", "captioner", "endpoint", "file", "baseline")
# What stands behind the label of an untrained system that does not read code alone.
READ_LABEL = {"code": "", "image": ", picture", "both": ", code and picture"}
# What a baseline looks at in a drawing before it takes a caption of the train split.
BASELINE_INPUT = {"constant": "none", "text_nearest": "code", "clip_nearest": "image"}


def systems(config: Configuration) -> dict[str, dict[str, Any]]:
    """Every system of the comparison in the order of the configuration: label, family, base, trained, input.

    `base` is the entry of `bases` for LLMs and the system's own name otherwise. `trained` says whether weights were
    fitted to the train split, or captions are taken from it; examples in a prompt are no training. `input` is what is
    read of a drawing: code, image, both or none. Both are None where nobody said it.
    """
    table: dict[str, dict[str, Any]] = {}
    lora = {"family": "lora", "trained": True}
    captioner = {"family": "captioner", "trained": False, "input": "image"}
    baseline = {"family": "baseline", "trained": True}
    for base, system, family, input in untrained_systems(config):
        entry = config["bases"][base]
        shots = "zero-shot" if family == "zero_shot" else f"{entry['few_shot']['k']}-shot"
        label = f"{entry.get('label', base)}, {shots}{READ_LABEL[input]}"
        # What is built here was fitted to pictures of the train split; its language model was not.
        trained = "build" in entry and input != "code"
        table[system] = {"label": label, "base": base, "family": family, "trained": trained, "input": input}
    for name, model in config["models"].items():
        table[name] = {"label": model.get("label", name), "base": model["base"], **lora, "input": model["input"]}
    for name, entry in config["captioners"].items():
        table[name] = {"label": entry.get("label", name), "base": name, **captioner}
    for name, entry in config["systems"].items():
        unsaid = False if entry["kind"] == "endpoint" else None
        said = {"trained": entry.get("trained_on_this_data", unsaid), "input": entry.get("input")}
        table[name] = {"label": entry.get("label", name), "base": name, "family": entry["kind"], **said}
    for name, entry in config["baselines"].items():
        label = entry.get("label", name.replace("_", " "))
        table[name] = {"label": label, "base": name, **baseline, "input": BASELINE_INPUT[name]}
    return table


def trainings_of(config: Configuration, model: str) -> dict[str, int]:
    """The trainings of a model, by their names, with their numbers, ascending; the first bears the model's name."""
    given = config["models"][model]["seeds"]
    first, *others = sorted(given) if isinstance(given, list) else range(1, given + 1)
    return {model: first} | {f"{model}-seed{number}": number for number in others}


def runs_of(config: Configuration, system: str) -> list[str]:
    """What writes the captions of a row: the system itself, or each training of a model that has several seeds."""
    return list(trainings_of(config, system)) if system in config["models"] else [system]


def untrained_systems(config: Configuration) -> Iterator[tuple[str, str, str, str]]:
    """The systems of bases without training: base, name of the system, family, input."""
    for name, base in config["bases"].items():
        for family, is_there in (("zero_shot", base["zero_shot"]), ("few_shot", "few_shot" in base)):
            for input in base["inputs"] if is_there else ():
                end = "" if input == "code" else f"-{input}"
                yield name, f"{name}-{family.replace('_', '-')}{end}", family, input


def system_names(config: Configuration) -> Iterator[tuple[str, str]]:
    """The name of every system with the key path of its entry, in the order of the configuration."""
    for base, system, family, _ in untrained_systems(config):
        yield f"bases.{base}" + (".few_shot" if family == "few_shot" else ""), system
    for key in ("models", "captioners", "systems", "baselines"):
        for name in config[key]:
            yield f"{key}.{name}", name


def run_names(config: Configuration) -> Iterator[tuple[str, str]]:
    """The names of everything that captions, with the key paths: of each system, and of each training of a model."""
    for path, name in system_names(config):
        yield path, name
        for run in runs_of(config, name)[1:]:
            yield f"{path}.seeds", run


def order_keys(config: Configuration) -> Configuration:
    """The configuration with the keys of every mapping sorted, so that their order in the file makes nothing stale.

    Only the systems' entries keep theirs: it is the order of the rows.
    """
    rows = ("bases", "models", "captioners", "systems", "baselines")
    return {
        key: {name: _sorted(entry) for name, entry in value.items()} if key in rows else _sorted(value)
        for key, value in sorted(config.items())
    }


def _sorted(value: Any) -> Any:
    """A value whose mappings, at any depth, have sorted keys."""
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def model_folder_name(source: dict[str, Any]) -> str:
    """Folder of a fetched model in the store; two experiments share it exactly when the source agrees.

    A path counts as it is written, so that a checkout that moves with its relative folders keeps its models.
    """
    if "hub" in source:
        return f"{source['hub'].replace('/', '--')}@{source['revision'][:12]}"
    if "package" in source:
        return f"{source['package']}@{source['version']}"
    path = Path(source["path"])
    return f"{path.name}@{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def model_sources(config: Configuration) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every model source of the experiment with its key path."""
    for name, base in config["bases"].items():
        if "source" in base:
            yield f"bases.{name}.source", base["source"]
        for part in ("vision", "language") if "build" in base else ():
            yield f"bases.{name}.build.{part}", base["build"][part]
    for name, captioner in config["captioners"].items():
        yield f"captioners.{name}.source", captioner["source"]
        if "tokenizer" in captioner:
            yield f"captioners.{name}.tokenizer", captioner["tokenizer"]
    for name, options in config["metric_options"].items():
        if "source" in options:
            yield f"metric_options.{name}.source", options["source"]
    clip = config.get("clip", {})
    if "source" in clip:
        yield "clip.source", clip["source"]
    for tower in ("vision", "text") if "train" in clip else ():
        yield f"clip.train.{tower}", clip["train"][tower]


def fetched_sources(config: Configuration) -> dict[str, dict[str, Any]]:
    """Every model source of the experiment by its folder name in the store."""
    return {model_folder_name(source): source for _, source in model_sources(config)}


def training_seed(seed: int, number: int) -> int:
    """The seed of the training with this number; that of the first is the stage's own."""
    return stage_seed(seed, "train_lora" if number == 1 else f"train_lora {number}")


def stage_seed(seed: int, stage: str) -> int:
    """The seed of a stage, derived from the experiment's; below 2**31 for every library."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{stage}".encode()).digest()[:4], "big") >> 1
