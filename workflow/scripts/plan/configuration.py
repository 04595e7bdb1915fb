"""What a configuration means: its faults in words, and the look-ups that rules need.

`find_faults(config, schema)` lists every fault of a configuration with key path, value and mend.
The other functions take a checked configuration with its defaults filled in (rules/common.smk does both)
and answer questions: which systems there are, where a model lies, with which settings it is trained.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.command import InputError
from scoring.metrics import Metric, load_metric

SCRIPTS = Path(__file__).parents[1]
Configuration = dict[str, Any]

# The order in which families appear in tables and figures.
FAMILIES = ("zero_shot", "few_shot", "lora", "captioner", "file", "baseline")


def find_faults(config: Configuration, schema: Configuration) -> list[str]:
    """Every fault of a configuration as a line: key path, value, what would be right.

    First the schema (unknown keys with the nearest valid name, types, ranges), and if that holds, what no schema can
    say: names that refer to each other, files that must exist, settings that must agree.
    """
    faults = sorted(set(_schema_faults(config, schema)))
    return faults or list(_cross_faults(config))


def _schema_faults(config: Configuration, schema: Configuration) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema).iter_errors(config):
        path = ".".join(str(part) for part in error.absolute_path)
        yield from _fault_lines(path, error)


def _fault_lines(path: str, error: Any) -> Iterator[str]:
    where = path or "the top level"
    prefix = f"{path}." if path else ""
    described = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known), key=str):
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(known)}"
            yield f"{prefix}{key}: unknown key; {hint}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        for key in missing:
            description = error.schema.get("properties", {}).get(key, {}).get("description", "")
            yield f"{prefix}{key}: missing in {where}; {description}".rstrip("; ")
    elif error.validator == "enum":
        choices = [str(choice) for choice in error.validator_value]
        near = difflib.get_close_matches(str(error.instance), choices, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        yield f"{where}: {error.instance!r} is none of {', '.join(choices)}. {hint}{described}".rstrip()
    elif error.validator == "oneOf":
        choices = [" and ".join(option["required"]) for option in error.validator_value if "required" in option]
        yield f"{where}: needs exactly one of: {'; '.join(choices)}{described}"
    elif error.validator == "pattern":
        yield f"{where}: {error.instance!r} does not fit{described or ' ' + error.validator_value}"
    elif error.validator == "not":
        yield f"{where}: {error.instance!r} is a reserved name"
    else:  # type, minimum, maximum, minItems, ...: the library's sentence is clear
        yield f"{where}: {error.message}{described}"


def _cross_faults(config: Configuration) -> Iterator[str]:
    yield from _reference_faults(config)
    yield from _name_faults(config)
    yield from _path_faults(config)
    yield from _metric_faults(config)
    yield from _decoding_faults(config.get("decoding", {}))
    for name, model in config.get("models", {}).items():
        yield from _training_faults(config, name, model)


def _reference_faults(config: Configuration) -> Iterator[str]:
    for name, model in config.get("models", {}).items():
        for key, entries in (("base", config["bases"]), ("preset", config.get("presets", {}))):
            if model[key] not in entries:
                near = difflib.get_close_matches(model[key], entries, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(entries) or 'none'}"
                yield f"models.{name}.{key}: no entry {model[key]!r} in {key}s; {hint}"


def _name_faults(config: Configuration) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path, name in _system_names(config):
        if name in seen:
            yield f"{path}: a system named {name!r} exists already ({seen[name]}); rename one of them"
        seen[name] = path


def _system_names(config: Configuration) -> Iterator[tuple[str, str]]:
    for name, base in config["bases"].items():
        if base.get("zero_shot", True):
            yield f"bases.{name}", f"{name}-zero-shot"
        if "few_shot" in base:
            yield f"bases.{name}.few_shot", f"{name}-few-shot"
    for key in ("models", "captioners", "systems", "baselines"):
        for name in config.get(key, {}):
            yield f"{key}.{name}", name


def _path_faults(config: Configuration) -> Iterator[str]:
    for name, source in config["dataset"]["sources"].items():
        path = source.get("path")
        if path and not Path(path).exists():
            yield f"dataset.sources.{name}.path: {path} does not exist (looked from {Path.cwd()})"
        elif path and Path(path).stat().st_size == 0:
            yield f"dataset.sources.{name}.path: {path} is empty; it must hold samples"
    for name, system in config.get("systems", {}).items():
        if not Path(system["path"]).is_file():
            yield f"systems.{name}.path: {system['path']} does not exist (looked from {Path.cwd()})"
    for path, source in _model_sources(config):
        folder = source.get("path")
        if folder and "package" not in source and not Path(folder).is_dir():
            yield f"{path}.path: the model folder {folder} does not exist (looked from {Path.cwd()})"


def _model_sources(config: Configuration) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, base in config["bases"].items():
        yield f"bases.{name}.source", base["source"]
    for name, captioner in config.get("captioners", {}).items():
        yield f"captioners.{name}.source", captioner["source"]
        if "tokenizer" in captioner:
            yield f"captioners.{name}.tokenizer", captioner["tokenizer"]
    if "source" in config["clip"]:
        yield "clip.source", config["clip"]["source"]
    for name, options in config.get("metric_options", {}).items():
        if "source" in options:
            yield f"metric_options.{name}.source", options["source"]
    for tower in ("vision", "text"):
        if "train" in config["clip"]:
            yield f"clip.train.{tower}", config["clip"]["train"][tower]


def _metric_faults(config: Configuration) -> Iterator[str]:
    known = metric_names()
    for name in config.get("metrics", []):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            yield f"metrics: unknown metric {name!r}; {hint}"
            continue
        try:
            metric = load_metric(name)
        except InputError as error:  # a file of the user's that is no metric
            yield f"metrics: {error}"
            continue
        options = config.get("metric_options", {}).get(name, {})
        if metric.needs_model and "source" not in options:
            yield f"metrics: {name} needs a model; say where it comes from under metric_options.{name}.source"
        if metric.needed_files:
            yield from _folder_faults(metric, options.get("folder"))


def _folder_faults(metric: Metric, folder: str | None) -> Iterator[str]:
    path = f"metric_options.{metric.name}.folder"
    if folder is None:
        yield f"metrics: {metric.name} needs files in a folder that {path} names: {metric.needed_files}"
        return
    try:
        metric.check_folder(Path(folder))
    except InputError as error:
        yield f"{path}: {error}"


def _decoding_faults(decoding: dict[str, Any]) -> Iterator[str]:
    if decoding.get("num_beams", 1) > 1:
        if decoding.get("do_sample"):
            yield "decoding.do_sample: true and num_beams above 1 exclude each other; choose one"
        if decoding.get("engine") == "vllm":
            yield "decoding.num_beams: engine vllm decodes without beams; set 1, or engine: transformers"


def _training_faults(config: Configuration, name: str, model: dict[str, Any]) -> Iterator[str]:
    settings = {**config.get("presets", {}).get(model["preset"], {}), **model.get("settings", {})}
    defaults = load_schema()["$defs"]["training"]["properties"]
    evaluate, save = (settings.get(key, defaults[key]["default"]) for key in ("eval_steps", "save_steps"))
    if save % evaluate:
        yield (
            f"models.{name}: save_steps {save} is no multiple of eval_steps {evaluate}, so the best evaluation may "
            "have no checkpoint; choose a multiple"
        )


def metric_names() -> list[str]:
    """Names of the metrics that can be listed under `metrics`: the modules of the package."""
    return sorted(path.stem for path in (SCRIPTS / "scoring" / "metrics").glob("*.py") if not path.stem.startswith("_"))


def systems(config: Configuration) -> dict[str, dict[str, str]]:
    """Every system of the comparison in the order of the configuration: label, family, base.

    `base` is the entry of `bases` for LLMs and the system's own name otherwise.
    """
    table: dict[str, dict[str, str]] = {}
    for name, base in config["bases"].items():
        if base["zero_shot"]:
            label = f"{base.get('label', name)}, zero-shot"
            table[f"{name}-zero-shot"] = {"label": label, "family": "zero_shot", "base": name}
        if "few_shot" in base:
            label = f"{base.get('label', name)}, {base['few_shot']['k']}-shot"
            table[f"{name}-few-shot"] = {"label": label, "family": "few_shot", "base": name}
    for name, model in config["models"].items():
        table[name] = {"label": model.get("label", name), "family": "lora", "base": model["base"]}
    for name, captioner in config["captioners"].items():
        table[name] = {"label": captioner.get("label", name), "family": "captioner", "base": name}
    for name, system in config["systems"].items():
        table[name] = {"label": system.get("label", name), "family": "file", "base": name}
    for name, baseline in config["baselines"].items():
        label = baseline.get("label", name.replace("_", " "))
        table[name] = {"label": label, "family": "baseline", "base": name}
    return table


def resolve_presets(config: Configuration) -> None:
    """Put each model's preset under its own settings, in place.

    To be called before the schema's defaults are filled in: they would override the preset.
    """
    for model in config.get("models", {}).values():
        model["settings"] = {**config["presets"][model["preset"]], **model.get("settings", {})}


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
    """Folder of a fetched model in the store; two experiments share it exactly when the source agrees."""
    if "hub" in source:
        return f"{source['hub'].replace('/', '--')}@{source['revision'][:12]}"
    if "package" in source:
        return f"{source['package']}@{source['version']}"
    path = Path(source["path"]).resolve()
    return f"{path.name}@{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def fetched_sources(config: Configuration) -> dict[str, dict[str, Any]]:
    """Every model source of the experiment by its folder name in the store."""
    return {model_folder_name(source): source for _, source in _model_sources(config)}


def stage_seed(seed: int, stage: str) -> int:
    """The seed of a stage, derived from the experiment's; below 2**31 for every library."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{stage}".encode()).digest()[:4], "big") >> 1


def as_json(value: Any) -> str:
    """Settings as one argument of a command line, in the order of the configuration."""
    return json.dumps(value, ensure_ascii=False)


def load_schema() -> Configuration:
    """The configuration's JSON schema."""
    import yaml

    path = SCRIPTS.parent / "schemas" / "config.schema.yaml"
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)  # a tenth of the pure loader's time


def default_settings(group: str) -> dict[str, Any]:
    """The defaults of a group of settings (`health`), as the schema states them."""
    return _defaults_of(load_schema()["properties"][group])


def _defaults_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of an object's keys, and of the objects among them; a key without a default is left out."""
    defaults = {}
    for key, value in entry["properties"].items():
        if "properties" in value:
            defaults[key] = _defaults_of(value)
        elif "default" in value:
            defaults[key] = value["default"]
    return defaults
