"""Digests by content: what changes them, and that unchanged files are not read again."""

import os

import pytest

from core.content_digest import ContentDigests


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "a.txt").write_text("a")
    (tmp_path / "data" / "deep" / "b.txt").write_text("b")
    return tmp_path / "data"


def digest(path, cache):
    digests = ContentDigests(cache)
    found = digests.of(path)
    digests.save()
    return found


def test_a_rewritten_file_counts_and_a_touched_folder_does_not(folder, tmp_path):
    before = digest(folder, tmp_path / "cache.json")
    os.utime(folder)
    os.utime(folder / "a.txt")
    assert digest(folder, tmp_path / "cache.json") == before
    (folder / "a.txt").write_text("c")
    assert digest(folder, tmp_path / "cache.json") != before


def test_a_file_that_is_replaced_by_an_older_one_counts(folder, tmp_path):
    before = digest(folder / "a.txt", tmp_path / "cache.json")
    (folder / "a.txt").write_text("z")
    os.utime(folder / "a.txt", (1, 1))
    assert digest(folder / "a.txt", tmp_path / "cache.json") != before


def test_a_moved_folder_has_the_same_digest_and_a_renamed_file_another(folder, tmp_path):
    before = digest(folder, tmp_path / "cache.json")
    moved = folder.rename(tmp_path / "elsewhere")
    assert digest(moved, tmp_path / "cache.json") == before
    (moved / "a.txt").rename(moved / "c.txt")
    assert digest(moved, tmp_path / "cache.json") != before


def test_a_file_that_has_not_changed_is_not_read_again(folder, tmp_path):
    before = digest(folder / "a.txt", tmp_path / "cache.json")
    times = os.stat(folder / "a.txt")
    (folder / "a.txt").write_text("b")  # of the same size and, below, of the same time
    os.utime(folder / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest(folder / "a.txt", tmp_path / "cache.json") == before


def test_a_damaged_cache_is_read_as_an_empty_one(folder, tmp_path):
    before = digest(folder, tmp_path / "cache.json")
    (tmp_path / "cache.json").write_text("{")
    assert digest(folder, tmp_path / "cache.json") == before
