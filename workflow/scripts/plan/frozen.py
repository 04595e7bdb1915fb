"""What a run was planned with, kept for the jobs that Snakemake starts in processes of their own (on a cluster).

Such a job reads the Snakefile and the configuration again, hours later. Without this, an edit in between would be
computed by the job and recorded by the main process as the result of what it had read at its start. So the main process
writes its configuration, the digests of code and data, and that of the rules; jobs go by them, and a script refuses to
run when its own code has changed since (`--planned-code`, core/command.py).
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json, write_json

VARIABLE = "PLANNED_RUN"  # names the file; jobs inherit it


@dataclass(frozen=True)
class Frozen:
    """A planned run."""

    configuration: dict[str, Any]  # validated, with defaults
    codes: dict[str, str]  # AST digests by scripts
    contents: dict[str, str]  # digests of files and folders by path
    rules: str  # digest of the Snakefile and the rules

    @classmethod
    def of_job(cls, root: Path) -> Frozen | None:
        """The run that started this process; None where nothing names one.

        Raises InputError where the rules are not those that it was planned with.
        """
        record = os.environ.get(VARIABLE)
        if not record or not Path(record).is_file():
            return None
        frozen = cls(**read_json(Path(record)))
        if frozen.rules != rules_digest(root):
            raise InputError(
                "Snakefile or rules/ changed after this run was planned, so that its result would be recorded under "
                "the old rules: let the other jobs end, then start the run again"
            )
        return frozen

    def write(self, folder: Path) -> Path:
        """Write the record and name it to the jobs of this process."""
        record = folder / f"{uuid.uuid4().hex}.json"  # several login nodes may write here
        write_json(record, asdict(self))
        os.environ[VARIABLE] = str(record.resolve())
        return record


def newest_record(folder: Path) -> Path | None:
    """The record of the last run that was planned; None where the folder has none."""
    return max(folder.glob("*.json"), key=lambda record: record.stat().st_mtime_ns, default=None)


def rules_digest(root: Path) -> str:
    """Digest of the Snakefile and of all rules."""
    digest = hashlib.sha256()
    for path in (root / "Snakefile", *sorted((root / "rules").glob("*.smk"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
