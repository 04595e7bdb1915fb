"""Trained adapters kept by their identity: a training that was done once is never done again.

Snakemake removes a job's outputs before it runs it. So a complete training links its files into
`trained/<digest of its identity>/` beside them, with identity.json and a checksum manifest. The same training started
again (a setting that only logs was changed, or one was put back; the same data was made anew; the folder was moved)
takes its files from there. Nothing here is ever removed by the workflow.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from core.command import log, write_whole
from core.files import link_or_copy
from core.identity import changed_parts
from core.records import write_json
from training import caption_files
from training.checkpoints import free_path, is_whole, read_identity, write_checksums
from training.identity import training_digest

# In the order in which they are put into place: the weights, by which the workflow knows an adapter, come last.
RESULT_FILES = (
    *("settings.json", "overlong.csv", "history.jsonl", "code_digest.txt", "training.json"),
    *("adapter_config.json", "README.md", "adapter_model.safetensors"),
)

# What a training leaves only where captions are written while it runs.
OPTIONAL_FILES = (caption_files.RESULT,)


def entry_of(output_dir: Path, identity: dict[str, Any]) -> Path:
    """Where the adapter of an identity is kept."""
    return output_dir / "trained" / training_digest(identity)


def keep_trained(output_dir: Path, identity: dict[str, Any]) -> None:
    """Link the files of a complete training into the store."""
    entry = entry_of(output_dir, identity)
    partial = entry.with_name(f"{entry.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in (*present(output_dir), *RESULT_FILES):
        link_or_copy(output_dir / file, partial / file)
    write_json(partial / "identity.json", identity)
    write_checksums(partial)
    if entry.exists():
        entry.rename(free_path(entry))
    partial.rename(entry)


def present(folder: Path) -> list[str]:
    """The optional files that a folder has."""
    return [file for file in OPTIONAL_FILES if (folder / file).is_file()]


def restore_trained(name: str, output_dir: Path, identity: dict[str, Any]) -> bool:
    """Put the files of the same training into place; False where the store does not have them whole."""
    entry = entry_of(output_dir, identity)
    if not entry.is_dir():
        return False
    if not is_whole(entry):
        damaged = entry.rename(free_path(entry.with_name(f"{entry.name}-damaged")))
        log(f"train_lora {name}", f"warning: {damaged} differs from its checksum manifest and is not used")
        return False
    for file in OPTIONAL_FILES:  # of another training
        (output_dir / file).unlink(missing_ok=True)
    for file in (*present(entry), *RESULT_FILES):
        with write_whole(output_dir / file) as partial:
            link_or_copy(entry / file, partial)
    log(f"train_lora {name}", f"restored the trained adapter from {entry}: same data, base and settings")
    changed = changed_parts(read_identity(entry), identity)
    if changed:
        log(
            f"train_lora {name}",
            f"warning: {', '.join(changed)} changed since it was trained; to train it again, move {entry} away first",
        )
    return True
