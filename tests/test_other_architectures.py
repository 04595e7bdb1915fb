"""Bases unlike Llama: trained and decoded as transformers' own generate does it, within their context, or refused."""

import json
import re

import pytest
import torch
from peft import PeftModel
from test_caption_llm import DECODING, caption, caption_all, texts
from tiny_architectures import CONFIGS, build_architecture
from training_runs import adapter, train, write_data
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForMaskedLM
from transformers.models.opt.modeling_opt import OPTAttention

import merge_adapter
from captions.prompts import PromptSettings, end_of_turn_ids, prompt_tokens
from core.command import InputError
from core.records import Caption, Sample, read_samples, write_samples
from generation.llm_engines import DecodingSettings, EngineJob, Prompt, torch_engine
from models.language_models import auto_class, context_length, read_config
from training import micro_batch
from training.model import load_model
from training.settings import TrainingSettings

TARGETS = {
    **{"gpt2": ["c_attn"], "bloom": ["query_key_value"], "mpt": ["Wqkv"], "gpt_oss": ["q_proj", "v_proj"]},
    **{"deepseek_v3": ["q_a_proj", "o_proj"], "qwen2_moe": ["q_proj", "shared_expert.down_proj"]},
    "mixtral": ["v_proj", "lm_head"],
}
WITHOUT_SDPA = ("bloom", "gpt_neo", "gpt_oss", "mamba", "mpt", "xglm")


def write_test(folder, n=7):
    xml = [f"<svg>{f'<rect width={chr(34)}{k * k}{chr(34)}/>' * (1 + 3 * (k % 3))}</svg>" for k in range(n)]
    write_samples(folder / "test.parquet", [Sample(f"s{k}", "a", "test", "g", xml[k], ["x"]) for k in range(n)])
    return folder / "test.parquet"


def generated(base, samples, adapter_folder=None, **options):
    """What generate writes after each prompt alone, by the base with its adapter beside the weights."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = auto_class(read_config(base)).from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    ends = end_of_turn_ids(tokenizer, PromptSettings(), model.generation_config)
    if adapter_folder:
        model = PeftModel.from_pretrained(model, adapter_folder).eval()
    for sample in read_samples(samples):
        ids = torch.tensor([prompt_tokens(tokenizer, sample.xml, PromptSettings()).ids])
        n_new = DECODING["max_new_tokens"]
        written = model.generate(input_ids=ids, max_new_tokens=n_new, do_sample=False, eos_token_id=ends, **options)
        yield Caption.written(sample.id, tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)).caption


@pytest.mark.parametrize("name", CONFIGS)
def test_an_architecture_is_trained_and_decoded_with_its_adapter_as_generate_does(name, tmp_path, monkeypatch):
    monkeypatch.setitem(torch_engine.LEAST_SHARED, torch.float32, 0)
    base, samples = build_architecture(tmp_path / "base", name), write_test(tmp_path)
    assert [record.caption for record in caption(base, samples, tmp_path / "zero")] == [*generated(base, samples)]
    steps = {"max_steps": 4, "learning_rate": 0.2, "targets": TARGETS.get(name, "all-linear")}
    train(base, write_data(tmp_path, 8, 3), tmp_path / "adapter", **steps)
    assert all(weight.any() for key, weight in adapter(tmp_path / "adapter").items() if "lora_B" in key)
    written = [record.caption for record in caption(base, samples, tmp_path / "trained", adapter=tmp_path / "adapter")]
    assert written == [*generated(base, samples, tmp_path / "adapter")]
    assert written != [*generated(base, samples)]


@pytest.mark.parametrize("name", ["gemma3", "gpt2"])
def test_a_merged_model_writes_what_its_base_writes_with_the_adapter(name, tmp_path):
    base, samples = build_architecture(tmp_path / "base", name), write_test(tmp_path)
    steps = {"max_steps": 4, "learning_rate": 0.2, "targets": TARGETS.get(name, "all-linear")}
    train(base, write_data(tmp_path, 8, 3), tmp_path / "adapter", **steps)
    merge_adapter.main(base=base, adapter=tmp_path / "adapter", output_dir=tmp_path / "merged")
    expected = texts(caption(base, samples, tmp_path / "a", adapter=tmp_path / "adapter"))
    assert texts(caption(tmp_path / "merged", samples, tmp_path / "b")) == expected


NO_PREFIX = r"is decoded wrongly with a shared prefix \(divergence 0\.\d+\) and goes without"
SLOW = r"warning: one prompt at a time .* slow"


@pytest.mark.parametrize(
    ("name", "dtype", "lines"),
    [
        *[(name, dtype, [NO_PREFIX]) for name in ("mpt", "gpt_neo") for dtype in ("fp32", "bf16")],
        ("mamba", "fp32", [r"MambaForCausalLM is decoded wrongly with padding .*", SLOW]),
        ("mamba", "bf16", [SLOW]),  # without a check, which rounding could pass
        *[(name, dtype, []) for name in ("bloom", "qwen2_vl") for dtype in ("fp32", "bf16")],
    ],
)
def test_a_model_that_is_decoded_wrongly_in_batches_is_found_and_said(name, lines, dtype, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(torch_engine.LEAST_SHARED, getattr(torch, {"fp32": "float32", "bf16": "bfloat16"}[dtype]), 0)
    monkeypatch.setattr(torch_engine, "COUNT_PADDING", ())  # as of a model that nobody knows yet
    base = build_architecture(tmp_path / "base", name)
    caption(base, write_test(tmp_path), tmp_path / "a", decoding={"dtype": dtype, "max_new_tokens": 128})
    said = [line for line in capfd.readouterr().err.splitlines() if "wrongly" in line or "warning" in line]
    assert len(said) == len(lines), said
    for line, pattern in zip(said, lines, strict=True):
        assert re.search(pattern, line)


@pytest.mark.parametrize(("name", "shares"), [("mpt", False), ("gpt_neo", False), ("bloom", True)])
def test_a_model_known_to_count_padding_shares_no_prefix_whatever_rounding_hides(name, shares, tmp_path, monkeypatch):
    monkeypatch.setitem(torch_engine.LEAST_SHARED, torch.bfloat16, 0)
    monkeypatch.setitem(torch_engine.MOST_DIVERGENCE, torch.bfloat16, 1.0)
    settings = DecodingSettings(dtype="bf16", max_new_tokens=4)
    job = EngineJob(build_architecture(tmp_path / "base", name), [], [1], 0, 64, settings, 7)
    engine = torch_engine.load_engine(job)
    engine.plan([Prompt("a", [2, 3, 4, 5]), Prompt("b", [2, 3, 4, 6, 7])])
    assert bool(engine._prefix) == shares


def test_an_encoder_that_fills_in_words_is_no_base(tmp_path):
    """transformers would load it as a decoder, and it would train without a word of warning."""
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32, vocab_size=99)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="a BertForMaskedLM fills in words and does not continue a text"):
        auto_class(read_config(tmp_path))
    read = read_config(tmp_path)
    read.architectures = ["BertLMHeadModel"]
    assert auto_class(read) is AutoModelForCausalLM


def test_captions_drawn_one_at_a_time_depend_on_seed_and_sample_alone(tmp_path):
    base, samples = build_architecture(tmp_path / "base", "mamba"), write_test(tmp_path)
    drawn = {"do_sample": True, "temperature": 1.5}
    whole = texts(caption(base, samples, tmp_path / "a", decoding=drawn))
    assert texts(caption(base, samples, tmp_path / "b", decoding=drawn, shard="2/3")) == whole[1::3]
    assert texts(caption(base, samples, tmp_path / "c", decoding=drawn, seed=8)) != whole


@pytest.mark.parametrize("name", WITHOUT_SDPA)
def test_a_model_without_sdpa_is_eager_and_refuses_what_it_has_not(name, tmp_path):
    base = build_architecture(tmp_path / "base", name)
    model = load_model(base, TrainingSettings(targets="all-linear" if name != "gpt_oss" else ["q_proj"]))
    assert model.config._attn_implementation == "eager"
    message = rf"attention: sdpa is not there for models of type {read_config(base).model_type}; there is eager"
    with pytest.raises(InputError, match=message):
        load_model(base, TrainingSettings(attention="sdpa"))
    with pytest.raises(InputError, match=message):
        caption(base, write_test(tmp_path), tmp_path / "a", decoding={"attention": "sdpa"})


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_as_it_is_set_in_captioning(attention, tmp_path, monkeypatch):
    used = []
    load = torch_engine.load_language_model
    monkeypatch.setattr(torch_engine, "load_language_model", lambda *a: used.append(load(*a)) or used[0])
    base = build_architecture(tmp_path / "base", "opt")
    caption(base, write_test(tmp_path), tmp_path / "a", decoding={"attention": attention})
    assert used[0].config._attn_implementation == attention


@pytest.mark.parametrize("name", ["gpt2", "opt", "mpt", "gemma3"])
def test_prompts_leave_room_for_the_caption_in_the_context(name, tmp_path, capfd):
    base = build_architecture(tmp_path / "base", name, context=110)
    assert context_length(read_config(base)) == 110
    records = caption(base, write_test(tmp_path), tmp_path / "a", decoding={"max_new_tokens": 30})
    assert max(record.n_prompt_tokens for record in records) in range(70, 81)
    removed = [record.n_xml_tokens_removed for record in records]
    assert any(removed)
    assert 0 in removed
    log = capfd.readouterr().err
    assert f"{sum(map(bool, removed))} of 7 prompts are shortened inside the xml, by {sum(removed)} tokens" in log
    with pytest.raises(InputError, match=r"reads 110 tokens, and decoding.max_new_tokens 110 leaves none for a prompt"):
        caption(base, write_test(tmp_path), tmp_path / "b", decoding={"max_new_tokens": 110})
    with pytest.raises(InputError, match=r"base reads 15 tokens before a caption: the prompt takes .* show fewer exam"):
        caption(base, write_test(tmp_path), tmp_path / "c", decoding={"max_new_tokens": 95})


def test_a_few_shot_prompt_keeps_to_the_context_with_its_examples(tmp_path):
    base, samples = build_architecture(tmp_path / "base", "gpt2", context=160), write_test(tmp_path)
    train_split = [Sample(f"t{k}", "a", "train", "g", f'<svg><rect x="{k}"/></svg>', ["box"]) for k in range(4)]
    write_samples(tmp_path / "train.parquet", train_split)
    few = {"few": {"few_shot": {"k": 2, "example_tokens": 200}}}
    records = caption_all(base, samples, tmp_path / "a", few, train=tmp_path / "train.parquet")["few"]
    assert max(record.n_prompt_tokens for record in records) in range(140, 160 - DECODING["max_new_tokens"] + 1)
    assert any(record.n_xml_tokens_removed for record in records)


def test_beams_obey_the_settings_and_not_the_bases_generation_config(tmp_path):
    base, samples = build_architecture(tmp_path / "base", "opt"), write_test(tmp_path)
    expected = {n: texts(caption(base, samples, tmp_path / f"a{n}", decoding={"num_beams": n})) for n in (1, 3)}
    own = json.loads((base / "generation_config.json").read_text())
    own |= {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "temperature": 0.1, "do_sample": True, "top_k": 3}
    own |= {"length_penalty": -9.0, "min_new_tokens": 12, "bad_words_ids": [[5]], "max_length": 20}
    (base / "generation_config.json").write_text(json.dumps(own))
    for n, captions in expected.items():
        assert texts(caption(base, samples, tmp_path / f"b{n}", decoding={"num_beams": n})) == captions


def test_an_encoder_is_no_base(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}')
    with pytest.raises(InputError, match="a model of type t5 does not continue a text"):
        auto_class(read_config(tmp_path))


def test_a_base_that_lacks_weights_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    base = build_architecture(tmp_path / "base", "opt")
    weights = load_file(base / "model.safetensors")
    del weights["model.decoder.layers.1.fc1.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights of a OPTForCausalLM, model.decoder.layers.1.fc1.weight"):
        load_model(base, TrainingSettings())


def edit_config(base, **changes):
    path = base / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "unheard_of"}, r"base: its config.json can't be read: ValueError in .*unheard_of"),
        ({"num_attention_heads": "four"}, r"base: its config.json can't be read: StrictDataclassFieldValidationError"),
        ({"num_attention_heads": 5}, r"base: a opt model can't be made: ValueError in modeling_opt.py, line \d+: em"),
        ({"ffn_dim": 65}, r"has 6 weights of another shape than its config.json says, model.decoder.layers.0.fc1.bias"),
    ],
)
def test_a_configuration_that_the_class_does_not_take_is_refused(changes, message, tmp_path):
    base, data = build_architecture(tmp_path / "base", "opt"), write_data(tmp_path, 4, 2)
    edit_config(base, **changes)
    with pytest.raises(InputError, match=message):
        train(base, data, tmp_path / "out")
    with pytest.raises(InputError, match=message.replace("made", "loaded")):
        caption(base, write_test(tmp_path), tmp_path / "captions")


@pytest.mark.parametrize(("name", "kind"), [("prophetnet", "ProphetNetForCausalLM"), ("xmod", "XmodForCausalLM")])
def test_a_class_whose_code_does_not_read_prompts_is_refused(name, kind, tmp_path):
    base = build_architecture(tmp_path / "base", name)
    message = rf"base: a {kind} can't be decoded: ValueError in .*; correct .*, or choose another model"
    with pytest.raises(InputError, match=message):
        caption(base, write_test(tmp_path), tmp_path / "captions")


@pytest.mark.parametrize(("name", "targets"), [("xlm", ["q_lin"]), ("roberta", ["query"])])
def test_a_class_that_reads_the_tokens_that_it_is_to_predict_is_refused(name, targets, tmp_path):
    base, data = build_architecture(tmp_path / "base", name), write_data(tmp_path, 4, 2)
    with pytest.raises(
        InputError, match=r"base: a \w+ reads the tokens behind those that it predicts, so that it would"
    ):
        train(base, data, tmp_path / "out", targets=targets)
    edit_config(base, causal=True, is_decoder=True)
    train(base, data, tmp_path / "out", targets=targets, max_steps=1)


@pytest.mark.parametrize(
    ("n_passes", "error", "is_measured", "init"),
    [
        *((0, InputError, False, "default"), (2, InputError, False, "default"), (3, TypeError, False, "default")),
        *((2, InputError, True, "default"), (2, InputError, False, "eva")),
    ],
)
def test_a_fault_after_the_first_step_keeps_its_traceback(n_passes, error, is_measured, init, tmp_path, monkeypatch):
    """Two passes show whether the model is causal; the next is the first step, is measured, or starts EVA."""
    base, data = build_architecture(tmp_path / "base", "opt"), write_data(tmp_path, 8, 2)
    forward, passes = OPTAttention.forward, []

    def fail_later(self, *arguments, **options):
        if passes.append(None) or len(passes) > 2 * n_passes:  # of two layers
            raise TypeError("of the class")
        return forward(self, *arguments, **options)

    monkeypatch.setattr(OPTAttention, "forward", fail_later)
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: is_measured)
    with pytest.raises(error, match="of the class") as raised:
        train(base, data, tmp_path / "out", packing="never", init=init)
    assert "base: a OPTForCausalLM can't be trained" in str(raised.value) or error is TypeError
    assert len(passes) == 2 * n_passes + 1


def test_an_adapter_that_gets_no_gradient_ends_the_training_at_its_first_step(tmp_path, monkeypatch):
    """A model that leaves out a layer, as Mllama without a picture and kernels that read weights themselves."""
    base = build_architecture(tmp_path / "base", "opt")
    forward = OPTAttention.forward
    monkeypatch.setattr(OPTAttention, "forward", lambda self, *a, **k: leave_out(self.v_proj, forward, self, *a, **k))
    with pytest.raises(InputError, match=r"targets: model.decoder.layers.N.self_attn.v_proj got no gradient in the fi"):
        train(base, write_data(tmp_path, 8, 3), tmp_path / "out", targets=["q_proj", "v_proj"])


def leave_out(layer, forward, *arguments, **options):
    """Call `forward` while a layer's adapter is off."""
    layer.enable_adapters(False)
    try:
        return forward(*arguments, **options)
    finally:
        layer.enable_adapters(True)
