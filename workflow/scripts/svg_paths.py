"""Path data: parsed and transformed by svgelements, written on a grid in the fewest characters.

Coordinates are rounded to the grid once, absolutely, so that relative commands gather no error.
"""

from __future__ import annotations

import math
import re

from svgelements import Arc, Close, CubicBezier, Line, Matrix, Move, Path, QuadraticBezier

_DOUBLED_D = re.compile(r'^\s*d\s*=\s*["\']?')
_LAST_COMMAND = re.compile(r"([MmLlHhVvCcSsQqTtAaZz])([^MmLlHhVvCcSsQqTtAaZz]*)\Z")
# Possessive, so that no number is taken for two.
_NUMBER = r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+"
_FLAG = "[01]"


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
    mended = _DOUBLED_D.sub("", d)
    if mended != d:
        mended = mended.rstrip("\"' ")
        repairs.append("doubled_d")
    whole = drop_cut_end(mended)
    if whole != mended:
        repairs.append("cut_path")
    return whole, repairs


def drop_cut_end(d: str) -> str:
    """Path data up to the last set of numbers that is complete for its command."""
    last = next(_LAST_COMMAND.finditer(d), None)
    if last is None:
        return d
    letter, rest = last[1].lower(), last[2]
    if letter == "z":
        return d if not rest.strip(" \t\r\n,") else d[: last.end(1)]
    whole = _ARGUMENTS[letter].match(rest)
    end = whole.end() if whole else 0
    if not rest[end:].strip(" \t\r\n,") and end:
        return d
    return d[: last.start(2) + end] if end else drop_cut_end(d[: last.start(1)].rstrip())


class NotFinite(ValueError):
    """Path data with a number out of all bounds."""


def parse_path(d: str) -> Path:
    """The path of a data string. Raises ValueError where it cannot be read, NotFinite for a number."""
    try:
        path = Path(d)
    except (ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"path data that cannot be read: {d[:40]!r}") from error
    for segment in path:
        for point in (segment.start, segment.end):
            if point is not None and not (math.isfinite(point.x) and math.isfinite(point.y)):
                raise NotFinite("path data with a number that is not finite")
    return path


class PathWriter:
    """Writes segments as path data on a grid of `precision` decimals."""

    def __init__(self, precision: int):
        self.precision = precision
        self.text = ""
        self.command = ""
        self.point = (0.0, 0.0)  # where the pen is, on the grid
        self.start = (0.0, 0.0)  # where the subpath began
        self.control: tuple[float, float] | None = None  # second control point of the curve before
        self.n_commands = 0

    def write(self, path: Path, matrix: Matrix) -> str:
        """The data of a path under a matrix; empty where nothing is left of it."""
        path = path * matrix
        path.reify()
        for segment in path:
            self._write_segment(segment)
        return self.text

    def round_point(self, point) -> tuple[float, float]:
        return (self.round(point.x), self.round(point.y))

    def round(self, number: float) -> float:
        rounded = round(float(number), self.precision)
        return 0.0 if rounded == 0 else rounded  # no -0

    def number(self, value: float) -> str:
        """A number in the fewest characters."""
        text = f"{self.round(value):.{self.precision}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return re.sub(r"^(-?)0\.", r"\1.", text)

    def _write_segment(self, segment) -> None:
        if isinstance(segment, Close):
            self._emit("z", [])
            self.point, self.control = self.start, None
            return
        end = self.round_point(segment.end)
        if isinstance(segment, Move):
            self._emit_shorter("M", [end])
            self.start, self.control = end, None
        elif isinstance(segment, Line):
            self._write_line(end)
        elif isinstance(segment, CubicBezier):
            self._write_cubic(self.round_point(segment.control1), self.round_point(segment.control2), end)
        elif isinstance(segment, QuadraticBezier):
            self._emit_shorter("Q", [self.round_point(segment.control), end])
            self.control = None
        elif isinstance(segment, Arc):
            self._write_arc(segment, end)
        self.point = end

    def _write_line(self, end: tuple[float, float]) -> None:
        (x, y), (px, py) = end, self.point
        if end == self.point and self.command not in "Mm":
            return  # nothing is drawn; right after a move it is a dot that a round cap makes visible
        self.control = None
        if y == py and x != px:
            self._emit_shorter_number("H", x, x - px)
        elif x == px and y != py:
            self._emit_shorter_number("V", y, y - py)
        else:
            self._emit_shorter("L", [end])

    def _write_cubic(self, first, second, end) -> None:
        if first == second == end == self.point:
            return
        px, py = self.point
        mirrored = (2 * px - self.control[0], 2 * py - self.control[1]) if self.control else self.point
        if first == (self.round(mirrored[0]), self.round(mirrored[1])):
            self._emit_shorter("S", [second, end])
        else:
            self._emit_shorter("C", [first, second, end])
        self.control = second

    def _write_arc(self, arc: Arc, end: tuple[float, float]) -> None:
        if end == self.point:
            return
        rx, ry = self.round(arc.rx), self.round(arc.ry)
        if rx == 0 or ry == 0:
            self._write_line(end)
            return
        self.control = None
        large = abs(arc.sweep) > math.pi
        half_chord = math.dist(self.point, end) / 2
        if rx == ry and half_chord >= min(rx, float(arc.rx)) - 1e-9:
            # A half circle: radii up to its own are drawn alike, and this one is read and written as itself again.
            rx = ry = max(math.floor(half_chord * 10**self.precision), 1) / 10**self.precision
            large = False
        turn = 0 if abs(rx - ry) < 1e-9 else round(math.degrees(float(arc.get_rotation()))) % 180
        head = [
            self.number(rx),
            self.number(ry),
            str(turn),
            str(int(large)),
            str(int(arc.sweep > 0)),
        ]
        x, y = end
        px, py = self.point
        absolute = [*head, self.number(x), self.number(y)]
        relative = [*head, self.number(x - px), self.number(y - py)]
        self._emit_shortest("A", absolute, relative)

    def _emit_shorter(self, command: str, points) -> None:
        px, py = self.point
        absolute = [self.number(value) for point in points for value in point]
        relative = [self.number(value - base) for point in points for value, base in zip(point, (px, py), strict=True)]
        self._emit_shortest(command, absolute, relative)

    def _emit_shorter_number(self, command: str, absolute: float, relative: float) -> None:
        self._emit_shortest(command, [self.number(absolute)], [self.number(relative)])

    def _emit_shortest(self, command: str, absolute: list[str], relative: list[str]) -> None:
        long, short = self._text(command, absolute), self._text(command.lower(), relative)
        if not self.text or len(long) < len(short):
            self._emit(command, absolute)
        else:
            self._emit(command.lower(), relative)

    def _text(self, command: str, numbers: list[str]) -> str:
        # After a move, bare pairs are lines: the letter may go only where the command repeats.
        implied = command == self.command and command not in "MmZz"
        text = "" if implied else command
        for position, number in enumerate(numbers):
            separate = (position > 0 or implied) and not number.startswith("-")
            text += f" {number}" if separate else number
        return text

    def _emit(self, command: str, numbers: list[str]) -> None:
        self.text += self._text(command, numbers)
        self.command = command
        self.n_commands += 1
