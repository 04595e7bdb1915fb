"""What a fault proposes instead of a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def propose_name(name: object, known: Iterable[str]) -> str:
    """The nearest known name as a question, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
