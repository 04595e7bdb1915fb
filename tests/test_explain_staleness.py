"""What a run would do in words: causes first, what follows after. test_staleness.py asks it of a real plan."""

import subprocess
import sys

from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange
from workflow_runs import ROOT

from explain_staleness import Job, causes, describe


def reason(**facts: object) -> Reason:
    """A reason as Snakemake's plan holds it."""
    made = Reason()
    for name, value in facts.items():
        setattr(made, f"_{name}" if name.startswith("updated") else name, value)
    return made


def changed(before: object, now: object) -> Reason:
    return reason(params_changed=ParamsChange({repr(before)}, {repr(now)}, {"r/a.json"}))


def test_causes_come_first_and_then_what_follows_from_them():
    jobs = [
        Job("preprocess_svg", ["r/a.parquet", "r/a.counts.json"], ["forced"]),
        *(Job("score_text", [f"r/scores/{name}/cider.json"], ["not made yet", "forced"]) for name in "abcde"),
        Job("compare", ["r/comparison.json"], []),
        Job("html_report", ["r/report.html"], []),
    ]
    assert describe(jobs) == [
        "8 jobs are stale; 6 of them by themselves:",
        "  preprocess_svg: forced",
        "    r/a.parquet",
        "  score_text: not made yet; forced",
        "    r/scores/a/cider.json, r/scores/b/cider.json, r/scores/c/cider.json and 2 more",
        "and, because these run: compare, html_report",
    ]


def test_the_parts_of_an_identity_that_changed_are_named():
    before = {"code": "ast2 p 1", "settings": {"a": {"b": 128}}, "inputs": {"data": "0"}, "libraries": {"torch": "1"}}
    now = {"code": "ast2 p 2", "settings": {"a": {"b": 256}}, "inputs": {"data": "1"}, "libraries": {"torch": "2"}}
    assert causes(changed(before, now)) == [
        "its code has changed (AST digest); a b: 128 -> 256; the content of data has changed; version of torch: 1 -> 2"
    ]
    assert causes(changed({"settings": {"note": "a; b"}}, {"settings": {}})) == ["note: a; b -> default or absent"]


def test_other_parameters_are_shown_as_they_are():
    assert causes(changed("a; b", ["c"])) == ["a parameter has changed: 'a; b' -> ['c']"]
    assert causes(reason(params_changed=ParamsChange(set(), {"{'code': 'ast2 p 1'}"}))) == [
        "a parameter has changed: nothing -> {'code': 'ast2 p 1'}"
    ]


def test_what_another_job_brings_about_is_no_cause():
    follows = reason(updated_input={"r/a", "r/b"}, updated_input_run={"r/a", "r/b"})
    assert causes(follows) == []
    assert causes(reason(updated_input={"r/a", "r/c"}, updated_input_run={"r/a"}, input_changed=True)) == [
        "changed: r/c",
        "it has other inputs than before (something was added or left out)",
    ]


def test_nothing_stale_is_said():
    assert describe([]) == ["Nothing is stale."]


def test_a_dry_run_that_fails_fails_with_its_message(tmp_path):
    script = ROOT / "workflow" / "scripts" / "explain_staleness.py"
    run = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("explain_staleness: Error: No Snakefile found")
    assert "Traceback" not in run.stderr
