r"""Write captions and references in the JSON layouts of other evaluation tools.

Input   samples and the captions of systems
Output  coco/annotations.json         {"info", "images": [{"id", "file_name"}],
                                      "annotations": [{"image_id", "id", "caption"}]}, as pycocotools.coco.COCO reads it
        coco/results/<system>.json    [{"image_id", "caption"}], as COCO.loadRes reads it for pycocoevalcap
        capevalkit/references.jsonl             {"id", "references"} a line
        capevalkit/predictions/<system>.jsonl   {"id", "caption", "image"} a line

    python export_captions.py --samples data/test.parquet --systems blip test3 --captions-dir captions \
        --output-dir exports

    capevalkit score --metric pacscore --predictions exports/capevalkit/predictions/blip.jsonl \
        --references exports/capevalkit/references.jsonl --image-dir png/test --output blip.json

The ids are those of the samples, so that the scores of a tool can be named by them (`scores_from`). A failed caption is
there as an empty one: tools want a caption of each image. Images are the files that write_png_files makes of the split;
a drawing that could not be rendered has none.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.command import log, run_command, write_whole
from core.records import Caption, Sample, check_ids, read_captions, read_samples, write_json
from rendering.file_names import png_file_name


def main(*, samples: Path, systems: Sequence[str], captions_dir: Path, output_dir: Path) -> None:
    """Write all files. Raises InputError for captions of other samples."""
    records = read_samples(samples)
    write_json(output_dir / "coco" / "annotations.json", coco_annotations(records))
    write_ascii_lines(
        output_dir / "capevalkit" / "references.jsonl",
        ({"id": sample.id, "references": sample.references} for sample in records),
    )
    for system in systems:
        path = captions_dir / f"{system}.jsonl"
        captions = read_captions(path)
        check_ids(path, [caption.id for caption in captions], [sample.id for sample in records])
        write_json(output_dir / "coco" / "results" / f"{system}.json", coco_results(captions))
        write_ascii_lines(
            output_dir / "capevalkit" / "predictions" / f"{system}.jsonl",
            (
                {"id": caption.id, "caption": text_of(caption), "image": png_file_name(position, caption.id)}
                for position, caption in enumerate(captions)
            ),
        )
    log("export_captions", f"{len(systems)} systems on {len(records)} samples in {output_dir}")


def coco_annotations(samples: Sequence[Sample]) -> dict[str, Any]:
    """The references as COCO's file of annotations: one annotation a reference, numbered from 1."""
    texts = [(sample.id, reference) for sample in samples for reference in sample.references]
    return {
        "info": {"description": "references of the test split"},
        "images": [
            {"id": sample.id, "file_name": png_file_name(position, sample.id)}
            for position, sample in enumerate(samples)
        ],
        "annotations": [
            {"image_id": sample_id, "id": number, "caption": text}
            for number, (sample_id, text) in enumerate(texts, start=1)
        ],
    }


def coco_results(captions: Sequence[Caption]) -> list[dict[str, str]]:
    """The captions of a system as COCO's file of results."""
    return [{"image_id": caption.id, "caption": text_of(caption)} for caption in captions]


def write_ascii_lines(path: Path, records: Iterable[Any]) -> None:
    """Write JSON lines in ASCII: capevalkit splits them at U+2028 too, and reads them in the machine's encoding."""
    with write_whole(path) as partial:
        partial.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="ascii")


def text_of(caption: Caption) -> str:
    """A caption's text; empty where it failed, also of a failure marker, whose text is kept in the record."""
    return "" if caption.status == "failed" else caption.caption


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="samples of the test split")
    parser.add_argument("--systems", nargs="+", required=True, help="systems whose captions are written")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
