"""Number formats: as asked, or as the device computes, also with a torch that can't tell."""

import pytest
import torch

from models.number_format import choose_dtype


def machine(monkeypatch, *, gpu, bf16):
    """A machine with or without a GPU, whose arithmetic has bf16 or not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: gpu and bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: not gpu and bf16)


@pytest.mark.parametrize("gpu", [False, True])
def test_a_format_that_is_asked_for_is_taken_on_any_device(monkeypatch, gpu):
    machine(monkeypatch, gpu=gpu, bf16=False)
    asked = [choose_dtype(name) for name in ("bf16", "fp16", "fp32")]
    assert asked == [torch.bfloat16, torch.float16, torch.float32]


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bf16_where_the_device_computes_in_it(monkeypatch, gpu, bf16, dtype):
    machine(monkeypatch, gpu=gpu, bf16=bf16)
    assert choose_dtype("auto") == dtype


def test_auto_is_fp32_with_a_torch_that_can_not_tell(monkeypatch):
    machine(monkeypatch, gpu=False, bf16=True)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert choose_dtype("auto") == torch.float32
