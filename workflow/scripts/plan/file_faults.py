"""Faults of the files and folders that a configuration names: missing ones, and those that hold something else.

Of data files only the first records are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from plan.configuration import model_sources, run_names, system_names
from plan.metrics import score_files
from plan.record_faults import N_RECORDS, first_records, record_faults
from plan.schema import Configuration
from samples.left_out import read_list
from scoring.ballots import ballot_faults, read_ballot
from scoring.imported import check_record

PROJECT = Path(__file__).parents[3]
# What a CLIP folder holds; models/clip_model.py has the same names, but imports torch.
CLIP_FILES = ("open_clip_config.json", "open_clip_model.safetensors")


def file_faults(config: Configuration) -> Iterator[str]:
    """The faults of a configuration whose defaults are filled in."""
    for name, source in config["dataset"]["sources"].items():
        if "path" in source:
            yield from _source_faults(f"dataset.sources.{name}", Path(source["path"]), source)
    yield from _list_faults(config["dataset"]["leave_out"])
    for name, system in config["systems"].items():
        if "path" in system:  # an endpoint has none
            yield from _captions_faults(f"systems.{name}", Path(system["path"]), system["fields"])
    for name, entry in score_files(config).items():
        yield from _scores_faults(f"scores_from.{name}", Path(entry["path"]), [run for _, run in run_names(config)])
    yield from _vote_faults(config["human_votes"], [name for _, name in system_names(config)])
    for path, source in model_sources(config):
        if "path" in source and "package" not in source:
            yield from _model_faults(path, Path(source["path"]))
    for name, captioner in config["captioners"].items():
        if "environment" in captioner:
            yield from _environment_faults(f"captioners.{name}.environment", captioner["environment"])
    yield from _font_faults(config["render"]["fonts"])


def _list_faults(paths: list[str]) -> Iterator[str]:
    for place, path in enumerate(paths):
        try:
            read_list(Path(path))
        except InputError as error:
            yield f"dataset.leave_out[{place}]: {error}"


def _source_faults(key: str, path: Path, source: Mapping[str, Any]) -> Iterator[str]:
    if not path.exists():
        yield f"{key}.path: {path} does not exist (looked from {Path.cwd()})"
    elif path.is_file() and path.stat().st_size == 0:
        yield f"{key}.path: {path} is empty; it must hold samples"
    elif path.is_file() or source["fields"] or "format" in source or "where" in source:
        yield from record_faults(key, path, source)


def _captions_faults(key: str, path: Path, fields: Mapping[str, str]) -> Iterator[str]:
    from captions.prediction_files import iterate_records
    from captions.predictions import read_prediction

    if not path.is_file():
        yield f"{key}.path: {path} does not exist (looked from {Path.cwd()})"
        return
    try:
        for position, record in enumerate(itertools.islice(iterate_records(path, fields), N_RECORDS)):
            read_prediction(f"{path}, record {position}", position, record, fields, [])
    except InputError as error:  # of the first such record: the others mostly have the same
        yield f"{key}: {error}"


def _scores_faults(key: str, path: Path, systems: list[str]) -> Iterator[str]:
    """What the first records of a file of scores show: a missing field, an unknown system, a value that is no number.

    The ids are compared with the samples when these are there.
    """
    if not path.is_file():
        yield _missing_file(key, path)
        return
    try:
        for position, record in enumerate(first_records(path)[0]):
            check_record(f"{path}, record {position}", record, systems)
    except InputError as error:  # of the first such record: the others mostly have the same
        yield f"{key}: {error}"


def _vote_faults(paths: list[str], systems: list[str]) -> Iterator[str]:
    """Files that hold no votes, two of one rater, votes on unknown systems. Samples and captions are not there yet."""
    ballots = []
    for place, path in enumerate(map(Path, paths)):
        if not path.is_file():
            yield _missing_file(f"human_votes.{place}", path)
            continue
        try:
            ballots.append(read_ballot(path))
        except InputError as error:
            yield f"human_votes.{place}: {error}"
    yield from (f"human_votes: {fault}" for fault in ballot_faults(ballots, systems))


def _missing_file(key: str, path: Path) -> str:
    """The fault of a file that is not there, with the files beside it."""
    near = sorted(str(one) for one in path.parent.glob("*") if one.is_file()) if path.parent.is_dir() else []
    hint = f"; {propose_name(path, near, most=5)}" if near else ""
    return f"{key}: {path} does not exist (looked from {Path.cwd()}){hint}"


def _model_faults(key: str, folder: Path) -> Iterator[str]:
    from models.files import check_model_folder

    if not folder.is_dir():
        yield f"{key}.path: the model folder {folder} does not exist (looked from {Path.cwd()})"
    elif key == "clip.source":
        missing = [name for name in CLIP_FILES if not (folder / name).is_file()]
        if missing:
            yield (
                f"{key}.path: {folder} is no CLIP folder in open_clip's format: it has no {' and no '.join(missing)}; "
                "workflow/scripts/make_clip_folder.py makes such a folder of bare weights"
            )
    else:
        try:
            check_model_folder(folder)
        except InputError as error:
            yield f"{key}.path: {error}"


def _environment_faults(key: str, environment: str) -> Iterator[str]:
    """A conda environment file is named from the project's folder, whatever the working directory is."""
    if not Path(f"{PROJECT}/{environment}").is_file():
        known = sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "envs").glob("*.yaml"))
        yield f"{key}: the project folder {PROJECT} has no {environment}; {propose_name(environment, known)}"


def _font_faults(fonts: list[str]) -> Iterator[str]:
    from rendering.fonts import find_fonts

    for font in fonts:
        try:
            find_fonts((font,))
        except InputError as error:
            yield str(error)
