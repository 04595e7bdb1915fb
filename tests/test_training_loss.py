"""The loss of captions inside the model: in parts it is that of all logits at once, and few logits are there."""

import pytest
import torch
import transformers as hf
from peft import LoraConfig, get_peft_model
from test_packing import PACKED, TOKENS, adapted, build, draw_examples
from test_training_sharding import check_same, train_on_two
from tiny_architectures import CONFIGS, LLAMA_SIZES
from tiny_vlms import build_tiny_vlm
from training_runs import adapter, same_adapters, train, write_base_and_data

from training import loss
from training.data import LeftPadding, caption_loss
from training.loss import give_caption_loss
from training.model import load_model
from training.packing import Packing
from training.settings import TrainingSettings

THREE_POSITIONS = 3 * 4 * TOKENS["vocab_size"]
# Gemma 2 caps its logits, Cohere and Granite scale them.
MODELS = {
    "gemma2": PACKED["gemma2"],
    "llama": PACKED["llama"],
    "cohere": lambda: hf.CohereConfig(**LLAMA_SIZES, **TOKENS, logit_scale=0.3),
    "granite": lambda: hf.GraniteConfig(**LLAMA_SIZES, **TOKENS, logits_scaling=3.0),
}


def loss_and_gradients(model, value):
    model.zero_grad()
    value.backward()
    gradients = {key: weight.grad.clone() for key, weight in model.named_parameters() if weight.grad is not None}
    return float(value.detach()), gradients


def assert_same(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-5)
    assert one[1].keys() == other[1].keys()
    for key, value in one[1].items():
        assert torch.allclose(value, other[1][key], atol=1e-6), key


def count_logits(model):
    """The positions of each call of the head."""
    seen = []
    model.get_output_embeddings().register_forward_hook(lambda *call: seen.append(call[2].shape[:-1].numel()))
    return seen


@pytest.mark.parametrize("collate", [LeftPadding(2), Packing()], ids=["padded", "packed"])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_in_parts_is_that_of_all_logits(name, collate, monkeypatch):
    model, batch = adapted(MODELS[name]()), collate(draw_examples())
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    plain = caption_loss(model(**inputs).logits, batch["labels"], None)
    expected = loss_and_gradients(model, plain)
    give_caption_loss(model)
    assert torch.equal(model(**batch).loss, plain), "a small batch is computed as before, to the bit"
    seen = count_logits(model)
    monkeypatch.setattr(loss, "MOST_BYTES", THREE_POSITIONS)
    assert_same(loss_and_gradients(model, model(**batch).loss), expected)
    assert seen[0] == len(batch["input_ids"]), "one position a row, which none reads"
    assert max(seen[1:]) == 3
    assert sum(seen[1:]) == 2 * 20, "the captions' 20 positions, and once more in the backward pass"
    with torch.no_grad():
        assert float(model(**batch, num_items_in_batch=1.0).loss) == pytest.approx(20 * expected[0], abs=1e-4)
    assert model(**inputs).logits.shape[-1] == TOKENS["vocab_size"], "without labels all is as before"


def test_a_model_that_runs_its_layers_in_another_way_gives_all_logits(monkeypatch):
    model, batch = build(CONFIGS["opt"](512, **TOKENS)), LeftPadding(2)(draw_examples())
    model = get_peft_model(model, LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
    plain = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    give_caption_loss(model)
    monkeypatch.setattr(loss, "MOST_BYTES", THREE_POSITIONS)
    assert torch.equal(model(**batch).loss, caption_loss(plain, batch["labels"], None))


def test_a_trained_head_gets_its_gradient(monkeypatch, tmp_path):
    model = build(hf.Gemma2Config(**PACKED["gemma2"]().to_dict() | {"tie_word_embeddings": False}))
    options = {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"], "task_type": "CAUSAL_LM"}
    model, batch = get_peft_model(model, LoraConfig(**options)), LeftPadding(2)(draw_examples())
    give_caption_loss(model)
    expected = loss_and_gradients(model, model(**batch).loss)
    assert any("lm_head" in key for key in expected[1])
    monkeypatch.setattr(loss, "MOST_BYTES", THREE_POSITIONS)
    assert_same(loss_and_gradients(model, model(**batch).loss), expected)


def test_a_base_that_reads_pictures_has_parts(tmp_path, monkeypatch):
    model = load_model(build_tiny_vlm(tmp_path / "llava", "llava"), TrainingSettings(dtype="fp32", dropout=0.0))
    batch = LeftPadding(2)(draw_examples())
    give_caption_loss(model)
    expected = loss_and_gradients(model, model(**batch).loss)
    seen = count_logits(model)
    monkeypatch.setattr(loss, "MOST_BYTES", 3 * 4 * model.config.get_text_config().vocab_size)
    assert_same(loss_and_gradients(model, model(**batch).loss), expected)
    assert max(seen[1:]) == 3


def test_a_training_in_parts_is_the_same_accumulated_on_two_devices_and_sharded(tmp_path, monkeypatch):
    """Sharded, it takes no parts: those of unequal numbers would gather the head at unequal times."""
    base, data = write_base_and_data(tmp_path, "gemma2")
    hf.Gemma2ForCausalLM.from_pretrained(base, tie_word_embeddings=False).save_pretrained(base)
    steps = {"max_steps": 4, "log_steps": 1, "learning_rate": 0.001, "targets": ["q_proj", "lm_head"], "dropout": 0.0}
    train(base, data, tmp_path / "whole", batch_size=4, **steps)
    monkeypatch.setattr(loss, "MOST_BYTES", 2000)
    train(base, data, tmp_path / "parts", batch_size=2, accumulation=2, **steps)
    assert not same_adapters(tmp_path / "whole", tmp_path / "parts"), "other roundings: parts were taken"
    for key, value in adapter(tmp_path / "whole").items():
        assert torch.allclose(value, adapter(tmp_path / "parts")[key], atol=2e-5), key
    for sharding in ("none", "fsdp"):
        assert train_on_two(base, data, tmp_path / sharding, sharding=sharding, **steps) == [0, 0]
        assert all(".lora_" in name for name in adapter(tmp_path / sharding)), "the head itself is the base's"
    check_same(tmp_path / "fsdp", tmp_path / "none")
