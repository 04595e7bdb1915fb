"""The words for flags and reasons: each that the code can give has some, and says what a stranger understands."""

import re
from pathlib import Path

import pytest

from captions import chat_phrases
from report.flag_words import REASONS, explain_flag, explain_reason
from samples.audit import SUSPICIONS, generalise_reason
from samples.reference_checks import KINDS
from svg.parse import FIRST_REPAIRS, REPAIRS

SCRIPTS = Path(chat_phrases.__file__).parents[1]
LITERAL = re.compile(r'"((?:repaired|removed|caption):[a-z_]+)"')
ADDED = re.compile(r'flags\.(?:add|append)\("([a-z_:-]+)"')
READING = [path for folder in ("svg", "readers", "samples") for path in (SCRIPTS / folder).glob("*.py")]


def flags_of_code():
    """All flags of repairs, of what is taken out, and of captions that stand in the code as they are."""
    written = {flag for path in READING for kind in (LITERAL, ADDED) for flag in kind.findall(path.read_text())}
    repairs = {f"repaired:{name}" for name, _ in (*FIRST_REPAIRS, *REPAIRS)}
    return {*written, *repairs, *(f"caption:{kind}" for kind in KINDS), *SUSPICIONS} - {"caption:mismatch"}


def reasons_of_code():
    """How the reasons begin by which drawings are refused."""
    texts = "".join(path.read_text() for path in READING)
    return {start.strip() for start in re.findall(r'(?:Unusable|Refused)\(f?"([^"{]+)', texts)}


def test_every_flag_has_words():
    flags = flags_of_code()
    assert len(flags) > 30
    assert [
        flag for flag in sorted(flags) if explain_flag(flag) in (flag, flag.partition(":")[2].replace("_", " "))
    ] == []


def test_every_reason_has_words():
    reasons = reasons_of_code()
    assert len(reasons) > 12
    assert [reason for reason in sorted(reasons) if not any(reason.startswith(start) for start in REASONS)] == []


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("unresolved:clip-path", "clip-path is used in a way"),
        ("removed:iframe", "the element <iframe>"),
        ("fell_back:compact", "the text of form compact"),
        ("unheard_of", "unheard_of"),
    ],
)
def test_a_flag_of_a_kind_has_the_words_of_its_kind(flag, words):
    assert explain_flag(flag).startswith(words)


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        ("line 7: not JSON (Expecting value)", "not JSON (Expecting value)"),
        ("captions.csv, line 3: 2 cells where", "2 cells where"),
        ("a copy of record 12", "a copy of record"),
        ("not XML (line 3: Opening and ending tag mismatch)", "not XML"),
        ("no drawing", "no drawing"),
    ],
)
def test_records_of_one_reason_are_counted_together(reason, general):
    assert generalise_reason(reason) == general
    assert general.startswith("2 cells") or explain_reason(general)
