"""The commands that README, documents and Makefile give are taken as they are meant."""

import re
import shlex

import pytest
from snakemake.cli import get_argument_parser
from workflow_runs import ROOT

FILES = [ROOT / "README.md", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(
    {
        found.strip()
        for file in FILES
        for line in file.read_text(encoding="utf-8").splitlines()
        for found in re.findall(r"(?:^ +|`|/)snakemake((?: +[\w./<>-]+)+)", line)
    }
)


def test_commands_are_found():
    assert "--profile profiles/slurm all" in COMMANDS
    assert len(COMMANDS) > 8


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_swallows_a_target(command):
    """`--configfile mine.yaml all` makes a configuration file of the target."""
    words = shlex.split(command)
    parsed = get_argument_parser().parse_args(words)
    assert len(parsed.configfile or []) <= 1
    assert ("all" in words) == ("all" in parsed.targets)
