"""What a fault proposes instead of a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def propose_name(name: object, known: Iterable[str], most: int | None = None) -> str:
    """The nearest known name as a question, or all of them; of more than `most` names only the first are listed."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(names[:most]) or 'none'}{', …' if most and len(names) > most else ''}"
