"""Say in words what a run would do, and why: each stale output with its cause.

    python workflow/scripts/explain_staleness.py --profile profiles/local --configfile mine.yaml
    make explain                                    the demo

All arguments go to `snakemake --dry-run`, whose reasons are read. First come jobs that are stale by themselves, then
the rules that run because of them. Nothing is run.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from core.command import InputError

SHOWN = 3  # outputs named of jobs with one cause


# Snakemake joins its reasons by "; ", which a setting that it prints may hold as well.
BETWEEN_REASONS = re.compile(
    r"; (?=(?:Missing output|Incomplete output|Updated input|Input files updated|Output file is|Job provides"
    r"|Set of input|Code has changed|Params have changed|Software environment)\b)"
)


@dataclass(frozen=True)
class Job:
    """A job of a dry run: rule, outputs, wildcards as in `system=a, metric=bleu`, reasons as Snakemake gives them."""

    rule: str
    output: tuple[str, ...]
    wildcards: str
    reasons: tuple[str, ...]

    @property
    def follows(self) -> bool:
        """Whether it runs only because another job does."""
        return all(reason.startswith("Input files updated by another job") for reason in self.reasons)


def plan(arguments: list[str]) -> str:
    """What Snakemake prints of a dry run; raises InputError with its words where it fails."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", *arguments, "--quiet", "host"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        raise InputError(run.stdout.strip())
    return run.stdout


def read_jobs(text: str) -> Iterator[Job]:
    """The jobs of a dry run."""
    blocks = re.split(r"^ *(?:local)?(?:rule|checkpoint) (\w+):\n", text, flags=re.MULTILINE)[1:]
    for rule, block in zip(blocks[::2], blocks[1::2], strict=True):
        fields = dict(re.findall(r"^ +(\w+): (.*)$", block, flags=re.MULTILINE))
        if "output" in fields:
            yield Job(
                rule=rule,
                output=tuple(fields["output"].split(", ")),
                wildcards=fields.get("wildcards", ""),
                reasons=tuple(BETWEEN_REASONS.split(fields["reason"].strip())),
            )


def explain(job: Job) -> str:
    """Why a job runs, in words; what other jobs bring about is left out where it has a cause of its own."""
    own = [reason for reason in job.reasons if not reason.startswith("Input files updated by another job")]
    return "; ".join(dict.fromkeys(_in_words(reason) for reason in own))


def _in_words(reason: str) -> str:
    cause, _, detail = reason.partition(": ")
    if cause == "Missing output files":
        return "not made yet"
    if cause.startswith("Params have changed"):
        return _changed_parameters(detail)
    if cause == "Updated input files":
        return f"changed: {detail}"
    if cause.startswith("Set of input files has changed"):
        return "it has other inputs than before (something was added or left out)"
    if cause.startswith("Code has changed"):
        return "the command of the rule has changed"
    if cause.startswith("Incomplete output"):
        return "a job that made it was broken off"
    return reason[0].lower() + reason[1:]


def _changed_parameters(detail: str) -> str:
    """What differs between two identities (core/identity.py), or between parameters of another kind."""
    before, _, now = detail.partition(" now: ")
    before = before.partition("before: ")[2]
    old, new = _leaves(before), _leaves(now)
    if old is None or new is None:
        shown = (textwrap.shorten(text, 200) or "nothing" for text in (before, now))
        return f"a parameter has changed: {' -> '.join(shown)}"
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


def _leaves(text: str) -> dict[str, object] | None:
    """The values of an identity by the names on the way to them; None for what is no mapping."""
    try:
        value = ast.literal_eval(text)
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
    starting = [job for job in jobs if not job.follows]
    lines = [f"{len(jobs)} jobs are stale; {len(starting)} of them by themselves:"]
    outputs_of: dict[tuple[str, str], list[str]] = {}
    for job in starting:
        outputs_of.setdefault((job.rule, explain(job)), []).append(job.output[0])
    for (rule, cause), outputs in outputs_of.items():
        more = f" and {len(outputs) - SHOWN} more" if len(outputs) > SHOWN else ""
        lines += [f"  {rule}: {cause}", f"    {', '.join(outputs[:SHOWN])}{more}"]
    following = list(dict.fromkeys(job.rule for job in jobs if job.follows))
    if following:
        lines.append(f"and, because these run: {', '.join(following)}")
    return lines


def main(arguments: list[str]) -> None:
    """Explain the dry run that the arguments describe."""
    sys.stdout.write("\n".join(describe(list(read_jobs(plan(arguments))))) + "\n")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(__doc__ or "")
        sys.exit()
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"explain_staleness: {error}")
