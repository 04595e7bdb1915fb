"""How the project lies in its folders: small files, one name for a rule and its script, commands above packages.

Each check tells the faults of a folder, and is shown a folder that has one.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ("workflow", "tests", "benchmarks", "docs", "envs")  # of the project's folder, all that may hold Python files
MAX_LINES = 400
MAX_LINES_OF_COMMON = 150


def long_files(folders: list[Path]) -> list[str]:
    """The Python files in folders that have too many lines."""
    lengths = {path: len(path.read_text().splitlines()) for folder in folders for path in folder.rglob("*.py")}
    return [f"{path.name} has {length} lines" for path, length in sorted(lengths.items()) if length > MAX_LINES]


def faults_of_rules(folder: Path) -> list[str]:
    """Rules of a folder of *.smk whose script has another name, without a docstring that says which and why.

    A rule made from another one (`use rule`) has the other's script and docstring. A rule says why by naming the
    script in its docstring.
    """
    faults = []
    for path in sorted(folder.glob("*.smk")):
        starts = list(re.finditer(r"^ *(?:rule|checkpoint) (\w+):\n", path.read_text(), re.MULTILINE))
        ends = [start.start() for start in starts] + [len(path.read_text())]
        for start, end in zip(starts, ends[1:], strict=True):
            body = path.read_text()[start.end() : end]
            script = re.search(r'script=script\("(\w+)"\)', body)
            docstring = re.match(r'\s*"""(.*?)"""', body, re.DOTALL)
            if not script:
                faults.append(f"{start[1]} has no script")
            elif script[1] != start[1] and not (docstring and re.search(rf"\b{script[1]}\b", docstring[1])):
                faults.append(f"{start[1]} runs {script[1]} and does not say why")
    return faults


def faults_of_common(folder: Path) -> list[str]:
    """That the functions which rules share have become too many."""
    n_lines = len((folder / "common.smk").read_text().splitlines())
    return [f"common.smk has {n_lines} lines"] if n_lines > MAX_LINES_OF_COMMON else []


def repeated_names(scripts: Path) -> list[str]:
    """Modules whose name starts with that of their package."""
    modules = [path for path in sorted(scripts.glob("*/**/*.py")) if path.stem.startswith(path.parent.name)]
    return [path.relative_to(scripts).as_posix() for path in modules]


def imported_names(path: Path) -> set[str]:
    """The first parts of the names of all modules that a module imports, also inside its functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def imports_of_commands(scripts: Path) -> list[str]:
    """Modules of packages that import a command."""
    commands = {path.stem for path in scripts.glob("*.py")}
    return [
        f"{path.relative_to(scripts).as_posix()} imports {name}"
        for path in sorted(scripts.glob("*/**/*.py"))
        for name in sorted(imported_names(path) & commands)
    ]


def is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def no_commands(scripts: Path) -> list[str]:
    """Modules that lie beside the commands and cannot be run."""
    return [
        path.name
        for path in sorted(scripts.glob("*.py"))
        if not any(is_main_guard(node) for node in ast.parse(path.read_text()).body)
    ]


SCRIPTS = ROOT / "workflow" / "scripts"
RULES = ROOT / "rules"


def test_no_python_file_is_long():
    assert long_files([ROOT / name for name in CODE]) == []


def test_a_rule_and_its_script_have_one_name_or_the_rule_says_why():
    assert faults_of_rules(RULES) == []


def test_what_rules_share_stays_small():
    assert faults_of_common(RULES) == []


def test_no_module_repeats_the_name_of_its_package():
    assert repeated_names(SCRIPTS) == []


def test_packages_import_no_command():
    assert imports_of_commands(SCRIPTS) == []


def test_what_lies_beside_the_packages_are_commands():
    assert no_commands(SCRIPTS) == []


def test_the_checks_look_at_the_projects_files():
    assert all(any((ROOT / name).rglob("*.py")) for name in CODE)
    assert len(list(SCRIPTS.glob("*/**/*.py"))) > 100
    assert {"captioning.smk", "scoring.smk"} <= {path.name for path in RULES.glob("*.smk")}
    assert imported_names(SCRIPTS / "preprocess_svg.py") >= {"argparse", "core", "svg"}


def write(folder: Path, **files: str) -> Path:
    """Write files into a folder; `a__b` is the file a/b.py, and a name with a dot stays as it is."""
    for name, text in files.items():
        path = folder / (name if "." in name else name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_long_file_is_found(tmp_path):
    write(tmp_path, short="x = 1\n" * 400, svg__long="x = 1\n" * 401)
    assert long_files([tmp_path]) == ["long.py has 401 lines"]


RULE = '''rule {name}:
    """{docstring}"""
    params:
        script=script("{script}"),
'''


@pytest.mark.parametrize(
    ("name", "docstring", "faults"),
    [
        ("render_png", "Render.", []),
        ("fetch_dataset", "Stream a dataset.", ["fetch_dataset runs render_png and does not say why"]),
        ("fetch_dataset", "Runs render_png, which reads datasets too.", []),
    ],
)
@pytest.mark.parametrize("indent", ["", "    "])  # rules inside an `if` or a loop
def test_a_rule_that_runs_another_script_without_a_word_is_found(tmp_path, name, docstring, faults, indent):
    first = RULE.format(name="first", docstring="First.", script="first")
    rule = indent + RULE.format(name=name, docstring=docstring, script="render_png")
    text = f"{first}\n\n{rule}"
    write(tmp_path, **{"a.smk": text, "common.smk": "X = 1\n"})
    assert faults_of_rules(tmp_path) == faults


def test_a_rule_without_script_is_found(tmp_path):
    write(tmp_path, **{"a.smk": 'rule a:\n    """A."""\n    shell:\n        "touch {output}"\n'})
    assert faults_of_rules(tmp_path) == ["a has no script"]


def test_a_large_common_is_found(tmp_path):
    write(tmp_path, **{"common.smk": "\n" * 151})
    assert faults_of_common(tmp_path) == ["common.smk has 151 lines"]
    write(tmp_path, **{"common.smk": "\n" * 150})
    assert faults_of_common(tmp_path) == []


def test_a_repeated_name_is_found(tmp_path):
    write(tmp_path, svg__svg_clean="", svg__clean="", svg__parts__parts_a="", svg_tool="")
    assert repeated_names(tmp_path) == ["svg/parts/parts_a.py", "svg/svg_clean.py"]


@pytest.mark.parametrize(
    "text",
    ["import render", "from render import main", "def late():\n    from render import main\n", "import os, render"],
)
def test_a_package_that_imports_a_command_is_found(tmp_path, text):
    write(tmp_path, render="", svg__clean=text, svg__parse="from svg import render\nfrom . import render\n")
    assert imports_of_commands(tmp_path) == ["svg/clean.py imports render"]


def test_a_helper_among_the_commands_is_found(tmp_path):
    write(tmp_path, helper="x = 1\n", render='if __name__ == "__main__":\n    print()\n', svg__clean="")
    assert no_commands(tmp_path) == ["helper.py"]
