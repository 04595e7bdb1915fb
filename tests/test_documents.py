"""The commands that README, documents, Makefile and the scripts' help give are taken as they are meant."""

import ast
import importlib.util
import re
import shlex
import sys

import pytest
from snakemake.cli import get_argument_parser
from workflow_runs import ROOT

import audit_dataset
import import_scores
import new_experiment
import preprocess_svg
import shard_source
from plan.schema import load_schema, resolve_node
from readers.folder import DATA_FILES, DATASETS

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


def test_commands_that_read_datasets_name_the_formats():
    for module in (audit_dataset, preprocess_svg, shard_source, new_experiment):
        help_text = " ".join(module.build_parser().format_help().split())
        assert DATASETS in help_text
        assert "entries.py" not in help_text
    assert DATA_FILES in " ".join(import_scores.build_parser().format_help().split())


# A file of the project, not one that a run or a person makes.
NAMED_FILE = re.compile(r"(?<![\w/.<>{}*…-])((?:[\w.-]+/)+[\w-]+\.(?:py|smk|md|yaml|lock|toml))\b(?![\w<*{/])")
MADE_FILES = {"results/demo/README.md", "metrics/n_words.py"}  # by a run; an example of a file to add
HELP_TEXTS = [*(ROOT / "workflow" / "scripts").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]


def test_the_files_that_documents_and_help_texts_name_are_there():
    """A path may be as it is from any folder of the project."""
    folders = [ROOT / name for name in ("benchmarks", "docs", "envs", "profiles", "rules", "tests", "workflow")]
    files = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*.*"))]
    parts = [path.relative_to(ROOT).parts for path in files]
    texts = {file: file.read_text(encoding="utf-8") for file in FILES}
    texts |= {file: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" for file in HELP_TEXTS}
    named = {(file.name, path) for file, text in texts.items() for path in NAMED_FILE.findall(text)}
    assert len(named) > 100
    known = {"/".join(path[start:]) for path in parts for start in range(len(path))}
    assert sorted((file, path) for file, path in named if path not in known | MADE_FILES) == []


def test_the_targets_of_make_that_documents_name_are_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for file in FILES for name in re.findall(r"(?:`|^ {4})make ([\w-]+)", file.read_text(), re.MULTILINE)}
    assert {"demo", "test", "try"} <= named
    assert named - targets == set()


def has_key(node, names):
    """Whether the schema knows a key by its path, in which a name of the user's own may be left out."""
    node = resolve_node(node)
    if not names or has_key_inside(node.get("properties", {}), names):
        return True
    entries = node.get("additionalProperties")
    return isinstance(entries, dict) and (has_key(entries, names) or has_key(entries, names[1:]))


def has_key_inside(properties, names):
    return names[0] in properties and has_key(properties[names[0]], names[1:])


def test_the_settings_that_documents_name_are_there():
    schema = load_schema()
    texts = {file.name: file.read_text(encoding="utf-8") for file in FILES}
    pattern = r"`([a-z_]+(?:\.(?:<\w+>|[a-z_]+))+)(?::[^`]*)?`"
    named = {(file, path) for file, text in texts.items() for path in re.findall(pattern, text)}
    settings = {
        (file, path)
        for file, path in named
        if path.split(".")[0] in schema["properties"] and not path.endswith((".html", ".csv", ".json", ".txt"))
    }
    assert len(settings) > 40
    assert sorted((file, path) for file, path in settings if not has_key(schema, path.split("."))) == []
