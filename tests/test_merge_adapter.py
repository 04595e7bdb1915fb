"""Merging: the merged model writes what base and adapter write, tied embeddings stay tied, 4 bit stays out."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from training_runs import train, write_base_and_data
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.command import InputError
from merge_adapter import main

TEXT = '<svg><rect width="5" fill="red"/></svg>'


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def trained(request, tmp_path_factory):
    """A tiny base with tied embeddings, and an adapter that was trained on it in 4 bit."""
    folder = tmp_path_factory.mktemp(request.param)
    base, data = write_base_and_data(folder, request.param)
    train(base, data, folder / "adapter", quantisation="nf4", max_steps=8, learning_rate=0.05)
    main(base=base, adapter=folder / "adapter", output_dir=folder / "merged")
    return folder


def logits(model, base):
    ids = AutoTokenizer.from_pretrained(base)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits


def test_the_merged_model_is_base_and_adapter(trained):
    base = trained / "base"
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    without = logits(plain, base)
    expected = logits(PeftModel.from_pretrained(plain, trained / "adapter"), base)
    merged = AutoModelForCausalLM.from_pretrained(trained / "merged", dtype=torch.float32)
    assert torch.allclose(logits(merged, trained / "merged"), expected, atol=1e-4)
    assert not torch.allclose(without, expected, atol=1e-2)


def test_tied_embeddings_stay_tied_and_nothing_is_quantised(trained):
    merged = AutoModelForCausalLM.from_pretrained(trained / "merged", dtype=torch.float32)
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight
    assert "quantization_config" not in json.loads((trained / "merged" / "config.json").read_text())
    with safe_open(trained / "merged" / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
    assert "lm_head.weight" not in names
    assert not [name for name in names if "lora" in name or "base_layer" in name]


def test_an_adapter_of_another_base_is_refused(trained, tmp_path):
    other, _ = write_base_and_data(tmp_path)
    (other / "manifest.json").write_text(json.dumps({"digest": "0" * 64}))
    with pytest.raises(InputError, match="was trained on another base"):
        main(base=other, adapter=trained / "adapter", output_dir=tmp_path / "merged")
    with pytest.raises(InputError, match=r"training\.json does not exist"):
        main(base=other, adapter=tmp_path, output_dir=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
