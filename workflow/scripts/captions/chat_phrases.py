"""What chat models write around a caption or in its place: refusals, lead-ins, and tokens that control the dialogue.

The phrases are English, and count where a sentence begins without a quotation mark: a caption may quote them. A refusal
in another language than that of the references is found as wrong language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def _any_of(patterns: Sequence[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


_PICTURE = r"(?:image|picture|drawing|illustration|icon|graphic|figure|svg|code|file)"
_NO_QUOTE = r"[^\w\"'“”‘’«»„]{0,8}"  # Markdown, emoji and spaces before the first word

_UNABLE = _any_of(
    [
        r" ?(?:can['’]?t|cannot|can not|couldn['’]?t|could not|won['’]t|will not)",
        r"(?:['’]m| am) (?:unable|not able) to",
        r" (?:don['’]?t|do not) (?:see|have)",
    ]
)
_REFUSED = """
help assist see view open access display describe caption identify interpret provide generate create fulfil fulfill
comply process analyze analyse render determine tell read any an a the enough
"""
_REFUSAL = re.compile(
    rf"(?:^|[.!?…\n]){_NO_QUOTE}"
    + _any_of(
        [
            rf"(?:but |however,? )?I{_UNABLE} {_any_of(_REFUSED.split())}\b",
            rf"(?:unfortunately|apologies|(?:I['’]?m |I am )?(?:very |so )?sorry)[\s,.:;—-]{{1,3}}(?:but )?I{_UNABLE}",
            r"(?:I['’]m|I am) (?:very |so )?sorry,? but\b",
            r"(?:I|my) (?:sincerely )?(?:apologi[sz]e|apologies)\b",
            r"as an? (?:AI\b(?!-)|artificial intelligence|(?:large )?language model)",
            rf"(?:there (?:is|was) )?no {_PICTURE}(?: \w+)? (?:was |has been )?(?:provided|attached|uploaded|given)\b",
            rf"please (?:provide|upload|share|attach|send)\b[^.!?\n]{{0,40}}\b{_PICTURE}\b",
        ]
    ),
    re.IGNORECASE,
)

_HERE = r"here(?:['’]?s| is| are)"
_CAPTION = r"(?:captions?|descriptions?|summary|answer|response)"
_ANNOUNCED = _any_of([rf"{_HERE}\b", r"let me\b", r"I(?:['’]ll| will| would| can)\b", rf"the {_CAPTION}\b"])
_LEAD_IN = re.compile(
    rf"^{_NO_QUOTE}"
    + _any_of(
        [
            r"(?:sure|sure thing|certainly|of course|absolutely|gladly)\s?[!:.—–-]",
            rf"(?:sure|certainly|of course|ok|okay|yes|great|thanks?)\b[^.!?:\n]{{0,30}}[,.!:]\s*{_ANNOUNCED}",
            rf"{_HERE} (?:[\w-]+,? ){{0,5}}?{_CAPTION}\b[^.!?:\n]*(?::|\b(?:of|for|based on) (?:the|this|your)\b)",
            rf"{_HERE} what (?:the|this|your)\b",
            rf"(?:(?:the|a|one|my|possible|suggested|short|brief|image|final) ){{0,4}}{_CAPTION}"
            rf"(?: (?:of|for) (?:the|this|your) {_PICTURE})?(?: (?:is|would be|could be))?[*_\s]{{0,4}}[:“\"]",
            r"output[*_\s]{0,4}:",
            r"based on (?:the|this|your) (?:[\w-]+ ){0,3}(?:svg|code|paths?|markup|information|coordinates)\b",
            r"(?:let me|I['’]ll|I will|I would) (?:describe|caption)\b",
        ]
    ),
    re.IGNORECASE,
)

# What opens a turn of a dialogue, or stands in prompts.
_CHAT_MARKER = re.compile(
    r"<\|(?:im_start|start|start_header_id|system|user|assistant)\|>|\[/?INST\]|<</?SYS>>|<start_of_turn>"
    r"|^\s*(?:assistant|user|system)\s*(?:[:\n]|$)|###\s*(?:instruction|response)",
    re.IGNORECASE,
)
_CONTROL_TOKEN = re.compile(
    _any_of(
        [
            r"<\|[\w▁ -]+\|>",  # GPT, Qwen, Llama 3, Phi
            r"<｜[^<>]+｜>",  # DeepSeek
            r"</?(?i:s|bos|eos|pad|unk|mask|sep|cls|eod|eop|image|img|video|think)>",  # Llama 2, Gemma, BLOOM, Mistral
            r"<(?:end_of_turn|end_of_utterance|fake_token_around_image|global-img|row_\d+_col_\d+|image_soft_token)>",
            r"<(?:extra_id_\d+|unused\d+|loc\d+|seg\d+|0x[0-9A-F]{2}|reserved_\w+)>",  # T5, Gemma, PaliGemma, bytes
            r"\[(?:CLS|SEP|PAD|UNK|MASK|BOS|EOS|IMG|IMG_END|gMASK)\]",  # BERT, Pixtral, GLM
            r"[a-z.,]Ġ\w|▁\w",  # pieces of words as tokenizers write them
        ]
    )
)


def is_refusal(text: str) -> bool:
    """Whether a sentence of a text refuses to caption, asks for the picture, or says that an AI writes."""
    return bool(_REFUSAL.search(text))


def begins_with_lead_in(text: str) -> bool:
    """Whether a text begins with an announcement of the caption, as "Sure! Here is a caption for this drawing:"."""
    return bool(_LEAD_IN.search(text))


def has_chat_marker(text: str) -> bool:
    """Whether a text holds what opens a turn of a dialogue."""
    return bool(_CHAT_MARKER.search(text))


def has_control_token(text: str) -> bool:
    """Whether a text holds a token that ends texts, fills batches or stands for pictures, or pieces of a tokenizer."""
    return bool(_CONTROL_TOKEN.search(_CHAT_MARKER.sub(" ", text)))
