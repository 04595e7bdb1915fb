"""Fingerprints of pictures, by which near-duplicates are found: a perceptual hash and a small picture.

The hash (ImageHash's average_hash: for each of 8 x 8 cells, whether it is brighter than the picture) brings candidates
together; the small picture decides. Its phash is of no use here: half the frequencies of a symmetric drawing are about
zero, and which side of their median they fall on is chance (28 of 64 bits, where a circle moved by 1 of 512 units).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

SIDE = 32  # px of the small picture, which divide 224

SCHEMA = pa.schema([("id", pa.string()), ("hash", pa.uint64()), ("thumbnail", pa.binary(SIDE * SIDE * 3))])


@dataclass(frozen=True)
class Fingerprint:
    """The hash of a picture as 64 bits, and the picture at SIDE px: RGB bytes, row by row."""

    hash: int
    thumbnail: bytes


def take_fingerprint(picture: np.ndarray) -> Fingerprint:
    """The fingerprint of a picture of render_check.draw_picture."""
    import imagehash
    from PIL import Image

    block = picture.shape[0] // SIDE
    rows = picture.reshape(SIDE, block, -1).sum(axis=1)  # one axis after the other: four times as fast as both
    small = rows.reshape(SIDE, SIDE, block, 3).sum(axis=2) / block**2
    bits = imagehash.average_hash(Image.fromarray(picture.astype(np.uint8))).hash.flatten()
    number = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return Fingerprint(number, np.rint(small).astype(np.uint8).tobytes())


def fingerprint_row(id: str, fingerprint: Fingerprint) -> dict[str, object]:
    """The row of a sample's fingerprint in a file of SCHEMA."""
    return {"id": id, "hash": fingerprint.hash, "thumbnail": fingerprint.thumbnail}
