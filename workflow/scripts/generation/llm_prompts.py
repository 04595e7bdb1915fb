"""The prompts of systems that share a base: the base alone, with examples, with an adapter; of code, picture or both.

maker = PromptMaker(base, tokenizer, settings, limit, seed, train, images)
prompts, failed = maker.prompts(samples, system, maker.examples("few", system))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captions.examples import FewShotSettings, choose_examples
from captions.picture_prompts import (
    CaptionerWording,
    ChatWording,
    PicturePrompts,
    choose_wording,
)
from captions.prompts import INPUTS, Example, PromptSettings
from captions.shown import Shown, show_code
from core.command import InputError
from core.json_settings import settings_from_json
from core.records import Caption, Image, Sample, read_images, read_samples
from generation.llm_engines import Prompt
from models.files import file_digest, processor_files
from models.pictures import load_processor
from samples.questions import check_questions


@dataclass(frozen=True)
class LlmSystem:
    """How a system differs from its base."""

    adapter: Path | None = None
    few_shot: FewShotSettings | None = None
    input: str = "code"

    def __post_init__(self) -> None:
        if self.input not in INPUTS:
            raise InputError(f"input: {self.input!r} is none of {', '.join(INPUTS)}")


def read_systems(text: str) -> dict[str, LlmSystem]:
    """Systems from JSON: {name: {"adapter": folder, "few_shot": {"k": …, "example_tokens": …}, "input": "code"}}.

    Each key as needed.
    """
    systems = {}
    for name, entry in json.loads(text).items():
        read = settings_from_json(LlmSystem, json.dumps(entry), name)
        few_shot = read.few_shot and settings_from_json(FewShotSettings, json.dumps(read.few_shot), f"{name}.few_shot")
        systems[name] = LlmSystem(Path(read.adapter) if read.adapter else None, few_shot or None, read.input)
    return systems


class PromptMaker:
    """Prompts of at most `limit` tokens; `train` and `images` (by split) are needed where a system shows them."""

    def __init__(
        self,
        base: Path,
        tokenizer: Any,
        settings: PromptSettings,
        limit: int,
        seed: int,
        train: Path | None,
        images: Mapping[str, Path],
    ):
        self.base, self.tokenizer, self.settings, self.limit, self.seed = base, tokenizer, settings, limit, seed
        self.train, self.image_files = train, images
        self._processor: Any = None
        self._images: dict[str, list[Image]] = {}
        self._of_splits: dict[tuple[str, str], PicturePrompts] = {}  # by split and input

    @property
    def wording(self) -> ChatWording | CaptionerWording:
        """How the base is asked."""
        return choose_wording(self.tokenizer, self._processor, self.settings)

    def examples(self, name: str, system: LlmSystem) -> list[Example]:
        """The examples that a system's prompts show; none for a system without."""
        if not system.few_shot:
            return []
        if self.train is None:
            raise InputError(f"{name}: a few-shot prompt needs --train, the split of its examples")
        pictures = self._pictures_of("train", system.input) if system.input != "code" else None
        if isinstance(self.wording, CaptionerWording):
            raise InputError(f"{name}: few_shot: a captioner that takes no prompt shows no examples; remove it")
        train = read_samples(self.train)
        self._check(train)
        return choose_examples(self.tokenizer, train, system.few_shot, self.settings, self.seed, pictures)

    def prompts(
        self,
        samples: Sequence[Sample],
        system: LlmSystem,
        examples: Sequence[Example],
        images: Sequence[Image] | None = None,
    ) -> tuple[list[Prompt], list[Caption]]:
        """Prompts, and failed records of the samples that can't be shown, with the reason.

        `images` are the pictures of the samples; without them, those of the test split are read.
        """
        show: Callable[[Sample], Shown] = show_code
        if system.input != "code":
            pictures = (
                self._pictures_of("test", system.input) if images is None else self._pictures(system.input, images)
            )
            show = pictures.show
        self._check(samples)
        wording, prompts, failed = self.wording, [], []
        for sample in samples:
            shown = show(sample)
            if shown.is_left_out:
                failed.append(Caption(sample.id, "", "failed", shown.fault))
                continue
            tokens = wording.prompt(shown, examples, self.limit)
            n_removed = tokens.n_xml_tokens_removed if shown.xml is not None else None
            pngs = (*(example.png for example in examples), shown.png)
            prompts.append(Prompt(sample.id, tokens.ids, n_removed, tuple(png for png in pngs if png is not None)))
        return prompts, failed

    def _check(self, samples: Sequence[Sample]) -> None:
        if self.settings.asked == "question":
            check_questions(samples)

    def identity(self, system: LlmSystem) -> tuple[dict[str, str], dict[str, Any]]:
        """Inputs (digests by name) and settings that determine the captions of a system that reads pictures."""
        if system.input == "code":
            return {}, {}
        inputs = {"images": file_digest(self._image_file("test"))}
        inputs |= {f"base/{file['name']}": file["sha256"] for file in processor_files(self.base)}
        return inputs, {"input": system.input}

    def _image_file(self, split: str) -> Path:
        if split not in self.image_files:
            raise InputError(f"--images has no {split} split, whose pictures a system reads: render it, and give it")
        return self.image_files[split]

    def _pictures_of(self, split: str, input: str) -> PicturePrompts:
        if (split, input) not in self._of_splits:
            self._images[split] = self._images.get(split) or read_images(self._image_file(split))
            self._of_splits[split, input] = self._pictures(input, self._images[split])
        return self._of_splits[split, input]

    def _pictures(self, input: str, images: Sequence[Image]) -> PicturePrompts:
        self._processor = self._processor or load_processor(self.base)
        return PicturePrompts(self._processor, self.settings, input, images)


def describe_example(example: Example) -> dict[str, Any]:
    """An example as a part of an identity; a picture by its digest."""
    described = {"xml": example.xml, "caption": example.caption}
    described |= {"question": example.question} if example.question else {}
    return described | ({"png": hashlib.sha256(example.png).hexdigest()} if example.png is not None else {})
