"""The identity of a job: by content, settings that matter, code and library versions; the same wherever it is made."""

import json
from dataclasses import dataclass, field
from importlib import metadata

import pytest

from core.identity import ABSENT, changed_parts, identity_digest, job_identity, result_settings


@dataclass
class Settings:
    r: int = 8
    alpha: float = 16
    targets: list[str] = field(default_factory=lambda: ["q_proj"])
    log_steps: int = 10


def record(**changes):
    parts = {"inputs": {"train": "aa"}, "settings": {"r": 8}, "code": "code 1", "libraries": ["pytest"], **changes}
    return job_identity(**parts)


def test_a_record_holds_inputs_settings_code_and_installed_versions():
    expected = {"inputs": {"train": "aa"}, "settings": {"r": 8}, "code": "code 1"}
    assert record(libraries=["pytest", "no-such-library"]) == {
        **expected,
        "libraries": {"no-such-library": ABSENT, "pytest": metadata.version("pytest")},
    }


def test_a_record_equals_the_one_that_was_written_and_read():
    made = record(settings={"targets": ("q", "v"), "alpha": 16.0, "prompt": {"max_tokens": 9}})
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    "change",
    [{"inputs": {"train": "bb"}}, {"settings": {"r": 4}}, {"code": "code 2"}, {"code": None}, {"libraries": []}],
)
def test_each_part_changes_the_digest(change):
    assert identity_digest(record(**change)) != identity_digest(record())
    assert len(identity_digest(record())) == 16


def test_the_order_of_keys_and_the_form_of_whole_numbers_change_nothing():
    one, other = record(settings={"r": 8, "alpha": 16.0}), record(settings={"alpha": 16, "r": 8})
    assert identity_digest(one) == identity_digest(other)
    assert identity_digest(record(settings={"flag": True})) != identity_digest(record(settings={"flag": 1}))


def test_parts_that_are_only_recorded_take_no_part():
    assert identity_digest(record(), without=["code"]) == identity_digest(record(code="code 2"), without=["code"])


def test_settings_at_their_default_and_those_that_only_log_are_left_out():
    assert result_settings(Settings()) == {}
    settings = Settings(r=4, targets=["v_proj"], log_steps=1)
    assert result_settings(settings, without=["log_steps"]) == {"r": 4, "targets": ["v_proj"]}


def test_what_changed_is_named_in_words():
    before = record(settings={"r": 8, "prompt": {"max_tokens": 9, "system": None}})
    now = record(
        settings={"r": 8, "prompt": {"max_tokens": 10, "system": None}, "seed": 1},
        inputs={"train": "bb"},
        code="code 2",
        libraries=[],
    )
    expected = ["code", "input train", "version of pytest", "setting prompt.max_tokens", "setting seed"]
    assert changed_parts(before, now) == expected
    assert changed_parts(before, before) == []
    assert changed_parts({"settings": "of an old version"}, now) == [
        *("code", "inputs", "libraries", "settings"),
    ]
