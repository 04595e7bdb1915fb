"""Examples of a few-shot prompt: drawings of the train split with their first reference, the same for every drawing.

They are drawn by seed among the drawings whose prompt is short enough to leave the model room for the one in question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from captions.picture_prompts import PicturePrompts
from captions.prompts import Example, PromptSettings, prompt_tokens
from captions.shown import show_code
from core.command import InputError
from core.records import Sample


@dataclass(frozen=True)
class FewShotSettings:
    """The keys of `bases.<name>.few_shot` in the configuration."""

    k: int = 3
    example_tokens: int = 512  # longest prompt of a drawing that serves as example


def choose_examples(
    tokenizer: PreTrainedTokenizerBase,
    train: Sequence[Sample],
    few_shot: FewShotSettings,
    settings: PromptSettings,
    seed: int,
    pictures: PicturePrompts | None = None,
) -> list[Example]:
    """`few_shot.k` examples, with their pictures where `pictures` shows them.

    Raises InputError where too few train drawings are short enough.
    """
    examples: list[Example] = []
    for sample in random.Random(seed).sample(train, len(train)):
        if len(examples) == few_shot.k:
            break
        shown = pictures.show(sample) if pictures else show_code(sample)
        if shown.fault:
            continue
        prompt = prompt_tokens(tokenizer, shown.xml, settings.asking(shown.question), picture=shown.tokens)
        if not prompt.n_xml_tokens_removed and len(prompt.ids) <= few_shot.example_tokens:
            question = shown.question if settings.asked == "question" else ""
            examples.append(Example(shown.xml, sample.references[0], shown.png, question))
    if len(examples) < few_shot.k:
        raise InputError(
            f"only {len(examples)} train drawings have a prompt of at most {few_shot.example_tokens} tokens, but the "
            f"few-shot prompt needs {few_shot.k}: raise few_shot.example_tokens or lower few_shot.k"
        )
    return examples
