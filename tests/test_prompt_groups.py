"""Prompts of a batch are read in groups of like length: the same logits as alone, and little padding is computed."""

import pytest
import torch
from tiny_models import build_tiny_model

from generation.llm_engines import DecodingSettings, EngineJob, Prompt, torch_engine
from generation.llm_engines.fixed_rows import FixedRows
from generation.llm_engines.torch_engine import group_ends, load_engine

LENGTHS = (90, 88, 60, 59, 58, 31, 30, 12)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


def test_groups_keep_to_tokens_and_padding():
    assert group_ends([9, 9, 8, 5, 5, 1], most_tokens=100, most_padding=1) == [3, 5, 6]
    assert group_ends([9, 9, 9, 9], most_tokens=20, most_padding=5) == [2, 4]
    assert group_ends([50, 3], most_tokens=20, most_padding=99) == [1, 2]
    assert group_ends([3, 50], most_tokens=999, most_padding=40) == [1, 2]
    assert group_ends([4], most_tokens=1, most_padding=0) == [1]


def passes_and_logits(base, prompts, is_fixed, monkeypatch):
    """The shapes (rows, length) of the passes over prompts, and the logits of each row at four steps."""
    settings = DecodingSettings(max_new_tokens=8, dtype="fp32")
    engine = load_engine(EngineJob(base, [], [1], 0, 120, settings, seed=0))
    engine.plan(prompts)
    engine._is_fixed = is_fixed
    engine._prefix_states = engine._read_prefix() if engine._prefix else None
    shapes, forward = [], engine.model.forward

    def spy(input_ids, **options):
        shapes.append(tuple(input_ids.shape))
        return forward(input_ids=input_ids, **options)

    with torch.inference_mode(), monkeypatch.context() as patch:
        patch.setattr(engine.model, "forward", spy)
        state = engine._start(prompts)
        assert isinstance(state, FixedRows) == is_fixed
        logits = []
        for step in range(4):
            logits.append(state.read())
            state.append(torch.arange(len(prompts)) + 5 + step, list(range(len(prompts))))
    return [shape for shape in shapes if shape[1] > 1], torch.stack(logits, dim=1)


@pytest.mark.parametrize("is_fixed", [False, True])
@pytest.mark.parametrize("n_shared", [0, 9])
def test_rows_of_several_groups_see_their_own_prompts_only(is_fixed, n_shared, base, monkeypatch):
    prompts = [
        Prompt(f"p{k}", [7] * n_shared + [5 + (7 * k + 3 * n) % 290 for n in range(length)])
        for k, length in enumerate(LENGTHS)
    ]
    monkeypatch.setitem(torch_engine.GROUPS, "cpu", (200, 2))
    shapes, found = passes_and_logits(base, prompts, is_fixed, monkeypatch)
    monkeypatch.setitem(torch_engine.GROUPS, "cpu", (10**6, 10**6))
    ((rows, longest),), expected = passes_and_logits(base, prompts, is_fixed, monkeypatch)
    assert torch.allclose(found, expected, atol=1e-4)
    assert len(shapes) >= 4
    n_computed = sum(n_rows * length for n_rows, length in shapes)
    assert n_computed <= sum(LENGTHS) + 2 * len(shapes)
    assert n_computed < rows * longest / 1.3
