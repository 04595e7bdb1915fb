"""Say in words what a run would do, and why: each stale output with its cause.

    python workflow/scripts/explain_staleness.py --profile profiles/local --configfile mine.yaml
    make explain                                    the demo

All arguments are those of `snakemake`, which plans in this process; its objects tell the reasons. First come jobs that
are stale by themselves, then the rules that run because of them. Nothing is run. The digests of code are those of the
checkout that this script belongs to.
"""

from __future__ import annotations

import ast
import contextlib
import io
import sys
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import snakemake.api
from snakemake.cli import args_to_api, parse_args
from snakemake.dag import DAG
from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange

from core.command import InputError

SHOWN = 3  # outputs named of jobs with one cause


@dataclass(frozen=True)
class Job:
    """A job that would run. Without a cause of its own, it runs only because another job does."""

    rule: str
    outputs: list[str]
    causes: list[str]


def plan(arguments: list[str]) -> list[Job]:
    """The stale jobs, needed ones before those that need them. Raises InputError with Snakemake's message."""
    jobs: list[Job] = []

    class PlanningApi(snakemake.api.DAGApi):
        """Keeps the jobs of the dry run: `args_to_api` returns only whether it succeeded."""

        def execute_workflow(self, **settings: Any) -> None:
            super().execute_workflow(**settings)
            jobs.extend(stale_jobs(self.workflow_api._workflow.dag))

    snakemake.api.DAGApi = PlanningApi
    parser, settings = parse_args(["--dry-run", "--nolock", "--quiet", "rules", "progress", *arguments])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        planned = args_to_api(settings, parser)
    if not planned:
        raise InputError(printed.getvalue().strip())
    return jobs


def stale_jobs(dag: DAG) -> Iterator[Job]:
    """The jobs of a plan that would run and make files."""
    for level in dag.toposorted(set(dag.needrun_jobs(exclude_finished=False))):
        for job in sorted(level, key=lambda job: (job.rule.name, job.output)):
            if job.output:
                yield Job(job.rule.name, list(job.output), causes(dag.reason(job)))


def causes(reason: Reason) -> list[str]:
    """Why a job runs by itself, in words; what other jobs bring about is left out."""
    changed = ", ".join(sorted(reason.updated_input - reason.updated_input_run))
    found = {
        "forced": reason.forced,
        "not made yet": reason.missing_output,
        "a job that made it was broken off": reason.incomplete_output,
        f"changed: {changed}": changed,
        "it has other inputs than before (something was added or left out)": reason.input_changed,
        "the command of the rule has changed": reason.code_changed,
        changed_parameters(reason.params_changed): reason.params_changed,
        "its software environment has changed": reason.software_stack_changed,
    }
    return [cause for cause, holds in found.items() if holds]


def changed_parameters(change: ParamsChange) -> str:
    """What differs between two identities (core/identity.py), or between parameters of another kind."""
    old, new = _leaves(change.only_old), _leaves(change.only_new)
    if old is None or new is None:
        sides = (", ".join(sorted(texts)) or "nothing" for texts in (change.only_old, change.only_new))
        return f"a parameter has changed: {' -> '.join(textwrap.shorten(side, 200) for side in sides)}"
    return "; ".join(
        _difference(key, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)
    )


def _difference(key: str, before: object, now: object) -> str:
    kind, _, name = key.partition(" ")
    if kind == "code":
        return "its code has changed (AST digest)"
    if kind == "inputs":
        return f"the content of {name} has changed"
    was, is_ = ("default or absent" if value is None else value for value in (before, now))
    return f"{'version of ' if kind == 'libraries' else ''}{name}: {was} -> {is_}"


def _leaves(texts: Collection[str]) -> dict[str, object] | None:
    """The values of the one identity by the names on the way to them; None for what is no single mapping."""
    try:
        (value,) = map(ast.literal_eval, texts)
    except (ValueError, SyntaxError):
        return None
    return dict(_walk(value, "")) if isinstance(value, dict) else None


def _walk(value: object, path: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict) or not value:
        yield path, None if value == {} else value
        return
    for key, item in value.items():
        yield from _walk(item, f"{path} {key}".strip())


def describe(jobs: list[Job]) -> list[str]:
    """The lines for a person."""
    if not jobs:
        return ["Nothing is stale."]
    starting = [job for job in jobs if job.causes]
    lines = [f"{len(jobs)} jobs are stale; {len(starting)} of them by themselves:"]
    outputs_of: dict[tuple[str, str], list[str]] = {}
    for job in starting:
        outputs_of.setdefault((job.rule, "; ".join(job.causes)), []).append(job.outputs[0])
    for (rule, cause), outputs in outputs_of.items():
        more = f" and {len(outputs) - SHOWN} more" if len(outputs) > SHOWN else ""
        lines += [f"  {rule}: {cause}", f"    {', '.join(outputs[:SHOWN])}{more}"]
    following = list(dict.fromkeys(job.rule for job in jobs if not job.causes))
    if following:
        lines.append(f"and, because these run: {', '.join(following)}")
    return lines


def main(arguments: list[str]) -> None:
    """Explain what `snakemake` would do with these arguments."""
    sys.stdout.write("\n".join(describe(plan(arguments))) + "\n")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(__doc__ or "")
        sys.exit()
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"explain_staleness: {error}")
