"""Path data: repaired where it is broken in a known way, and written in the fewest characters."""

from __future__ import annotations

import re

from svg.outlines import Outline, Segment

_DOUBLED_D = re.compile(r'^(?:\s*d\s*=\s*["\']?)+')
_LAST_COMMAND = re.compile(r".*([MmLlHhVvCcSsQqTtAaZz])", re.DOTALL)
# Possessive, so that no number is taken for two.
_NUMBER = r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+"
_FLAG = "[01]"
_WHOLE_NUMBERS = [" ".join(["%d"] * n) for n in range(7)]


def _arguments(*kinds: str) -> re.Pattern[str]:
    """A pattern of one or more sets of numbers, each as long as a command needs."""
    one = "".join(rf"[\s,]*+{kind}" for kind in kinds)
    return re.compile(rf"(?>(?:{one})+)")


_ARGUMENTS = {
    **{letter: _arguments(_NUMBER) for letter in "hv"},
    **{letter: _arguments(_NUMBER, _NUMBER) for letter in "mlt"},
    **{letter: _arguments(*[_NUMBER] * 4) for letter in "sq"},
    "c": _arguments(*[_NUMBER] * 6),
    "a": _arguments(_NUMBER, _NUMBER, _NUMBER, _FLAG, _FLAG, _NUMBER, _NUMBER),
}


def repair_path_data(d: str) -> tuple[str, list[str]]:
    """Path data without a doubled `d=` and without a command that was cut off at the end; the repairs' names."""
    repairs = []
    repaired = _DOUBLED_D.sub("", d)
    if repaired != d:
        repaired = repaired.rstrip("\"' ")
        repairs.append("doubled_d")
    whole = drop_cut_end(repaired)
    if whole != repaired:
        repairs.append("cut_path")
    return whole, repairs


def drop_cut_end(d: str) -> str:
    """Path data up to the last set of numbers that is complete for its command."""
    last = _LAST_COMMAND.match(d)
    if last is None:
        return d
    letter, rest = last[1].lower(), d[last.end() :]
    if letter == "z":
        return d if not rest.strip(" \t\r\n,") else d[: last.end(1)]
    whole = _ARGUMENTS[letter].match(rest)
    end = whole.end() if whole else 0
    if not rest[end:].strip(" \t\r\n,") and end:
        return d
    return d[: last.end() + end] if end else drop_cut_end(d[: last.start(1)].rstrip())


class PathWriter:
    """Writes outlines, whose points are whole numbers on a grid of `precision` decimals, as path data."""

    def __init__(self, precision: int):
        self.precision = precision
        self.text = ""
        self.command = ""
        self.point = 0j  # where the pen is
        self.control: complex | None = None  # last control point of the curve before
        self.curve = ""  # its kind
        self.n_commands = 0

    def write(self, outline: Outline) -> str:
        """The data of an outline; empty where nothing is left of it."""
        for sub in outline:
            self._emit_shorter("M", sub.start)
            self.point, self.curve = sub.start, ""
            implied = sub.closed and sub.segments[-1] == ("L", sub.start)
            for segment in sub.segments[:-1] if implied else sub.segments:
                self._write_segment(segment)
                self.point = segment[-1]
            if sub.closed:
                self._append("z", "z")
                self.point = sub.start
        return self.text

    def numbers(self, values: list[float]) -> str:
        """Numbers of units of the grid, each in the fewest characters, with spaces between them."""
        if self.precision:
            return " ".join(map(self._decimal, values))
        return _WHOLE_NUMBERS[len(values)] % tuple(values)

    def _decimal(self, value: float) -> str:
        text = f"{value / 10**self.precision + 0.0:.{self.precision}f}".rstrip("0").rstrip(".")
        return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text

    def _write_segment(self, segment: Segment) -> None:
        kind, end = segment[0], segment[-1]
        mirrored = self.point
        if kind == self.curve and self.control is not None:
            mirrored = 2 * self.point - self.control
        self.curve, self.control = kind, None
        if kind == "L":
            self._write_line(end)
        elif kind == "A":
            _, radii, turn, large, sweep, _ = segment
            head = f"{self.numbers([radii.real, radii.imag])} {turn} {large:d} {sweep:d} "
            self._emit_shorter("A", end, head=head)
        else:
            self.control = segment[-2]
            smooth = segment[1] == mirrored
            if kind == "C":
                self._emit_shorter(*(("S", segment[2], end) if smooth else segment))
            else:
                self._emit_shorter(*(("T", end) if smooth else segment))

    def _write_line(self, end: complex) -> None:
        step = end - self.point
        if not step.imag and step.real:
            self._emit_shortest("H", self.numbers([end.real]), self.numbers([step.real]))
        elif not step.real and step.imag:
            self._emit_shortest("V", self.numbers([end.imag]), self.numbers([step.imag]))
        else:
            self._emit_shorter("L", end)

    def _emit_shorter(self, command: str, *points: complex, head: str = "") -> None:
        x, y = self.point.real, self.point.imag
        absolute: list[float] = []
        relative: list[float] = []
        for one in points:
            absolute += (one.real, one.imag)
            relative += (one.real - x, one.imag - y)
        self._emit_shortest(command, head + self.numbers(absolute), head + self.numbers(relative))

    def _emit_shortest(self, command: str, absolute: str, relative: str) -> None:
        small = command.lower()
        long, short = self._text(command, absolute), self._text(small, relative)
        if not self.text or len(long) < len(short):
            self._append(command, long)
        else:
            self._append(small, short)

    def _text(self, command: str, numbers: str) -> str:
        text = numbers.replace(" -", "-")
        # After a move, bare pairs are lines: the letter may go only where the command repeats.
        if command != self.command or command in "MmZz":
            return command + text
        return text if text[0] == "-" else f" {text}"

    def _append(self, command: str, text: str) -> None:
        self.text += text
        self.command = command
        self.n_commands += 1
