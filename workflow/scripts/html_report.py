r"""The report of an experiment: one HTML file that opens from disk without network.

Input   comparison.json, samples and images of the test split, captions and scores of all systems, counts and
        lists of what was left out, trainings, charts, provenance, Snakemake's benchmark files
Output  report.html, for unchanged input the same bytes

All content is untrusted: text goes through Jinja's autoescape or the DOM's textContent, drawings are
only ever images in data URIs, and the content security policy allows no script and style but the page's own.

    python workflow/scripts/html_report.py --experiment "SVG captioning demo" --comparison comparison.json \
        --train data/train.parquet --samples data/test.parquet --images images/test.parquet \
        --captions-dir captions --scores-dir scores \
        --health-dir health \
        --counts data/counts.json --statistics data/statistics.json --left-out data/left_out.csv \
        --preprocess-counts preprocessed/a.counts.json --rejected preprocessed/a.rejected.csv \
        --label-leakage preprocessed/a.label_leakage.csv \
        --training adapters/x/training.json --history adapters/x/history.jsonl \
        --figures figures/radar.svg figures/forest.svg --provenance provenance.json \
        --benchmarks-dir benchmarks --credits '[{"name": "OpenMoji", "licence": "CC BY-SA 4.0"}]' \
        --output report.html
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from comparison.cover import describe_cover
from core.command import log, run_command, write_whole
from core.records import SPLITS
from report.comparison import FAMILY_LABELS, Value
from report.data import MEASURES, count_label_leakage, describe_leakage, tabulate_flags
from report.eval_captions import course_of_training
from report.fair_comparison import make_grid, outside_grid
from report.findings import describe_seeds, describe_testing, find_alerts, find_leaders, headline
from report.inputs import Absence, ReportInputs, Training, read_inputs
from report.ledger import LEFT_OUT, check_counts, count_filtered
from report.page import as_yaml, content_security_policy, format_number, make_environment, read_template
from report.payload import (
    MOST_DRAWING_BYTES,
    MOST_PAGE_BYTES,
    embed_json,
    labels_of,
    pack_drawings,
    pack_json,
    samples_payload,
    slice_label,
    summary_payload,
)
from report.resource_usage import usage_by_rule, usage_of_training
from report.rule_graph import draw_rule_graph
from report.sources import describe_sources
from report.style import Style, parse_style
from report.votes import describe_voting

# In the order in which they use each other.
SCRIPTS = (
    "dom.js",
    "data.js",
    "published.js",
    "table_export.js",
    "scores_table.js",
    "charts.js",
    "slices.js",
    "words.js",
    "sample_card.js",
    "sample_filter.js",
    "filter_link.js",
    "virtual_list.js",
    "ballot_file.js",
    "blind.js",
    "explorer.js",
    "training.js",
    "histograms.js",
    "scroll_hints.js",
    "main.js",
)
MOST_LISTED = 500  # rejected records that are listed one by one


def main(
    *,
    experiment: str,
    output: Path,
    clip_note: str = "",
    device_hour_price: float | None = None,
    currency: str = "EUR",
    values: list[str] | None = None,
    style: str = "{}",
    **files: Any,
) -> None:
    """Read everything, check that the counts add up, write the report. `files` are the arguments of `read_inputs`."""
    inputs = read_inputs(**files)
    table = inputs.comparison
    shown = [table.value(name) for name in values] if values else [value for value in table.values if value.radar]
    page = render_report(
        inputs,
        title=experiment,
        values=shown,
        style=parse_style(style),
        clip_note=clip_note,
        hour_price=device_hour_price,
        currency=currency,
    )
    with write_whole(output) as partial:
        partial.write_text(page, encoding="utf-8")
    for fault in check_counts(inputs).faults:
        log("html_report", f"counts do not add up: {fault}")
    log("html_report", f"{len(inputs.samples):,} samples x {len(table.systems)} systems, {len(page) / 1e6:.1f} MB")


def render_report(
    inputs: ReportInputs,
    *,
    title: str,
    values: list[Value],
    style: Style,
    clip_note: str,
    hour_price: float | None = None,
    currency: str = "EUR",
) -> str:
    """The whole page. `values` are those of the radar chart; headline and table show shares (scenes) too."""
    ledger = check_counts(inputs)
    main = inputs.comparison.main_values(values)
    leaders, rules = find_leaders(inputs.comparison, main), usage_by_rule(inputs.benchmarks)
    samples = pack_json(samples_payload(inputs))
    drawings = pack_drawings(inputs, min(MOST_DRAWING_BYTES, MOST_PAGE_BYTES - len(samples)))
    summary = summary_payload(inputs, values, style, images_reduced=drawings.reduced)
    css = read_template("report.css")
    javascript = "\n".join(read_template(f"js/{name}") for name in SCRIPTS)
    return (
        make_environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            inputs=inputs,
            comparison=inputs.comparison,
            values=main,
            leaders=leaders,
            any_own_model=any(len(inputs.comparison.ranked(v)) < len(inputs.comparison.systems) for v in main),
            by_source=describe_sources(inputs.comparison, main),
            headline=headline(leaders, len(inputs.comparison.systems)),
            seeds=describe_seeds(leaders, inputs.comparison),
            cover=describe_cover(inputs.comparison.n_trainings, "they cover"),
            testing=describe_testing(leaders, len(inputs.comparison.systems), inputs.comparison.confidence),
            grid=make_grid(inputs.comparison, main),
            outside_grid=outside_grid(inputs.comparison),
            ledger=ledger,
            alerts=find_alerts(inputs, ledger),
            metrics=describe_metrics(inputs.comparison.values, clip_note),
            families=Counter(FAMILY_LABELS.get(s.family, s.family) for s in inputs.comparison.systems),
            family_labels=FAMILY_LABELS,
            slice_label=slice_label,
            health_flags=flags_found(inputs),
            left_out_words=LEFT_OUT,
            filtered={source: count_filtered(counts) for source, counts in inputs.preprocess_counts.items()},
            reasons=count_by_source_and_reason([*inputs.rejected, *inputs.left_out]),
            most_listed=MOST_LISTED,
            measure_words=MEASURES,
            split_names=SPLITS,
            data_flags=tabulate_flags(inputs),
            label_leakage=count_label_leakage(inputs),
            leakage=describe_leakage(inputs),
            votes=inputs.votes,
            endpoints=inputs.endpoints,
            judges=inputs.judges,
            voting=describe_voting(inputs.comparison.n_groups),
            trainings=[
                (training.model, training_facts(training), course_of_training(training, labels_of(inputs.comparison)))
                for training in inputs.trainings
            ],
            resource_usage=[usage_of_training(training) for training in inputs.trainings],
            hour_price=hour_price,
            currency=currency,
            rules=rules,
            rule_graph=draw_rule_graph(inputs.rule_edges, {usage.rule: usage.words for usage in rules}).encode()
            if inputs.rule_edges
            else b"",
            clip_training=flatten(inputs.clip_training or {}),
            provenance=flatten({k: v for k, v in inputs.provenance.items() if k != "configuration"}),
            configuration=as_yaml(inputs.provenance.get("configuration")),
            summary=Markup(embed_json(summary)),
            samples=samples,
            drawings=drawings.parts,
            css=Markup(css),
            javascript=Markup(javascript),
            policy=content_security_policy(css, javascript),
        )
    )


def flags_found(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Names and labels of the health flags that any caption has."""
    return [
        (first["name"], first["label"])
        for first, *others in zip(*(health.summary["flags"] for health in inputs.health.values()), strict=True)
        if any(flag["n"] for flag in (first, *others))
    ]


def describe_metrics(values: list[Value], clip_note: str) -> list[dict[str, Any]]:
    """One entry a metric: its values with their notes, its signature, a remark on the CLIP model."""
    entries: dict[str, dict[str, Any]] = {}
    for value in values:
        entry = entries.setdefault(value.metric, {"values": [], "signature": value.signature, "remark": ""})
        entry["values"].append(value)
    if "clip_score" in entries:
        entries["clip_score"]["remark"] = clip_note
    return list(entries.values())


def count_by_source_and_reason(records: list[Absence]) -> list[tuple[str, str, int]]:
    """How many records each source lost for each reason, the commonest first."""
    counts = Counter((record.source, LEFT_OUT.get(record.reason, record.reason)) for record in records)
    return [(source, reason, n) for (source, reason), n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def training_facts(training: Training) -> list[tuple[str, str]]:
    """The facts of training.json as they are, in its order."""
    return flatten({key: value for key, value in training.facts.items() if key != "model"})


def flatten(record: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as rows of a table: name, text."""
    rows: list[tuple[str, str]] = []
    for key, value in record.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            rows += flatten(value, f"{name} · ")
        elif isinstance(value, list):
            rows.append((name, ", ".join(str(entry) for entry in value) or "none"))
        else:
            rows.append((name, format_number(value)))
    return rows


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", required=True, help="title of the report")
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--train", type=Path, required=True, help="samples of the train split, to find leaked ones")
    parser.add_argument("--samples", type=Path, required=True, help="samples of the test split")
    parser.add_argument("--images", type=Path, required=True, help="images of the test split")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder of <system>/<metric>.parquet")
    parser.add_argument("--health-dir", type=Path, required=True, help="folder of <system>.{json,parquet} of health")
    parser.add_argument("--counts", type=Path, required=True, help="data/counts.json")
    parser.add_argument("--statistics", type=Path, required=True, help="data/statistics.json")
    parser.add_argument("--left-out", type=Path, required=True, help="data/left_out.csv")
    parser.add_argument("--preprocess-counts", type=Path, nargs="+", required=True, help="<source>.counts.json")
    parser.add_argument("--rejected", type=Path, nargs="+", required=True, help="<source>.rejected.csv")
    parser.add_argument(
        "--label-leakage", type=Path, nargs="+", required=True, help="<source>.label_leakage.csv, in that order"
    )
    parser.add_argument("--training", type=Path, nargs="*", default=[], help="training.json of each model")
    parser.add_argument("--history", type=Path, nargs="*", default=[], help="history.jsonl, in the same order")
    parser.add_argument("--clip-training", type=Path, help="training record of the embedded CLIP")
    parser.add_argument("--clip-note", default="", help="remark on the CLIP model, shown with its scores")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="charts as SVG")
    parser.add_argument("--rule-graph", type=Path, help="rule_graph.json: which rule needs which")
    parser.add_argument("--device-hour-price", type=float, help="price of an hour of one device; no costs without one")
    parser.add_argument("--currency", default="EUR", help="currency of the price")
    parser.add_argument("--provenance", type=Path, help="provenance.json")
    parser.add_argument("--benchmarks-dir", type=Path, help="folder of Snakemake's benchmark files (.tsv)")
    parser.add_argument("--logs-dir", type=Path, help="folder of the rules' logs, with the samples of their GPUs")
    parser.add_argument("--credits", default="[]", help="JSON list of objects with name, licence, url, note")
    parser.add_argument("--votes", type=Path, help="votes.json: results of the blind comparison")
    parser.add_argument("--endpoints", type=Path, nargs="*", default=[], help="endpoints/<system>.json")
    parser.add_argument("--judges", type=Path, nargs="*", default=[], help="judges/<metric>.json")
    parser.add_argument("--judges-kin", default="{}", help="JSON: the systems of a judge's own model, by metric")
    parser.add_argument("--mismatch", type=Path, help="mismatch.json: captions that may belong to other drawings")
    parser.add_argument("--values", nargs="*", help="values of headline, radar and explorer (default: for radars)")
    parser.add_argument("--style", default="{}", help="JSON object of chart settings, see radar_chart.py")
    parser.add_argument("--output", type=Path, required=True, help="report.html")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
