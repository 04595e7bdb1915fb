"""Where the models of an experiment lie: folders of the user, of the store, and bases that are built here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plan.configuration import Configuration, model_folder_name


@dataclass(frozen=True)
class Model:
    """A model folder and the manifest that is there when it is complete."""

    folder: str
    manifest: str


@dataclass(frozen=True)
class Build:
    """A base that is built of a vision tower and a language model, with the pictures of this experiment."""

    model: Model
    vision: Model
    language: Model
    settings: dict[str, Any]


def model_of(config: Configuration, source: dict[str, Any]) -> Model:
    """The folder of a model: the user's own for `path`, one of the store otherwise."""
    folder = f"{config['model_store']}/{model_folder_name(source)}"
    own = "path" in source and "package" not in source
    return Model(source["path"] if own else folder, f"{folder}/manifest.json")


def base_of(config: Configuration, name: str) -> Model:
    """The folder of an entry of `bases`: one of this experiment where it is built of pictures of the train split."""
    if "build" not in config["bases"][name]:
        return model_of(config, config["bases"][name]["source"])
    folder = f"results/{config['experiment']}/bases/{name}"
    return Model(folder, f"{folder}/manifest.json")


def builds(config: Configuration) -> dict[str, Build]:
    """The bases that are built here."""
    return {
        name: Build(
            base_of(config, name),
            model_of(config, base["build"]["vision"]),
            model_of(config, base["build"]["language"]),
            base["build"]["settings"],
        )
        for name, base in config["bases"].items()
        if "build" in base
    }
