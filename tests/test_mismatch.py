"""Captions of other drawings are found by their rank; groups, missing pictures and few captions are minded."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample
from report_fixture import Experiment, make_experiment

from core.command import InputError
from core.records import Sample, read_images, read_json, write_json, write_samples
from html_report import main as write_report
from models.clip_features import write_features, write_reference_features
from rank_references import main
from report.inputs import read_inputs
from report.mismatch import png_uri, read_mismatch
from report.payload import samples_payload
from samples.mismatch import MIN_OTHERS, Rank, SourceRanks, rank_captions

N = 200
DIMENSION = 16


def make_features(samples: list[Sample], noise: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Unit vectors of images, and of references that lie near them."""
    generator = np.random.default_rng(0)

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)

    images = {sample.id: unit(generator.normal(size=DIMENSION)) for sample in samples}
    references = {
        sample.id: unit(images[sample.id] + noise * generator.normal(size=(len(sample.references), DIMENSION)))
        for sample in samples
    }
    return images, references


@pytest.fixture
def samples() -> list[Sample]:
    return [make_sample(number, ["a", "b"] if number % 2 else ["a"]) for number in range(N)]


def ranks_of(samples, images, references, seed=0) -> SourceRanks:
    ((_, ranked),) = rank_captions(samples, images, references, seed).items()
    return ranked


def test_a_swapped_caption_ranks_far_behind_and_is_flagged(samples: list[Sample]) -> None:
    images, references = make_features(samples, noise=0.1)
    assert ranks_of(samples, images, references).flagged == []
    references["s10"], references["s20"] = -images["s10"][None], references["s10"]
    ranked = ranks_of(samples, images, references)
    assert ranked.ranks[0] == Rank("s10", "scenes", 0, 100, 100)
    assert "s10" in {rank.id for rank in ranked.flagged} <= {"s10", "s20"}


def test_of_random_swaps_the_threshold_finds_what_it_says(samples: list[Sample]) -> None:
    """With a CLIP that knows nothing every caption is a random one: shares are uniform, and half rank behind 0.5."""
    images, _ = make_features(samples, noise=1.0)
    references = {name: -vectors for name, vectors in make_features(samples[::-1], noise=1.0)[1].items()}
    ranked = ranks_of(samples, images, references)
    shares = np.array([rank.share for rank in ranked.ranks])
    assert len(shares) == N * 3 // 2
    for quantile in (0.25, 0.5, 0.75):
        assert np.mean(shares > quantile) == pytest.approx(1 - quantile, abs=0.08)
    assert ranked.most_mismatched == pytest.approx(1, abs=0.16)
    assert len(ranked.flagged) <= 0.02 * len(shares)


def test_captions_of_the_own_group_are_no_others(samples: list[Sample]) -> None:
    images, references = make_features(samples, noise=0.1)
    twins = [dataclasses.replace(one, group=f"g{number // 100}") for number, one in enumerate(samples)]
    for sample in twins[:100]:  # all captions of the group fit the picture of its first sample, its own worst
        references[sample.id] = np.stack([images["s0"]] * len(sample.references))
    references["s0"] = (images["s0"] + 0.1 * images["s1"])[None] / np.linalg.norm(images["s0"] + 0.1 * images["s1"])
    (rank,) = [rank for rank in ranks_of(twins, images, references).ranks if rank.id == "s0"]
    assert (rank.n_better, rank.n_others) == (0, 100)


def test_equal_captions_are_not_better(samples: list[Sample]) -> None:
    images, references = make_features(samples, noise=0.1)
    same = {name: np.stack([images["s0"]] * len(vectors)) for name, vectors in references.items()}
    assert {rank.n_better for rank in ranks_of(samples, images, same).ranks} == {0}


def test_a_sample_without_a_picture_and_a_source_of_few_captions_have_no_rank(samples: list[Sample]) -> None:
    images, references = make_features(samples, noise=0.1)
    ranked = ranks_of(samples, {**images, "s3": None}, references)
    assert ranked.n_captions - len(ranked.ranks) == 2
    few = [dataclasses.replace(one, references=["a"]) for one in samples[: MIN_OTHERS + 1]]
    assert len(ranks_of(few, images, references).ranks) == MIN_OTHERS + 1
    ranked = ranks_of(few[:-1], images, references)
    assert (ranked.ranks, ranked.n_captions, ranked.flagged, ranked.threshold) == ([], MIN_OTHERS, [], 1.0)


def test_ranks_depend_on_seed_and_data_only(samples: list[Sample]) -> None:
    images, references = make_features(samples, noise=1.0)
    first = ranks_of(samples, images, references)
    assert ranks_of(samples, images, references) == first
    assert ranks_of(samples, images, references, seed=1) != first


def write_inputs(folder: Path, samples: list[Sample]) -> dict[str, Path]:
    images, references = make_features(samples, noise=0.1)
    references["s10"] = -images["s10"][None]
    write_samples(folder / "test.parquet", samples)
    write_features(folder / "images.parquet", images, {})
    write_reference_features(folder / "references.parquet", {name: list(one) for name, one in references.items()})
    return {
        "samples": folder / "test.parquet",
        "features": folder / "images.parquet",
        "reference_features": folder / "references.parquet",
        "output": folder / "mismatch.json",
        "table": folder / "mismatch.csv",
    }


def test_the_files_list_the_worst_first_and_all_ranks(tmp_path: Path, samples: list[Sample]) -> None:
    main(seed=1, **write_inputs(tmp_path, samples))
    found = read_json(tmp_path / "mismatch.json")
    assert found["flagged"] == ["s10"]
    assert len(found["worst"]) == 50
    worst = {"id": "s10", "source": "scenes", "reference": 0, "n_better": 100, "n_others": 100, "flagged": True}
    assert found["worst"][0] == worst | {"caption": "a"}
    assert found["sources"]["scenes"] == {
        "captions": 300, "ranked": 300, "flagged": 1, "threshold": 0.1, "found": 0.9, "most_mismatched": 2 / 300
    }  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "mismatch.csv").open()))
    assert (len(rows), rows[0]["id"], rows[0]["flagged"]) == (300, "s10", "True")


def test_features_of_other_samples_are_refused(tmp_path: Path, samples: list[Sample]) -> None:
    arguments = write_inputs(tmp_path, samples)
    write_samples(tmp_path / "test.parquet", samples[1:])
    with pytest.raises(InputError, match=r"images\.parquet"):
        main(seed=1, **arguments)


@pytest.fixture
def made(tmp_path: Path) -> Experiment:
    return make_experiment(tmp_path / "demo")


def test_the_report_lists_the_worst_with_their_pictures(made: Experiment) -> None:
    write_report(**made.arguments)
    text = made.arguments["output"].read_text(encoding="utf-8")
    part = text.split("Captions that may belong to other drawings</h3>")[1].split("<h3>")[0]
    image = read_images(made.arguments["images"])[1]
    row = part.split(f'src="{png_uri(image.png)}"')[1].split("</tr>")[0]
    assert "97 of 100" in row
    assert "caption:mismatch" in row
    assert part.count("<img ") == 3
    assert "0 of 8" in part.split("few</th>")[1].split("</tr>")[0]


def test_a_flagged_sample_can_be_filtered_in_the_explorer(made: Experiment) -> None:
    arguments = {name: value for name, value in made.arguments.items() if name not in ("experiment", "output")}
    flags = samples_payload(read_inputs(**arguments))["flags"]
    assert [index for index, found in enumerate(flags) if "caption:mismatch" in found] == [1]


def test_a_report_without_ranks_has_no_such_list(made: Experiment) -> None:
    write_report(**made.arguments | {"mismatch": None})
    assert "may belong to other drawings" not in made.arguments["output"].read_text(encoding="utf-8")


def test_ranks_of_other_samples_and_other_files_are_refused(made: Experiment) -> None:
    path, images = made.arguments["mismatch"], read_images(made.arguments["images"])
    raw = read_json(path)
    write_json(path, raw | {"flagged": ["s-of-another"]})
    with pytest.raises(InputError, match="is of other samples, 's-of-another'"):
        read_mismatch(path, images)
    write_json(path, {"worst": []})
    with pytest.raises(InputError, match="run rank_references again"):
        read_mismatch(path, images)
