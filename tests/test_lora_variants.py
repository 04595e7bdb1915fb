"""Variants of LoRA: what is trained is what is captioned and what is merged, and counted right; or it is refused."""

import json

import pytest
import torch
from tiny_architectures import build_architecture
from tiny_models import build_tiny_model
from training_runs import adapter, train, write_base_and_data
from transformers import AutoTokenizer

from core.command import InputError
from generation.llm_engines import DecodingSettings, EngineJob, Prompt
from generation.llm_engines.torch_engine import load_engine
from merge_adapter import main as merge
from training.callbacks import KeepBest
from training.data import Example, LeftPadding
from training.initialisation import start_from_data
from training.model import build_skeleton, load_model
from training.packing import Packing
from training.parameters import count_parameters
from training.settings import TrainingSettings

TEXT = '<svg><rect width="5" fill="red"/></svg>'
VARIANTS = {
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "pissa": {"init": "pissa"},
    "pissa_rslora_dora": {"init": "pissa", "use_rslora": True, "use_dora": True},
    "eva": {"init": "eva"},
    "norms": {"trained_modules": ["norm", "post_attention_layernorm"], "last_layers": 1},
    "lora_plus": {"lora_plus_ratio": 4},
    "all_linear": {"targets": "all-linear", "last_layers": 1},
}
STEPS = {"max_steps": 2, "eval_steps": 2, "save_steps": 2}


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("variants"))


def log_probabilities(base, adapters):
    """Of the next token behind a text, by the engine of the caption command with each adapter in turn."""
    ids = AutoTokenizer.from_pretrained(base)(TEXT)["input_ids"]
    kept = [folder for folder in adapters if folder]
    engine = load_engine(EngineJob(base, kept, [0], 0, 100, DecodingSettings(dtype="fp32"), 7))
    found = []
    for folder in adapters:
        engine.activate(folder)
        found.append(engine.read(Prompt("a", ids), []))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_trained_is_what_is_captioned_and_merged(base_and_data, tmp_path, monkeypatch, variant):
    base, data = base_and_data
    trained = []
    on_evaluate = KeepBest.on_evaluate

    def remember(self, *arguments, model=None, **options):
        """What the model in training itself says, at the evaluation whose adapter is kept."""
        ids = AutoTokenizer.from_pretrained(base)(TEXT, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            trained.append(model.eval()(input_ids=ids, logits_to_keep=1).logits[0].log_softmax(-1))
        on_evaluate(self, *arguments, model=model, **options)

    monkeypatch.setattr(KeepBest, "on_evaluate", remember)
    train(base, data, tmp_path / "adapter", **VARIANTS[variant], **STEPS)
    before, written, after = log_probabilities(base, [None, tmp_path / "adapter", None])
    assert torch.allclose(written, trained[-1], atol=1e-4)
    assert not torch.allclose(written, before, atol=1e-3)
    assert torch.equal(after, before), "the base is put back exactly"
    merge(base=base, adapter=tmp_path / "adapter", output_dir=tmp_path / "merged")
    assert torch.allclose(log_probabilities(tmp_path / "merged", [None])[0], trained[-1], atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_counted_as_peft_counts_those_of_the_loaded_model(base_and_data, variant):
    settings = TrainingSettings(r=4, dtype="fp32", **VARIANTS[variant])
    counts = count_parameters(base_and_data[0], settings)
    model = load_model(base_and_data[0], settings)
    assert (counts["trainable"], counts["total"]) == model.get_nb_trainable_parameters()
    assert counts["memory_bytes"]["weights"] == sum(weight.nbytes for weight in model.parameters())


@pytest.mark.parametrize("variant", ["pissa", "lora_plus"])
def test_an_interrupted_training_of_a_variant_ends_as_one_that_was_not(base_and_data, tmp_path, monkeypatch, variant):
    base, data = base_and_data
    steps = {"max_steps": 4, "eval_steps": 2, "save_steps": 2}
    train(base, data, tmp_path / "whole", **VARIANTS[variant], **steps)
    with monkeypatch.context() as patch:
        patch.setattr(KeepBest, "on_step_end", stop_at_step_three)
        with pytest.raises(KeyboardInterrupt):
            train(base, data, tmp_path / "stopped", **VARIANTS[variant], **steps)
    train(base, data, tmp_path / "stopped", **VARIANTS[variant], **steps)
    whole, stopped = log_probabilities(base, [tmp_path / "whole", tmp_path / "stopped"])
    assert torch.allclose(whole, stopped, atol=1e-5)


def stop_at_step_three(self, args, state, control, **kwargs):
    if state.global_step == 3:
        raise KeyboardInterrupt


def test_lora_plus_gives_the_b_matrices_a_higher_rate(base_and_data, tmp_path):
    base, data = base_and_data
    train(base, data, tmp_path / "plain", **STEPS)
    train(base, data, tmp_path / "plus", **STEPS, lora_plus_ratio=4)
    plain, plus = adapter(tmp_path / "plain"), adapter(tmp_path / "plus")
    # Adam's first step is the learning rate, whatever the gradient.
    largest = {name: plus[name].abs().max() / plain[name].abs().max() for name in plain if "lora_B" in name}
    assert all(3 < ratio < 5 for ratio in largest.values())


def test_pissa_is_saved_as_an_ordinary_adapter_of_twice_the_rank(base_and_data, tmp_path):
    base, data = base_and_data
    train(base, data, tmp_path / "adapter", init="pissa", use_rslora=True, r=4, alpha=8, **STEPS)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["init_lora_weights"]) == (8, True)
    assert config["lora_alpha"] / 8**0.5 == pytest.approx(8 / 4**0.5)


@pytest.mark.parametrize("collate", [LeftPadding(0), Packing()])
def test_eva_starts_a_at_what_the_layers_read_and_leaves_the_model_as_it_is(base_and_data, collate):
    settings = TrainingSettings(r=4, dtype="fp32", init="eva", batch_size=2)
    model = load_model(base_and_data[0], settings)
    examples = [Example([3 + k, 9, 5 + k, 11, 12], [6 + k, 2]) for k in range(8)]
    before = model.eval()(input_ids=torch.tensor([[1, 2, 3]])).logits
    start_from_data(model, examples, collate, settings)
    assert torch.allclose(model.eval()(input_ids=torch.tensor([[1, 2, 3]])).logits, before)
    for name, weight in model.named_parameters():
        if "lora_A" in name:
            assert torch.allclose(weight @ weight.T, torch.eye(4), atol=1e-4), name
    with pytest.raises(InputError, match=r"init: eva needs 40 tokens in a batch, as r says, and one has 14; lower r"):
        start_from_data(model, examples, collate, TrainingSettings(r=40, batch_size=2))


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("llama", {"trained_modules": ["embed_tokens"]}, r"embed_tokens shares its weights between embeddings and he"),
        ("llama", {"trained_modules": ["q_proj"]}, r"no q_proj to train; it can train embed_tokens, input_layernorm"),
        ("llama", {"trained_modules": ["norm"], "dtype": "bf16"}, r"^trained_modules: in 16 bits small steps of"),
        ("llama", {"bias": "lora_only", "dtype": "bf16"}, r"^bias: in 16 bits small steps of the base's weights"),
    ],
)
def test_modules_that_can_not_be_trained_are_refused(tmp_path, family, settings, message):
    base = build_tiny_model(tmp_path / "base", family)
    with pytest.raises(InputError, match=message):
        build_skeleton(base, TrainingSettings(**{"dtype": "fp32", **settings}))


def test_embeddings_and_head_of_their_own_are_trained(tmp_path):
    base = build_architecture(tmp_path / "base", "mixtral")
    model = build_skeleton(base, TrainingSettings(dtype="fp32", trained_modules=["embed_tokens", "lm_head"]))
    whole = {name for name, weight in model.named_parameters() if weight.requires_grad and "lora_" not in name}
    assert whole == {
        f"base_model.model.{name}.modules_to_save.default.weight" for name in ("model.embed_tokens", "lm_head")
    }


def test_dora_trains_lengths_and_rslora_scales_by_the_root_of_the_rank(base_and_data):
    model = load_model(base_and_data[0], TrainingSettings(r=4, alpha=8, dtype="fp32", use_dora=True, use_rslora=True))
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.lora_magnitude_vector["default"].weight.requires_grad
    assert layer.scaling["default"] == 8 / 4**0.5


def test_settings_that_exclude_each_other_are_refused():
    with pytest.raises(InputError, match="init: pissa changes the weights of the base, which 4-bit"):
        TrainingSettings(init="pissa", quantisation="nf4")
    with pytest.raises(InputError, match="bias: all trains the biases of every layer"):
        TrainingSettings(last_layers=1, bias="all")
    with pytest.raises(InputError, match="init: eva starts from what layers read of text"):
        TrainingSettings(init="eva", train_vision=True)
