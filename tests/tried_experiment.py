"""A finished experiment of tiny models, made by the commands of the workflow without Snakemake, and its page.

    with finished_experiment(folder) as plan:          the folder is the working directory within the block
    with served(folder) as page:                       the command runs; page.post("/drawings", b"<svg …>") gives events

Four drawings in the test split; a base alone, with an example, with two adapters; a base that reads code and picture; a
captioner; all baselines; captions from a file.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from test_caption_llm import build_adapter
from tiny_captioners import build_tiny_captioner
from tiny_models import build_tiny_clip, build_tiny_model
from tiny_vlms import build_tiny_vlm

import caption_baseline
import caption_image
import caption_llm
import extract_clip_features
from core.json_settings import pick_settings
from core.records import Image, Sample, write_images, write_json, write_samples
from page.experiment import read_configuration
from plan.experiment import Plan, make_plan
from readers.entries import RawRecord
from rendering.renderers import PictureStyle, render_xml
from samples.making import Made, Settings, process_record
from samples.reference_checks import ReferenceChecks

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "try_experiment.py"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"  # in captions and names
COLOURS = ("red", "blue", "green", "gold")
CONFIGURATION = {
    "experiment": "tiny",
    "dataset": {"sources": {"mine": {"path": "mine.json"}}},
    "preprocess": {"canvas": 64},
    "render": {"size": 48},
    "bases": {
        "llm": {"label": f"Tiny {HOSTILE}", "source": {"path": "models/llm"}, "few_shot": {"k": 1}},
        "vlm": {"source": {"path": "models/vlm"}, "inputs": ["both"]},
    },
    "models": {name: {"base": "llm", "preset": "test1"} for name in ("tuned-a", "tuned-b")},
    "captioners": {"blip": {"family": "blip", "source": {"path": "models/blip"}, "gpus": 0}},
    "systems": {"other": {"kind": "file", "path": "other.jsonl"}},
    "baselines": {"constant": {}, "text_nearest": {}, "clip_nearest": {}},
    "decoding": {"max_new_tokens": 8, "dtype": "fp32", "gpus": 0},
    "clip": {"source": {"path": "models/clip"}},
    "report": {"title": f"Tiny {HOSTILE}"},
}


def raw_drawing(number: int) -> str:
    """A drawing as a file has it, with what preprocessing changes."""
    colour, side = COLOURS[number % 4], 10 + 3 * number
    shape = f'<circle r="{side / 2}"' if number % 2 else f'<rect width="{side}" height="{side}"'
    return (
        '<?xml version="1.0"?><!-- a comment --><svg xmlns="http://www.w3.org/2000/svg" width="200" height="200">'
        f'<g transform="translate({20 + number} 30)">{shape} style="fill: {colour}"/></g></svg>'
    )


def records() -> list[dict[str, Any]]:
    """Twelve records: the last four are those of the test split."""
    names = [f"{COLOURS[n % 4]} {'circle' if n % 2 else 'square'} {HOSTILE if n == 9 else n}" for n in range(12)]
    return [
        {"id": f"s{n}", "svg": raw_drawing(n), "caption": f"a {name}", "split": "test" if n > 7 else "train"}
        for n, name in enumerate(names)
    ]


@contextlib.contextmanager
def finished_experiment(folder: Path) -> Iterator[Plan]:
    """The experiment in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build_models()
        Path("mine.json").write_text(json.dumps(records()))
        Path("other.jsonl").write_text(
            "".join(json.dumps({"id": f"s{n}", "caption": f"read {n}"}) + "\n" for n in range(12))
        )
        Path("tiny.yaml").write_text(yaml.safe_dump(CONFIGURATION))
        config = read_configuration(Path("tiny.yaml"))
        plan = make_plan(config)
        write_json("results/tiny/logs/runs/1.json", {"configuration": config, "codes": {}, "contents": {}, "rules": ""})
        write_data(plan)
        write_all_captions(plan)
        yield plan


def build_models() -> None:
    base = build_tiny_model(Path("models/llm"), "llama")
    build_tiny_vlm(Path("models/vlm"), "smolvlm")
    build_tiny_captioner(Path("models/blip"), "blip")
    build_tiny_clip(Path("models/clip"))
    for seed, name in enumerate(("tuned-a", "tuned-b")):
        build_adapter(Path("results/tiny/adapters") / name, base, seed)


def write_data(plan: Plan) -> None:
    """Samples and pictures by the functions that the workers of the workflow call, and the features of the pictures."""
    settings = pick_settings(Settings, plan.config["preprocess"])
    process = partial(process_record, source="mine", settings=settings, checks=ReferenceChecks(drop=[]), max_chars=None)
    made = [
        process(RawRecord(n, one["id"], one["svg"], [one["caption"]], one["split"], ""))
        for n, one in enumerate(records())
    ]
    style = PictureStyle(size=plan.config["render"]["size"])
    for split in ("train", "test"):
        samples = [one.sample for one in made if isinstance(one, Made) and one.sample.split == split]
        write_samples(f"{plan.results}/data/{split}.parquet", samples)
        write_images(f"{plan.results}/images/{split}.parquet", [image_of(sample, style) for sample in samples])
        extract_clip_features.main(
            clip=Path("models/clip"),
            images=Path(f"{plan.results}/images/{split}.parquet"),
            batch_size=16,
            output=Path(f"{plan.results}/clip_features/{split}.parquet"),
        )


def image_of(sample: Sample, style: PictureStyle) -> Image:
    rendering = render_xml(sample.xml, style)
    return Image(sample.id, rendering.png, style.size, style.size, "ok", "", rendering.flags)


def write_all_captions(plan: Plan) -> None:
    """The captions of all systems, by the commands with the arguments that the rules give them."""
    results = Path(plan.results)
    train, test, images = (
        results / name for name in ("data/train.parquet", "data/test.parquet", "images/test.parquet")
    )
    decoding = {k: v for k, v in plan.config["decoding"].items() if k not in ("gpus", "python", "group_by_base")}
    for job in plan.llm_jobs.values():
        caption_llm.main(
            systems=job.described,
            base=Path(job.base.folder),
            samples=test,
            train=train if job.shows_examples else None,
            shard="1/1",
            prompt=json.dumps(plan.prompt(*job.inputs)),
            decoding=json.dumps(decoding),
            seed=plan.seed("caption_llm"),
            output_dir=results / "captions",
            manifest=None,
            images=json.dumps(job.images),
        )
    for one in plan.captioners.values():
        caption_image.main(
            captioner=one.name,
            family=one.family,
            model=Path(one.model.folder),
            tokenizer=None,
            trust_remote_code=False,
            images=images,
            samples=test,
            shard="1/1",
            settings=json.dumps(one.settings),
            seed=plan.seed("caption_image"),
            output=results / "captions" / f"{one.name}.jsonl",
        )
    features = [results / "clip_features" / f"{split}.parquet" for split in ("train", "test")]
    for name in plan.config["baselines"]:
        caption_baseline.main(
            kind=name,
            train=train,
            samples=test,
            train_features=features[0],
            features=features[1],
            output=results / "captions" / f"{name}.jsonl",
        )
    lines = [json.dumps({"id": f"s{n}", "caption": f"read {n}"}) + "\n" for n in range(8, 12)]
    (results / "captions" / "other.jsonl").write_text("".join(lines))


class Page:
    """The page of a running command."""

    def __init__(self, process: subprocess.Popen[str], address: str):
        self.process, self.address = process, address
        self.client = httpx.Client(base_url=address, timeout=120)

    def post(self, path: str, body: bytes | str, **headers: str) -> list[dict[str, Any]]:
        """All events of a drawing or sample."""
        answer = self.client.post(path, content=body, headers={"Origin": self.address} | headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Page]:
    """The command on the experiment of a folder, until the block ends."""
    command = [sys.executable, str(SCRIPT), "--experiment", "tiny", "--port", "0"]
    with open(folder / "page.log", "w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, (folder / "page.log").read_text()
        yield Page(process, line.split("http://")[1].split("/")[0].join(("http://", "")))
    finally:
        process.kill()
        process.wait()


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events of a name."""
    return [event for event in events if event["event"] == name]
