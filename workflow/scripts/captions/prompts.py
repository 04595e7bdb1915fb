"""What an LLM is asked about a drawing, as tokens: the same in training and in captioning.

In: a tokenizer, the xml of a sample, a caption in training. Out: token ids, and labels in training.
This module knows chat templates, turns and budgets; it knows nothing of models, batches or files.

The prompt is one user turn of the tokenizer's chat template, instruction first, then the xml; the examples of a
few-shot prompt are earlier turns. Where the model reads the picture as well or instead, it stands before the
instruction (captions/picture_prompts.py). A tokenizer without chat template gets `plain_template`. A prompt over its
budget is shortened inside the xml, never in the instruction, and stays a drawing that can be parsed. Control tokens
that a drawing or caption spells out are read as plain text, so that no drawing ends its turn.

    settings = PromptSettings.from_json('{"instruction": "Describe this drawing.", "max_tokens": 512}')
    prompt = prompt_tokens(tokenizer, sample.xml, settings)
    example = example_tokens(tokenizer, sample.xml, "a red circle", settings)
    assert example.ids[: len(prompt.ids)] == prompt.ids
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from core.command import InputError
from core.json_settings import settings_from_json

if TYPE_CHECKING:
    from captions.picture_prompts import PictureTokens

# What a model reads of a drawing: its xml, its rendered picture, or both in one turn.
INPUTS = ("code", "image", "both")

# Label of a position that is not trained (what torch's cross entropy ignores).
IGNORED = -100

# Options that templates read, fixed so that a prompt is the same tomorrow: Llama 3 prints a date (today's, in 3.2),
# Qwen 3 asks for a chain of thought unless told not to.
TEMPLATE_OPTIONS: dict[str, Any] = {"date_string": "26 Jul 2024", "enable_thinking": False}

# Stands for the caption when a template is asked what it writes around one.
_CAPTION_MARK = "\N{SYMBOL FOR START OF TEXT}caption\N{SYMBOL FOR END OF TEXT}"

# Every canonical drawing has it, no model learns from it, and it costs a dozen tokens: prompts leave it out.
_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'

_TAG = re.compile(r"<(?P<end>/?)(?P<name>[^\s/<>!?]+)(?:\s[^<>]*?)?(?P<alone>/?)>")


# What a model is asked: one instruction for all samples, or the question of each.
ASKED = ("instruction", "question")


@dataclass(frozen=True)
class PromptSettings:
    """Settings of the prompt. The defaults are those of the configuration, whose `from` is `asked` here."""

    instruction: str = "Write a caption for this SVG drawing."
    system: str | None = None  # None: no system message of ours; a template may have a default one
    plain_template: str = "{instruction}\n\n{xml}\n\nCaption:"  # where the tokenizer has no chat template
    max_tokens: int = 4096  # longest prompt, pictures included; longer ones are shortened inside the xml
    missing_picture: str = "leave_out"  # or use_code: what a model that reads both gets of a drawing without picture
    asked: str = "instruction"  # or question

    @classmethod
    def from_json(cls, text: str) -> PromptSettings:
        """Settings from a JSON object. Raises InputError for unknown keys, with the nearest known one."""
        return settings_from_json(cls, text, "prompt", {"from": "asked"})

    def __post_init__(self) -> None:
        if not {"instruction", "xml"} <= set(re.findall(r"{(\w+)}", self.plain_template)):
            raise InputError("prompt.plain_template must hold {instruction} and {xml}")
        if self.asked not in ASKED:
            raise InputError(f"prompt.from: {self.asked!r} is none of {', '.join(ASKED)}")

    def asking(self, question: str) -> PromptSettings:
        """The settings of the prompt for a sample: its question is the instruction, where questions are asked."""
        if self.asked == "instruction":
            return self
        assert question, "whoever makes prompts has checked that every sample has a question"
        return dataclasses.replace(self, instruction=question)


@dataclass(frozen=True)
class Example:
    """A drawing with its caption that stands in a few-shot prompt as an earlier turn; without what is not shown."""

    xml: str | None
    caption: str
    png: bytes | None = None
    question: str = ""  # where questions are asked


@dataclass
class PromptTokens:
    """A prompt that ends where the caption begins."""

    ids: list[int]
    n_xml_tokens_removed: int = 0  # by how much it was shortened


@dataclass
class ExampleTokens:
    """A prompt with its caption and the end of the turn; `labels` are IGNORED on the prompt. Both have one length."""

    ids: list[int]
    labels: list[int]
    n_xml_tokens_removed: int = 0


def prompt_tokens(
    tokenizer: PreTrainedTokenizerBase,
    xml: str | None,
    settings: PromptSettings,
    examples: Sequence[Example] = (),
    limit: int | None = None,
    picture: PictureTokens | None = None,
) -> PromptTokens:
    """Tokens of the prompt for a drawing, at most `settings.max_tokens` and those of the examples before it.

    `xml` is None where the picture alone is shown, `picture` what the base writes for one, None without. `limit` is the
    most that there may be in all, examples included: what the model reads. Raises InputError where not even an empty
    drawing fits; the tokens of a picture are never shortened.
    """
    xml = without_namespace(xml)
    if examples:
        examples = [dataclasses.replace(example, xml=without_namespace(example.xml)) for example in examples]
        empty = (_encode_prompt(tokenizer, "", settings, shown, picture) for shown in (examples, ()))
        n_with, n_without = map(len, empty)
        settings = dataclasses.replace(settings, max_tokens=settings.max_tokens + n_with - n_without)
    too_small = f"prompt.max_tokens {settings.max_tokens} is too small", "raise it or shorten the instruction"
    if limit is not None and limit < settings.max_tokens:
        settings = dataclasses.replace(settings, max_tokens=limit)
        fixes = "shorten the instruction, show fewer examples, lower decoding.max_new_tokens, or choose another base"
        too_small = f"the base reads {limit} tokens before a caption", fixes
    ids = _encode_prompt(tokenizer, xml, settings, examples, picture)
    if len(ids) <= settings.max_tokens:
        return PromptTokens(ids)
    shortest = ids if xml is None else _encode_prompt(tokenizer, shorten_svg(xml, 0), settings, examples, picture)
    if len(shortest) > settings.max_tokens:
        why, fixes = too_small
        of_picture = f", {len(picture.written)} of them for a picture," if picture else ""
        raise InputError(f"{why}: the prompt takes {len(shortest)} tokens{of_picture} without any drawing; {fixes}")
    assert xml is not None, "a prompt without code is as short as it can be"
    shortened = _encode_shortened(tokenizer, xml, settings, examples, picture, shortest)
    return PromptTokens(shortened, len(ids) - len(shortened))


def caption_tokens(tokenizer: PreTrainedTokenizerBase, caption: str, settings: PromptSettings) -> list[int]:
    """Tokens of a caption as they follow a prompt, with the token that ends the turn."""
    lead, end = _caption_surroundings(tokenizer, settings)
    text = tokenizer(lead + caption.strip(), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [*text, end]


def example_tokens(
    tokenizer: PreTrainedTokenizerBase, xml: str, caption: str, settings: PromptSettings
) -> ExampleTokens:
    """Tokens and labels to learn a caption from; the first tokens are exactly those of `prompt_tokens`.

    The caption is never cut: `settings.max_tokens` is the budget of the prompt alone.
    """
    prompt = prompt_tokens(tokenizer, xml, settings)
    caption_ids = caption_tokens(tokenizer, caption, settings)
    labels = [IGNORED] * len(prompt.ids) + caption_ids
    return ExampleTokens(prompt.ids + caption_ids, labels, prompt.n_xml_tokens_removed)


def end_of_turn_ids(
    tokenizer: PreTrainedTokenizerBase, settings: PromptSettings, generation_config: Any = None
) -> list[int]:
    """Every token that ends a caption: the template's end of turn, and the ends of text of tokenizer and model."""
    ids = {_caption_surroundings(tokenizer, settings)[1]}
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    of_model = getattr(generation_config, "eos_token_id", None)
    ids.update(of_model if isinstance(of_model, list) else [] if of_model is None else [of_model])
    return sorted(ids)


def prompt_form(tokenizer: PreTrainedTokenizerBase) -> str:
    """The form of the prompts: chat template or plain text, for logs and records."""
    return "chat template of the tokenizer" if tokenizer.chat_template else "plain template (no chat template)"


def shorten_svg(xml: str, n_chars: int) -> str:
    """The first elements of a drawing, still well-formed: about `n_chars` characters and the closing tags.

    The cut lies between elements, unless one element alone is so long that this would lose more than half of what may
    be kept; then it lies between the values of its last attribute. Expects canonical xml (no comments, no `<` or `>`
    in attributes).
    """
    if n_chars >= len(xml):
        return xml
    n_whole = 0
    open_names: list[str] = []
    for tag in _TAG.finditer(xml):
        if tag.end() > n_chars and open_names:  # the opening <svg …> stays in any case
            break
        if tag["end"]:
            open_names.pop()
        elif not tag["alone"]:
            open_names.append(tag["name"])
        n_whole = tag.end()
    kept = xml[:n_whole]
    if n_whole < n_chars / 2:
        kept += _shorten_element(xml[n_whole:n_chars])
    return kept + "".join(f"</{name}>" for name in reversed(open_names))


def _shorten_element(start: str) -> str:
    """An element that was cut inside a quoted attribute, ended there; nothing where the cut lies elsewhere.

    A number at the cut goes as well: half of it would be another number.
    """
    if start.count('"') % 2 == 0:
        return ""
    return re.sub(r"[\d.eE+-]*$", "", start).rstrip(" ,") + '"/>'


def without_namespace(xml: str | None) -> str | None:
    """An xml as it stands in prompts."""
    return None if xml is None else xml.replace(_NAMESPACE, "", 1)


def _encode_shortened(
    tokenizer: PreTrainedTokenizerBase,
    xml: str,
    settings: PromptSettings,
    examples: Sequence[Example],
    picture: PictureTokens | None,
    best: list[int],
) -> list[int]:
    """Tokens of the longest shortened prompt within the budget; `best` is the shortest there is.

    The cut is sought from below, so that its cost depends on the budget and not on the length of the drawing.
    """
    low, high = 0, min(len(xml), settings.max_tokens)
    while high - low > 1:
        ids = _encode_prompt(tokenizer, shorten_svg(xml, high), settings, examples, picture)
        if len(ids) > settings.max_tokens:
            break
        best, low, high = ids, high, min(len(xml), 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        ids = _encode_prompt(tokenizer, shorten_svg(xml, middle), settings, examples, picture)
        if len(ids) <= settings.max_tokens:
            best, low = ids, middle
        else:
            high = middle
    return best


def _encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    xml: str | None,
    settings: PromptSettings,
    examples: Sequence[Example],
    picture: PictureTokens | None,
) -> list[int]:
    if picture:
        return picture.put_into(encode_chat(tokenizer, chat_messages(settings, xml, examples, has_picture=True)))
    assert xml is not None, "a prompt shows the code, the picture or both"
    if tokenizer.chat_template:
        return encode_chat(tokenizer, chat_messages(settings, xml, examples))
    lead = _caption_surroundings(tokenizer, settings)[0]
    shown = (
        f"{_fill_plain(settings.asking(example.question), example.xml or '')}{lead}{example.caption.strip()}\n\n"
        for example in examples
    )
    return _encode_start(tokenizer, "".join(shown) + _fill_plain(settings, xml))


def encode_chat(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]]) -> list[int]:
    """Tokens of messages that an answer follows; a picture is the one token that the template writes for it.

    The template writes its own start-of-text token; letting the tokenizer add one would give two.
    """
    return _apply_template(
        tokenizer,
        messages,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        sanitize_control_tokens=True,
    )


def _encode_start(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokens of a text that is to be continued: those that a tokenizer puts before it, and none that it puts behind."""
    ids = tokenizer(text, split_special_tokens=True)["input_ids"]
    bare = tokenizer(text, split_special_tokens=True, add_special_tokens=False)["input_ids"]
    ends = (start + len(bare) for start in range(len(ids) - len(bare) + 1) if ids[start : start + len(bare)] == bare)
    return ids[: next(ends, len(ids))]


def _fill_plain(settings: PromptSettings, xml: str) -> str:
    filled = {"{instruction}": settings.instruction, "{xml}": xml}
    return re.sub(r"{instruction}|{xml}", lambda place: filled[place[0]], settings.plain_template)


def chat_messages(
    settings: PromptSettings, xml: str | None, examples: Sequence[Example] = (), has_picture: bool = False
) -> list[dict[str, Any]]:
    """The chat that asks for a caption; the content of a message is a list of parts where pictures are shown."""
    messages = [] if settings.system is None else [{"role": "system", "content": settings.system}]
    for example in examples:
        messages.append(_question(settings.asking(example.question), example.xml))
        messages.append({"role": "assistant", "content": example.caption.strip()})
    messages.append(_question(settings, xml))
    return [_with_picture(message) for message in messages] if has_picture else messages


def _question(settings: PromptSettings, xml: str | None) -> dict[str, Any]:
    return {"role": "user", "content": settings.instruction if xml is None else f"{settings.instruction}\n\n{xml}"}


def _with_picture(message: dict[str, Any]) -> dict[str, Any]:
    """A message as parts; a question begins with the picture."""
    picture = [{"type": "image"}] if message["role"] == "user" else []
    return {**message, "content": [*picture, *_as_parts(message["content"])]}


def _apply_template(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], **options: Any) -> Any:
    """Apply the chat template; where it refuses a system message (Gemma 2), that comes before the instruction.

    Templates of models that read images too may take only lists of parts for a message's content.
    """
    options = {**TEMPLATE_OPTIONS, **options}
    has_parts = isinstance(messages[-1]["content"], list)
    if not has_parts and _takes_parts_alone(tokenizer, str(tokenizer.chat_template)):
        messages = [{**message, "content": _as_parts(message["content"])} for message in messages]
    try:
        return tokenizer.apply_chat_template(messages, **options)
    except TemplateError:
        if messages[0]["role"] != "system":
            raise
        system, user, *rest = messages
        gap = "\n\n" if isinstance(system["content"], str) else _as_parts("\n\n")
        user = {**user, "content": system["content"] + gap + user["content"]}
        return tokenizer.apply_chat_template([user, *rest], **options)


@functools.lru_cache(maxsize=8)
def _takes_parts_alone(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Whether the tokenizer's chat template, which is `template`, leaves out a text that is no list of parts."""

    def shows(content: Any) -> bool:
        message = {"role": "user", "content": content}
        try:
            return _CAPTION_MARK in tokenizer.apply_chat_template([message], tokenize=False, **TEMPLATE_OPTIONS)
        except (TemplateError, TypeError):  # what a template does with content that it does not expect
            return False

    return not shows(_CAPTION_MARK) and shows(_as_parts(_CAPTION_MARK))


def _as_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _caption_surroundings(tokenizer: PreTrainedTokenizerBase, settings: PromptSettings) -> tuple[str, int]:
    """Text between prompt and caption (some templates write a space), and the token that ends the caption's turn.

    Both are found by applying the template to a reply.
    """
    if not tokenizer.chat_template:
        return "" if settings.plain_template[-1:].isspace() else " ", _end_of_text(tokenizer)
    messages = chat_messages(settings, "<svg/>")
    prompt = _apply_template(tokenizer, messages, add_generation_prompt=True, tokenize=False)
    answered = _apply_template(tokenizer, [*messages, {"role": "assistant", "content": _CAPTION_MARK}], tokenize=False)
    before, mark, after = answered.partition(_CAPTION_MARK)
    if not mark:
        raise InputError("the chat template of the base model leaves out the assistant's answer; choose another base")
    lead = before[len(prompt) :] if before.startswith(prompt) else ""
    special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    ends = (id for id in tokenizer(after, add_special_tokens=False)["input_ids"] if id in special)
    end = next(ends, None)
    return lead, _end_of_text(tokenizer) if end is None else end


def _end_of_text(tokenizer: PreTrainedTokenizerBase) -> int:
    if tokenizer.eos_token_id is None:
        raise InputError("the tokenizer of the base model has no end-of-text token; set eos_token in its configuration")
    return tokenizer.eos_token_id
