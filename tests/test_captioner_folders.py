"""Folders of captioners as people have them: no padding token, the chat template elsewhere, a short context."""

import json

import pytest
from test_caption_image import caption, texts, write_data
from tiny_captioners import build_tiny_captioner

from core.command import InputError


def edit_tokenizer(folder, **changes):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("idefics3", {"pad_token": None}),
        ("idefics3", {"pad_token": None, "eos_token": None}),
        ("blip2", {"pad_token": "<added>"}),
        ("florence2", {"eos_token": None}),
        ("florence2", {"bos_token": None, "eos_token": None}),
    ],
)
def test_prompts_have_the_tokens_of_the_model_where_the_tokenizer_names_none(kind, changes, tmp_path):
    write_data(tmp_path)
    model = build_tiny_captioner(tmp_path / kind, kind)
    expected = texts(caption(tmp_path, model, kind))
    edit_tokenizer(model, **changes)
    assert texts(caption(tmp_path, model, kind, "again.jsonl")) == expected


def test_a_chat_template_in_the_tokenizer_alone_is_found_and_none_is_said(tmp_path):
    write_data(tmp_path)
    model = build_tiny_captioner(tmp_path / "smolvlm", "smolvlm")
    expected = texts(caption(tmp_path, model, "smolvlm"))
    template = model / "chat_template.jinja"
    edit_tokenizer(model, chat_template=template.read_text())
    template.unlink()
    assert texts(caption(tmp_path, model, "smolvlm", "tokenizer.jsonl")) == expected
    edit_tokenizer(model, chat_template=None)
    with pytest.raises(InputError, match=r"smolvlm: its processor has no chat template .* add chat_template.jinja"):
        caption(tmp_path, model, "smolvlm", "none.jsonl")


@pytest.mark.parametrize(
    ("kind", "file", "changes", "message"),
    [
        ("florence2", "tokenizer_config.json", {"image_token": None}, r"can't be loaded: \w+ in "),
        ("smolvlm", "config.json", {"model_type": "unheard_of"}, r"family image_text_to_text can't be loaded: Value"),
        (
            "smolvlm",
            "chat_template.jinja",
            "{{ 1 + 'a' }}",
            r"a SmolVLM\w+ can't caption: TypeError",
        ),
        (
            *("vit_gpt2", "generation_config.json", {"decoder_start_token_id": None, "bos_token_id": None}),
            r"VisionEncoderDecoderModel can't caption: ValueError in utils.py, line \d+: `decoder_start_token_id` or",
        ),
    ],
)
def test_a_captioner_whose_code_fails_is_refused_in_one_line(kind, file, changes, message, tmp_path):
    write_data(tmp_path)
    model = build_tiny_captioner(tmp_path / kind, kind)
    path = model / file
    path.write_text(changes if isinstance(changes, str) else json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        caption(tmp_path, model, kind)


@pytest.mark.parametrize(
    ("kind", "n_prompt"), [("vit_gpt2", 0), ("blip", r"\d+"), ("florence2", 0), ("qwen2_5_vl", r"\d\d")]
)
def test_captions_over_the_context_are_refused(kind, n_prompt, tmp_path):
    write_data(tmp_path)
    model = build_tiny_captioner(tmp_path / kind, kind)
    message = rf"reads \d+ tokens, of which its prompt takes {n_prompt}: set its max_new_tokens to \d+ or less"
    with pytest.raises(InputError, match=message):
        caption(tmp_path, model, kind, max_new_tokens=40_000)
