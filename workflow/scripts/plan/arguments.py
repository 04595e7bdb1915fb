"""Arguments of a rule's command, and which of its parameters Snakemake compares.

Snakemake runs a job again when a parameter of a built-in type has changed. What a command is called with says more than
what its result depends on (batch sizes, paths, the number of checkpoints kept), so that is wrapped as `Untracked`; the
one parameter that is compared is the job's identity.
"""

from __future__ import annotations

import json
import shlex
from typing import Any


class Untracked:
    """A parameter that Snakemake does not compare: it compares built-in types only."""

    def __init__(self, text: str):
        self.text = text

    def __str__(self) -> str:
        return self.text


def options(values: dict[str, Any]) -> Untracked:
    """Options of a command line, quoted for a shell: {"n_train": 3} is --n-train=3.

    True is a flag alone; None and False leave the option out; a tuple gives several arguments; mappings and lists are
    JSON. A value follows its name after "=", so that an empty one or one that begins with "-" stays a value.
    """
    words: list[str] = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [option, *map(str, value)]
        else:
            words.append(f"{option}={_as_text(value)}")
    return Untracked(shlex.join(words))


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
