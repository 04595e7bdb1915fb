"""Code counts by its meaning: what changes a digest and what does not."""

import pytest

from core import code_digest as module
from core.code_digest import code_digest, folder_digest


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SCRIPTS", tmp_path)
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "stage.py").write_text("import os\nfrom helper import double\n\nprint(double(os.cpu_count()))\n")
    return tmp_path


def digest_of(name, *more):
    for cached in (module._read, module._imported_files):
        cached.cache_clear()
    return code_digest(name, *more)


def test_comments_docstrings_and_formatting_change_nothing(scripts):
    before = digest_of("stage")
    (scripts / "helper.py").write_text(
        '"""Helps."""\n\n\ndef double(x):  # twice\n    """Twice x."""\n    return (2*x)\n'
    )
    assert digest_of("stage") == before


def test_an_imported_module_counts(scripts):
    before = digest_of("stage")
    (scripts / "helper.py").write_text("def double(x):\n    return 3 * x\n")
    assert digest_of("stage") != before


def test_a_module_that_is_not_imported_does_not_count(scripts):
    before = digest_of("stage")
    (scripts / "other.py").write_text("x = 1\n")
    assert digest_of("stage") == before


def test_a_module_loaded_by_name_counts_when_given(scripts):
    (scripts / "metrics").mkdir()
    (scripts / "metrics" / "bleu.py").write_text("x = 1\n")
    alone, given = digest_of("stage"), digest_of("stage", "metrics/bleu")
    (scripts / "metrics" / "bleu.py").write_text("x = 2\n")
    assert digest_of("stage", "metrics/bleu") != given
    assert digest_of("stage") == alone


def test_a_folder_counts_by_the_names_and_contents_of_its_files(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    before = folder_digest(tmp_path)
    (tmp_path / "a.txt").touch()
    assert folder_digest(tmp_path) == before
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert folder_digest(tmp_path) != before


def test_a_module_imported_from_a_package_counts(scripts):
    (scripts / "parts").mkdir()
    (scripts / "parts" / "one.py").write_text("x = 1\n")
    (scripts / "stage.py").write_text("from parts import one\nprint(one.x)\n")
    before = digest_of("stage")
    (scripts / "parts" / "one.py").write_text("x = 2\n")
    assert digest_of("stage") != before
