"""Captions of LLMs: batching changes nothing, prompts do not leak, a kill costs nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_models import build_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from caption_llm import Prompt, main, plan_batches
from command import InputError
from prompts import PromptSettings, end_of_turn_ids, prompt_tokens
from records import Sample, read_captions, read_samples, write_samples

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "caption_llm.py"
DECODING = {"max_new_tokens": 12, "dtype": "fp32"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture
def samples(tmp_path):
    shapes = [f'<rect width="{n}" height="{n * n}"/>' * (1 + n % 5) for n in range(1, 25)]
    records = [Sample(f"s{n}", "a", "test", "g", f"<svg>{shape}</svg>", ["x"]) for n, shape in enumerate(shapes)]
    write_samples(tmp_path / "test.parquet", records)
    return tmp_path / "test.parquet"


def caption(base, samples, output, **changes):
    settings = {"system": "tiny", "adapter": None, "prompt": "{}", "seed": 7, **changes}
    settings["decoding"] = json.dumps({**DECODING, **changes.get("decoding", {})})
    main(base=base, samples=samples, output=output, **settings)
    return read_captions(output)


def texts(captions):
    return [(caption.id, caption.caption, caption.finish_reason, caption.n_new_tokens) for caption in captions]


def test_batches_give_what_one_at_a_time_gives(base, samples, tmp_path):
    together = caption(base, samples, tmp_path / "a.jsonl", decoding={"batch_tokens": 16384})
    alone = caption(base, samples, tmp_path / "b.jsonl", decoding={"batch_tokens": 1})
    assert texts(together) == texts(alone)
    assert [record.id for record in together] == [sample.id for sample in read_samples(samples)]


def test_a_caption_is_exactly_what_follows_the_prompt(base, samples, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ends = end_of_turn_ids(tokenizer, PromptSettings(), model.generation_config)
    for sample, record in zip(read_samples(samples)[:5], caption(base, samples, tmp_path / "a.jsonl"), strict=False):
        ids = prompt_tokens(tokenizer, sample.xml, PromptSettings()).ids
        expected = []
        for _ in range(DECODING["max_new_tokens"]):
            token = int(model(torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token in ends:
                break
            expected.append(token)
        assert record.caption == " ".join(tokenizer.decode(expected, skip_special_tokens=True).split())
        assert (record.n_prompt_tokens, record.n_new_tokens) == (len(ids), len(expected))


def test_an_empty_caption_is_a_failure_with_a_reason(base, samples, tmp_path, monkeypatch):
    monkeypatch.setattr("caption_llm.Decoder._generate", lambda self, batch: [[self.end_ids[0]] for _ in batch])
    for record in caption(base, samples, tmp_path / "a.jsonl"):
        assert (record.status, record.caption, record.reason) == ("failed", "", "the model wrote nothing")


def test_out_of_memory_halves_the_batch(base, samples, tmp_path, monkeypatch):
    expected = texts(caption(base, samples, tmp_path / "a.jsonl"))
    from caption_llm import Decoder

    generate = Decoder._generate

    def full_memory(self, batch):
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError
        return generate(self, batch)

    monkeypatch.setattr(Decoder, "_generate", full_memory)
    assert texts(caption(base, samples, tmp_path / "b.jsonl")) == expected


def test_batches_keep_to_the_budget():
    prompts = [Prompt(f"p{n}", [0] * n) for n in (5, 90, 40, 41, 39, 6, 300)]
    batches = plan_batches(prompts, batch_tokens=160, max_new_tokens=10)
    assert sorted(prompt.id for batch in batches for prompt in batch) == sorted(prompt.id for prompt in prompts)
    for batch in batches:
        longest = max(len(prompt.tokens) for prompt in batch)
        assert len(batch) == 1 or len(batch) * (longest + 10) <= 160


def test_a_killed_job_goes_on_and_gives_the_same_file(base, samples, tmp_path):
    decoding = {**DECODING, "batch_tokens": 1, "max_new_tokens": 60}
    options = ["--base", base, "--samples", samples, "--system", "tiny", "--seed", "7"]
    options += ["--decoding", json.dumps(decoding)]

    def start(output):
        return subprocess.Popen([sys.executable, SCRIPT, *map(str, options), "--output", str(output)])

    output = tmp_path / "killed.jsonl"
    process = start(output)
    parts = tmp_path / "killed.jsonl.parts" / "captions.jsonl"
    while not (parts.is_file() and parts.read_text().count("\n") >= 3):
        assert process.poll() is None, "the job ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not output.exists()
    assert start(output).wait() == 0
    assert start(tmp_path / "whole.jsonl").wait() == 0
    assert texts(read_captions(output)) == texts(read_captions(tmp_path / "whole.jsonl"))
    assert not parts.parent.exists()


def test_an_adapter_of_another_base_is_refused(base, samples, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "training.json").write_text(json.dumps({"base_digest": "0" * 64}))
    with pytest.raises(InputError, match=r"trained on another base.*000000000000"):
        caption(base, samples, tmp_path / "a.jsonl", adapter=adapter)


def test_a_missing_base_ends_the_command_with_one_line_and_leaves_nothing(samples, tmp_path):
    before = sorted(tmp_path.iterdir())
    options = ["--system", "tiny", "--base", "nowhere", "--samples", samples, "--seed", "7", "--output", "out/a.jsonl"]
    done = subprocess.run([sys.executable, SCRIPT, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: the model folder nowhere does not exist; fetch it first: snakemake fetch_models\n"
    assert sorted(tmp_path.iterdir()) == before
