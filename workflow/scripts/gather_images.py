r"""Put the images together that several jobs have rendered, in the samples' order.

Input: the image files of all shards, in their order. Output: one image file, as one job would have written it. Images
stream: a few of each shard are in memory.

    python workflow/scripts/gather_images.py --shards shards/1-of-2/test.parquet shards/2-of-2/test.parquet \
        --samples data/test.parquet --output images/test.parquet
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.command import InputError, run_command
from core.records import open_images, stream_images, stream_samples
from plan.shards import shard_of


def main(*, shards: list[Path], samples: Path, output: Path) -> None:
    """Write the images of all shards. Raises InputError unless each sample has exactly one, in its shard's order."""
    streams = [stream_images(shard) for shard in shards]
    with open_images(output) as write:
        for sample in stream_samples(samples):
            shard = shard_of(sample.id, len(shards))
            image = next(streams[shard], None)
            if image is None or image.id != sample.id:
                found = "no image" if image is None else f"the image of {image.id!r}"
                raise InputError(f"{shards[shard]}: {found} where that of {sample.id!r} is due; render it again")
            write(image)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Put the images together that several jobs have rendered.")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the image files of shards 1 to N")
    parser.add_argument("--samples", type=Path, required=True, help="data/<split>.parquet")
    parser.add_argument("--output", type=Path, required=True, help="images/<split>.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
