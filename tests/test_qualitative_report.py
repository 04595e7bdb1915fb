"""The page of chosen samples: the right ones, each once, hostile text stays text, equal input gives equal bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_fixture import make_experiment

from core.command import InputError
from core.records import Caption, Sample
from qualitative_report import choose_samples, main, mark_words

SCORES = np.array([0.5, 0.9, 0.1, np.nan, 0.9, 0.3])
OTHERS = np.stack([SCORES, np.array([0.5, 0.9, 0.8, 0.2, 0.0, np.nan])])


def arguments_of(folder: Path, hostile: str = "") -> dict[str, Any]:
    made = make_experiment(folder, hostile=hostile).arguments
    taken = ("experiment", "comparison", "samples", "captions_dir", "scores_dir")
    return {name: made[name] for name in taken} | {"value": "cider", "seed": 3, "output": folder / "qualitative.html"}


def ids_in(page: Path) -> list[str]:
    return re.findall(r"<figcaption><code>(.*?)</code>", page.read_text())


def test_each_kind_has_its_samples_and_none_comes_twice() -> None:
    chosen = choose_samples(SCORES, OTHERS, higher_is_better=True, n=1, seed=1)
    assert chosen["best"] == [1], "of two equal ones the earlier"
    assert chosen["worst"] == [2], "one without a score is not the worst"
    assert chosen["disagreed"] == [4]
    assert len({place for places in chosen.values() for place in places}) == 4


def test_where_lower_is_better_the_lowest_are_the_best() -> None:
    chosen = choose_samples(SCORES, OTHERS, higher_is_better=False, n=1, seed=1)
    assert (chosen["best"], chosen["worst"]) == ([2], [1])


def test_more_than_there_are_is_all_of_them() -> None:
    chosen = choose_samples(SCORES, OTHERS, higher_is_better=True, n=50, seed=1)
    assert sorted(place for places in chosen.values() for place in places) == list(range(6))


def test_another_seed_draws_other_random_samples_and_only_those(tmp_path: Path) -> None:
    arguments = arguments_of(tmp_path)
    pages = []
    for seed in (3, 3, 4):
        main(**arguments | {"seed": seed, "n": 3})
        pages.append((arguments["output"].read_bytes(), ids_in(arguments["output"])))
    assert pages[0] == pages[1]
    assert pages[0][1][:9] == pages[2][1][:9]
    assert pages[0][1][9:] != pages[2][1][9:]
    assert len(set(pages[0][1])) == 12


def test_words_are_marked_that_no_reference_has() -> None:
    sample = Sample("a", "s", "test", "g", "<svg/>", ["A red circle.", "a round thing"])
    marked = mark_words(Caption("a", "a Red, square thing"), sample)
    assert marked == [("a", True), ("Red,", True), ("square", False), ("thing", True)]


def test_an_unknown_system_or_value_is_named(tmp_path: Path) -> None:
    arguments = arguments_of(tmp_path)
    with pytest.raises(InputError, match=r"no system 'blop': report\.qualitative\.system can be smollm2-zero-shot"):
        main(**arguments, system="blop")
    with pytest.raises(InputError, match="did you mean cider"):
        main(**arguments | {"value": "cidre"})


def test_hostile_text_stays_text_and_no_script_may_run(tmp_path: Path) -> None:
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}'
    arguments = arguments_of(tmp_path, hostile)
    main(**arguments)
    text = arguments["output"].read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "{{ 7*7 }}" in text
    assert "script-src 'none'" in text.replace("&#39;", "'")
