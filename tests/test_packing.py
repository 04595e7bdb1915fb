"""Packed batches: the loss of each token as alone, a real mask for each sequence, and who is padded instead."""

import pytest
import torch
import transformers as hf
from peft import LoraConfig, get_peft_model
from tiny_architectures import CONFIGS, LLAMA_SIZES, build_architecture
from tiny_vlms import build_tiny_vlm
from training_runs import adapter, train, write_base_and_data

from captions.prompts import IGNORED
from core.command import InputError
from models import sequence_attention
from models.pictures import PictureInputs, load_processor
from models.sequence_attention import attend_by_row, attend_by_sequence, can_attend_by_sequence
from training.data import Example, LeftPadding, caption_loss
from training.model import load_model
from training.packing import Packing, choose_batching, sees_neighbours, why_not_packed
from training.settings import TrainingSettings

TOKENS = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
# Windows of 16 are shorter than the sequences below.
WINDOW = {**LLAMA_SIZES, **TOKENS, "head_dim": 8, "sliding_window": 16}
SOFTCAP = {"query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}
PACKED = {
    "llama": lambda: hf.LlamaConfig(**LLAMA_SIZES, **TOKENS),
    "gemma2": lambda: hf.Gemma2Config(**WINDOW, **SOFTCAP),
    "gemma3": lambda: hf.Gemma3TextConfig(**WINDOW, query_pre_attn_scalar=8),
    "qwen2": lambda: hf.Qwen2Config(**LLAMA_SIZES, **TOKENS),
    "mistral": lambda: hf.MistralConfig(**WINDOW),
    "gpt2": lambda: CONFIGS["gpt2"](512, **TOKENS),
    "mixtral": lambda: CONFIGS["mixtral"](512, **TOKENS),
}
CAPPED = ("gemma2", "sdpa")  # SDPA knows no cap on scores
PADDED = {
    "mamba": (lambda: CONFIGS["mamba"](512, **TOKENS), "takes no position_ids"),
    "bloom": (lambda: CONFIGS["bloom"](512, **TOKENS), ""),
    "mpt": (lambda: CONFIGS["mpt"](512, **TOKENS), ""),
    "recurrent_gemma": (
        lambda: hf.RecurrentGemmaConfig(
            **{**LLAMA_SIZES, **TOKENS, "lru_width": 32, "attention_window_size": 16, "num_hidden_layers": 3}
        ),
        "",
    ),
    "inkling_text": (lambda: CONFIGS["inkling_text"](512, **TOKENS), ""),
}


def build(config, attention=None):
    config.use_cache = False  # as load_model sets it; transformers makes no mask of sequences beside a cache
    torch.manual_seed(0)
    return hf.AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.float32).eval()


def draw_examples():
    draws = torch.Generator().manual_seed(1)

    def tokens(n):
        return torch.randint(3, 300, (n,), generator=draws).tolist()

    return [Example(tokens(n_prompt), tokens(n_caption)) for n_prompt, n_caption in ((40, 6), (25, 9), (61, 1), (3, 4))]


def losses_of(model, batch):
    """The loss of each caption token of a batch, in order."""
    batch = dict(batch)
    labels = batch.pop("labels")[:, 1:]
    with torch.no_grad():
        logits = model(**batch).logits[:, -labels.shape[1] - 1 : -1]
    wanted = labels != IGNORED
    return torch.nn.functional.cross_entropy(logits[wanted], labels[wanted], reduction="none")


@pytest.mark.parametrize(
    ("name", "attention"),
    [(name, attention) for name in PACKED for attention in ("eager", "sdpa") if (name, attention) != CAPPED],
)
def test_the_loss_of_each_token_is_that_of_the_sequence_alone(name, attention):
    model = build(PACKED[name](), attention)
    assert why_not_packed(model) == ""
    examples = draw_examples()
    alone = torch.cat([losses_of(model, LeftPadding(2)([example])) for example in examples])
    packed = Packing()(examples)
    assert packed["input_ids"].shape == (1, sum(example.n_tokens for example in examples))
    assert packed["logits_to_keep"].numel() == packed["labels"].numel() == 20 + 1, "captions alone, and one column"
    assert torch.allclose(losses_of(model, packed), alone, atol=1e-5)
    padded = losses_of(model, LeftPadding(2)(examples))
    assert torch.allclose(padded, alone, atol=1e-5)
    if name == "gpt2":
        assert not can_attend_by_sequence(model)
        return
    attend_by_sequence(model)
    assert torch.allclose(losses_of(model, packed), alone, atol=1e-5)
    assert torch.equal(losses_of(model, LeftPadding(2)(examples)), padded), "padded batches stay as they are"
    attend_by_row(model)
    assert model.config._attn_implementation == attention


@pytest.mark.parametrize("name", ["llama", "gemma2", "gemma3", "qwen2", "mistral"])
def test_adapters_get_the_gradient_of_the_sequences_alone(name):
    model, examples = adapted(PACKED[name]()), draw_examples()
    n_labels = sum(len(example.caption) for example in examples)
    alone = gradients_of(model, [LeftPadding(2)([example]) for example in examples], n_labels)
    padded = gradients_of(model, [LeftPadding(2)(examples)], n_labels)
    attend_by_sequence(model.get_base_model())
    packed = gradients_of(model, [Packing()(examples)], n_labels)
    assert alone.keys() == padded.keys() == packed.keys()
    for key, value in alone.items():
        assert value.abs().max() > 1e-3, key
        assert torch.allclose(padded[key], value, atol=1e-5), key
        assert torch.allclose(packed[key], value, atol=1e-5), key


def adapted(config):
    """A model with LoRA matrices, of which none is zero."""
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    model = get_peft_model(build(config), LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    for key, weight in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def gradients_of(model, batches, n_labels):
    """The gradients of the mean loss over some batches, by parameter."""
    model.zero_grad()
    for batch in batches:
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        caption_loss(model(**inputs).logits, batch["labels"], n_labels).backward()
    return {key: weight.grad.clone() for key, weight in model.named_parameters() if weight.grad is not None}


def test_attention_by_sequence_computes_no_more_than_the_sequences(monkeypatch):
    seen = []
    plain = sequence_attention.sdpa_attention_forward

    def counting(module, query, key, value, mask, **options):
        seen.append((query.shape[2], key.shape[2], mask is None))
        return plain(module, query, key, value, mask, **options)

    monkeypatch.setattr(sequence_attention, "sdpa_attention_forward", counting)
    model, examples = build(PACKED["llama"](), "sdpa"), draw_examples()
    attend_by_sequence(model)
    losses_of(model, Packing()(examples))
    lengths = [example.n_tokens for example in examples]
    assert seen == model.config.num_hidden_layers * [(n, n, True) for n in lengths], "causal, by SDPA's own kernels"


def test_a_row_whose_positions_go_on_is_another_loss():
    """The trap: without a mask of its own each sequence sees those before it, and the mean loss looks much alike."""
    model, examples = build(PACKED["llama"]()), draw_examples()
    packed = Packing()(examples)
    trapped = {**packed, "position_ids": torch.arange(packed["input_ids"].shape[1])[None]}
    assert not torch.allclose(losses_of(model, trapped), losses_of(model, packed), atol=1e-2)
    attend_by_sequence(model)
    assert not torch.allclose(losses_of(model, trapped), losses_of(model, packed), atol=1e-2)


@pytest.mark.parametrize("name", PADDED)
def test_models_that_would_see_their_neighbours_are_padded(name):
    config, reason = PADDED[name]
    why = why_not_packed(build(config()))
    assert f"a {name} model" in why
    assert reason in why


def test_a_model_whose_code_fails_with_packed_rows_is_padded(tmp_path):
    base = build_architecture(tmp_path / "base", "inkling_text")
    settings = TrainingSettings(packing="auto", dtype="fp32")
    batching, model = batching_of(base, settings, is_measured=True)
    assert batching.rival is None
    assert "the code of a inkling_text model fails with a packed row (RuntimeError in sdpa" in batching.reason
    assert model.config._attn_implementation == "sdpa"
    with pytest.raises(InputError, match=r"packing: always: .* fails with a packed row .*; set packing: auto"):
        batching_of(base, TrainingSettings(packing="always", dtype="fp32"))


def test_a_mask_that_looks_past_sequences_is_found(monkeypatch):
    model = build(PACKED["llama"]())
    assert not sees_neighbours(model)
    monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda position_ids: None)
    assert sees_neighbours(model)


def batching_of(base, settings, pictures=None, is_measured=False):
    model = load_model(base, settings)
    return choose_batching(model, 2, pictures, settings, torch.device("cpu"), is_measured), model.get_base_model()


def test_batches_are_packed_on_demand_or_rivals_and_never_with_pictures(tmp_path):
    gpt2 = build_architecture(tmp_path / "gpt2", "gpt2")
    always = TrainingSettings(packing="always", dtype="fp32", targets=["c_attn"])
    assert isinstance(batching_of(gpt2, always)[0].collate, Packing)
    for packing, is_measured, reason in (
        ("auto", False, "padded: packing was not measured"),
        ("auto", True, "without attention by sequence packing is slower"),
        ("never", True, "packing: never"),
    ):
        settings = TrainingSettings(packing=packing, dtype="fp32", targets=["c_attn"])
        batching, _ = batching_of(gpt2, settings, is_measured=is_measured)
        assert (type(batching.collate), batching.reason, batching.rival) == (LeftPadding, reason, None)
    with pytest.raises(InputError, match=r"packing: always: .* a qwen2_vl model counts positions itself; set packing"):
        batching_of(
            build_architecture(tmp_path / "vl", "qwen2_vl"), TrainingSettings(packing="always", targets="all-linear")
        )
    llava = build_tiny_vlm(tmp_path / "llava", "llava")
    with pytest.raises(InputError, match="its prompts show pictures"):
        batching_of(llava, TrainingSettings(packing="always"), PictureInputs(load_processor(llava), torch.float32))
    # A base that reads pictures, trained on code: its vision tower keeps its attention.
    batching, base = batching_of(llava, TrainingSettings(dtype="fp32"), is_measured=True)
    assert (type(batching.collate), type(batching.rival)) == (LeftPadding, Packing)
    attend_by_sequence(base)
    assert base.config.text_config._attn_implementation == "sequences_of_sdpa"
    assert base.config.vision_config._attn_implementation == "sdpa"
    assert not sees_neighbours(base)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_packed_training_is_the_padded_one(family, tmp_path):
    base, data = write_base_and_data(tmp_path, family)
    steps = {"batch_size": 4, "max_steps": 4, "log_steps": 1, "learning_rate": 0.001}
    padded = train(base, data, tmp_path / "padded", packing="never", **steps)
    packed = train(base, data, tmp_path / "packed", packing="always", **steps)
    assert packed["micro_batch"]["packing"].startswith("packed, by ")
    assert packed["best_eval_loss"] == pytest.approx(padded["best_eval_loss"], abs=1e-5)
    for key, value in adapter(tmp_path / "padded").items():
        assert torch.allclose(value, adapter(tmp_path / "packed")[key], atol=2e-5), key


def test_the_loss_of_a_packed_batch_has_gradients_of_the_padded_one():
    model, examples = build(PACKED["gemma3"]()), draw_examples()
    gradients = []
    for collate in (LeftPadding(2), Packing()):
        batch = collate(examples)
        labels = batch.pop("labels")
        model.zero_grad()
        caption_loss(model(**batch).logits, labels, None).backward()
        gradients.append([weight.grad.clone() for weight in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
