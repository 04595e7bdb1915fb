"""AST digests: what changes them and what does not."""

import pytest

from core import code_digest as module
from core.code_digest import code_digest, code_has_changed


@pytest.fixture
def scripts(tmp_path):
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "stage.py").write_text("import os\nfrom helper import double\n\nprint(double(os.cpu_count()))\n")
    return tmp_path


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def digest_of(folder, *names):
    module._read.cache_clear()
    return code_digest(*names, root=folder)


def test_comments_docstrings_and_formatting_change_nothing(scripts):
    before = digest_of(scripts, "stage")
    write(scripts, "helper.py", '"""Helps."""\n\n\ndef double(x):  # twice\n    """Twice x."""\n    return (2*x)\n')
    assert digest_of(scripts, "stage") == before


def test_an_imported_module_counts(scripts):
    before = digest_of(scripts, "stage")
    write(scripts, "helper.py", "def double(x):\n    return 3 * x\n")
    assert digest_of(scripts, "stage") != before


def test_a_module_that_is_not_imported_does_not_count(scripts):
    before = digest_of(scripts, "stage")
    write(scripts, "other.py", "x = 1\n")
    assert digest_of(scripts, "stage") == before


def test_a_module_loaded_by_name_counts_when_given_and_only_then(scripts):
    write(scripts, "metrics/bleu.py", "x = 1\n")
    with_metric, alone = digest_of(scripts, "stage", "metrics/bleu"), digest_of(scripts, "stage")
    write(scripts, "metrics/bleu.py", "x = 2\n")
    assert digest_of(scripts, "stage", "metrics/bleu") != with_metric
    assert digest_of(scripts, "stage") == alone


@pytest.mark.parametrize(
    "statement",
    [
        "from parts import one",
        "from parts.one import x",
        "import parts.one",
        "import parts.one as renamed",
        "from parts import *",
    ],
)
def test_dotted_imports_and_parent_packages_count(scripts, statement):
    write(scripts, "parts/__init__.py", "from parts import one\n")
    write(scripts, "parts/one.py", "x = 1\n")
    write(scripts, "stage.py", f"{statement}\n")
    first = digest_of(scripts, "stage")
    write(scripts, "parts/one.py", "x = 2\n")
    second = digest_of(scripts, "stage")
    write(scripts, "parts/__init__.py", "from parts import one\nEDITED = 1\n")
    assert len({first, second, digest_of(scripts, "stage")}) == 3


@pytest.mark.parametrize("statement", ["from .two import y", "from . import two", "from ..other import z"])
def test_relative_imports_count(scripts, statement):
    write(scripts, "parts/one.py", f"{statement}\n")
    write(scripts, "parts/two.py", "y = 1\n")
    write(scripts, "other.py", "z = 1\n")
    write(scripts, "stage.py", "from parts.one import *\n")
    before = digest_of(scripts, "stage")
    write(scripts, "parts/two.py", "y = 2\n")
    write(scripts, "other.py", "z = 2\n")
    assert digest_of(scripts, "stage") != before


def test_a_module_that_moves_to_a_package_changes_nothing(scripts):
    before = digest_of(scripts, "stage")
    (scripts / "helper.py").rename(scripts / "tools.py")
    write(scripts, "stage.py", "import os\nfrom tools import double\n\nprint(double(os.cpu_count()))\n")
    assert digest_of(scripts, "stage") == before


def test_another_library_is_another_code(scripts):
    write(scripts, "stage.py", "from math import sqrt\n")
    before = digest_of(scripts, "stage")
    write(scripts, "stage.py", "from cmath import sqrt\n")
    assert digest_of(scripts, "stage") != before


def test_a_planned_digest_is_compared_with_the_code_of_the_scripts_that_it_names(scripts):
    planned = digest_of(scripts, "stage", "helper")
    assert not code_has_changed(planned, root=scripts)
    write(scripts, "helper.py", "def double(x):\n    return 3 * x\n")
    module._read.cache_clear()
    assert code_has_changed(planned, root=scripts)
    assert not code_has_changed("code 0123456789ab", root=scripts)  # an older scheme is not comparable
