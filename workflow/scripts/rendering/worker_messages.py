"""What a worker writes to its standard error while it works on an item, kept until the item is done or has killed it.

Libraries in Rust and C write how they fail there, before Python hears of it. In the record's reason this is of use; on
a terminal it frightens. A file in memory holds it: the worker writes, and the parent can still read it when the worker
is gone. All other messages go on to the worker's own standard error when their item is done.
"""

from __future__ import annotations

import os
import re
import sys

LONGEST = 200  # characters of messages in a reason
# A panic: where, its message (of several lines where the later ones are indented), and perhaps the stack.
PANIC = re.compile(
    r"\n?thread '[^\n]* panicked at (?P<place>[^\n]*):\n[^\n]*\n(?:[ \t][^\n]*\n)*"
    r"(?:stack backtrace:\n(?:[ \t][^\n]*\n)*)?(?:note: [^\n]*\n)?"
)
# What changes from run to run, or says nothing of the drawing.
UNSPECIFIC = re.compile(r"^thread '[^\n]*?' (?:\(\d+\) )?|^(?:stack backtrace:|note: ).*|^[ \t]+(?:\d+: |at ).*", re.M)


class KeptMessages:
    """In a worker: its standard error from now on goes to a file in memory that its parent has."""

    def __init__(self, path: str):
        self._file = os.open(path, os.O_RDWR | os.O_APPEND)
        self._own = os.dup(2)

    def begin(self) -> None:
        os.dup2(self._file, 2)

    def end_item(self, reason: str) -> str:
        """Let the messages of an item go on, but for panics; the reason why it failed, with the place of its panic."""
        sys.stderr.flush()
        text = take_text(self._file)
        if not text:
            return reason
        rest = PANIC.sub("", text)
        os.write(self._own, rest.encode())
        panic = PANIC.search(text)
        return f"{reason}, in {shorten_place(panic['place'])}" if reason and panic else reason


def take_text(file: int) -> str:
    """What a file in memory holds, which is empty then."""
    n_bytes = os.fstat(file).st_size
    if not n_bytes:
        return ""
    text = os.pread(file, n_bytes, 0).decode(errors="replace")
    os.ftruncate(file, 0)
    return text


def shorten_place(place: str) -> str:
    """A place in Rust code as `crate-1.2/src/file.rs:7`, without the folders of the machine that built it."""
    path, _, line = place.rpartition(":")[0].rpartition(":")
    return f"{'/'.join(path.split('/')[-3:])}:{line}"


def last_words(file: int) -> str:
    """What a worker that a signal ended wrote for the item that ended it, in a line; empty where it wrote nothing."""
    return " ".join(UNSPECIFIC.sub("", take_text(file)).split())[:LONGEST]
