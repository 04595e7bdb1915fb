"""Drawings that fuzzing found (fuzz_reader.py): each is read, or rejected with a reason, and soon."""

import json
from pathlib import Path

import pytest
from fuzz_reader import check, check_bytes

SEEDS = json.loads((Path(__file__).parent / "fuzz_seeds.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", SEEDS["texts"])
def test_a_text_that_fuzzing_found_is_read_or_rejected(text):
    check(text)


@pytest.mark.parametrize("data", SEEDS["bytes"])
def test_bytes_that_fuzzing_found_are_read_or_rejected(data):
    check_bytes(bytes.fromhex(data))
