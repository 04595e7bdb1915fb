"""Near duplicates among pictures, in near-linear time: hashes bring candidates together, small pictures decide.

Twins have hashes that differ in few of 64 bits, so that one of four parts of 16 bits, put first, sorts them near each
other: only hashes that are neighbours in the four orders are compared (the sorted-neighbourhood method). Very many
pictures may have one hash; of these, and of those of a near hash, only pictures of nearly the same sum can be twins.

Two drawings are twins where no cell of their small pictures differs visibly; the same shape in another colour, or a
small one elsewhere, is none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

import fingerprints
from records import stream_rows

PARTS = 4
NEIGHBOURS = 12  # hashes that each hash is compared with in each order
MAX_BITS = 8  # of 64, by which the hashes of twins may differ
MAX_CELL = 28  # of 255, by which a channel of a cell may: an edge that moved by two of 512 units
MAX_MEAN = 2.5  # of 255, over all cells
CELLS = fingerprints.SIDE * fingerprints.SIDE * 3
MAX_SUM = int(MAX_MEAN * CELLS)  # by which the sums of all cells of twins may differ
MAX_WINDOW = 500  # pictures of one hash and nearly one sum that a picture is compared with: a bound for the time
MEMBERS = 512  # pictures whose candidates are in memory at a time
BLOCK = 4096  # pairs whose small pictures are in memory at a time


def read_fingerprints(paths: Sequence[Path]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, hashes (n, uint64) and small pictures (n x bytes, uint8, in a file that is gone when the process ends)."""
    ids: list[str] = []
    hashes: list[int] = []
    with tempfile.TemporaryFile() as file:
        for path in paths:
            for row in stream_rows(path, fingerprints.SCHEMA):
                ids.append(row["id"])
                hashes.append(row["hash"])
                file.write(row["thumbnail"])
        file.flush()
        pictures = np.memmap(file, np.uint8, "r", shape=(len(ids), CELLS)) if ids else np.empty((0, CELLS), np.uint8)
    return ids, np.array(hashes, dtype=np.uint64), pictures


def find_twins(hashes: np.ndarray, pictures: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pictures that look the same, by their places. Pictures of one colour have no twins.

    Of equal pictures each is paired with the first, which alone is compared with others: the groups are the same, and
    thousands of copies do not make millions of pairs.
    """
    coloured = np.array([picture.min() != picture.max() for picture in pictures], dtype=bool)
    first: dict[tuple[int, bytes], int] = {}
    twins: set[tuple[int, int]] = set()
    for place in np.flatnonzero(coloured).tolist():
        original = first.setdefault((int(hashes[place]), blake2b(pictures[place], digest_size=16).digest()), place)
        if original != place:
            twins.add((original, place))
    places = np.array(list(first.values()), dtype=np.int64)
    quarters = sum_quarters(pictures, places)
    for a, b in iterate_candidates(hashes[places], quarters.sum(axis=1)):
        near = np.abs(quarters[a] - quarters[b]).sum(axis=1) <= MAX_SUM
        for start in range(0, np.count_nonzero(near), BLOCK):
            one, other = (places[side[near][start : start + BLOCK]] for side in (a, b))
            differences = np.abs(pictures[one].astype(np.int16) - pictures[other])
            alike = (differences.max(axis=1) <= MAX_CELL) & (differences.mean(axis=1) <= MAX_MEAN)
            twins |= {(min(pair), max(pair)) for pair in zip(one[alike].tolist(), other[alike].tolist(), strict=True)}
    return sorted(twins)


def sum_quarters(pictures: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The sums of the channels of the quarters of some pictures (n x 12): cells differ by no less than these."""
    half = fingerprints.SIDE // 2
    shape = (2, half, 2, half, 3)
    quarters = [pictures[place].reshape(shape).sum(axis=(1, 3), dtype=np.int32).ravel() for place in places]
    return np.array(quarters, dtype=np.int32).reshape(-1, 12)


def iterate_candidates(hashes: np.ndarray, sums: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of pictures whose hashes differ in few bits and whose sums are near, as two arrays, in parts.

    The pictures are in one order, by hash and then by sum, so that a picture's candidates of one hash are a slice.
    """
    unique, rank = np.unique(hashes, return_inverse=True)
    span = CELLS * 255 + MAX_SUM + 1  # further apart than any sums that may be those of twins
    keys = rank * span + sums
    order = np.argsort(keys, kind="stable")
    keys, rank = keys[order], rank[order]
    starts = np.searchsorted(rank, np.arange(len(unique) + 1))
    own = np.arange(len(rank))
    yield from slices_of_order(order, own, own + 1, np.searchsorted(keys, keys + MAX_SUM, "right"))
    low, high = near_hashes(unique)
    sizes = starts[low + 1] - starts[low]
    members = places_of_slices(starts[low], sizes)
    wanted = keys[members] + (np.repeat(high, sizes) - rank[members]) * span
    middle = np.searchsorted(keys, wanted)
    begin = np.maximum(np.searchsorted(keys, wanted - MAX_SUM), middle - MAX_WINDOW // 2)
    yield from slices_of_order(order, members, begin, np.searchsorted(keys, wanted + MAX_SUM, "right"))


def slices_of_order(
    order: np.ndarray, members: np.ndarray, begin: np.ndarray, end: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each member with all of its slice of the order, of some members at a time."""
    lengths = np.minimum(end - begin, MAX_WINDOW)
    some = np.flatnonzero(lengths > 0)
    for start in range(0, len(some), MEMBERS):
        part = some[start : start + MEMBERS]
        yield order[np.repeat(members[part], lengths[part])], order[places_of_slices(begin[part], lengths[part])]


def near_hashes(unique: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of different hashes that differ in few bits, as two arrays, each pair once."""
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for part in range(PARTS):
        turn = np.uint64(part * 64 // PARTS)
        turned = (unique << turn) | (unique >> (np.uint64(64) - turn)) if part else unique
        order = np.argsort(turned, kind="stable")
        for distance in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            pair = np.stack([order[:-distance], order[distance:]])
            pairs.append(np.sort(pair[:, np.bitwise_count(unique[pair[0]] ^ unique[pair[1]]) <= MAX_BITS], axis=0))
    low, high = np.unique(np.hstack(pairs), axis=1)
    return low, high


def places_of_slices(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1 and so on of all slices, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
