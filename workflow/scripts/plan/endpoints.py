"""The systems that endpoints caption: their plan, their faults, and what they will cost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captions.prompts import PromptSettings
from core.command import InputError
from core.records import read_images, read_samples
from generation.endpoints import Endpoint, missing_key, url_fault, variable_fault
from generation.endpoints.estimate import Estimate
from generation.endpoints.prompts import caption_requests, estimate_captions
from generation.endpoints.store import AnswerStore
from plan.schema import Configuration

ENDPOINT_KEYS = ("base_url", "model", "api_key_env", "parallel", "max_new_tokens")
# Keys of `systems.<name>` that belong to one kind alone.
KEYS_OF = {"file": ("path", "fields"), "endpoint": (*ENDPOINT_KEYS, "price")}
NEEDED = {"file": ("path",), "endpoint": ("base_url", "model", "input")}
UNKNOWN_COST = (
    "requests and cost are known once the samples are split: run `snakemake preprocess images` and then `snakemake -n`"
)


@dataclass(frozen=True)
class HostedSystem:
    """A system that an endpoint captions."""

    name: str
    endpoint: dict[str, Any]  # as caption_endpoint.py takes it
    input: str
    images: str | None  # the file of pictures that it reads
    price: dict[str, float] | None

    @property
    def api_key_env(self) -> str | None:
        return self.endpoint.get("api_key_env")


def hosted_systems(config: Configuration, results: str) -> dict[str, HostedSystem]:
    """The entries of `systems` of kind endpoint, by name."""
    return {
        name: HostedSystem(
            name=name,
            endpoint=endpoint_settings(entry, config["decoding"]["max_new_tokens"]),
            input=entry["input"],
            images=f"{results}/images/test.parquet" if entry["input"] != "code" else None,
            price=entry.get("price"),
        )
        for name, entry in config["systems"].items()
        if entry["kind"] == "endpoint"
    }


def endpoint_settings(entry: dict[str, Any], max_new_tokens: int) -> dict[str, Any]:
    """The settings of the class Endpoint in an entry of the configuration."""
    given = {key: entry[key] for key in ENDPOINT_KEYS if key in entry}
    return {"max_new_tokens": max_new_tokens, **given}


def endpoint_faults(config: Configuration) -> Iterator[str]:
    """The faults of `systems`, as a person wrote them: keys of another kind, credentials where none belong."""
    for name, entry in config.get("systems", {}).items():
        path, kind = f"systems.{name}", entry["kind"]
        for key in NEEDED[kind]:
            if key not in entry:
                yield f"{path}.{key}: missing; a system of kind {kind} needs {', '.join(NEEDED[kind])}"
        for key in (key for other, keys in KEYS_OF.items() if other != kind for key in keys):
            if key in entry:
                yield f"{path}.{key}: a system of kind {kind} has no {key}; remove it, or set another kind"
        if kind == "endpoint":
            yield from address_faults(path, entry)


def address_faults(path: str, entry: dict[str, Any]) -> Iterator[str]:
    """What is wrong with address and key of an endpoint."""
    if "base_url" in entry and (fault := url_fault(entry["base_url"])):
        yield f"{path}.base_url: {fault.removeprefix('base_url ')}"
    if fault := variable_fault(entry.get("api_key_env")):
        yield f"{path}.api_key_env: {fault.removeprefix('api_key_env ')}"


def key_faults(systems: dict[str, str | None]) -> list[str]:
    """A line for each system or judge whose key's variable is not set."""
    return [
        missing_key(variable, name)
        for name, variable in systems.items()
        if variable is not None and not os.environ.get(variable, "").strip()
    ]


def expected_cost(system: HostedSystem, prompt: dict[str, Any], samples: Path, store: Path) -> Estimate | None:
    """What a system's captions will cost; None while samples or pictures are not there yet."""
    if not samples.is_file() or (system.images and not Path(system.images).is_file()):
        return None
    endpoint = Endpoint(**system.endpoint)
    try:
        images = {image.id: image for image in read_images(system.images)} if system.images else {}
        settings = PromptSettings.from_json(json.dumps(prompt))
        asked, _ = caption_requests(read_samples(samples), images, endpoint, settings, system.input)
        kept = AnswerStore(store / endpoint.folder)
    except InputError:  # files of another version, which their rules are about to make anew
        return None
    return estimate_captions(asked, kept)
