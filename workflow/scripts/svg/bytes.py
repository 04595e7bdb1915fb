"""The text of an SVG file's bytes: gunzipped within a cap, decoded by mark, declaration or best guess.

What had to be guessed or repaired is named, so that it is counted.
"""

from __future__ import annotations

import codecs
import io
import re
import zlib

from core.file_kinds import find_kind

MAX_BYTES = 5_000_000  # of one drawing; an icon has a few thousand

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class Undecodable(Exception):
    """Bytes that are no drawing's text; the message is the reason."""


def decode_drawing(data: bytes) -> tuple[str, list[str]]:
    """The text of a drawing's bytes and the names of repairs. Raises Undecodable with the reason."""
    if data[:2] == b"\x1f\x8b":
        data = gunzip(data)
    kind = find_kind(io.BytesIO(data))
    if kind:
        raise Undecodable(f"{kind.name}; this workflow reads SVG code")
    if len(data) > MAX_BYTES:
        raise Undecodable(f"larger than {MAX_BYTES} bytes")
    return decode_text(data)


def decode_text(data: bytes) -> tuple[str, list[str]]:
    """The text of bytes and the names of repairs. Raises Undecodable with the reason."""
    kind = find_kind(io.BytesIO(data))
    if kind:
        raise Undecodable(f"{kind.name}, not text")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return decode(data[len(mark) :], encoding), ["repaired:bom"]
    if data[:4].count(0) == 2:  # ASCII in UTF-16 without a mark: every second byte is zero
        return decode(data, "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"), ["repaired:encoding"]
    declared = _DECLARED.match(data)
    try:
        encoding = codecs.lookup(declared[1].decode("ascii")).name if declared else "utf-8"
        if not encoding.startswith(("utf-16", "utf-32")):  # such a declaration in single bytes belies itself
            return data.decode(encoding), []
    except (UnicodeError, LookupError):  # LookupError also for codecs that make no text of bytes, as `hex`
        pass
    return guess_text(data), ["repaired:encoding"]


def gunzip(data: bytes) -> bytes:
    """The content of a gzip file, at most one byte more than a drawing may have: a bomb is not unpacked."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        content = unzip.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise Undecodable(f"broken gzip data ({error})") from error
    if not unzip.eof and len(content) <= MAX_BYTES:
        raise Undecodable("broken gzip data (it is cut off)")
    return content


def decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Undecodable(f"no text in {encoding} ({error.reason})") from error


def guess_text(data: bytes) -> str:
    """Text whose declared encoding is wrong: UTF-8 where it fits, else Western European."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
