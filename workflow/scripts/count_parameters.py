"""Count the parameters of a model with its adapter and predict the memory that training takes, without its weights.

Input: a base model folder (only its config.json is read) and training settings as JSON. Output: a table on the
terminal, and with --output the same as JSON. train_lora writes these counts into training.json, with the measured peak.

    python workflow/scripts/count_parameters.py --base DIR --settings '{"r": 16, "quantisation": "nf4"}'

Activations are not predicted: they depend on the batch, and `peak_memory_mb` of a training says what they took.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")


from core.command import InputError, run_command
from core.records import write_json
from training.parameters import count_parameters
from training.settings import TrainingSettings


def main(*, base: Path, settings: str, output: Path | None) -> None:
    """Print the counts; write them where `output` is given."""
    if not (base / "config.json").is_file():
        raise InputError(f"{base} is no model folder: it has no config.json")
    counts = count_parameters(base, TrainingSettings.from_json(settings))
    rows = [(name, value) for name, value in counts.items() if name != "memory_bytes"]
    rows += [(f"{name}, bytes", value) for name, value in counts["memory_bytes"].items()]
    sys.stdout.write("".join(f"{name.replace('_', ' '):<18} {value:>18,}\n" for name, value in rows))
    if output:
        write_json(output, counts)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Count parameters and predict the memory of a training.")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--settings", default="{}", help="training settings as JSON (docs/configuration.md, presets)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
