"""The meaning of a script's code as a short digest, so that rules rerun when it changes and only then.

A rule passes `code_digest("score_text")` as a parameter. The digest covers the syntax trees of the script and of the
project's modules that it imports, directly or not, with comments, docstrings and formatting left out: reformatting,
file times, clones and moves change nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]


def code_digest(script: str, *more: str) -> str:
    """Digest of the scripts `script` and `more`, named without .py: "code " and 12 hexadecimal digits.

    Names may point into packages: "scoring/metrics/bleu" is that file below workflow/scripts.
    Give as `more` what a script loads by name at run time, which no import shows.
    """
    files = sorted(set().union(*(_reached_files(SCRIPTS / f"{name}.py") for name in (script, *more))))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(SCRIPTS)}\n{_read(file)[0]}\n".encode())
    return f"code {digest.hexdigest()[:12]}"


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of all files below a folder: its name and 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(
            f"{file.relative_to(folder).as_posix()}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return f"{folder.name} {digest.hexdigest()[:12]}"


def _reached_files(script: Path) -> set[Path]:
    reached, waiting = set(), [script]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting.extend(_imported_files(file))
    return reached


@functools.cache
def _imported_files(file: Path) -> tuple[Path, ...]:
    return tuple(path for name in _read(file)[1] if (path := _module_file(name)))


def _module_file(name: str) -> Path | None:
    path = SCRIPTS.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _read(file: Path) -> tuple[str, list[str]]:
    """The meaning of a file and the names that it imports, in one pass: every start of Snakemake waits for this."""
    imported: list[str] = []
    shape = _shape(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)), imported)
    return repr(shape), imported


def _shape(value: object, imported: list[str]) -> object:
    """A syntax tree as nested tuples, without docstrings; `imported` gets the names of modules.

    Unlike ast.dump, empty fields are left out: each Python release adds some.
    """
    if isinstance(value, list):
        return tuple(_shape(one, imported) for one in value)
    if not isinstance(value, ast.AST):
        return value
    if isinstance(value, ast.Import | ast.ImportFrom):
        imported += _imported_names(value)
    elif isinstance(value, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        _drop_docstring(value)
    fields = ((name, _shape(field, imported)) for name, field in ast.iter_fields(value) if field not in (None, []))
    return (type(value).__name__, *fields)


def _imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module:
        yield node.module
        # `from package import module` imports a file as well
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
