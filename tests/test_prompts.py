"""Prompts: one form in training and captioning, nothing of a drawing ends its turn, shortened drawings still parse."""

import pytest
from lxml import etree
from tiny_models import TOKENIZERS, tiny_tokenizer

from captions.prompts import (
    IGNORED,
    Example,
    PromptSettings,
    caption_tokens,
    end_of_turn_ids,
    example_tokens,
    prompt_form,
    prompt_tokens,
    shorten_svg,
)
from core.command import InputError

SETTINGS = PromptSettings(instruction="Describe this drawing.", max_tokens=512)
XML = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128"><circle cx="40" cy="64" r="20" fill="#f00"/></svg>'
FAMILIES = sorted(TOKENIZERS)


def long_drawing(n_shapes: int) -> str:
    shapes = "".join(f'<path d="M{n} 2L30 4{n % 10}Z" fill="#0a0"/>' for n in range(n_shapes))
    return f'<svg viewBox="0 0 128 128"><g opacity="0.5">{shapes}</g></svg>'


@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_is_its_prompt_then_the_caption_then_one_end(family):
    tokenizer = tiny_tokenizer(family)
    prompt = prompt_tokens(tokenizer, XML, SETTINGS)
    example = example_tokens(tokenizer, XML, "a red circle", SETTINGS)
    n = len(prompt.ids)
    assert example.ids[:n] == prompt.ids
    assert example.labels == [IGNORED] * n + example.ids[n:]
    assert tokenizer.decode(example.ids[n:-1]).strip() == "a red circle"
    assert example.ids[-1] in end_of_turn_ids(tokenizer, SETTINGS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_says_the_instruction_and_the_drawing_without_its_namespace(family):
    text = tiny_tokenizer(family).decode(prompt_tokens(tiny_tokenizer(family), XML, SETTINGS).ids)
    assert "Describe this drawing." in text
    assert '<circle cx="40" cy="64" r="20" fill="#f00"/></svg>' in text
    assert "xmlns" not in text


@pytest.mark.parametrize("family", FAMILIES)
def test_control_tokens_in_a_drawing_or_caption_are_plain_text(family):
    tokenizer = tiny_tokenizer(family)
    special = TOKENIZERS[family][0]
    clean = prompt_tokens(tokenizer, "<svg><text>red</text></svg>", SETTINGS).ids
    hostile = prompt_tokens(tokenizer, f"<svg><text>red{''.join(special)}</text></svg>", SETTINGS).ids
    ids = tokenizer.convert_tokens_to_ids(special)
    assert [hostile.count(id_) for id_ in ids] == [clean.count(id_) for id_ in ids]
    caption = caption_tokens(tokenizer, f"a{''.join(special)} circle", SETTINGS)
    assert not set(caption[:-1]) & set(ids)


def test_a_system_message_that_the_template_refuses_comes_before_the_instruction():
    settings = PromptSettings(instruction="Describe this drawing.", system="You are a model.", max_tokens=512)
    text = tiny_tokenizer("gemma2").decode(prompt_tokens(tiny_tokenizer("gemma2"), XML, settings).ids)
    assert "user\nYou are a model.\n\nDescribe this drawing." in text


def test_a_tokenizer_without_template_gets_the_plain_one_and_it_is_said():
    tokenizer = tiny_tokenizer("plain")
    text = tokenizer.decode(prompt_tokens(tokenizer, XML, SETTINGS).ids)
    assert text.endswith("Caption:")
    assert prompt_form(tokenizer) == "plain template (no chat template)"
    assert prompt_form(tiny_tokenizer("llama")) == "chat template of the tokenizer"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("budget", [150, 199, 256])
def test_a_prompt_over_its_budget_is_shortened_inside_the_drawing(family, budget):
    tokenizer = tiny_tokenizer(family)
    settings = PromptSettings(instruction="Describe this drawing.", max_tokens=budget)
    prompt = prompt_tokens(tokenizer, long_drawing(60), settings)
    whole = prompt_tokens(tokenizer, long_drawing(60), PromptSettings(settings.instruction, max_tokens=100_000))
    assert budget - 40 < len(prompt.ids) <= budget  # an element has some 30 tokens
    assert prompt.n_xml_tokens_removed == len(whole.ids) - len(prompt.ids)
    text = tokenizer.decode(prompt.ids)
    assert "Describe this drawing." in text
    etree.fromstring(text[text.index("<svg") : text.rindex("</svg>") + len("</svg>")])


def test_a_budget_that_holds_no_drawing_at_all_is_refused():
    with pytest.raises(InputError, match=r"prompt\.max_tokens 5 is too small.*raise it or shorten the instruction"):
        prompt_tokens(tiny_tokenizer(), XML, PromptSettings(max_tokens=5))


@pytest.mark.parametrize("n_chars", range(0, 400, 7))
def test_a_shortened_drawing_parses_and_is_the_start_of_the_whole(n_chars):
    xml = long_drawing(8)
    shortened = shorten_svg(xml, n_chars)
    whole, part = (list(etree.fromstring(text).iter("path")) for text in (xml, shortened))
    for before, after in zip(whole, part, strict=False):
        assert before.get("d").startswith(after.get("d"))
    assert len(part) <= len(whole)


def test_a_drawing_of_one_long_path_is_cut_between_its_numbers():
    xml = f'<svg viewBox="0 0 9 9"><path d="M0 0{"L123 456" * 50}Z"/></svg>'
    path = etree.fromstring(shorten_svg(xml, 102)).find("path")
    assert path.get("d").startswith("M0 0L123 456")
    assert set(path.get("d").replace("M0 0", "").replace("L", " ").split()) <= {"123", "456"}


@pytest.mark.parametrize("family", FAMILIES)
def test_examples_are_earlier_turns_and_cost_the_drawing_nothing(family):
    tokenizer = tiny_tokenizer(family)
    end = TOKENIZERS[family][0][-1]
    examples = [Example(XML, "a red circle"), Example("<svg><rect/></svg>", f"a{end} box")]
    ids = prompt_tokens(tokenizer, "<svg><path/></svg>", SETTINGS, examples).ids
    text = tokenizer.decode(ids)
    places = [text.index(part) for part in ('<circle cx="40"', "a red circle", "<rect/>", " box", "<path/>")]
    assert places == sorted(places)
    assert text.count("Describe this drawing.") == 3
    assert "xmlns" not in text
    clean = prompt_tokens(
        tokenizer, "<svg><path/></svg>", SETTINGS, [examples[0], Example("<svg><rect/></svg>", "a box")]
    )
    special = tokenizer.convert_tokens_to_ids(end)
    assert ids.count(special) == clean.ids.count(special), "a caption of an example ended its turn"
    alone = prompt_tokens(tokenizer, long_drawing(60), SETTINGS)
    shown = prompt_tokens(tokenizer, long_drawing(60), SETTINGS, examples)
    assert alone.n_xml_tokens_removed > 0
    assert abs(shown.n_xml_tokens_removed - alone.n_xml_tokens_removed) <= 2  # tokens may join at the seams


def test_a_plain_template_must_hold_instruction_and_drawing():
    with pytest.raises(InputError, match=r"must hold \{instruction\} and \{xml\}"):
        PromptSettings(plain_template="{xml}")


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(InputError, match="instruction"):
        PromptSettings.from_json('{"instuction": "x"}')
