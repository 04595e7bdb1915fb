"""One caption of each system for the terminal: that of the same test sample, with a reference of this sample once.

Captions and references are untrusted, so control and direction characters are written as escapes: a caption can neither
move the cursor nor hide a part of the line.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

CAPTIONS, SAMPLES = "captions", "test.parquet"  # the folder of a system's captions, the file of the test samples
WIDTH, WIDTH_OF_ID = 70, 24  # a longer text is cut
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of the Unicode standard, chapter 4.5
JOINERS = "\u200c\u200d"  # of the category Cf, but parts of words and of emoji


class ExampleCaptions:
    """Describes the caption of the sample in the middle of the test split, for jobs that write captions."""

    def __init__(self) -> None:
        self.introduced = False

    def describe(self, job: Mapping[str, Any]) -> tuple[str, str]:
        """An introduction with the reference (of the first job that has a caption only), and the caption.

        `job` has the paths `input` and `output`. Both texts are empty for jobs that write no captions.
        """
        captions = next((path for path in map(Path, job.get("output", ())) if is_caption_file(path)), None)
        samples = next((path for path in map(Path, job.get("input", ())) if path.name == SAMPLES), None)
        if captions is None or samples is None:
            return "", ""
        try:
            lines = [line for line in captions.read_bytes().splitlines() if line.strip()]
            place = len(lines) // 2
            caption = describe_caption(json.loads(lines[place]))
            return self._introduce(samples, place), caption
        except (OSError, LookupError, TypeError, ValueError):
            # Of a shared file system, or of files that are no captions (snakemake --touch takes any for made): a line
            # on the terminal is not worth the run.
            return "", ""

    def _introduce(self, samples: Path, place: int) -> str:
        if self.introduced:
            return ""
        table = pq.read_table(samples, columns=["id", "references"]).slice(place, 1)
        ((id, references),) = ((row["id"], row["references"]) for row in table.to_pylist())
        self.introduced = True
        reference = f'Its reference: "{one_line(references[0])}"' if references else "It has no reference."
        return f"Each system's caption of test sample {one_line(id, WIDTH_OF_ID)} follows. {reference}"


def is_caption_file(path: Path) -> bool:
    """Whether this is captions/<system>.jsonl, and there (a file of a cluster may come later)."""
    return path.parent.name == CAPTIONS and path.suffix == ".jsonl" and path.is_file()


def describe_caption(record: Mapping[str, Any]) -> str:
    """`"a red circle"`, or `no caption (out of memory)`."""
    if record["caption"]:
        return f'"{one_line(record["caption"])}"'
    return f"no caption ({one_line(record['reason']) or 'no reason given'})"


def one_line(text: str, width: int = WIDTH) -> str:
    """A text in one line of at most `width` characters, with escapes for characters that act on a terminal."""
    shown = "".join(map(escape, " ".join(text.split())))
    return shown if len(shown) <= width else f"{shown[: width - 1].rstrip()}…"


def escape(character: str) -> str:
    r"""`\x1b` for the escape character; a character that is only shown stays as it is."""
    if unicodedata.category(character) not in HARMFUL or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode()
