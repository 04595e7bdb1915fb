"""METEOR's paraphrase table, cut down to what can match.

A pair of phrases matches where one stands in the reference and the other in the caption. METEOR reads
5 million pairs at its start, six seconds and two gigabytes for each system; without those that can never
match it gives the same statistics and starts at once. The cut is made once for the references of an experiment
(`restrict_to_references`), and again for each system's captions where that leaves much (`restrict_to_captions`).

A table has three lines a pair, gzipped: probability, phrase, paraphrase. One that is restricted to
references begins with a pair that never matches, made of their digest, so that it cannot serve others.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.command import InputError, write_whole
from scoring.java_tools import METEOR_PARAPHRASES, find_part, normalize

if TYPE_CHECKING:
    import pyarrow as pa

MAX_WORDS = 7  # of the longest phrase in METEOR's table
PIECE_BYTES = 1 << 24
# METEOR reads this much of a gzipped table, some 200,000 pairs, in less time than it takes to cut it down.
MAX_BYTES = 3_000_000

References = Sequence[Sequence[str]]
Pair = tuple[bytes, bytes, bytes]  # probability, phrase, paraphrase, each with its line end


def restrict_to_references(references: References, path: Path) -> None:
    """Write METEOR's pairs of which at least one phrase stands in the tokenised references."""
    with write_whole(path) as partial, gzip.open(partial, "wb", compresslevel=1) as file:
        file.writelines(digest_pair(references))
        for pair in select_pairs(Path(find_part(METEOR_PARAPHRASES)), find_phrases(flatten(references))):
            file.writelines(pair)


def smallest_table(captions: Sequence[str], references: References, folder: Path, table: Path | None = None) -> Path:
    """A table for METEOR that is read quickly: `table` itself, where it is small, else one cut down in `folder`."""
    if table and table.is_file() and table.stat().st_size <= MAX_BYTES:
        check_made_for(references, table)
        return table
    few = folder / "paraphrases.gz"
    restrict_to_captions(captions, references, few, table)
    return few


def restrict_to_captions(
    captions: Sequence[str], references: References, path: Path, table: Path | None = None
) -> None:
    """Write the pairs that can match between tokenised captions and references.

    They are taken from `table`, which `restrict_to_references` made of the same references (InputError
    otherwise), or from METEOR's whole table, which takes two seconds longer.
    """
    if table:
        check_made_for(references, table)
    in_captions, in_references = find_phrases(captions), find_phrases(flatten(references))
    with gzip.open(path, "wb", compresslevel=1) as file:
        for pair in select_pairs(table or Path(find_part(METEOR_PARAPHRASES)), in_captions):
            _, one, other = pair
            if (one in in_captions and other in in_references) or (other in in_captions and one in in_references):
                file.writelines(pair)


def flatten(references: References) -> list[str]:
    return [text for group in references for text in group]


def digest_pair(references: References) -> Pair:
    """A pair that matches nothing and tells the references from others."""
    digest = hashlib.sha256(repr([list(group) for group in references]).encode("utf-8", "replace")).hexdigest()
    return b"0\n", f"references:{digest}\n".encode(), f"references:{digest}\n".encode()


def check_made_for(references: References, table: Path) -> None:
    """Raise InputError unless `restrict_to_references` made the table of these references."""
    try:
        with gzip.open(table) as file:
            head = tuple(file.readline() for _ in range(3))
    except (FileNotFoundError, gzip.BadGzipFile) as error:
        raise InputError(f"{table} is not a table of paraphrases ({error}); tokenise the references again") from error
    if head != digest_pair(references):
        raise InputError(f"{table} was made for other references; tokenise the references again")


def select_pairs(table: Path, phrases: set[bytes]) -> Iterator[Pair]:
    """The pairs of a table of which at least one is among `phrases`, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(sorted(phrases), pa.binary())
    with gzip.open(table) as file:
        for lines in read_lines(file):
            found = pc.is_in(lines, wanted).to_numpy(zero_copy_only=False).reshape(-1, 3)[:, 1:].any(axis=1)
            places = 3 * np.flatnonzero(found)[:, None] + np.arange(3)
            kept = lines.take(pa.array(places.ravel())).to_pylist()
            yield from zip(kept[0::3], kept[1::3], kept[2::3], strict=True)


def read_lines(table: gzip.GzipFile) -> Iterator[pa.BinaryArray]:
    """The lines of a table in large pieces of whole pairs.

    Lines keep their line end, so that an array of them is the text itself and offsets into it.
    """
    import pyarrow as pa

    rest = b""
    while read := table.read(PIECE_BYTES):
        text = rest + read
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
        offsets = np.concatenate([[0], line_ends[: len(line_ends) // 3 * 3]]).astype(np.int32)
        text, rest = text[: offsets[-1]], text[offsets[-1] :]
        yield pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def find_phrases(texts: Sequence[str]) -> set[bytes]:
    """All runs of up to MAX_WORDS words of the texts, as METEOR itself normalises them, each with a line end."""
    phrases = set()
    for line in normalize(sorted(set(texts))):
        words = line.lower().encode().split()
        for start in range(len(words)):
            for end in range(start + 1, min(start + MAX_WORDS, len(words)) + 1):
                phrases.add(b" ".join(words[start:end]) + b"\n")
    return phrases
