"""Near-duplicates among pictures, in near-linear time: hashes give candidates, small pictures decide.

The hashes of near-duplicates differ in few of 64 bits, so that one of four parts of 16 bits, put first, sorts them near
each other: only hashes that are neighbours in the four orders are compared (the sorted-neighbourhood method). Very many
pictures may have one hash; of these, and of those of a near hash, only pictures of nearly the same sum can be
near-duplicates.

Two drawings are near-duplicates where no cell of their small pictures differs by more than an edge that moved by a
pixel, or by much where few cells differ: what moved differs along all its edges, another small shape in one place. All
cells together differ by little of what there is to see: hair-thin outlines are alike in being nearly white. The same
shape in another colour, or a small one elsewhere, is no near-duplicate.

Kept beside scikit-learn's BallTree, which finds all hashes within MAX_BITS but in quadratic time (9 s for 20,000
hashes, here 0.02 s). test_split_samples.py says what is found, docs/preprocessing.md at which scale.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from core.records import stream_rows
from samples import fingerprints

PARTS = 4
NEIGHBOURS = 12  # hashes that each hash is compared with in each order
MAX_BITS = 8  # of 64, by which the hashes of near-duplicates may differ
MAX_CELL = 37  # of 255, by which a channel of a cell of 7 px may: an edge that moved by one
MAX_CELL_ALONE = 20  # of 255, by which it may where all other cells are equal
SPREAD = 40  # times the mean of all cells is what it may differ by between the two
MAX_MEAN = 5.0  # of 255, over all cells
MAX_SHARE = 0.15  # of the contrast of the paler one of two pictures, which their mean difference may be
CELLS = fingerprints.SIDE * fingerprints.SIDE * 3
MAX_SUM = int(MAX_MEAN * CELLS)  # by which the sums of all cells of near-duplicates may differ
MAX_WINDOW = 500  # pictures of one hash and nearly one sum that a picture is compared with: a bound for the time
MEMBERS = 512  # pictures whose candidates are in memory at a time
BLOCK = 4096  # pairs whose small pictures are in memory at a time


def read_fingerprints(paths: Sequence[Path]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, hashes (n, uint64) and small pictures (n x bytes, uint8, in a temporary file)."""
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


def find_near_duplicates(hashes: np.ndarray, pictures: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pictures that look the same, by their places. Pictures of one colour have no near-duplicates.

    Of equal pictures each is paired with the first, which alone is compared with others: the groups are the same, and
    thousands of copies do not make millions of pairs.
    """
    coloured = np.array([picture.min() != picture.max() for picture in pictures], dtype=bool)
    first: dict[tuple[int, bytes], int] = {}
    found: set[tuple[int, int]] = set()
    for place in np.flatnonzero(coloured).tolist():
        original = first.setdefault((int(hashes[place]), blake2b(pictures[place], digest_size=16).digest()), place)
        if original != place:
            found.add((original, place))
    places = np.array(list(first.values()), dtype=np.int64)
    most = np.minimum(MAX_MEAN, MAX_SHARE * contrasts(pictures, places))
    quarters = sum_quarters(pictures, places)
    for a, b in iterate_candidates(hashes[places], quarters.sum(axis=1)):
        limits = np.minimum(most[a], most[b])
        near = np.abs(quarters[a] - quarters[b]).sum(axis=1) <= limits * CELLS
        a, b, limits = a[near], b[near], limits[near]
        for start in range(0, len(a), BLOCK):
            part = slice(start, start + BLOCK)
            one, other = places[a[part]], places[b[part]]
            alike = look_alike(pictures[one], pictures[other], limits[part])
            found |= {(min(pair), max(pair)) for pair in zip(one[alike].tolist(), other[alike].tolist(), strict=True)}
    return sorted(found)


def look_alike(first: np.ndarray, second: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Which pairs of pictures look the same; their means may differ by `most`."""
    means, largest = differences_of(first, second)
    return (largest <= np.clip(SPREAD * means, MAX_CELL_ALONE, MAX_CELL)) & (means <= most)


def differences_of(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much the cells of pairs of pictures (n x CELLS each) differ, of 255: on average, and at most."""
    differences = np.abs(first.astype(np.int16) - second)
    return differences.mean(axis=1), differences.max(axis=1)


def measure_pairs(pictures: np.ndarray, pairs: list[tuple[int, int]]) -> list[tuple[float, int]]:
    """`differences_of` of each of some pairs of pictures, given by their places."""
    measured: list[tuple[float, int]] = []
    for start in range(0, len(pairs), BLOCK):
        first, second = np.array(pairs[start : start + BLOCK]).T
        means, largest = differences_of(pictures[first], pictures[second])
        measured += zip(means.tolist(), largest.tolist(), strict=True)
    return measured


def contrasts(pictures: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How far the cells of some pictures are from their picture's mean colour, on average."""
    cells = (pictures[place].reshape(-1, 3).astype(np.float32) for place in places)
    return np.array([np.abs(picture - picture.mean(axis=0)).mean() for picture in cells])


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
    span = CELLS * 255 + MAX_SUM + 1  # further apart than any sums that may be those of near-duplicates
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
