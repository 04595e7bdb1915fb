"""Near duplicates among pictures, in near-linear time: hashes bring candidates together, small pictures decide.

Twins have hashes that differ in few of 64 bits, so that one of four parts of 16 bits, put first, sorts them near each
other: only neighbours in the four orders are compared (the sorted-neighbourhood method). Two drawings are twins where
no cell of their small pictures differs visibly; the same shape in another colour, or a small one elsewhere, is none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import fingerprints
from records import stream_rows

PARTS = 4
NEIGHBOURS = 12  # that each picture is compared with in each order
MAX_BITS = 8  # of 64, by which the hashes of twins may differ
MAX_CELL = 28  # of 255, by which a channel of a cell may: an edge that moved by two of 512 units
MAX_MEAN = 2.5  # of 255, over all cells
BLOCK = 4096  # pairs whose small pictures are in memory at a time


def read_fingerprints(paths: Sequence[Path]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, hashes (n, uint64) and small pictures (n x bytes, uint8, in a file that is gone when the process ends)."""
    cells = fingerprints.SIDE * fingerprints.SIDE * 3
    ids: list[str] = []
    hashes: list[int] = []
    with tempfile.TemporaryFile() as file:
        for path in paths:
            for row in stream_rows(path, fingerprints.SCHEMA):
                ids.append(row["id"])
                hashes.append(row["hash"])
                file.write(row["thumbnail"])
        file.flush()
        pictures = np.memmap(file, np.uint8, "r", shape=(len(ids), cells)) if ids else np.empty((0, cells), np.uint8)
    return ids, np.array(hashes, dtype=np.uint64), pictures


def find_twins(hashes: np.ndarray, pictures: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pictures that look the same, by their places. Pictures of one colour have no twins."""
    sums = np.array([picture.sum(dtype=np.uint32) for picture in pictures], dtype=np.uint32)
    plain = np.array([picture.min() == picture.max() for picture in pictures], dtype=bool)
    twins: set[tuple[int, int]] = set()
    for first, second in iterate_candidates(hashes, sums):
        for start in range(0, len(first), BLOCK):
            a, b = first[start : start + BLOCK], second[start : start + BLOCK]
            differences = np.abs(pictures[a].astype(np.int16) - pictures[b])
            alike = (differences.max(axis=1) <= MAX_CELL) & (differences.mean(axis=1) <= MAX_MEAN) & ~plain[a]
            twins |= {(min(pair), max(pair)) for pair in zip(a[alike].tolist(), b[alike].tolist(), strict=True)}
    return sorted(twins)


def iterate_candidates(hashes: np.ndarray, sums: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of pictures whose hashes differ in few bits, as two arrays, from each order and distance in it.

    Equal hashes are ordered by the sum of their pictures, so that twins among very many of them are neighbours.
    """
    for part in range(PARTS):
        turn = np.uint64(part * 64 // PARTS)
        turned = (hashes << turn) | (hashes >> (np.uint64(64) - turn)) if part else hashes
        order = np.lexsort((sums, turned))
        for distance in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            first, second = order[:-distance], order[distance:]
            near = np.bitwise_count(hashes[first] ^ hashes[second]) <= MAX_BITS
            yield first[near], second[near]
