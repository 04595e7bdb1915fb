r"""The README of a results folder: every file that an experiment leaves, in a sentence each, and its table of scores.

Input   the folder, with comparison.json and comparison.txt in it
Output  README.md in that folder; it lists only files that exist

    python workflow/scripts/describe_results.py --title "SVG captioning demo" --results results/demo \
        --output results/demo/README.md
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from core.command import InputError, log, run_command, write_whole
from report.comparison import read_comparison

# Path, with names in <angles>, and what it is; in the order in which a person looks at them.
OUTPUTS = [
    ("report.html", "The report: opens from disk, without network. Start here."),
    ("qualitative.html", "Chosen samples with all captions, to be printed for an appendix."),
    ("comparison.txt", "The table of systems and scores, as it is printed at the end of a run."),
    ("comparison.csv", "All scores of all systems on all slices, with interval, n and signature; one row per score."),
    ("comparison.json", "The same with paired differences, p-values, ties and health: what the report reads."),
    ("figures/radar.<format>", "Radar chart of all systems, as PNG, SVG and PDF."),
    ("figures/forest.<format>", "Scores with intervals; filled points are best, or tie with the best."),
    ("figures/systems/<system>.<format>", "Radar chart with one system highlighted."),
    ("figures/families/<family>.<format>", "Radar chart with the systems of one family highlighted."),
    ("figures/bases/<base>.<format>", "Radar chart of a base model and its adapters."),
    ("captions/<system>.jsonl", "Captions of a system: one record per test sample, with the reason if it has none."),
    ("captions/passes/<pass>", "Captions of all systems of a base, written in one pass over the model."),
    ("captions/shards/<system>", "Captions of parts of the test split, joined in the file of the system."),
    ("imports/<system>.json", "How a file of imported captions was matched with the test samples."),
    ("endpoints/<system>.json", "Which hosted model wrote a system's captions, when, with how many tokens."),
    ("answers/<model>", "Answers of hosted models and judges by their requests; they cost money or time: keep them."),
    ("judges/<metric>.json", "A judge: failures, agreement of two runs, how its scores go with length."),
    ("judgements/<metric>", "Each score of a judge, with its reason or why there is none."),
    ("health/<system>.json", "Health of a system's captions: counts of flags, languages, lengths."),
    ("health/<system>.parquet", "The same, one row per sample."),
    ("scores/<system>/<metric>.json", "Corpus values of a system by a metric, with the metric's signature."),
    ("scores/<system>/<metric>.parquet", "The same per sample, with statistics that give corpus values of subsets."),
    ("votes.json", "What the blind votes say: preferred systems, agreement of raters and of metrics."),
    ("exports/coco", "References and captions in COCO's layout, as pycocoevalcap reads them."),
    ("exports/capevalkit", "The same as capevalkit reads them, with the names of the files in png/test."),
    ("human/<metric>.json", "How well one reference agrees with the others of its sample, by a text metric."),
    ("human/<metric>.parquet", "The same per sample."),
    ("adapters/<model>", "A trained adapter as peft reads it, with its model card and what was too long for it."),
    ("adapters/<model>/training.json", "How a training went: steps, why it stopped, memory, seconds, digests."),
    ("adapters/<model>/history.jsonl", "Loss, gradient norm and learning rate by step, and the validation loss."),
    ("adapters/<model>/eval_captions.jsonl", "Captions of some validation samples by step, written as it trained."),
    ("adapters/<model>/settings.json", "The training settings, preset and overrides resolved."),
    ("bases/<base>", "A base that was built here, and in building.json how well it finds words in pictures."),
    ("data/<split>.parquet", "The samples of a split: canonical drawing, references, flags, measures."),
    ("data/counts.json", "How many samples of each source were kept, left out and split."),
    ("data/statistics.json", "Lengths, commands, colours and words by split, as quantiles and histograms."),
    ("data/left_out.csv", "Samples that are in no split, each with the reason."),
    ("preprocessed/<source>.parquet", "The samples of a source, before splitting."),
    ("preprocessed/<source>.rejected.csv", "Raw records that did not become samples, each with the reason."),
    ("preprocessed/<source>.label_leakage.csv", "Samples whose text still holds words of their captions."),
    ("preprocessed/<source>.counts.json", "Records of a source in, rejected, kept, and their repairs."),
    ("shards/<source>", "Raw records of a source in shards, and the results of each; unchanged shards are kept."),
    ("raw/<source>.jsonl", "The raw samples of a source that the workflow generates."),
    ("images/<split>.parquet", "The rendered drawings of a split as PNG, or the reason why there is none."),
    ("images/shards/<split>", "The same in shards; unchanged shards are kept."),
    ("png/<split>", "The same as PNG files, for people."),
    ("clip_features/<file>", "CLIP features of the images of a split, and of the references."),
    ("mismatch.<ending>", "References by how badly they fit their own pictures, the worst first."),
    ("clip", "The embedded CLIP, in open_clip's layout, and how it was trained."),
    ("tokens/<file>", "References and captions as the text metrics count them."),
    ("provenance.json", "The configuration as it was run, the commit, versions, digests of the data, the machine."),
    ("rule_graph.json", "Which rule depends on which."),
    ("wandb.json", "The W&B run with the table and the radar chart."),
    ("wandb/<run>", "That run; `wandb sync` sends one that was kept offline."),
    ("benchmarks/<rule>", "Time and memory of each job, by Snakemake."),
    ("logs/<rule>", "The log of each job."),
    ("logs/slurm_runs.txt", "Ids of the runs on SLURM: they identify jobs that outlive a killed Snakemake."),
    ("cache", "Caches of libraries; may be deleted."),
]  # fmt: skip


def main(*, title: str, results: Path, output: Path) -> None:
    """Write the README."""
    comparison = read_comparison(results / "comparison.json")
    table = results / "comparison.txt"
    if not table.is_file():
        raise InputError(f"{table} does not exist; run compare again")
    text = describe_results(
        title,
        len(comparison.systems),
        comparison.n_samples,
        table.read_text(encoding="utf-8").strip("\n"),
        find_outputs(results),
    )
    with write_whole(output) as partial:
        partial.write_text(text, encoding="utf-8")
    log("describe_results", f"{output}")


def find_outputs(results: Path) -> list[tuple[str, str]]:
    """Those of OUTPUTS that the folder has."""
    return [(path, sentence) for path, sentence in OUTPUTS if next(results.glob(as_pattern(path)), None)]


def as_pattern(path: str) -> str:
    """A path with names in <angles> as a pattern for files."""
    return re.sub(r"<\w+>", "*", path)


def describe_results(title: str, n_systems: int, n_samples: int, table: str, outputs: list[tuple[str, str]]) -> str:
    """The text of the README."""
    rows = "\n".join(f"| `{path}` | {sentence} |" for path, sentence in outputs)
    return (
        f"# {title}\n\n{n_systems} systems, {n_samples:,} test drawings. Open `report.html`.\n\n"
        f"```text\n{table}\n```\n\n| file | what it is |\n|---|---|\n{rows}\n"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", required=True, help="title of the experiment")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--output", type=Path, required=True, help="README.md")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
