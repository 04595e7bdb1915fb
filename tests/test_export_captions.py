"""Captions and references for other tools: read back by pycocotools, scored by pycocoevalcap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from metric_fixtures import make_sample
from pycocoevalcap.bleu.bleu import Bleu
from pycocotools.coco import COCO

import export_captions
from core.command import InputError
from core.records import Caption, Image, write_captions, write_images, write_samples
from write_png_files import main as write_png_files

REFERENCES = [["a red circle", "a circle"], ["a blue square"], ["a “star”\u2028and a moon"]]
CAPTIONS = ["a red circle", "[GENERATION_FAILED]", "a “star”\u2028and a moon"]
IDS = ["s/1", "s 2", "ß3"]


@pytest.fixture
def exports(tmp_path) -> Path:
    samples = [make_sample(number, references) for number, references in enumerate(REFERENCES)]
    for sample, id_ in zip(samples, IDS, strict=True):
        sample.id = id_
    write_samples(tmp_path / "test.parquet", samples)
    captions = [Caption(id_, text) for id_, text in zip(IDS, CAPTIONS, strict=True)]
    captions[1] = Caption(IDS[1], CAPTIONS[1], "failed", "failure marker")
    write_captions(tmp_path / "captions" / "mine.jsonl", captions)
    export_captions.main(
        samples=tmp_path / "test.parquet",
        systems=["mine"],
        captions_dir=tmp_path / "captions",
        output_dir=tmp_path / "exports",
    )
    return tmp_path / "exports"


def test_pycocotools_reads_annotations_and_results(exports):
    coco = COCO(str(exports / "coco" / "annotations.json"))
    assert [[one["caption"] for one in coco.imgToAnns[id_]] for id_ in IDS] == REFERENCES
    results = coco.loadRes(str(exports / "coco" / "results" / "mine.json"))
    assert [one["caption"] for id_ in IDS for one in results.imgToAnns[id_]] == [CAPTIONS[0], "", CAPTIONS[2]]


def test_pycocoevalcap_scores_them_by_our_ids(exports):
    coco = COCO(str(exports / "coco" / "annotations.json"))
    results = coco.loadRes(str(exports / "coco" / "results" / "mine.json"))
    texts = [
        {id_: [" ".join(one["caption"].split()) for one in read.imgToAnns[id_]] for id_ in read.getImgIds()}
        for read in (coco, results)
    ]
    _, by_sample = Bleu(1).compute_score(*texts, verbose=0)
    assert dict(zip(texts[0], by_sample[0], strict=True)) == pytest.approx(
        {IDS[0]: 1.0, IDS[1]: 0.0, IDS[2]: 1.0}, abs=1e-6
    )


def test_capevalkit_gets_lines_of_the_same_ids_with_the_files_of_the_pictures(exports, tmp_path):
    folder = exports / "capevalkit"
    references = [json.loads(line) for line in (folder / "references.jsonl").read_text().splitlines()]
    assert references == [{"id": id_, "references": r} for id_, r in zip(IDS, REFERENCES, strict=True)]
    predictions = [json.loads(line) for line in (folder / "predictions" / "mine.jsonl").read_text().splitlines()]
    assert [(one["id"], one["caption"]) for one in predictions] == list(
        zip(IDS, [CAPTIONS[0], "", CAPTIONS[2]], strict=True)
    )
    write_images(tmp_path / "images.parquet", [Image(id_, b"png", 1, 1, "ok") for id_ in IDS])
    write_png_files(images=tmp_path / "images.parquet", output_dir=tmp_path / "png")
    assert all((tmp_path / "png" / one["image"]).is_file() for one in predictions)


def test_captions_of_other_samples_are_refused(exports, tmp_path):
    write_captions(tmp_path / "captions" / "mine.jsonl", [Caption("other", "x")])
    with pytest.raises(InputError, match=r"mine\.jsonl does not belong to these samples"):
        export_captions.main(
            samples=tmp_path / "test.parquet",
            systems=["mine"],
            captions_dir=tmp_path / "captions",
            output_dir=exports,
        )
