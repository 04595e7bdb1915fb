"""Checkpoints that a retry can trust: whole by their checksum manifest, found again, rotated, set aside.

A training's folder `checkpoints/` holds identity.json (training/identity.py: what a resumed run must agree in), the
prepared tokens, checkpoint-<step>/ with a checksum manifest, and best-<step>/, the adapters of the best evaluations.
Checkpoints of another identity are not removed: they lie in `set_aside/<digest of their identity>/` beside it, and are
used again when the settings are put back.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

from core.command import InputError, log
from core.identity import changed_parts
from core.records import read_json, write_json
from models.files import file_digest
from training.history import best_evaluation
from training.identity import RECORDED_ONLY, training_digest
from training.settings import LOSS

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path) -> None:
    """Write the checksum manifest of a folder's files, last of all: what has none or differs from it is not whole."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    write_json(folder / CHECKSUMS, {str(path.relative_to(folder)): file_digest(path) for path in sorted(files)})


def is_whole(folder: Path) -> bool:
    """Whether a folder has a checksum manifest and each of its files is as it was then."""
    try:
        checksums = read_json(folder / CHECKSUMS)
    except (InputError, UnicodeDecodeError):  # killed before it was written, or a damaged file
        return False
    return all((folder / name).is_file() and file_digest(folder / name) == checksums[name] for name in checksums)


def step_of(folder: Path) -> int:
    """The step in the name of a checkpoint or best adapter."""
    return int(folder.name.rsplit("-", 1)[1])


def find_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=step_of)


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint to resume from; None for a fresh start. Broken ones are said and removed."""
    for checkpoint in reversed(find_checkpoints(folder)):
        if is_whole(checkpoint):
            return checkpoint
        log("train_lora", f"warning: {checkpoint.name} is not whole and is skipped; the one before it is used")
        shutil.rmtree(checkpoint)
    return None


def agree_with(folder: Path, identity: dict[str, Any]) -> None:
    """Make `folder` the checkpoints of this training: those of another are set aside, its own are taken back.

    The identity beside them is that of the first start; each attempt adds its code and libraries to attempts.json, and
    a warning says where they changed.
    """
    before = read_identity(folder)
    if training_digest(before) != training_digest(identity):
        if kept := set_aside(folder, before):
            changed = ", ".join(changed_parts(before, identity))
            whose = f"whose checkpoints are set aside in {kept}"
            log("train_lora", f"starts anew: {changed} changed since the interrupted run, {whose}")
        own = set_aside_folder(folder, identity)
        if own.is_dir():
            own.rename(folder)
            log("train_lora", f"takes the checkpoints of these settings back from {own}")
    if not (folder / "identity.json").is_file():
        write_json(folder / "identity.json", identity)
    note_attempt(folder, identity)


def read_identity(folder: Path) -> dict[str, Any]:
    """The identity beside the checkpoints; an empty one where there is none that can be read."""
    try:
        return read_json(folder / "identity.json")
    except (InputError, UnicodeDecodeError):
        return {}


def set_aside_folder(folder: Path, identity: dict[str, Any]) -> Path:
    """Where the checkpoints of an identity lie while another training has the folder."""
    return folder.parent / "set_aside" / training_digest(identity)


def set_aside(folder: Path, before: dict[str, Any]) -> Path | None:
    """Move the checkpoints of another training out of the way; None where there is no checkpoint to keep."""
    if not find_checkpoints(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    target = free_path(set_aside_folder(folder, before))
    target.parent.mkdir(parents=True, exist_ok=True)
    return folder.rename(target)


def remove_finished(folder: Path, identity: dict[str, Any]) -> None:
    """Remove the checkpoints of a training whose result is in the store; those of another are set aside."""
    before = read_identity(folder)
    if training_digest(before) == training_digest(identity):
        # Renamed first: checkpoints that are half removed would be those of an unknown training.
        folder.rename(free_path(folder.with_name(f"{folder.name}.finished")))
    elif kept := set_aside(folder, before):
        log("train_lora", f"the checkpoints of an interrupted training are set aside in {kept}")
    for finished in folder.parent.glob(f"{folder.name}.finished*"):
        shutil.rmtree(finished)


def free_path(path: Path) -> Path:
    """The path itself, or with the first number at its end that is not taken."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(other for other in numbered if not other.exists())


def note_attempt(folder: Path, identity: dict[str, Any]) -> None:
    """Add the code and libraries of this attempt to attempts.json; warn where they are not those of the one before.

    Neither throws checkpoints away: hours of training weigh more than the last bits that a library may change.
    """
    attempt = {key: identity[key] for key in RECORDED_ONLY}
    attempts = read_attempts(folder)
    if attempts and attempts[-1] != attempt:
        changed = ", ".join(changed_parts(attempts[-1], attempt))
        log("train_lora", f"warning: {changed} changed since the interrupted run; the training goes on all the same")
    if attempt not in attempts[-1:]:
        write_json(folder / "attempts.json", [*attempts, attempt])


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """Code and libraries of a training's attempts, each that differs from the one before."""
    path = folder / "attempts.json"
    return read_json(path) if path.is_file() else []


def rotate_checkpoints(folder: Path, n_kept: int) -> None:
    """Remove all but the newest checkpoints."""
    for checkpoint in find_checkpoints(folder)[:-n_kept]:
        shutil.rmtree(checkpoint)


def rotate_bests(folder: Path, log_history: list[dict[str, Any]], best_by: str = LOSS) -> None:
    """Remove the best adapters with which neither this run nor one resumed from a checkpoint can end."""
    ends = [step_of(checkpoint) for checkpoint in find_checkpoints(folder)]
    histories = [log_history, *([record for record in log_history if record["step"] <= end] for end in ends)]
    needed = {best[0] for history in histories if (best := best_evaluation(history, best_by))}
    for path in folder.glob("best-*"):
        if step_of(path) not in needed:
            shutil.rmtree(path)
