"""Check a configuration and print its faults.

python workflow/scripts/check_configuration.py config.yaml
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from core.command import InputError, run_command
from plan.duplicate_keys import duplicate_keys
from plan.faults import find_faults
from plan.schema import load_schema


def main(*, configuration: Path) -> None:
    """Check a configuration file; raises InputError that lists its faults."""
    import yaml

    if not configuration.is_file():
        raise InputError(f"{configuration} does not exist")
    try:
        config = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{configuration} is not YAML: {re.sub(chr(10) + ' *', ' ', str(error))}") from error
    faults = duplicate_keys(configuration) + find_faults({} if config is None else config, load_schema())
    if faults:
        raise InputError(f"{configuration} has {len(faults)} fault(s):\n  " + "\n  ".join(faults))
    sys.stdout.write(f"{configuration}: no faults\n")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Check a configuration and print its faults.")
    parser.add_argument("configuration", type=Path, help="the experiment's YAML file")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
