"""Kinds of files that are no text, told by their first bytes: what a file is, and what to do with it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import IO

N_BYTES = 12  # that tell the kind of a file


@dataclass(frozen=True)
class FileKind:
    """What a file is, as "a PNG picture", and what to do where it was given as a dataset."""

    name: str
    fix: str


PICTURE_FIX = "this workflow reads drawings as SVG code"
TABLE_FIX = "save its table as CSV"
ZIP = FileKind("a zip archive", "unpack it")
OFFICE = FileKind("a spreadsheet or another office document", TABLE_FIX)
WEBP = FileKind("a WebP picture", PICTURE_FIX)
KINDS = {
    b"\x89PNG\r\n\x1a\n": FileKind("a PNG picture", PICTURE_FIX),
    b"\xff\xd8\xff": FileKind("a JPEG picture", PICTURE_FIX),
    b"GIF87a": FileKind("a GIF picture", PICTURE_FIX),
    b"GIF89a": FileKind("a GIF picture", PICTURE_FIX),
    b"%PDF-": FileKind("a PDF", PICTURE_FIX),
    b"PK\x03\x04": ZIP,
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": OFFICE,  # .xls and .doc, and newer ones with a password
    b"\x1f\x8b": FileKind("a gzip file", "let its name end in .gz"),
    b"PAR1": FileKind("a Parquet file", "let its name end in .parquet"),
}


def find_kind(file: IO[bytes]) -> FileKind | None:
    """The kind of a file that is no text, which is read from its beginning; None for a text and for unknown bytes."""
    start = file.read(N_BYTES)
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return WEBP
    kind = next((kind for mark, kind in KINDS.items() if start.startswith(mark)), None)
    return OFFICE if kind is ZIP and is_office_document(file) else kind


def is_office_document(archive: IO[bytes]) -> bool:
    """Whether a zip archive is a document of Excel, Word and the like, or of LibreOffice."""
    try:
        with zipfile.ZipFile(archive) as parts:
            names = set(parts.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # damaged, of a later version, inside a gzip file
        return False
    return "[Content_Types].xml" in names or {"content.xml", "META-INF/manifest.xml"} <= names
