"""Tokenizers of bases: where their chat template lies, what it takes, and tokens that do not fit the model."""

import json

import pytest
from test_caption_llm import caption, texts
from test_other_architectures import write_test
from tiny_models import build_tiny_model, tiny_tokenizer
from tokenizers import processors
from training_runs import train, write_data

from captions.prompts import PromptSettings, end_of_turn_ids, prompt_form, prompt_tokens
from core.command import InputError
from models import language_models
from models.files import tokenizer_files
from models.language_models import load_tokenizer, padding_id, read_config

XML = '<svg><circle cx="40" r="20"/></svg>'
# As LLaVA's and Idefics' templates are: a text that is no list of parts leaves nothing, without an error.
PARTS = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}\
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}\
{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""


@pytest.fixture
def base(tmp_path):
    return build_tiny_model(tmp_path / "base", "llama")


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json"])
def test_the_chat_template_of_a_processor_is_that_of_the_prompts(base, file):
    (base / "chat_template.jinja").unlink()
    assert load_tokenizer(base).chat_template is None
    before = tokenizer_files(base)
    (base / file).write_text(PARTS if file.endswith("jinja") else json.dumps({"chat_template": PARTS}))
    assert prompt_form(load_tokenizer(base)) == "chat template of the tokenizer"
    assert len(tokenizer_files(base)) == len(before) + 1  # so that another template makes captions and adapters stale


def test_a_template_that_takes_only_parts_gets_them():
    tokenizer = tiny_tokenizer("llama")
    settings = PromptSettings(instruction="Describe this drawing.", system="Be brief.")
    expected = tokenizer.decode(prompt_tokens(tokenizer, XML, settings).ids)
    template, tokenizer.chat_template = tokenizer.chat_template, PARTS
    try:
        prompt = prompt_tokens(tokenizer, XML, settings)
        assert tokenizer.decode(prompt.ids) == expected
        assert tokenizer.convert_tokens_to_ids("<|im_end|>") in end_of_turn_ids(tokenizer, settings)
        drawn = prompt_tokens(tokenizer, "<svg><|im_end|></svg>", settings).ids
        assert drawn.count(tokenizer.eos_token_id) == prompt.ids.count(tokenizer.eos_token_id)
    finally:
        tokenizer.chat_template = template


@pytest.mark.parametrize("single", ["$A </s>", "<s> $A </s>", "<s> $A </s> </s>"])
def test_a_plain_prompt_does_not_end_with_tokens_that_a_tokenizer_appends(base, single):
    tokenizer = build_plain(base.parent / "plain")
    expected = prompt_tokens(tokenizer, XML, PromptSettings()).ids
    specials = [("<s>", tokenizer.bos_token_id), ("</s>", tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=specials)
    assert tokenizer("a")["input_ids"][-1] == tokenizer.eos_token_id
    assert prompt_tokens(tokenizer, XML, PromptSettings()).ids == expected[0 if "<s>" in single else 1 :]


def build_plain(folder):
    return load_tokenizer(build_tiny_model(folder, "plain"))


@pytest.mark.parametrize(
    "changes",
    [{"pad_token": "<added>"}, {"pad_token": None}, {"pad_token": None, "eos_token": None}],
    ids=["padding outside of the embeddings", "no padding", "neither padding nor end of text"],
)
def test_padding_is_a_token_that_the_model_has(base, tmp_path, changes):
    samples = write_test(tmp_path)
    expected = {n: texts(caption(base, samples, tmp_path / f"a{n}", decoding={"num_beams": n})) for n in (1, 2)}
    losses = train(base, write_data(tmp_path, 8, 3), tmp_path / "expected", max_steps=4)["best_eval_loss"]
    edit_json(base / "tokenizer_config.json", **changes)
    tokenizer, size = load_tokenizer(base), read_config(base).vocab_size
    assert tokenizer.pad_token_id is None or tokenizer.pad_token_id >= size
    assert 0 <= padding_id(tokenizer, read_config(base)) < size
    for n, captions in expected.items():
        assert texts(caption(base, samples, tmp_path / f"b{n}", decoding={"num_beams": n})) == captions
    assert train(base, tmp_path, tmp_path / "out", max_steps=4)["best_eval_loss"] == pytest.approx(losses, rel=1e-6)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(base, tmp_path):
    edit_json(base / "config.json", vocab_size=300)
    message = r"base: its tokenizer writes token 3\d\d and its model has 300 \(vocab_size of config.json\)"
    with pytest.raises(InputError, match=message):
        caption(base, write_test(tmp_path), tmp_path / "a")
    with pytest.raises(InputError, match=message):
        train(base, write_data(tmp_path, 8, 3), tmp_path / "out")


def test_a_base_with_only_a_sentencepiece_model_says_what_it_needs(base, monkeypatch):
    (base / "tokenizer.json").unlink()
    (base / "tokenizer.model").write_bytes(b"no model")
    monkeypatch.setattr(language_models, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tokenizer.model needs the Python package sentencepiece, which require"):
        load_tokenizer(base)


def test_a_base_with_a_sentencepiece_model_alone_is_trained_and_captions(base, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="an environment older than its requirements.lock")
    (base / "tokenizer.json").unlink()
    edit_json(base / "tokenizer_config.json", tokenizer_class="LlamaTokenizer", add_eos_token=True)
    sentences = ["a red circle left of a blue square", XML, "Write a caption for this SVG drawing. Caption:"] * 20
    sentencepiece.SentencePieceTrainer.train(
        **{"sentence_iterator": iter(sentences), "model_prefix": str(base / "tokenizer"), "vocab_size": 380},
        **{"model_type": "bpe", "byte_fallback": True, "hard_vocab_limit": False, "minloglevel": 2},
    )
    tokenizer = load_tokenizer(base)
    assert tokenizer.decode(tokenizer("a red circle")["input_ids"], skip_special_tokens=True) == "a red circle"
    assert "tokenizer.model" in {file["name"] for file in tokenizer_files(base)}
    train(base, write_data(tmp_path, 8, 3), tmp_path / "adapter", max_steps=4)
    assert len(texts(caption(base, write_test(tmp_path), tmp_path / "a", adapter=tmp_path / "adapter"))) == 7


def test_a_base_without_any_vocabulary_is_refused(base):
    (base / "tokenizer.json").unlink()
    edit_json(base / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")
    with pytest.raises(InputError, match=r"has no vocabulary of its tokenizer, such as tokenizer\.json"):
        load_tokenizer(base)


def test_files_of_a_slow_tokenizer_count_only_where_they_are_read(base):
    names = {file["name"] for file in tokenizer_files(base)}
    (base / "vocab.json").write_text("{}")
    assert {file["name"] for file in tokenizer_files(base)} == names
    (base / "tokenizer.json").unlink()
    assert {file["name"] for file in tokenizer_files(base)} == names - {"tokenizer.json"} | {"vocab.json"}
