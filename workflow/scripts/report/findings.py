"""The findings at the top of the report: best systems and ties, failures, and whether all counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from comparison.cover import UNMEASURED
from comparison.grouping import FEW_GROUPS, group_sizes, number_groups, sum_by_group
from comparison.shares import share_interval
from report.comparison import Cell, Comparison, Value
from report.data import LABEL_LEAK_LEFT, describe_given_leaks
from report.fair_comparison import describe_border
from report.inputs import ReportInputs
from report.ledger import LEFT_OUT, Ledger, count_filtered
from report.words import join_words

FAILED_SCORES = (
    "They are counted as samples. Metrics that are means give them the worst value. BLEU and METEOR are computed from "
    "counts of words, and failures can raise them."
)


@dataclass(frozen=True)
class Leader:
    """The best system by one value."""

    value: Value
    label: str
    cell: Cell
    ties: list[str]  # labels
    testable: bool  # whether any difference could be significant
    border: str  # in what it differs from systems of the other side of training; empty where there are none
    own_model: list[str] = field(default_factory=list)  # labels of systems that score higher by the metric's own model

    @property
    def lead(self) -> str:
        """What the test says of the lead, and whether it is one over systems of the other side of training."""
        if not self.testable:
            lead = "too few groups of drawings to test its lead"
        elif self.ties:
            lead = f"not significantly ahead of {join_words(self.ties)}"
        else:
            lead = "significantly ahead of all others"
        lead = f"{lead}; {self.border}" if self.border else lead
        higher = f"{join_words(self.own_model)} scored higher, but uses this metric's model" if self.own_model else ""
        return f"{lead}; {higher}" if higher else lead

    @property
    def claimant(self) -> str:
        """Its label, with the border that a claim of its win crosses."""
        return f"{self.label} ({self.border})" if self.border else self.label


@dataclass(frozen=True)
class Alert:
    """A message at the top of the report. `flag` names the explorer's filter that shows its samples."""

    level: str  # fault or notice
    text: str
    details: list[str] = field(default_factory=list)
    flag: str = ""


def find_leaders(comparison: Comparison, values: list[Value]) -> list[Leader]:
    """The best system by each value that any system has a score for."""
    leaders = []
    for value in values:
        best = comparison.best.get(value.name)
        if best:
            leaders.append(
                Leader(
                    value=value,
                    label=comparison.label(best.system),
                    cell=comparison.cells[best.system, value.name, "all"],
                    ties=[comparison.label(name) for name in best.ties],
                    testable=best.testable,
                    border=describe_border(comparison.system(best.system), comparison.systems),
                    own_model=find_higher_by_own_model(comparison, value, best.system),
                )
            )
    return leaders


def find_higher_by_own_model(comparison: Comparison, value: Value, best: str) -> list[str]:
    """The labels of systems that score higher than the best one and use the model of the metric themselves."""
    sign = 1 if value.higher_is_better else -1
    ranked = comparison.ranked(value)
    scores = {system.name: comparison.cells[system.name, value.name, "all"].score for system in comparison.systems}
    goodness = {name: sign * score for name, score in scores.items() if score is not None}
    return [
        system.label
        for system in comparison.systems
        if system not in ranked and system.name in goodness and goodness[system.name] > goodness[best]
    ]


def headline(leaders: list[Leader], n_systems: int) -> str:
    """The best system, its ties, where it wins over the other side of training, and who uses a metric's model."""
    own = [f"{join_words(leader.own_model)} on {leader.value.label}" for leader in leaders if leader.own_model]
    more = f" Not counted, since it uses this metric's model: {'; '.join(own)}." if own else ""
    return describe_leaders(leaders, n_systems) + more


def describe_leaders(leaders: list[Leader], n_systems: int) -> str:
    """One sentence on the best system and its ties."""
    if not leaders:
        return "No system has a score."
    if n_systems == 1:
        return f"{leaders[0].label} is the only system."
    wins = Counter(leader.claimant for leader in leaders)
    if len(wins) == 1:
        name, n = leaders[0].claimant, len(leaders)
        clear = sum(leader.testable and not leader.ties for leader in leaders)
        where = f"on all {n} metrics" if n > 1 else f"on {leaders[0].value.label}"
        if not any(leader.testable for leader in leaders):
            return f"{name} scores highest {where}; there are too few groups of drawings to test any lead."
        if clear == n:
            return f"{name} scores highest {where}, significantly ahead of every other system."
        if clear == 0:
            return f"{name} scores highest {where}, but never significantly ahead of all others."
        open_ = join_words([leader.value.label for leader in leaders if leader.ties or not leader.testable])
        return f"{name} scores highest {where}; on {open_} its lead may be chance."
    parts = [
        f"{name} on {join_words([leader.value.label for leader in leaders if leader.claimant == name])}"
        for name, _ in wins.most_common()
    ]
    return f"No system leads everywhere: {'; '.join(parts)}."


def describe_seeds(leaders: list[Leader], comparison: Comparison) -> str:
    """What the claim does not cover: that another training of a system that leads could score otherwise."""
    n_trainings = comparison.n_trainings
    once = list(dict.fromkeys(leader.label for leader in leaders if n_trainings.get(leader.label) == 1))
    return f"One training seed ({join_words(once)}): {UNMEASURED}." if once else ""


def describe_testing(leaders: list[Leader], n_systems: int, confidence: float) -> str:
    """What the tests of several metrics are corrected for, and what remains; empty where one metric or none is tested.

    By Bonferroni's inequality n tests at the level 1 - confidence err at least once in at most n times that share of
    experiments. A claim of all metrics needs no correction, since each test must reject (Berger, 1982).
    """
    n_tested = sum(leader.testable for leader in leaders)
    if n_tested < 2 or n_systems < 2:
        return ""
    level = round(1 - confidence, 12)
    return (
        f"The tests are corrected (Holm) for the pairs of systems of each metric, not for the {n_tested} metrics. "
        f"Chance alone gives a significant lead by one metric that was chosen before the run in at most "
        f"{100 * level:.3g}% of experiments, a lead on all {n_tested} in at most {100 * level:.3g}%, and a lead on at "
        f"least one of the {n_tested} in up to {min(100, 100 * n_tested * level):.3g}%."
    )


def find_alerts(inputs: ReportInputs, ledger: Ledger) -> list[Alert]:
    """Faults (red) and notices, in order of importance."""
    alerts = []
    n = len(inputs.samples)
    if ledger.faults:
        alerts.append(Alert("fault", "The counts do not add up: a stage lost or doubled records.", ledger.faults))
    if inputs.leaked:
        found = "the train split has their drawing, a near-duplicate, or a drawing of the same caption"
        text = f"{share(len(inputs.leaked), n)} are leaked: {found}."
        alerts.append(Alert("fault", text, ["Scores of trained systems are too high on these samples."], "leaked"))
    if inputs.leakage["groups"]:
        level = "notice" if inputs.leakage["setting"] == "move" else "fault"
        alerts.append(Alert(level, describe_given_leaks(inputs)))
    alerts += warn_of_few_groups(inputs.comparison)
    for system in inputs.comparison.systems:
        runs = list(system.runs.values())
        n_captions, what = n * len(runs), "samples" if len(runs) == 1 else f"samples by {len(runs)} trainings"
        reasons = Counter(c.reason for run in runs for c in inputs.captions[run] if c.status == "failed")
        if reasons:
            interval = describe_interval(inputs.comparison, *failed_interval(inputs, runs))
            text = (
                f"{system.label} wrote no caption for {share(reasons.total(), n_captions, what, interval)}. "
                f"{FAILED_SCORES}"
            )
            details = [*count_reasons(reasons), *describe_sample_means(inputs.comparison, system.name)]
            alerts.append(Alert("fault", text, details, f"failed:{system.name}"))
        # Empty captions are reported above.
        for flag, *others in zip(*(inputs.health[run].summary["flags"] for run in runs), strict=True):
            if any(one["alarm"] for one in (flag, *others)) and flag["name"] != "empty":
                interval = describe_interval(
                    inputs.comparison, *inputs.comparison.flag_intervals[system.name, flag["name"]]
                )
                counted = sum(one["n"] for one in (flag, *others))
                found = share(counted, n_captions, "captions", interval)
                whose = "" if len(runs) == 1 else " of each training"
                text = f"{system.label}, {flag['label']}: {found}. The limit is {flag['max_rate']:.0%}{whose}."
                alerts.append(Alert("fault", text, flag=f"{flag['name']}:{system.name}"))
    alerts += warn_of_raised_scores(inputs.comparison)
    for judge in inputs.judges:
        alerts += [Alert("fault", judge.self_preference)] if judge.self_preference else []
        alerts += [Alert("fault", judge.failures, list_reasons(judge.facts["reasons"]))] if judge.failures else []
        alerts += [Alert("fault", judge.weakness)] if judge.weakness else []
    undrawn = Counter(image.reason for image in inputs.images if image.status == "failed")
    if undrawn:
        text = f"{share(undrawn.total(), n)} could not be drawn. Image metrics leave them out for all systems."
        alerts.append(Alert("fault", text, count_reasons(undrawn), "image:failed"))
    blank = sum("blank" in image.flags for image in inputs.images)
    if blank:
        alerts.append(Alert("fault", f"{share(blank, n)} are drawn as a blank image.", flag="blank"))
    doubled = n - len({(sample.xml, sample.question) for sample in inputs.samples})
    if doubled:
        alerts.append(Alert("fault", f"{share(doubled, n)} repeat the drawing of another test sample."))
    if inputs.rejected:
        total = sum(counts["in"] - count_filtered(counts) for counts in inputs.preprocess_counts.values())
        reasons = Counter(absence.reason for absence in inputs.rejected)
        text = f"{len(inputs.rejected):,} of {total:,} raw records were rejected; the section on data lists them."
        alerts.append(Alert("fault", text, count_reasons(reasons)))
    leaking = sum(LABEL_LEAK_LEFT in sample.flags for sample in inputs.samples)
    if leaking:
        found = share(leaking, n, "test drawings")
        text = f"{found} contain words of their own captions, which any model can copy (label leakage)."
        alerts.append(Alert("notice", text, flag=LABEL_LEAK_LEFT))
    left = Counter({name: sum(c.get(name, 0) for c in inputs.split_counts.values()) for name in LEFT_OUT})
    if left.total():
        words = join_words([f"{left[name]:,} {word}" for name, word in LEFT_OUT.items() if left[name]])
        alerts.append(Alert("notice", f"{left.total():,} samples were left out before splitting: {words}."))
    for value, n_truncated in count_truncated(inputs.comparison).items():
        words = join_words([f"{n:,} of {label}" for label, n in n_truncated.items()])
        alerts.append(Alert("notice", f"{value} truncated long captions: {words}."))
    for one in inputs.comparison.values:
        if one.n_truncated_references:
            text = f"{one.label} read only the beginning of {one.n_truncated_references:,} long references."
            alerts.append(Alert("notice", text))
    return alerts


def warn_of_few_groups(comparison: Comparison) -> list[Alert]:
    """Where intervals are rough because they rest on few groups, and where no difference can be significant."""
    alerts = []
    whole = comparison.slices["all"]
    if whole.effective_groups < FEW_GROUPS:
        text = (
            f"The intervals are rough: the {whole.n:,} test drawings form only {whole.n_groups:,} groups of similar "
            f"ones (worth {whole.effective_groups:.1f} of one size), and fewer than {comparison.confidence:.0%} of "
            "such intervals may hold the true value. Test on drawings of more kinds."
        )
        alerts.append(Alert("fault", text))
    untested = [value for value in comparison.values if value.name in comparison.best]
    untested = [value for value in untested if not comparison.best[value.name].testable]
    if untested:
        n_groups = min(comparison.cells[comparison.best[v.name].system, v.name, "all"].n_groups for v in untested)
        text = (
            f"No difference can be significant by {join_words([value.label for value in untested])}: {n_groups:,} "
            "groups of drawings can be swapped between two systems in too few ways for "
            f"{len(comparison.systems)} systems."
        )
        alerts.append(Alert("fault", text))
    few = [
        f"{name.replace('=', ': ')} ({size.n:,} drawings in {size.n_groups:,} groups)"
        for name, size in comparison.slices.items()
        if name != "all" and size.effective_groups < FEW_GROUPS
    ]
    if few:
        alerts.append(Alert("notice", "The intervals on slices of few groups are rough.", few))
    return alerts


def warn_of_raised_scores(comparison: Comparison) -> list[Alert]:
    """Where a system with failed captions leads by a corpus value, and another by the mean of the samples' values."""
    alerts = []
    for value in comparison.values:
        best = comparison.best.get(value.name)
        if best is None or best.by_sample_mean in (None, best.system):
            continue
        cell = comparison.cells[best.system, value.name, "all"]
        if cell.n_failed:
            text = (
                f"{comparison.label(best.system)} leads by {value.label} with failed captions ({cell.n_failed:,}), "
                f"which can raise it. By the mean of the samples' {value.label}, "
                f"{comparison.label(best.by_sample_mean)} leads."
            )
            alerts.append(Alert("fault", text))
    return alerts


def describe_sample_means(comparison: Comparison, system: str) -> list[str]:
    """Each corpus value of a system beside the mean of its samples' values."""
    return [
        f"{value.label} {cell.score:.3f}; mean of the samples' values {cell.sample_mean:.3f}"
        for value in comparison.values
        if value.radar
        and (cell := comparison.cells[system, value.name, "all"]).score is not None
        and cell.sample_mean is not None
    ]


def failed_interval(inputs: ReportInputs, runs: list[str]) -> tuple[float, float]:
    """The interval of the share of failed captions among those of all runs."""
    groups = number_groups(inputs.samples)
    failed = np.array([[c.status == "failed" for c in inputs.captions[run]] for run in runs], dtype=float).sum(axis=0)
    sizes = group_sizes(groups) * len(runs)
    return share_interval(sum_by_group(failed, groups), sizes, inputs.comparison.confidence)


def describe_interval(comparison: Comparison, low: float | None, high: float | None) -> str:
    """`95% interval 1.2–10.6%`; nothing where there is none."""
    if low is None or high is None or np.isnan(low):
        return ""
    return f"{comparison.confidence:.0%} interval {100 * low:.1f}–{high:.1%}"


def count_truncated(comparison: Comparison) -> dict[str, dict[str, int]]:
    """By the label of a metric's first value: how many captions of which systems it truncated."""
    firsts = {value.metric: value for value in reversed(comparison.values)}
    found = {
        value.label: {
            system.label: cell.n_truncated
            for system in comparison.systems
            if (cell := comparison.cells[system.name, value.name, "all"]).n_truncated
        }
        for value in firsts.values()
    }
    return {label: systems for label, systems in found.items() if systems}


def count_reasons(reasons: Counter[str], most: int = 5) -> list[str]:
    """The most frequent reasons with their numbers."""
    lines = [f"{n:,} × {reason or 'no reason given'}" for reason, n in reasons.most_common(most)]
    rest = len(reasons) - most
    return lines if rest <= 0 else [*lines, f"and {rest:,} more reasons"]


def list_reasons(reasons: Mapping[str, int]) -> list[str]:
    """Reasons with their numbers, as a record has them."""
    return [f"{n:,} × {reason}" for reason, n in reasons.items()]


def share(part: int, whole: int, what: str = "samples", interval: str = "") -> str:
    """`3 of 80 samples (3.8%)`, and with an interval `3 of 80 samples (3.8%, 95% interval 1.2–10.6%)`."""
    return f"{part:,} of {whole:,} {what} ({part / whole:.1%}{', ' if interval else ''}{interval})"
