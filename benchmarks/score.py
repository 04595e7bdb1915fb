"""Measure the scoring of captions against pycocoevalcap used as its README shows, in one run.

    python benchmarks/score.py --output benchmarks/score.json

Made-up captions of 8 systems on 2,000 samples, one to five references each, seeded:

* `text_vs_pycocoevalcap`: seconds of pycocoevalcap (tokenise references and captions, BLEU, METEOR, ROUGE-L,
  CIDEr; one system after another) over seconds of our commands as the workflow runs them (references tokenised
  once, a process for each system and metric, as many side by side as there are cores). Both give the same
  corpus values to 1e-9; a difference is an error.
* `bootstrap_seconds`: compare.py, from score files to comparison.json, with 10,000 resamples and as many
  swapping trials, for all values of the text metrics and CLIP, over all samples and two slicings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from command import run_command, say  # noqa: E402
from java_tools import find_java  # noqa: E402
from metrics import load_metric  # noqa: E402
from metrics.clip_score import ClipSimilarities  # noqa: E402
from records import (  # noqa: E402
    Caption,
    Sample,
    read_captions,
    read_json,
    read_samples,
    write_captions,
    write_json,
    write_samples,
)
from scores import collect_scores, write_scores  # noqa: E402

TEXT_METRICS = ["bleu", "meteor", "rouge_l", "cider"]
SIZES = ["small", "large", "tiny", "big", "huge", "little"]
COLOURS = ["red", "blue", "green", "yellow", "black", "orange", "purple", "grey"]
THINGS = ["circle", "square", "star", "dog", "cat", "house", "woman", "man", "tree", "smiling face", "clock", "car"]
RELATIONS = ["left of", "on top of", "next to", "holding", "in front of", "with", "under", "running towards"]


def main(*, n_systems: int, n_samples: int, output: Path | None) -> None:
    """Measure all and print the results as JSON; also write them to `output` where given."""
    results: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "n_systems": n_systems,
        "n_samples": n_samples,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        systems = write_inputs(folder, n_systems, n_samples)
        results |= measure_text(folder, systems)
        results |= measure_bootstrap(folder, systems)
    print(json.dumps(results, indent=2))
    if output:
        write_json(output, results)


def write_inputs(folder: Path, n_systems: int, n_samples: int) -> list[str]:
    """Write made-up samples and the captions of systems of rising quality; returns the systems' names."""
    generator = random.Random(0)
    samples = [
        Sample(
            id=f"s{number}",
            source=generator.choice(["openmoji", "scenes"]),
            split="test",
            group=f"g{number}",
            xml="<svg/>",
            references=[write_caption(generator) for _ in range(generator.randint(1, 5))],
            n_commands=generator.randint(1, 200),
        )
        for number in range(n_samples)
    ]
    write_samples(folder / "test.parquet", samples)
    systems = [f"system{number}" for number in range(n_systems)]
    for number, system in enumerate(systems):
        captions = [
            Caption(sample.id, spoil_caption(generator.choice(sample.references), 0.9 - 0.1 * number, generator))
            for sample in samples
        ]
        write_captions(folder / f"captions/{system}.jsonl", captions)
    return systems


def write_caption(generator: random.Random) -> str:
    """A caption of 3 to 11 words."""
    things = [
        " ".join(["a", *generator.sample(SIZES, generator.randint(0, 1)), generator.choice(COLOURS), thing])
        for thing in generator.sample(THINGS, 2)
    ]
    text = f" {generator.choice(RELATIONS)} ".join(things[: generator.randint(1, 2)])
    return f"{text[0].upper()}{text[1:]}."


def spoil_caption(text: str, share: float, generator: random.Random) -> str:
    """`text` with that share of its words replaced."""
    words = SIZES + COLOURS + THINGS
    return " ".join(generator.choice(words) if generator.random() < share else word for word in text.split())


def measure_text(folder: Path, systems: list[str]) -> dict[str, float]:
    """Seconds of pycocoevalcap and of our commands for all systems, and their quotient."""
    start = time.perf_counter()
    expected = {system: score_with_pycocoevalcap(folder, system) for system in systems}
    theirs = time.perf_counter() - start
    say("benchmark", f"pycocoevalcap: {theirs:.1f} s")
    start = time.perf_counter()
    files = ["--samples", "test.parquet", "--output", "references.jsonl", "--paraphrases", "paraphrases.gz"]
    run_script("tokenize_captions.py", *files, folder=folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda system: tokenize_system(folder, system), systems))
        jobs = [(system, metric) for metric in TEXT_METRICS for system in systems]
        list(pool.map(lambda job: score_system(folder, *job), jobs))
    ours = time.perf_counter() - start
    say("benchmark", f"ours: {ours:.1f} s")
    for system in systems:
        values = {}
        for metric in TEXT_METRICS:
            values |= read_json(folder / f"scores/{system}/{metric}.json")["values"]
        np.testing.assert_allclose(list(values.values()), expected[system], rtol=0, atol=1e-9)
    return {"pycocoevalcap_seconds": theirs, "text_seconds": ours, "text_vs_pycocoevalcap": theirs / ours}


def score_with_pycocoevalcap(folder: Path, system: str) -> list[float]:
    """BLEU-1..4, METEOR, ROUGE-L and CIDEr of a system, as pycocoevalcap's README has it (without SPICE)."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    samples = read_samples(folder / "test.parquet")
    captions = read_captions(folder / f"captions/{system}.jsonl")
    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize({s.id: [{"caption": text} for text in s.references] for s in samples})
    results = tokenizer.tokenize({c.id: [{"caption": c.caption}] for c in captions})
    values: list[float] = []
    for scorer in (Bleu(4), Meteor(), Rouge(), Cider()):
        options = {"verbose": 0} if isinstance(scorer, Bleu) else {}
        score, _ = scorer.compute_score(references, results, **options)
        values.extend(np.atleast_1d(score))
    return values


def tokenize_system(folder: Path, system: str) -> None:
    files = ["--captions", f"captions/{system}.jsonl", "--output", f"tokens/{system}.jsonl"]
    run_script("tokenize_captions.py", *files, folder=folder)


def score_system(folder: Path, system: str, metric: str) -> None:
    arguments = ["--metric", metric, "--system", system, "--captions", f"captions/{system}.jsonl"]
    arguments += ["--samples", "test.parquet", "--tokens", f"tokens/{system}.jsonl"]
    arguments += ["--reference-tokens", "references.jsonl", "--paraphrases", "paraphrases.gz"]
    arguments += ["--output", f"scores/{system}/{metric}.json", "--table", f"scores/{system}/{metric}.parquet"]
    run_script("score_text.py", *arguments, folder=folder)


def measure_bootstrap(folder: Path, systems: list[str]) -> dict[str, float]:
    """Seconds of compare.py on the text scores and on made-up CLIP scores."""
    metric, generator = load_metric("clip_score"), np.random.default_rng(0)
    for system in systems:
        captions = read_captions(folder / f"captions/{system}.jsonl")
        cosines = generator.uniform(0.1, 0.4, size=(3, len(captions)))
        similarities = ClipSimilarities(
            *cosines, failed=np.zeros(len(captions), dtype=bool), truncated=np.zeros(len(captions), dtype=bool)
        )
        scores = collect_scores(metric, system, captions, metric.score_samples(similarities), metric.signature())
        path = folder / f"scores/{system}/clip_score"
        write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)
    arguments = ["--experiment", "benchmark", "--samples", "test.parquet", "--scores-dir", "scores", "--seed", "1"]
    arguments += ["--systems", json.dumps({system: {"family": "file"} for system in systems})]
    arguments += ["--metrics", *TEXT_METRICS, "clip_score", "--slices", "source", "commands"]
    start = time.perf_counter()
    run_script("compare.py", *arguments, "--output", "comparison.json", "--table", "comparison.csv", folder=folder)
    return {"bootstrap_seconds": time.perf_counter() - start}


def run_script(script: str, *arguments: str, folder: Path) -> None:
    """Run one of our commands in `folder`, as a rule does."""
    subprocess.run([sys.executable, SCRIPTS / script, *arguments], cwd=folder, check=True, capture_output=True)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-systems", type=int, default=8)
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    # pycocoevalcap calls whatever `java` is found: give it ours, and a decimal point.
    os.environ["PATH"] = f"{find_java().parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["JAVA_TOOL_OPTIONS"] = "-Duser.language=en -Duser.country=US"
    run_command(main, build_parser())
