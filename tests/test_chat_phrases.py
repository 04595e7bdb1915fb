"""Refusals, lead-ins and control tokens in captions, loops without spaces, invisible text; none in real captions."""

from __future__ import annotations

import emoji
import pytest
from test_health import SENTENCES, flags_among_sound_ones, flags_of

from captions.chat_phrases import begins_with_lead_in, has_chat_marker, has_control_token, is_refusal
from captions.health import loops_without_spaces
from core.records import Caption
from core.visible_text import is_blank

# Captions in the words of real ones that come near what the rules look for.
SOUND = [
    "OK button",
    "A sign that reads: sorry, we are closed. Below it is a clock.",
    "A speech bubble that says \"I'm sorry, I can't help you.\" It is white.",
    '"I cannot see" in black letters.',
    "As an AI-generated logo, it has a brain of circuits.",
    "Here is a drawing of a cat.",
    "A key labelled [ESC] beside a key labelled [PAD 1].",
    "The text <br> and the text a < b > c in a code editor icon.",
    "A hand sign for sure, with a thumb up.",
    "A description card with three lines.",
    "Description card with three lines: one long and two short.",
    "Output tray of a printer.",
    "A person who is based on the letter i.",
    "No image available icon with a crossed camera.",
    "Please send help: a person waves on an island.",
    "An answer sheet: four circles, one of them filled.",
    "Ġgantija temples",
    "哈哈哈哈哈哈",
    "一个一个一个的红色圆形",
    "ニャーニャーニャーと鳴く猫",
    "Sorry, no vacancies",
    "Yes, we are open.",
    "The caption below the drawing is short.",
]


TOKENS = """
</s> <s> <eos> <bos> <pad> <PAD> <unk> <|endoftext|> <|im_end|> <|eot_id|> <|end_of_text|> <|end|> <end_of_turn>
<end_of_utterance> <image> <extra_id_0> <unused12> <loc0123> <0x0A> [SEP] [PAD] [UNK] </think> <｜end▁of▁sentence｜>
ĠredĠcircle ▁red
"""


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't help with that.",
        "I’m sorry, but I can’t view images directly.",
        "Sorry, I cannot see the picture.",
        "Unfortunately, I am unable to open the file.",
        "I cannot describe this drawing without more information.",
        "I'm unable to assist with that.",
        "I don't see any image in your message.",
        "I do not have the ability to see images.",
        "As an AI language model, I have no eyes.",
        "As a language model I read text only.",
        "The image shows a circle. However, I can't tell what it is for.",
        "There is no image provided. A circle may be meant.",
        "No SVG code was provided.",
        "Please provide the SVG code of the drawing.",
        "I apologize for the confusion.",
        "**I cannot process this request.**",
    ],
)
def test_refusals(text):
    assert is_refusal(text)
    assert "refusal" in flags_among_sound_ones(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is a caption for the drawing: a red circle.",
        "Sure! A red circle on a white background.",
        "Certainly: a red circle.",
        "Sure, here's a short description of the image: a red circle.",
        "Okay, let me look. A red circle.",
        "Of course, I can do that. A red circle.",
        "Here is a concise, one-sentence caption: A red circle.",
        "Here's a description of the SVG, which shows a circle.",
        "Here is what the drawing shows. A red circle.",
        "Caption: a red circle.",
        "**Caption:** a red circle.",
        "Description of the image: a red circle.",
        'The caption is "A red circle".',
        "A possible caption for this drawing could be: A red circle.",
        "Answer: a red circle",
        "Based on the provided SVG code, the drawing shows a circle.",
        "I'll describe the drawing. A red circle.",
    ],
)
def test_lead_ins(text):
    assert begins_with_lead_in(text)
    assert "lead_in" in flags_among_sound_ones(text)


@pytest.mark.parametrize(
    "token",
    TOKENS.split(),
)
def test_control_tokens(token):
    assert flags_among_sound_ones(f"The image depicts a red circle.{token} It has a border.") == ["control_token"]


@pytest.mark.parametrize("text", ["<|im_start|>user The image is red.", "<start_of_turn>model The image is red."])
def test_what_opens_a_turn_is_an_echo_of_the_prompt_and_no_other_token(text):
    assert flags_among_sound_ones(text) == ["prompt_echo"]


@pytest.mark.parametrize(
    "text",
    ["红色的圆形" * 3, "红色的圆，" * 4, "の" * 12, "ภาพวงกลม" * 3, "图中有一个红色的圆形和蓝色的方形" * 3, "一只" * 6],
)
def test_loops_without_spaces(text):
    assert "repetition" in flags_among_sound_ones(f"图片{text}")
    assert "repetition" not in flags_among_sound_ones(f"图片{text[: len(text) // 2]}")


@pytest.mark.parametrize(
    "text", ["\u200b", "\u200b \ufeff\u2060", "\u3164", "\u2800\u2800", "\u00ad\ufe0f", "\x00\x1b"]
)
def test_text_that_nobody_can_see_is_empty(text):
    assert flags_among_sound_ones(Caption("s4", text)) == ["empty"]
    assert Caption.written("a", text) == Caption("a", "", "failed", "the model wrote nothing")


@pytest.mark.parametrize("text", ["❤\ufe0f", "a\u200b", ".", "́", "क\u200dष"])
def test_text_with_a_visible_character_is_not_empty(text):
    assert not is_blank(text)
    assert Caption.written("a", text).status == "ok"


@pytest.mark.parametrize("text", SOUND)
def test_captions_that_come_near_are_not_found(text):
    found = [rule.__name__ for rule in RULES if rule(text)]
    assert found == []


RULES = (is_refusal, begins_with_lead_in, has_control_token, has_chat_marker, loops_without_spaces, is_blank)


def test_names_of_drawings_in_many_languages_are_not_found():
    emoji.config.load_language(["en", "ja", "zh", "de"])
    names = {
        value[language].strip(":").replace("_", " ")
        for value in emoji.EMOJI_DATA.values()
        for language in ("en", "ja", "zh", "de")
        if language in value
    }
    assert len(names) > 15_000
    assert [name for name in names if any(rule(name) for rule in RULES)] == []


def test_sound_captions_of_a_system_stay_without_these_flags():
    flags = {"refusal", "lead_in", "control_token", "repetition", "empty", "prompt_echo"}
    assert not any(flags & set(found) for found in flags_of(SENTENCES + SOUND))
