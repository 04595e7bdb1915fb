"""The findings at the top of the report: best systems and ties, failures, and whether all counts add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from report.comparison import Cell, Comparison, Value
from report.data import LABEL_LEAK_LEFT, describe_given_leaks
from report.inputs import ReportInputs

LEFT_OUT = {  # reason → words
    "too_long": "too long",
    "over_cap": "over the cap",
    "duplicates": "duplicates",
    "captions": "without a usable caption",
}
SPLITS_IN_ORDER = ("train", "validation", "test")


@dataclass(frozen=True)
class Leader:
    """The best system by one value."""

    value: Value
    label: str
    cell: Cell
    ties: list[str]  # labels


@dataclass(frozen=True)
class Alert:
    """A message at the top of the report. `flag` names the explorer's filter that shows its samples."""

    level: str  # fault or notice
    text: str
    details: list[str] = field(default_factory=list)
    flag: str = ""


@dataclass(frozen=True)
class Ledger:
    """Whether the counts of all stages add up: the sums that were checked, and those that are wrong."""

    checked: int
    faults: list[str]


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
                )
            )
    return leaders


def headline(leaders: list[Leader], n_systems: int) -> str:
    """One sentence on the best system and its ties."""
    if not leaders:
        return "No system has a score."
    if n_systems == 1:
        return f"{leaders[0].label} is the only system."
    wins = Counter(leader.label for leader in leaders)
    if len(wins) == 1:
        name, n = leaders[0].label, len(leaders)
        clear = sum(not leader.ties for leader in leaders)
        where = f"on all {n} metrics" if n > 1 else f"on {leaders[0].value.label}"
        if clear == n:
            return f"{name} scores highest {where}, significantly ahead of every other system."
        if clear == 0:
            return f"{name} scores highest {where}, but never significantly ahead of all others."
        tied = join_words([leader.value.label for leader in leaders if leader.ties])
        return f"{name} scores highest {where}; on {tied} its lead is within chance."
    parts = [
        f"{name} on {join_words([leader.value.label for leader in leaders if leader.label == name])}"
        for name, _ in wins.most_common()
    ]
    return f"No system leads everywhere: {'; '.join(parts)}."


def check_counts(inputs: ReportInputs) -> Ledger:
    """Check that no record was lost between the stages."""
    sums: list[tuple[str, int, int]] = []  # what, one side, the other side
    rejected = Counter(absence.source for absence in inputs.rejected)
    left_out = Counter(absence.source for absence in inputs.left_out)
    leaks = Counter(leak.source for leak in inputs.label_leakage)
    tested = Counter(sample.source for sample in inputs.samples)
    for source in inputs.preprocess_counts | inputs.split_counts:
        read, split = inputs.preprocess_counts.get(source), inputs.split_counts.get(source)
        if read is None or split is None:
            missing = "preprocessing" if read is None else "splitting"
            sums.append((f"{source}: files of counts of {missing}", 0, 1))
            continue
        left = sum(split.get(name, 0) for name in LEFT_OUT)
        sums += [
            (f"{source}: records in, against rejected + kept", read["in"], read["rejected"] + read["kept"]),
            (f"{source}: rejected, against the list of rejected records", read["rejected"], rejected[source]),
            (
                f"{source}: flagged {LABEL_LEAK_LEFT}, against the list",
                read["flags"].get(LABEL_LEAK_LEFT, 0),
                leaks[source],
            ),
            (f"{source}: kept by preprocessing, against what was split", read["kept"], split["kept"]),
            (
                f"{source}: kept, against left out + train + validation + test",
                split["kept"],
                left + sum(split[name] for name in SPLITS_IN_ORDER),
            ),
            (f"{source}: left out, against the list of what was left out", left, left_out[source]),
            (f"{source}: test samples counted, against those in the file", split["test"], tested[source]),
        ]
    comparison = inputs.comparison
    by_slicing: Counter[str] = Counter()
    for name, n in comparison.slices.items():
        by_slicing[name.split("=")[0]] += n
    for slicing, n in by_slicing.items():
        what = "samples compared" if slicing == "all" else f"samples in the slices by {slicing}"
        sums.append((f"{what}, against the test samples", n, len(inputs.samples)))
    for system in comparison.systems:
        failed = sum(caption.status == "failed" for caption in inputs.captions[system.name])
        complete = [
            cell
            for value in comparison.values
            if (cell := comparison.cells[system.name, value.name, "all"]).n == len(inputs.samples)
        ]
        sums += [
            (f"{system.label}: failed captions, against those scored by {cell.value}", failed, cell.n_failed)
            for cell in complete
        ]
    return Ledger(len(sums), [f"{what}: {left:,} ≠ {right:,}" for what, left, right in sums if left != right])


def find_alerts(inputs: ReportInputs, ledger: Ledger) -> list[Alert]:
    """Faults (red) and notices, in order of importance."""
    alerts = []
    n = len(inputs.samples)
    if ledger.faults:
        alerts.append(Alert("fault", "The counts do not add up: a stage lost or doubled records.", ledger.faults))
    if inputs.leaked:
        found = "the train split has their drawing, a near-duplicate, or a drawing of the same caption"
        text = f"{share(len(inputs.leaked), n)} leak: {found}."
        alerts.append(Alert("fault", text, ["Scores of trained systems are too high on these samples."], "leaked"))
    if inputs.leakage["groups"]:
        level = "notice" if inputs.leakage["setting"] == "move" else "fault"
        alerts.append(Alert(level, describe_given_leaks(inputs)))
    for system in inputs.comparison.systems:
        reasons = Counter(c.reason for c in inputs.captions[system.name] if c.status == "failed")
        if reasons:
            text = f"{system.label} wrote no caption for {share(reasons.total(), n)}; they score 0 and stay in n."
            alerts.append(Alert("fault", text, count_reasons(reasons), f"failed:{system.name}"))
        # Empty captions are reported above.
        for flag in inputs.health[system.name].summary["flags"]:
            if flag["alarm"] and flag["name"] != "empty":
                found = f"{share(flag['n'], n, 'captions')} {flag['label']}"
                text = f"{system.label}: {found}; {flag['max_rate']:.0%} tolerated."
                alerts.append(Alert("fault", text, flag=f"{flag['name']}:{system.name}"))
    undrawn = Counter(image.reason for image in inputs.images if image.status == "failed")
    if undrawn:
        text = f"{share(undrawn.total(), n)} could not be drawn; left out of image metrics for all systems."
        alerts.append(Alert("fault", text, count_reasons(undrawn), "image:failed"))
    blank = sum("blank" in image.flags for image in inputs.images)
    if blank:
        alerts.append(Alert("fault", f"{share(blank, n)} are drawn as a blank image.", flag="blank"))
    doubled = n - len({sample.xml for sample in inputs.samples})
    if doubled:
        alerts.append(Alert("fault", f"{share(doubled, n)} repeat the drawing of another test sample."))
    if inputs.rejected:
        total = sum(counts["in"] for counts in inputs.preprocess_counts.values())
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
    return alerts


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


def share(part: int, whole: int, what: str = "samples") -> str:
    """`3 of 80 samples (3.8%)`."""
    return f"{part:,} of {whole:,} {what} ({part / whole:.1%})"


def join_words(words: list[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
