"""Rows of a CSV or TSV text (RFC 4180) with the numbers of their lines.

A quote that is not closed, or closed in the middle of a cell, costs the line that it is on alone: the lines after it
are read again as rows of their own, where csv.reader would have swallowed them.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

SWALLOWING = 3  # columns, from which on a line that has as many, inside a quoted cell of TSV, was a row
STRAY_QUOTE = "a quote begins a cell and does not end it"


class NumberedLines:
    """Lines of a text with their numbers from 1 on, some of which can be given back."""

    def __init__(self, lines: Iterable[str]):
        self.coming = enumerate(lines, start=1)
        self.returned: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []  # since the row began

    def __iter__(self) -> Iterator[str]:
        while line := self.returned.popleft() if self.returned else next(self.coming, None):
            self.taken.append(line)
            yield line[1]

    def return_all_but_first(self) -> None:
        self.returned.extendleft(reversed(self.taken[1:]))


def iterate_rows(text: Iterable[str], separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """The number of the first line of each row, and its cells or why it has none; empty lines are no rows."""
    lines = NumberedLines(text)
    while True:
        lines.taken = []
        try:
            cells = next(csv.reader(lines, delimiter=separator, strict=True), None)
            fault = STRAY_QUOTE if has_swallowed([line for _, line in lines.taken], separator, len(cells or ())) else ""
        except csv.Error as error:
            fault = STRAY_QUOTE if len(lines.taken) > 1 or '"' in lines.taken[0][1] else f"not CSV ({error})"
            cells = []
        if fault:
            lines.return_all_but_first()
            yield lines.taken[0][0], fault
        elif cells:
            yield lines.taken[0][0], cells
        elif cells is None:
            return


def has_swallowed(lines: list[str], separator: str, n_columns: int) -> bool:
    """Whether all further lines of a row of TSV look like rows: a quote that began a cell is closed in another row."""
    if separator != "\t" or n_columns < SWALLOWING or len(lines) < 2:
        return False
    return all(line.count(separator) == n_columns - 1 and not line.startswith(separator) for line in lines[1:])
