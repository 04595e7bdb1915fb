"""A dry run in words: causes first, what follows after."""

import subprocess
import sys

from workflow_runs import ROOT

from explain_staleness import describe, read_jobs

DRY_RUN = """\
[Wed Nov 25 22:00:00 2026]
rule preprocess_svg:
    input: a.jsonl
    output: r/a.parquet, r/a.counts.json
    jobid: 4
    reason: Params have changed since last execution: Union of exclusive params before and now across all output: \
before: {'code': 'ast2 p 1', 'settings': {'preprocess': {'canvas': 128}}, 'inputs': {'data': '0'}, 'libraries': {}} \
now: {'code': 'ast2 p 1', 'settings': {'preprocess': {'canvas': 256}}, 'inputs': {'data': '1'}, 'libraries': {}}
    wildcards: source=a

rule score_text:
    output: r/scores/s/cider.json
    reason: Params have changed since last execution: Union of exclusive params before and now across all output: \
before: {'code': 'ast2 s 1', 'libraries': {'torch': '1'}} \
now: {'code': 'ast2 s 2', 'libraries': {'torch': '2'}}; Input files updated by another job: r/a.parquet

rule score_text:
    output: r/scores/t/cider.json
    reason: Params have changed since last execution: Union of exclusive params before and now across all output: \
before: {'code': 'ast2 s 1', 'libraries': {'torch': '1'}} \
now: {'code': 'ast2 s 2', 'libraries': {'torch': '2'}}

rule compare:
    output: r/comparison.json
    reason: Input files updated by another job: r/scores/s/cider.json, r/scores/t/cider.json
"""


def test_causes_come_first_and_then_what_follows_from_them():
    assert describe(list(read_jobs(DRY_RUN))) == [
        "4 jobs are stale; 3 of them by themselves:",
        "  preprocess_svg: preprocess canvas: 128 -> 256; the content of data has changed",
        "    r/a.parquet",
        "  score_text: its code has changed (AST digest); version of torch: 1 -> 2",
        "    r/scores/s/cider.json, r/scores/t/cider.json",
        "and, because these run: compare",
    ]


def test_a_setting_that_holds_the_separator_of_reasons_is_read_whole():
    plan = """rule record_provenance:
    output: r/provenance.json
    reason: Set of input files has changed since last execution; Params have changed since last execution: Union of \
exclusive params before and now across all output: before: {'settings': {'note': 'a; b'}} now: {'settings': {'note': \
'a; c'}}; Input files updated by another job: r/comparison.json
"""
    (job,) = read_jobs(plan)
    assert len(job.reasons) == 3
    assert describe([job])[1] == (
        "  record_provenance: it has other inputs than before (something was added or left out); note: a; b -> a; c"
    )


def test_nothing_stale_is_said():
    assert describe([]) == ["Nothing is stale."]


def test_a_dry_run_that_fails_fails_with_its_message(tmp_path):
    script = ROOT / "workflow" / "scripts" / "explain_staleness.py"
    run = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("explain_staleness: Error: No Snakefile found")
    assert "Traceback" not in run.stderr
