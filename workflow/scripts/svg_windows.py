"""Through what a shape is seen: the frame of the drawing, viewports of nested ones, clip paths that are rectangles.

A window is a box in units of the canvas. What is beside one is not drawn, and one that nothing reaches beyond need not
be written.
"""

from __future__ import annotations

from svg_outlines import Box, Outline, box_of

TOLERANCE = 0.5  # in units of the grid: how far a shape may reach beyond a window that is left out


class Windows:
    """The windows that are open, from the canvas on; `unit` is how many units of the grid one of the canvas has."""

    def __init__(self, canvas: int, unit: int):
        self.unit = unit
        self.boxes: list[Box] = [(0, 0, canvas, canvas)]
        self.left = [False]

    def open(self, box: Box) -> None:
        """Open a window within those that are open."""
        self.boxes.append(box)
        self.left.append(False)

    def close(self) -> bool:
        """Close the innermost window: whether something that is seen reached beyond it."""
        self.boxes.pop()
        return self.left.pop()

    def is_wider(self, box: Box) -> bool:
        """Whether a box hides nothing of what the innermost window shows."""
        return not self._reaches_beyond(self.boxes[-1], box)

    def leave(self) -> None:
        """Take it that something reaches beyond all windows."""
        self.left = [True] * len(self.left)

    def show(self, outline: Outline, reach: float) -> bool:
        """Whether an outline on the grid, whose stroke reaches so far (in units of the canvas), is seen."""
        if self.boxes[-1] == self.boxes[0]:  # the frame of most drawings: to begin in it is to be seen
            size = self.boxes[0][2] * self.unit
            if any(0 <= sub.start.real <= size and 0 <= sub.start.imag <= size for sub in outline):
                return True
        drawn = box_of(outline)
        if drawn is None:
            return True
        left, top, right, bottom = (side / self.unit for side in drawn)
        box = left - reach, top - reach, right + reach, bottom + reach
        if not all(overlap(box, window) for window in self.boxes):
            return False
        for number, window in enumerate(self.boxes):
            self.left[number] |= self._reaches_beyond(box, window)
        return True

    def _reaches_beyond(self, box: Box, window: Box) -> bool:
        beyond = window[0] - box[0], window[1] - box[1], box[2] - window[2], box[3] - window[3]
        return max(beyond) > TOLERANCE / self.unit


def overlap(box: Box, other: Box) -> bool:
    return box[0] <= other[2] and other[0] <= box[2] and box[1] <= other[3] and other[1] <= box[3]
