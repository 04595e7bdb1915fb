"""The names of PNG files for people: write_png_files writes them, export_captions names them."""

from __future__ import annotations

import re

LONGEST_NAME = 100  # file systems end at 255 bytes


def png_file_name(position: int, id: str) -> str:
    """The name of an image's file. An id may be any text: the place keeps names apart, the rest is for reading."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", id)[:LONGEST_NAME]
    return f"{position:06}-{readable}.png"
