"""Pictures as PNG bytes, several times faster than Pillow writes them.

Half of the time of a small drawing would go into its PNG. Drawings are flat: their rows compress better as they are
than filtered (7% smaller at 224 px), and ISA-L deflates them in a third of zlib's time.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from isal import isal_zlib
from PIL import Image as Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEVEL = 2  # of 0 to 3; 3 takes twice as long


def write_png(picture: Picture.Image) -> bytes:
    """The PNG (ISO/IEC 15948) of an RGB picture: 8 bits a channel, no filter, not interlaced."""
    width, height = picture.size
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each row begins with its filter, 0 for none
    rows[:, 1:] = np.asarray(picture).reshape(height, 3 * width)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)  # bits, RGB, and the standard's only methods
    body = isal_zlib.compress(rows, LEVEL)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
