"""Through what a shape is seen: the frame of the drawing, viewports of nested ones, clip paths that are rectangles.

A window is a box in units of the grid, and on it. What is beside one is not drawn, and one that nothing reaches beyond
need not be written.

That nothing seen is lost is tested by test_svg_compact.py; benchmarks/preprocess_steps.py tells what it saves.
"""

from __future__ import annotations

from collections.abc import Callable

from svg.outlines import Box, Outline, box_of

TOLERANCE = 0.5  # how far a shape may reach beyond a window that is left out


class Windows:
    """The windows that are open, from a canvas of `size` on."""

    def __init__(self, size: int):
        self.boxes: list[Box] = [(0, 0, size, size)]
        self.left = [False]

    def open(self, box: Box) -> None:
        """Open a window within those that are open."""
        self.boxes.append(rounded(box))
        self.left.append(False)

    def close(self) -> bool:
        """Close the innermost window: whether something that is seen reached beyond it."""
        self.boxes.pop()
        return self.left.pop()

    def is_wider(self, box: Box) -> bool:
        """Whether a box hides nothing of what the innermost window shows."""
        return not reaches_beyond(self.boxes[-1], rounded(box))

    def leave(self) -> None:
        """Assume that something reaches beyond all windows."""
        self.left = [True] * len(self.left)

    def show(self, outline: Outline, find_reach: Callable[[], float]) -> bool:
        """Whether an outline is seen; how far its stroke reaches is asked for where that matters."""
        if self.boxes[-1] == self.boxes[0]:  # the frame of most drawings: to begin in it is to be seen
            size = self.boxes[0][2]
            first = outline[0].start
            if 0 <= first.real <= size and 0 <= first.imag <= size and outline[0].segments:
                return True
        drawn = box_of(outline)
        if drawn is None:
            return True
        left, top, right, bottom = rounded(drawn)
        reach = find_reach()
        box = left - reach, top - reach, right + reach, bottom + reach
        if not all(overlap(box, window) for window in self.boxes):
            return False
        for number, window in enumerate(self.boxes):
            self.left[number] |= reaches_beyond(box, window)
        return True


def rounded(box: Box) -> Box:
    left, top, right, bottom = map(round, box)
    return left, top, right, bottom


def reaches_beyond(box: Box, window: Box) -> bool:
    return max(window[0] - box[0], window[1] - box[1], box[2] - window[2], box[3] - window[3]) > TOLERANCE


def overlap(box: Box, other: Box) -> bool:
    return box[0] <= other[2] and other[0] <= box[2] and box[1] <= other[3] and other[1] <= box[3]
