"""Measure the scoring of captions against pycocoevalcap used as its README shows, in one run.

    python benchmarks/score.py --output benchmarks/score.json

Made-up captions of 8 systems on 2,000 samples, one to five references each, seeded:

* `text_vs_pycocoevalcap`: seconds of pycocoevalcap (tokenise references and captions, BLEU, METEOR, ROUGE-L,
  CIDEr; one system after another) over seconds of our commands as the workflow runs them (references tokenised
  once, a process for each system and metric, as many side by side as there are cores). Both give the same
  corpus values to 1e-9; a difference is an error.
* `clip_vs_loop`: seconds of a loop that encodes one image and one text at a time with open_clip (for every system the
  image, caption, prefixed caption and prefixed references) over seconds of our commands (image and reference features
  once, texts in batches), with ViT-B/32 of random weights on 500 drawings. The loop is measured on a part of the pairs
  and multiplied. Both give the same values to 1e-4.
* `bootstrap_seconds`: compare.py, from score files to comparison.json, with 10,000 resamples and as many
  swapping trials, for all values of the text metrics and CLIP, over all samples and two slicings.

`--parts` measures some of them (the bootstrap needs the text scores). Our side uses all cores and pycocoevalcap hardly
more than one, so other work on the machine (`load_before`) counts against us. The last line is the results as JSON.
"""

from __future__ import annotations

import argparse
import io
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
import pyarrow.parquet as pq

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from core.command import log, run_command  # noqa: E402
from core.records import (  # noqa: E402
    Caption,
    Image,
    Sample,
    read_captions,
    read_images,
    read_json,
    read_samples,
    write_captions,
    write_images,
    write_json,
    write_samples,
)
from make_clip_folder import main as make_clip_folder  # noqa: E402
from scoring.java_tools import find_java  # noqa: E402
from scoring.metrics import load_metric  # noqa: E402
from scoring.metrics.clip_score import HESSEL_PREFIX, ClipSimilarities  # noqa: E402
from scoring.scores import collect_scores, write_scores  # noqa: E402

PARTS = ["text", "clip"]
CLIP_ARCHITECTURE = "ViT-B-32-quickgelu"
TEXT_METRICS = ["bleu", "meteor", "rouge_l", "cider"]
SIZES = ["small", "large", "tiny", "big", "huge", "little"]
COLOURS = ["red", "blue", "green", "yellow", "black", "orange", "purple", "grey"]
THINGS = ["circle", "square", "star", "dog", "cat", "house", "woman", "man", "tree", "smiling face", "clock", "car"]
RELATIONS = ["left of", "on top of", "next to", "holding", "in front of", "with", "under", "running towards"]


def main(*, n_systems: int, n_samples: int, n_images: int, n_loop: int, parts: list[str], output: Path | None) -> None:
    """Measure and print the results, last as one line of JSON; also write them to `output` where given."""
    results: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_before": os.getloadavg()[0],
        "n_systems": n_systems,
        "n_samples": n_samples,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        systems = write_inputs(folder, n_systems, n_samples)
        if "text" in parts:
            results |= measure_text(folder, systems)
            results |= measure_bootstrap(folder, systems)
        if "clip" in parts:
            results |= measure_clip(folder, systems, n_images, n_loop)
    for name, value in results.items():
        print(f"{name:24}{value:.1f}" if isinstance(value, float) else f"{name:24}{value}")
    if output:
        write_json(output, results)
    print(json.dumps(results))


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
    log("benchmark", f"pycocoevalcap: {theirs:.1f} s")
    start = time.perf_counter()
    files = ["--samples", "test.parquet", "--output", "references.jsonl", "--paraphrases", "paraphrases.gz"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        references = pool.submit(run_script, "tokenize_captions.py", *files, folder=folder)
        list(pool.map(lambda system: tokenize_system(folder, system), systems))
        references.result()
        jobs = [(system, metric) for metric in TEXT_METRICS for system in systems]
        list(pool.map(lambda job: score_system(folder, *job), jobs))
    ours = time.perf_counter() - start
    log("benchmark", f"ours: {ours:.1f} s")
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


def measure_clip(folder: Path, systems: list[str], n_images: int, n_loop: int) -> dict[str, float]:
    """Seconds of a loop over single images and texts and of our commands for all systems, and their quotient."""
    write_clip_inputs(folder, systems, n_images)
    start = time.perf_counter()
    images = ["--clip", "clip", "--images", "images.parquet", "--output", "features.parquet"]
    run_script("extract_clip_features.py", *images, folder=folder)
    references = ["--clip", "clip", "--samples", "drawn.parquet", "--output", "reference_features.parquet"]
    run_script("extract_reference_features.py", *references, folder=folder)
    for system in systems:
        score_clip_system(folder, system)
    ours = time.perf_counter() - start
    log("benchmark", f"CLIP, ours: {ours:.1f} s")
    seconds, expected = loop_over_pairs(folder, systems[0], n_loop)
    theirs = seconds / n_loop * n_images * len(systems)
    log("benchmark", f"CLIP, loop: {seconds:.1f} s for {n_loop} pairs, {theirs:.1f} s for all")
    table = pq.read_table(folder / f"scores/{systems[0]}/clip_score.parquet")
    for name, values in expected.items():
        np.testing.assert_allclose(table[name].to_numpy()[:n_loop], values, rtol=0, atol=1e-4)
    return {"clip_loop_seconds": theirs, "clip_seconds": ours, "clip_vs_loop": theirs / ours}


def write_clip_inputs(folder: Path, systems: list[str], n_images: int) -> None:
    """A CLIP folder of random weights, drawings of coloured boxes, and the first samples and captions."""
    import open_clip
    from PIL import Image as Picture
    from PIL import ImageDraw
    from safetensors.torch import save_file

    model = open_clip.create_model(CLIP_ARCHITECTURE)
    weights = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    make_clip_folder(architecture=CLIP_ARCHITECTURE, weights=folder / "weights.safetensors", output_dir=folder / "clip")
    samples = read_samples(folder / "test.parquet")[:n_images]
    write_samples(folder / "drawn.parquet", samples)
    for system in systems:
        captions = read_captions(folder / f"captions/{system}.jsonl")[:n_images]
        write_captions(folder / f"drawn/{system}.jsonl", captions)
    generator = random.Random(1)
    images = []
    for sample in samples:
        picture = Picture.new("RGB", (224, 224), "white")
        for colour in generator.sample(COLOURS, 3):
            x, y, size = (generator.randrange(10, 140) for _ in range(3))
            ImageDraw.Draw(picture).rectangle((x, y, x + size, y + size), fill=colour)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        images.append(Image(sample.id, buffer.getvalue(), 224, 224, "ok"))
    write_images(folder / "images.parquet", images)


def score_clip_system(folder: Path, system: str) -> None:
    arguments = ["--system", system, "--clip", "clip", "--captions", f"drawn/{system}.jsonl"]
    arguments += ["--samples", "drawn.parquet", "--features", "features.parquet"]
    arguments += ["--reference-features", "reference_features.parquet"]
    arguments += ["--output", f"scores/{system}/clip_score.json", "--table", f"scores/{system}/clip_score.parquet"]
    run_script("score_clip.py", *arguments, folder=folder)


def loop_over_pairs(folder: Path, system: str, n_loop: int) -> tuple[float, dict[str, list[float]]]:
    """Seconds for the first pairs of a system, one image and one text at a time, and the values of each."""
    import open_clip
    import torch
    from PIL import Image as Picture

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder / 'clip'}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder / 'clip'}")
    model.eval()
    images, samples = read_images(folder / "images.parquet"), read_samples(folder / "drawn.parquet")
    captions = read_captions(folder / f"drawn/{system}.jsonl")
    values: dict[str, list[float]] = {"clip_score": [], "clipscore": [], "refclipscore": []}
    start = time.perf_counter()
    with torch.inference_mode():
        for image, sample, caption in list(zip(images, samples, captions, strict=True))[:n_loop]:
            pixels = preprocess(Picture.open(io.BytesIO(image.png)).convert("RGB")).unsqueeze(0)
            vector = model.encode_image(pixels, normalize=True)[0]
            texts = [caption.caption, *(HESSEL_PREFIX + text for text in (caption.caption, *sample.references))]
            plain, prefixed, *references = [model.encode_text(tokenizer([t]), normalize=True)[0] for t in texts]
            clipscore = 2.5 * max(float(vector @ prefixed), 0.0)
            closest = max(0.0, *(float(prefixed @ reference) for reference in references))
            values["clip_score"].append(100 * float(vector @ plain))
            values["clipscore"].append(clipscore)
            values["refclipscore"].append(2 * clipscore * closest / (clipscore + closest) if clipscore else 0.0)
    return time.perf_counter() - start, values


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
    parser.add_argument("--n-images", type=int, default=500, help="drawings that CLIP sees")
    parser.add_argument("--n-loop", type=int, default=100, help="pairs on which the loop is measured")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure; the bootstrap goes with text"
    )
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    # pycocoevalcap calls whatever `java` is found: give it ours, and a decimal point.
    os.environ["PATH"] = f"{find_java().parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["JAVA_TOOL_OPTIONS"] = "-Duser.language=en -Duser.country=US"
    run_command(main, build_parser())
