"""A small configuration without faults that needs no file, and its only fault once it was changed."""

from typing import Any

from plan.faults import find_faults
from plan.schema import load_schema

SCHEMA = load_schema()
REVISION = "0" * 40


def small_configuration() -> dict[str, Any]:
    """A small experiment that needs no file."""
    return {
        "experiment": "small",
        "dataset": {"sources": {"scenes": {"build": "scenes"}}},
        "bases": {"llm": {"source": {"hub": "owner/llm", "revision": REVISION}}},
        "models": {"tuned": {"base": "llm", "preset": "test3"}},
        "clip": {"source": {"hub": "owner/clip", "revision": REVISION}},
    }


def only_fault(config: dict[str, Any]) -> str:
    """The one fault of a configuration."""
    faults = find_faults(config, SCHEMA)
    assert len(faults) == 1, faults
    return faults[0]
