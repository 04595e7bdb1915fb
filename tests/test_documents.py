"""The commands that README, documents, Makefile and the scripts' help give are taken as they are meant."""

import ast
import importlib.util
import re
import shlex
import sys

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


def examples(script):
    """The commands that a script's help gives, one line each."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    lines = re.sub(r"\\\n\s+", " ", text)
    return re.findall(rf"(?<!\S)python \S*{script.name} ((?:\S| {{1,2}}(?! ))+)", lines)


SCRIPTS = [
    path
    for path in (*(ROOT / "workflow" / "scripts").glob("*.py"), *(ROOT / "benchmarks").glob("*.py"))
    if "def build_parser" in path.read_text(encoding="utf-8") and examples(path)
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_takes_the_commands_of_its_help(script):
    help_text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert not re.search(r"\S {5,}--", help_text), "a line that goes on must end with its backslash, in a raw string"
    specification = importlib.util.spec_from_file_location(f"shown_{script.stem}", script)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look for it there
    specification.loader.exec_module(module)
    for command in examples(script):
        module.build_parser().parse_args(shlex.split(command))
