"""AST digests of code: they change when code computes something else, and only then.

`code_digest("score_text", "scoring/metrics/cider")` covers the syntax trees of these scripts and of all project modules
that they import, directly or not, without comments, docstrings and formatting. It goes by content: a file's time, its
path and the module path in an import of ours take no part, so that clones, moves and renames change nothing.

    parameter of a rule    the rule runs again when its code changes (rules/common.smk)
    `--planned-code`       a job refuses to run when its code changed after the run was planned (core/command.py)
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
# Digests of another scheme say nothing about these: they are never compared.
SCHEME = "ast2"


def code_digest(*scripts: str, root: Path = SCRIPTS) -> str:
    """Digest of scripts named without .py: "ast2 <scripts joined by +> <12 hexadecimal digits>".

    Names may point into packages: "scoring/metrics/bleu" is that file below `root`. Give also the modules that a script
    loads by name at run time, which no import shows. Raises FileNotFoundError for a script that does not exist.
    """
    reached = set().union(*(_reached_files(root / f"{name}.py", root) for name in scripts))
    contents = sorted(_read(file, root)[0] for file in reached)
    return f"{SCHEME} {'+'.join(scripts)} {hashlib.sha256(''.join(contents).encode()).hexdigest()[:12]}"


def code_has_changed(planned: str, root: Path = SCRIPTS) -> bool:
    """Whether the scripts that a digest names have another digest now. A digest of another scheme never has."""
    scheme, _, rest = planned.partition(" ")
    return scheme == SCHEME and code_digest(*rest.split(" ")[0].split("+"), root=root) != planned


def _reached_files(script: Path, root: Path) -> set[Path]:
    reached, waiting = set(), [script]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting.extend(_read(file, root)[1])
    return reached


@functools.cache
def _read(file: Path, root: Path) -> tuple[str, tuple[Path, ...]]:
    """The digest of a file's content and the project files that it imports, in one pass: each start waits for this."""
    reader = _ImportReader(file, root)
    shape = reader.shape(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)))
    return hashlib.sha256(repr(shape).encode()).hexdigest(), tuple(dict.fromkeys(reader.files))


class _ImportReader:
    """Turns a syntax tree into nested tuples and collects the project files that the file imports."""

    def __init__(self, file: Path, root: Path):
        self.root = root
        self.package = file.relative_to(root).parent.parts
        self.files: list[Path] = []

    def shape(self, value: object) -> object:
        """A syntax tree as nested tuples, without docstrings and without the paths of our own modules.

        Unlike ast.dump, empty fields are left out: each Python release adds some.
        """
        if isinstance(value, list):
            return tuple(self.shape(one) for one in value)
        if not isinstance(value, ast.AST):
            return value
        if isinstance(value, ast.ImportFrom) and (ours := self._from_import(value)) is not None:
            return ours
        if isinstance(value, ast.Import):
            for alias in value.names:
                self.files += self._module_files(tuple(alias.name.split(".")))
        elif isinstance(value, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(value)
        fields = ((name, self.shape(field)) for name, field in ast.iter_fields(value) if field not in (None, []))
        return (type(value).__name__, *fields)

    def _from_import(self, node: ast.ImportFrom) -> object | None:
        """The shape of `from <module of ours> import ...`, without the module's path; None for another library."""
        parents = self.package[: len(self.package) - node.level + 1] if node.level else ()
        module = (*parents, *(node.module.split(".") if node.module else ()))
        found = list(self._module_files(module))
        for alias in node.names:  # `from package import module` imports a file as well
            found += self._module_files((*module, alias.name))
        self.files += found
        return ("ImportFrom", *((alias.name, alias.asname) for alias in node.names)) if found else None

    def _module_files(self, module: tuple[str, ...]) -> Iterator[Path]:
        """The file of a module below the root and the `__init__.py` of its parent packages, as Python runs them."""
        for end in range(1, len(module) + 1):
            path = self.root.joinpath(*module[:end])
            candidates = [path / "__init__.py"] if path.is_dir() else [path.with_suffix(".py")]
            yield from (candidate for candidate in candidates if candidate.is_file())


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
