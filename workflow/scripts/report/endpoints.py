"""The report's table of endpoints: which model answered, when, with how many tokens, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json
from report.comparison import Comparison


@dataclass(frozen=True)
class EndpointUse:
    """endpoints/<system>.json with the label of its system."""

    label: str
    facts: dict[str, Any]

    @property
    def dates(self) -> str:
        """The day of the answers, or the first and the last one."""
        days = dict.fromkeys(self.facts[key].partition("T")[0] for key in ("first", "last"))
        return " to ".join(day for day in days if day)

    @property
    def parameters(self) -> str:
        """`max_tokens 128, temperature 0`."""
        return ", ".join(f"{name} {value}" for name, value in self.facts["parameters"].items())


FACTS = (
    *("base_url", "model", "answered_by", "first", "last", "parameters", "n_answers", "n_rejected"),
    *("n_prompt_tokens", "n_new_tokens", "cost"),
)


def read_endpoints(paths: list[Path], comparison: Comparison) -> list[EndpointUse]:
    """Read endpoints/<system>.json. Raises InputError for a file of another kind or system."""
    systems = {system.name: system.label for system in comparison.systems}
    found = []
    for path in paths:
        facts = read_json(path)
        missing = [name for name in FACTS if name not in facts]
        if missing:
            raise InputError(f"{path} is no record of an endpoint: it lacks {', '.join(missing)}; remake it")
        if path.stem not in systems:
            raise InputError(f"{path}: {path.stem} is no system of this comparison; compare again")
        found.append(EndpointUse(systems[path.stem], facts))
    return found
