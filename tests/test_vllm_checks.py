"""vLLM of another version, and adapters that it can't wear: refused in a line that names version and argument."""

import dataclasses
import json
import types

import pytest
import torch
import vllm_of_the_tests
from safetensors.torch import load_file, save_file
from test_caption_llm import build_adapter, caption, write_drawings
from tiny_models import build_tiny_model

from core.command import InputError
from generation.llm_engines.vllm_checks import check_options, tokens_of


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture
def captions_of(base, tmp_path, monkeypatch):
    """Captions by a vLLM in which some names are others."""

    def run(adapter=None, **changes):
        vllm_of_the_tests.install(monkeypatch)
        for name, value in changes.items():
            monkeypatch.setattr(vllm_of_the_tests, name, value)
        options = {"engine": "vllm", "max_new_tokens": 3}
        return caption(base, write_drawings(tmp_path), tmp_path / "out", adapter=adapter, decoding=options)

    return run


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaterParams:
    temperature: float
    max_tokens: int
    stop_ids: list[int]
    seed: int


class LaterGenerate(vllm_of_the_tests.LLM):
    def generate(self, prompts, sampling_params, *, adapter=None):
        raise AssertionError("called with arguments that it does not take")


class OtherResults(vllm_of_the_tests.LLM):
    def _write(self, model, prompt, params):
        return types.SimpleNamespace(outputs=[types.SimpleNamespace(text="a red square")])


class EngineArgs:
    def __init__(self, *, model, dtype, max_model_len, seed):
        pass


class LaterLlm(vllm_of_the_tests.LLM):
    def __init__(self, model, **options):
        raise AssertionError("called with arguments that it does not take")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SamplingParams": LaterParams}, "SamplingParams takes no stop_token_ids, ignore_eos, detokenize; install"),
        ({"LLM": LaterGenerate}, "LLM.generate takes no lora_request, use_tqdm; install"),
        ({"LLM": OtherResults}, r"a result of LLM.generate has no outputs\[0\].token_ids"),
    ],
)
def test_a_vllm_that_takes_or_gives_something_else_is_refused_with_its_version(changes, message, captions_of):
    with pytest.raises(InputError, match=f"^vLLM 0.34.0: {message}"):
        captions_of(**changes, __version__="0.34.0")


def test_options_that_llm_passes_on_are_compared_with_its_engine_arguments(captions_of, monkeypatch):
    monkeypatch.setattr(vllm_of_the_tests, "EngineArgs", EngineArgs, raising=False)
    with pytest.raises(InputError, match=r"vLLM 0.33.0: LLM takes no enable_prefix_caching; install"):
        captions_of(LLM=LaterLlm)
    check_options("LLM", LaterLlm, ["model", "dtype", "seed"])


def test_the_arguments_that_are_handed_over_are_those_of_the_stand_in(captions_of):
    assert all(record.n_new_tokens == 3 for record in captions_of())


def test_results_that_are_missing_are_no_captions(monkeypatch):
    vllm_of_the_tests.install(monkeypatch)
    with pytest.raises(InputError, match="gave 0 results for 2 prompts"):
        tokens_of([], 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all", "modules_to_save": ["lm_head"]}, "trained biases, modules that were trained whole"),
        ({"alpha_pattern": {"q_proj": 4}}, "alphas of their own for some modules"),
    ],
)
def test_an_adapter_that_vllm_can_not_wear_is_refused_before_the_model_is_loaded(
    changes, message, base, captions_of, tmp_path
):
    adapter = build_adapter(tmp_path / "adapter", base, 1)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=f"has {message}, which engine vllm can't decode: set engine: transformers"):
        captions_of(adapter=adapter, LLM=LaterLlm)


def test_an_adapter_with_tensors_of_another_kind_is_refused(base, captions_of, tmp_path):
    adapter = build_adapter(tmp_path / "adapter", base, 1)
    tensors = load_file(adapter / "adapter_model.safetensors") | {"base_model.model.head.weight": torch.ones(2)}
    save_file(tensors, adapter / "adapter_model.safetensors")
    with pytest.raises(InputError, match=r"has tensors of another kind \(base_model.model.head.weight\), which engine"):
        captions_of(adapter=adapter)
