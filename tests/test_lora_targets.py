"""Targets of LoRA: what of a model is adapted, and what is refused before a training begins."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_caption_llm import caption
from test_other_architectures import write_test
from tiny_architectures import build_architecture
from tiny_models import build_tiny_model
from transformers import AutoModelForCausalLM

import merge_adapter
from core.command import InputError
from core.records import write_json
from models.files import model_digest
from models.language_models import auto_class, read_config
from models.lora_targets import fused_experts
from training.model import build_skeleton, load_model
from training.settings import TrainingSettings


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Builds an architecture once, by its name."""
    made = {}

    def build(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = (build_tiny_model if name in ("llama",) else build_architecture)(folder, name)
        return made[name]

    return build


def adapted(base, targets, **settings):
    """The names of the modules that get matrices, without their numbers; the skeleton and the loaded model agree."""
    values = TrainingSettings(r=2, dtype="fp32", targets=targets, **settings)
    found = []
    for model in (build_skeleton(base, values), load_model(base, values)):
        names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        found.append({name.removeprefix("base_model.model.").split(".lora_")[0] for name in names})
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("gemma3", "model.language_model."),
        ("llava", "model.language_model."),
        ("qwen2_vl", "model.language_model."),
        ("mllama", "model.language_model."),
    ],
)
@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], "all-linear"])
def test_of_a_model_that_reads_images_only_the_language_model_is_adapted(bases, name, part, targets):
    names = adapted(bases(name), targets)
    layers = {"0", "2"} if name == "mllama" else {"0", "1"}  # Mllama's layer 1 attends to the picture
    assert all(module.startswith(f"{part}layers.") for module in names)
    assert {module.removeprefix(f"{part}layers.").split(".")[0] for module in names} == layers
    assert len(names) == len(layers) * (7 if targets == "all-linear" else 2)


def test_what_reads_images_is_no_target(bases):
    with pytest.raises(InputError, match=r"no modules fc1 to adapt; it can adapt down_proj, gate_proj"):
        adapted(bases("llava"), ["q_proj", "fc1"])


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
def test_the_linear_layers_of_gpt2_are_targets(bases, quantisation):
    names = adapted(bases("gpt2"), ["c_attn"], quantisation=quantisation)
    assert names == {f"transformer.h.{n}.attn.c_attn" for n in range(2)}
    assert len(adapted(bases("gpt2"), "all-linear", quantisation=quantisation)) == 2 * 4


def test_all_linear_is_every_linear_layer_but_the_head(bases):
    names = adapted(bases("llama"), "all-linear")
    kinds = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.rsplit(".", 1)[-1] for name in names} == kinds
    assert len(names) == 2 * len(kinds)


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("llama", "q_proj", r"'q_proj' is neither a list of modules nor all-linear; it can adapt down_proj"),
        ("llama", ["all-linear"], r"no modules all-linear to adapt; it can adapt .*v_proj, or all-linear of them"),
        ("llama", ["embed_tokens"], r"no modules embed_tokens to adapt; it can adapt down_proj"),
        ("llama", ["cross_attn.q_proj"], r"no modules cross_attn.q_proj to adapt"),
        ("llama", ["q_proj", "lm_head"], r"lm_head shares its weights with the embeddings .*; it can adapt down_proj"),
        ("gpt2", ["lm_head"], r"lm_head shares its weights .*; it can adapt c_attn, c_fc, c_proj, or"),
        ("gpt_oss", ["q_proj", "down_proj"], r"no modules down_proj to adapt; it can adapt .*q_proj, v_proj"),
        ("mixtral", ["w1"], r"no modules w1 to adapt"),
        ("mamba", ["out_proj"], r"no modules out_proj to adapt; it can adapt in_proj, or all-linear"),
        ("ctrl", ["0"], r"no modules 0 to adapt; it can adapt Wk, Wq, Wv, dense, ffn.0, ffn.2, or all-linear of them"),
        ("phimoe", ["router"], r"no modules router to adapt; it can adapt k_proj, lm_head, o_proj"),
        ("qwen2_moe", ["down_proj"], r"only in part, since they are fused \(experts.down_proj, experts.gate_up_proj\)"),
        ("qwen2_moe", ["gate_proj"], r"it can adapt k_proj, .*, shared_expert.down_proj, shared_expert.gate_proj"),
        ("deepseek_v3", ["q_a_proj", "up_proj"], r"up_proj would adapt the experts of this model only in part"),
        ("deepseek_v3", "all-linear", r"down_proj, gate_proj, up_proj would adapt .*; it can adapt .* q_b_proj$"),
        ("deepseek_v3", ["shared_experts.up_proj"], r"peft takes shared_experts.up_proj for experts, .* q_b_proj$"),
        ("deepseek_v3", ["o_proj", "mlp.down_proj"], r"peft takes mlp.down_proj for experts, which are fused here"),
    ],
)
def test_targets_that_can_not_be_adapted_are_refused_with_those_that_can(bases, name, targets, message):
    with pytest.raises(InputError, match=message):
        build_skeleton(bases(name), TrainingSettings(targets=targets))


@pytest.mark.parametrize(
    ("name", "fused"),
    [("qwen2_moe", {"experts.down_proj", "experts.gate_up_proj"}), ("mamba", set()), ("gemma3", set())],
)
def test_fused_experts_are_told_from_convolutions_and_from_one_vector_of_three_dimensions(bases, name, fused):
    model = auto_class(read_config(bases(name))).from_pretrained(bases(name))
    assert any(weight.dim() == 3 for weight in model.parameters()), "or this test shows nothing"
    assert fused_experts(model) == fused


def test_4_bit_weights_are_refused_where_a_model_reads_weights_itself(bases):
    with pytest.raises(InputError, match=r"models of type mamba read the weights of out_proj, x_proj, dt_proj"):
        build_skeleton(bases("mamba"), TrainingSettings(targets=["in_proj"], quantisation="nf4"))


def test_a_head_with_weights_of_its_own_is_a_target(tmp_path):
    base = build_architecture(tmp_path / "base", "mixtral")
    assert adapted(base, ["lm_head", "q_proj"]) >= {"lm_head"}


def test_dense_layers_beside_fused_experts_are_targets_by_their_parents_name(bases):
    names = adapted(bases("qwen2_moe"), ["shared_expert.down_proj"])
    assert names == {f"model.layers.{n}.mlp.shared_expert.down_proj" for n in range(2)}


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_an_adapter_of_shared_weights_is_merged_by_no_command(tmp_path, target):
    """As an earlier version trained them: merged, such an adapter changes head and embeddings together."""
    base, folder = build_tiny_model(tmp_path / "base", "llama"), tmp_path / "adapter"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", target])).save_pretrained(folder)
    write_json(folder / "training.json", {"base_digest": model_digest(base)})
    message = rf"adapter changes {target}, which shares its weights .* train again without"
    with pytest.raises(InputError, match=message):
        merge_adapter.main(base=base, adapter=folder, output_dir=tmp_path / "merged")
    with pytest.raises(InputError, match=message):
        caption(base, write_test(tmp_path), tmp_path / "captions", adapter=folder)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3"])
def test_the_last_layers_alone_are_adapted(bases, name):
    everywhere = adapted(bases(name), "all-linear")
    last = adapted(bases(name), "all-linear", last_layers=1)
    assert last == {module for module in everywhere if "1" in module.split(".")}
    with pytest.raises(InputError, match="last_layers: 2 of the 2 layers of this model; name fewer"):
        adapted(bases(name), "all-linear", last_layers=2)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_backward_pass_ends_below_the_last_layers(bases, checkpointing):
    values = TrainingSettings(r=2, dtype="fp32", last_layers=1, gradient_checkpointing=checkpointing)
    torch.manual_seed(3)
    model = load_model(bases("llama"), values).train()
    needs_gradient = []
    for layer in model.get_base_model().model.layers:
        layer.register_forward_hook(lambda layer, inputs, output: needs_gradient.append(output.requires_grad))
    model(input_ids=torch.arange(8).unsqueeze(0)).logits.square().mean().backward()
    assert needs_gradient[:2] == [False, True]
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(name.startswith("base_model.model.model.layers.1.") for name in gradients)
    # Fresh B matrices are zero, so that those of A get no gradient yet.
    assert all(gradient is not None and gradient.any() for name, gradient in gradients.items() if "lora_B" in name)
