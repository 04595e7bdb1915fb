"""The model that is trained: attention, device and quantisation as they must be, and its parameters counted."""

import json

import bitsandbytes as bnb
import pytest
import torch
from tiny_models import build_tiny_model
from training_runs import make_samples
from transformers import AutoConfig, AutoTokenizer

from captions.prompts import PromptSettings
from core.command import InputError
from count_parameters import main
from models import language_models
from training.data import Example, LeftPadding, caption_loss, encode_samples
from training.model import build_skeleton, load_model, quantisation_options, training_attention
from training.parameters import count_parameters
from training.settings import TrainingSettings

FP32 = {"r": 4, "dropout": 0.0, "dtype": "fp32"}
NF4 = TrainingSettings(**FP32, quantisation="nf4", targets=["q_proj", "o_proj", "down_proj"])


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return {name: build_tiny_model(tmp_path_factory.mktemp(name), name) for name in ("llama", "gemma2", "gemma3")}


def test_attention_is_sdpa_but_where_it_would_leave_out_the_cap_on_scores(bases, monkeypatch):
    configs = {name: AutoConfig.from_pretrained(base) for name, base in bases.items()}
    chosen = {name: language_models.choose_attention(config) for name, config in configs.items()}
    assert chosen == {"llama": "sdpa", "gemma2": "eager", "gemma3": "sdpa"}
    assert load_model(bases["gemma2"], TrainingSettings(**FP32)).config._attn_implementation == "eager"
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    with pytest.raises(InputError, match=r"attention: flash_attention_2 is not there .* there is eager, sdpa"):
        language_models.choose_attention(configs["llama"], "flash_attention_2")
    monkeypatch.setattr(language_models, "is_flash_attn_2_available", lambda: True)
    assert training_attention(configs["gemma2"], torch.bfloat16, TrainingSettings()) == "flash_attention_2"
    assert training_attention(configs["gemma2"], torch.float32, TrainingSettings()) == "eager"  # it has no fp32
    assert training_attention(configs["gemma2"], torch.bfloat16, TrainingSettings(attention="eager")) == "eager"


def test_liger_is_refused_with_what_it_lacks(bases, monkeypatch):
    with pytest.raises(InputError, match="kernels: liger needs an NVIDIA GPU, and none is there"):
        load_model(bases["llama"], TrainingSettings(**FP32, kernels="liger"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(InputError, match=r"kernels: liger can't be imported .*pip install liger-kernel, or set"):
        load_model(bases["llama"], TrainingSettings(**FP32, kernels="liger"))


def test_each_rank_holds_the_4_bit_model_on_its_own_device(bases, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    options = quantisation_options(torch.bfloat16, TrainingSettings(quantisation="nf4"))
    assert options["device_map"] == {"": 1}
    quantisation = options["quantization_config"]
    assert (quantisation.bnb_4bit_quant_type, quantisation.bnb_4bit_use_double_quant) == ("nf4", True)
    assert quantisation.bnb_4bit_compute_dtype == torch.bfloat16
    assert quantisation_options(torch.bfloat16, TrainingSettings()) == {}


def caption_gradients(model, batch, labels):
    model.zero_grad()
    caption_loss(model(**batch).logits, labels, None).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_gradients_through_4_bit_weights_stay_right_after_an_evaluation(bases, dtype):
    """On CPUs with AVX512-BF16 bitsandbytes repacks weights in an evaluation; gradients were wrong from then on."""
    settings = TrainingSettings(**{**vars(NF4), "dtype": dtype})
    torch.manual_seed(0)
    model = load_model(bases["llama"], settings).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    tokenizer = AutoTokenizer.from_pretrained(bases["llama"])
    encoded = encode_samples(tokenizer, make_samples(4, "train"), PromptSettings(), "shorten", 4096).samples
    batch = LeftPadding(0)([Example(sample.prompt, sample.captions[0]) for sample in encoded])
    labels = batch.pop("labels")
    with torch.inference_mode():
        model.eval()(**batch)
    gradients = caption_gradients(model.train(), batch, labels)
    assert any(isinstance(module, bnb.nn.Linear4bit) for module in model.modules())
    reference = dequantised(model)
    for name, expected in caption_gradients(reference.train(), batch, labels).items():
        cosine = torch.nn.functional.cosine_similarity(gradients[name].flatten(), expected.flatten(), dim=0)
        assert cosine > 0.98, name


def dequantised(model):
    """The same model with its 4-bit layers replaced by plain ones of the values that they stand for."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, bnb.nn.Linear4bit):
                values = bnb.functional.dequantize_4bit(child.weight.data, child.weight.quant_state)
                plain = torch.nn.Linear(child.in_features, child.out_features, bias=False, dtype=values.dtype)
                plain.weight = torch.nn.Parameter(values, requires_grad=False)
                setattr(module, name, plain)
    return model


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_count_is_pefts_own_with_and_without_4_bit(bases, family):
    for quantisation in ("none", "nf4"):
        settings = TrainingSettings(**FP32, quantisation=quantisation)
        counts = count_parameters(bases[family], settings)
        assert (counts["trainable"], counts["total"]) == load_model(
            bases[family], settings
        ).get_nb_trainable_parameters()


def test_the_predicted_memory_is_that_of_the_loaded_model(bases):
    settings = TrainingSettings(**FP32)
    model = load_model(bases["llama"], settings)
    memory = count_parameters(bases["llama"], settings)["memory_bytes"]
    assert memory["weights"] == sum(weight.nbytes for weight in model.parameters())
    optimizer = torch.optim.AdamW(weight for weight in model.parameters() if weight.requires_grad)
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    optimizer.step()
    assert memory["gradients"] == sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
    kept = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    assert memory["optimizer"] == sum(value.nbytes for value in kept)


def test_the_predicted_memory_of_4_bit_weights_is_what_they_take(tmp_path):
    """On a layer large enough for whole blocks; the constants are those of bitsandbytes itself."""
    from training.parameters import NF4_BYTES

    weights = torch.randn(1024, 1024)
    for double in (False, True):
        packed, state = bnb.functional.quantize_4bit(weights, quant_type="nf4", compress_statistics=double)
        constants = [state.absmax] if not double else [state.absmax, state.state2.absmax]
        assert packed.nbytes + sum(value.nbytes for value in constants) == NF4_BYTES[double] * weights.numel()


def test_an_8b_model_is_counted_from_its_configuration_alone(tmp_path, capsys):
    """Llama 3.1 8B has 8,030,261,248 parameters; LoRA r 16 on q, k, v, o adds 13,631,488 (by hand, see below)."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "vocab_size": 128256}
    config |= {"intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
    config |= {"num_key_value_heads": 8, "tie_word_embeddings": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = '{"r": 16, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"], "quantisation": "nf4", "dtype": "bf16"}'
    main(base=tmp_path, settings=settings, output=tmp_path / "counts.json")
    counts = json.loads((tmp_path / "counts.json").read_text())
    a_layer = 16 * ((4096 + 4096) + (4096 + 1024) + (4096 + 1024) + (4096 + 4096))
    assert counts["trainable"] == 32 * a_layer == 13_631_488
    assert counts["total"] == 8_030_261_248 + counts["trainable"]
    assert 5.6e9 < counts["memory_bytes"]["weights"] < 5.8e9  # 7.0 G weights in 4 bit, 1.05 G embeddings in bf16
    assert "13,631,488" in capsys.readouterr().out


def test_targets_that_the_model_lacks_are_named_with_those_it_has(bases):
    with pytest.raises(InputError, match=r"no modules query, value to adapt; it can adapt .*down_proj.*q_proj"):
        build_skeleton(bases["llama"], TrainingSettings(targets=["query", "q_proj", "value"]))


def test_a_skeleton_has_the_shapes_of_the_model_and_no_memory(bases):
    settings = TrainingSettings(**FP32)
    shapes = {name: weight.shape for name, weight in load_model(bases["gemma3"], settings).named_parameters()}
    skeleton = build_skeleton(bases["gemma3"], settings)
    assert {name: weight.shape for name, weight in skeleton.named_parameters()} == shapes
    assert {weight.device.type for weight in skeleton.parameters()} == {"meta"}
