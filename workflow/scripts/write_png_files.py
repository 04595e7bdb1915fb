"""Write the images of a split as PNG files for people, with an index.

Input: images. Output: a folder with one PNG file for each image, named by its place and id, and `index.csv` (file, id,
status, reason, flags) with a row for each image, also for one that could not be rendered.

    python workflow/scripts/write_png_files.py --images images/test.parquet --output-dir png/test
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from core.command import log, run_command, write_whole
from core.records import Image, stream_images
from rendering.file_names import png_file_name


def index_row(image: Image, name: str) -> dict[str, str]:
    return {
        "file": name,
        "id": image.id,
        "status": image.status,
        "reason": image.reason,
        "flags": " ".join(image.flags),
    }


def main(*, images: Path, output_dir: Path) -> None:
    """Write the PNG files and the index."""
    output_dir.mkdir(parents=True, exist_ok=True)
    n_files = 0
    with write_whole(output_dir / "index.csv") as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        index = csv.DictWriter(file, ["file", "id", "status", "reason", "flags"])
        index.writeheader()
        for position, image in enumerate(stream_images(images)):
            name = png_file_name(position, image.id) if image.png else ""
            if image.png:
                (output_dir / name).write_bytes(image.png)
                n_files += 1
            index.writerow(index_row(image, name))
    log("write_png_files", f"{images.stem}: {n_files} files in {output_dir}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Write the images of a split as PNG files.")
    parser.add_argument("--images", type=Path, required=True, help="images/<split>.parquet")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
