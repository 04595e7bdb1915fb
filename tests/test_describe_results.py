"""The README of the results: what is there is described, what is not is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_fixture import make_experiment

from core.command import InputError
from describe_results import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_experiment(tmp_path / "demo").folder


def test_what_the_folder_has_is_described_and_nothing_else(folder: Path) -> None:
    (folder / "comparison.txt").write_text("system  CIDEr\none      1.23\n")
    main(title="A demo", results=folder, output=folder / "README.md")
    text = (folder / "README.md").read_text()
    assert text.startswith("# A demo\n\n5 systems, 24 test drawings.")
    assert "one      1.23" in text
    assert "| `captions/<system>.jsonl` |" in text
    assert "| `preprocessed/<source>.rejected.csv` |" in text
    assert "wandb.json" not in text
    assert "`clip`" not in text


def test_a_missing_table_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"comparison\.txt does not exist; run compare again"):
        main(title="A demo", results=folder, output=folder / "README.md")
