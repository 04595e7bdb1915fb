"""Captions of LLMs: batching changes nothing, prompts do not leak, a kill costs nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import vllm_of_the_tests
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import build_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from caption_llm import main
from captions.prompts import PromptSettings, end_of_turn_ids, prompt_tokens
from core.command import InputError, MachineError
from core.records import Caption, Sample, read_captions, read_samples, write_samples
from generation.llm_engines import Prompt, Written, torch_engine
from generation.llm_engines.torch_engine import TorchEngine, common_prefix_length, plan_batches
from models.files import model_digest
from plan.shards import Shard

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "caption_llm.py"
DECODING = {"max_new_tokens": 12, "dtype": "fp32"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


def write_drawings(folder):
    """24 samples of unequal lengths."""
    shapes = [f'<rect width="{n}" height="{n * n}"/>' * (1 + n % 5) for n in range(1, 25)]
    records = [Sample(f"s{n}", "a", "test", "g", f"<svg>{shape}</svg>", ["x"]) for n, shape in enumerate(shapes)]
    write_samples(folder / "test.parquet", records)
    return folder / "test.parquet"


@pytest.fixture
def samples(tmp_path):
    return write_drawings(tmp_path)


def caption_all(base, samples, output_dir, systems, **changes):
    """The captions of systems that share a base, by name."""
    settings = {"train": None, "shard": "1/1", "prompt": "{}", "seed": 7, "manifest": None, **changes}
    settings["decoding"] = json.dumps({**DECODING, **changes.get("decoding", {})})
    main(base=base, samples=samples, output_dir=output_dir, systems=json.dumps(systems), **settings)
    return {name: read_captions(output_dir / f"{name}.jsonl") for name in systems}


def caption(base, samples, output_dir, adapter=None, **changes):
    """The captions of one system."""
    return caption_all(base, samples, output_dir, {"tiny": {"adapter": adapter and str(adapter)}}, **changes)["tiny"]


def texts(captions):
    return [(caption.id, caption.caption, caption.finish_reason, caption.n_new_tokens) for caption in captions]


def test_batches_give_what_one_at_a_time_gives(base, samples, tmp_path):
    together = caption(base, samples, tmp_path / "a", decoding={"batch_tokens": 16384})
    alone = caption(base, samples, tmp_path / "b", decoding={"batch_tokens": 1})
    assert texts(together) == texts(alone)
    assert [record.id for record in together] == [sample.id for sample in read_samples(samples)]


def test_a_caption_is_exactly_what_follows_the_prompt(base, samples, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ends = end_of_turn_ids(tokenizer, PromptSettings(), model.generation_config)
    records = caption(base, samples, tmp_path / "a")
    for sample, record in zip(read_samples(samples)[:5], records[:5], strict=True):
        ids = prompt_tokens(tokenizer, sample.xml, PromptSettings()).ids
        expected = []
        for _ in range(DECODING["max_new_tokens"]):
            token = int(model(torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token in ends:
                break
            expected.append(token)
        assert record.caption == Caption.written("", tokenizer.decode(expected, skip_special_tokens=True)).caption
        assert (record.n_prompt_tokens, record.n_new_tokens) == (len(ids), len(expected))


def test_an_empty_caption_is_a_failure_with_a_reason(base, samples, tmp_path, monkeypatch):
    monkeypatch.setattr(TorchEngine, "write", lambda self, batch: [Written([], True) for _ in batch])
    records = caption(base, samples, tmp_path / "a")
    assert records
    for record in records:
        assert (record.status, record.caption, record.reason) == ("failed", "", "the model wrote nothing")


def test_out_of_memory_halves_the_batch_and_the_budget_of_those_that_follow(base, samples, tmp_path, monkeypatch):
    settings = {"batch_tokens": 1500}
    expected = texts(caption(base, samples, tmp_path / "a", decoding=settings))
    write, tried = TorchEngine._write, []

    def full_memory(self, batch):
        tried.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return write(self, batch)

    monkeypatch.setattr(TorchEngine, "_write", full_memory)
    assert texts(caption(base, samples, tmp_path / "b", decoding=settings)) == expected
    assert max(tried[3:]) <= 3  # the first batch was tried whole and halved; the others were not tried whole again


def test_a_prompt_that_does_not_fit_into_memory_is_a_fault_in_one_line(base, samples, tmp_path, monkeypatch):
    def full_memory(self, batch):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(TorchEngine, "_write", full_memory)
    with pytest.raises(InputError, match=r"the model does not fit into the memory of .*: choose a smaller base, or lo"):
        caption(base, samples, tmp_path / "a")


def test_batches_keep_to_the_budget():
    prompts = [Prompt(f"p{n}", [0] * n) for n in (5, 90, 40, 41, 39, 6, 300)]
    batches = plan_batches(prompts, batch_tokens=160, max_new_tokens=10)
    assert sorted(prompt.id for batch in batches for prompt in batch) == sorted(prompt.id for prompt in prompts)
    for batch in batches:
        longest = max(len(prompt.tokens) for prompt in batch)
        assert len(batch) == 1 or len(batch) * (longest + 10) <= 160


def test_a_killed_job_goes_on_and_gives_the_same_files(base, samples, tmp_path):
    decoding = {**DECODING, "batch_tokens": 1, "max_new_tokens": 60, "do_sample": True}
    options = ["--base", base, "--samples", samples, "--seed", "7", "--systems", '{"one": {}, "two": {}}']
    options += ["--decoding", json.dumps(decoding)]

    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, SCRIPT, *map(str, options), "--output-dir", str(folder)])
    parts = folder / "two.jsonl.parts" / "captions.jsonl"
    while not (parts.is_file() and parts.read_text().count("\n") >= 3):
        assert process.poll() is None, "the job ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = parts.read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["one.jsonl.parts", "two.jsonl.parts"]
    resumed = caption_all(base, samples, folder, {"one": {}, "two": {}}, decoding=decoding)
    assert sorted(path.name for path in folder.iterdir()) == ["one.jsonl", "two.jsonl"]
    whole = caption_all(base, samples, tmp_path / "whole", {"one": {}, "two": {}}, decoding=decoding)
    assert {name: texts(captions) for name, captions in resumed.items()} == {n: texts(c) for n, c in whole.items()}
    kept = [line for line in before[: before.rindex("\n\n")].splitlines() if line]  # an empty line ends a batch
    assert set(kept) <= set((folder / "two.jsonl").read_text().splitlines()), "captions were made again"


def test_captions_to_prompts_of_another_chat_template_are_not_taken_up(samples, tmp_path, monkeypatch, capfd):
    base = build_tiny_model(tmp_path / "base", "llama")
    write, batches = TorchEngine.write, []

    def write_two_batches(self, batch):
        batches.append(batch)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return write(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(TorchEngine, "write", write_two_batches)
        with pytest.raises(KeyboardInterrupt):
            caption(base, samples, tmp_path / "a", decoding={"batch_tokens": 500})
    template = base / "chat_template.jinja"
    template.write_text(template.read_text().replace("helpful", "brief"))
    edited = caption(base, samples, tmp_path / "a", decoding={"batch_tokens": 500})
    assert "starts anew: input base/chat_template.jinja changed" in capfd.readouterr().err
    assert texts(edited) == texts(caption(base, samples, tmp_path / "b", decoding={"batch_tokens": 500}))


def beams_one_by_one(base, samples, n_beams):
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ends = end_of_turn_ids(tokenizer, PromptSettings(), model.generation_config)
    for sample in read_samples(samples):
        ids = torch.tensor([prompt_tokens(tokenizer, sample.xml, PromptSettings()).ids])
        written = model.generate(
            ids, max_new_tokens=DECODING["max_new_tokens"], num_beams=n_beams, do_sample=False, eos_token_id=ends
        )[0, ids.shape[1] :]
        yield Caption.written("", tokenizer.decode(written, skip_special_tokens=True)).caption


def test_beams_in_batches_give_what_generate_gives_one_by_one(base, samples, tmp_path):
    beams = caption(base, samples, tmp_path / "a", decoding={"num_beams": 3, "batch_tokens": 4000})
    assert [record.caption for record in beams] == list(beams_one_by_one(base, samples, 3))
    assert texts(beams) != texts(caption(base, samples, tmp_path / "b"))


def test_sampled_captions_depend_on_the_seed_and_not_on_batches_or_shards(base, samples, tmp_path):
    sampled = {"do_sample": True, "temperature": 1.5, "top_p": 0.9}
    together = texts(caption(base, samples, tmp_path / "a", decoding=sampled))
    assert texts(caption(base, samples, tmp_path / "b", decoding=sampled | {"batch_tokens": 1})) == together
    assert texts(caption(base, samples, tmp_path / "c", decoding=sampled, shard="2/3")) == together[1::3]
    assert texts(caption(base, samples, tmp_path / "d", decoding=sampled, seed=8)) != together
    narrow = caption(base, samples, tmp_path / "e", decoding=sampled | {"top_p": 1e-6})
    assert texts(narrow) == texts(caption(base, samples, tmp_path / "f"))


def test_sampling_with_beams_is_refused(base, samples, tmp_path):
    with pytest.raises(InputError, match="do_sample and num_beams > 1 exclude each other"):
        caption(base, samples, tmp_path / "a", decoding={"do_sample": True, "num_beams": 2})


def test_what_all_prompts_begin_with_leaves_a_token_of_each():
    assert common_prefix_length([[1, 2, 3], [1, 2, 4, 5], [1, 2, 3, 3]]) == 2
    assert common_prefix_length([[1, 2], [1, 2], [1, 2, 3]]) == 1
    assert common_prefix_length([[1], [2]]) == 0
    assert common_prefix_length([]) == 0


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "qwen3", "plain"])
def test_a_shared_prefix_and_rows_that_end_early_change_nothing(family, samples, tmp_path, monkeypatch):
    """Against transformers' own generate, one prompt at a time; sliding windows are shorter than the prompts."""
    monkeypatch.setitem(torch_engine.LEAST_SHARED, torch.float32, 0)
    base = build_tiny_model(tmp_path / "base", family)
    expected = [" ".join(text.split()) for text in beams_one_by_one(base, samples, 1)]
    records = caption(base, samples, tmp_path / "a")
    assert [record.caption for record in records] == expected


def build_adapter(folder, base, seed):
    """An adapter of random matrices on a base, with the record that training writes."""
    torch.manual_seed(seed)
    settings = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    get_peft_model(model, settings).save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps({"base_digest": model_digest(base)}))
    return folder


def test_systems_in_one_pass_write_what_each_writes_alone(base, samples, tmp_path, monkeypatch):
    train = tmp_path / "train.parquet"
    write_samples(train, [Sample(f"t{n}", "a", "train", "g", "<svg/>", [f"shape {n}"]) for n in range(5)])
    systems = {
        "one": {"adapter": str(build_adapter(tmp_path / "one", base, 1))},
        "zero": {},
        "two": {"adapter": str(build_adapter(tmp_path / "two", base, 2))},
        "few": {"few_shot": {"k": 2, "example_tokens": 400}},
    }
    options = {"train": train, "decoding": {"dtype": "bf16"}}  # exact in 16 bits too: the base is put back as it was
    alone = {
        name: caption_all(base, samples, tmp_path / "alone", {name: system}, **options)[name]
        for name, system in systems.items()
    }
    loads = []
    load = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *a, **k: loads.append(a) or load(*a, **k))
    manifest = tmp_path / "together" / "manifest.json"
    together = caption_all(base, samples, tmp_path / "together", systems, manifest=manifest, **options)
    assert len(loads) == 1
    assert {name: texts(captions) for name, captions in together.items()} == {n: texts(c) for n, c in alone.items()}
    assert len({str(texts(captions)) for captions in together.values()}) == 4
    assert set(json.loads(manifest.read_text())["captions"]) == set(systems)


def test_a_merged_model_writes_what_its_base_writes_with_the_adapter(base, samples, tmp_path):
    adapter = build_adapter(tmp_path / "adapter", base, 1)
    worn = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    PeftModel.from_pretrained(worn, adapter).merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    merged = caption(tmp_path / "merged", samples, tmp_path / "a")
    assert texts(merged) == texts(caption(base, samples, tmp_path / "b", adapter=adapter))
    assert texts(merged) != texts(caption(base, samples, tmp_path / "c"))


def test_a_few_shot_prompt_shows_train_drawings_and_asks_of_the_sample(base, samples, tmp_path):
    train = tmp_path / "train.parquet"
    shown = [Sample(f"t{n}", "a", "train", "g", f'<svg><rect x="{n}"/></svg>', [f"box {n}"]) for n in range(9)]
    long = Sample("long", "a", "train", "g", f"<svg>{'<rect/>' * 300}</svg>", ["many boxes"])
    write_samples(train, [long, *shown])
    few = {"few": {"few_shot": {"k": 3, "example_tokens": 400}}}
    captions = caption_all(base, samples, tmp_path / "a", few, train=train)["few"]
    plain = caption(base, samples, tmp_path / "a")
    extra = {few.n_prompt_tokens - one.n_prompt_tokens for few, one in zip(captions, plain, strict=True)}
    assert len(extra) == 1
    assert min(extra) > 100
    with pytest.raises(InputError, match=r"only 9 train drawings .* few-shot prompt needs 10: raise"):
        caption_all(base, samples, tmp_path / "b", {"few": {"few_shot": {"k": 10, "example_tokens": 400}}}, train=train)


def test_shards_divide_the_samples():
    ids = list(range(10))
    shards = [Shard.from_text(f"{number}/3").of(ids) for number in (1, 2, 3)]
    assert sorted(id_ for shard in shards for id_ in shard) == ids
    for text in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(InputError, match="must be K/N"):
            Shard.from_text(text)


def test_a_model_without_chat_template_gets_the_plain_one_and_it_is_said(samples, tmp_path, capfd):
    base = build_tiny_model(tmp_path / "plain", "plain")
    caption(base, samples, tmp_path / "a")
    assert "24 prompts each by the plain template (no chat template)" in capfd.readouterr().err


def test_an_adapter_of_another_base_is_refused(base, samples, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "training.json").write_text(json.dumps({"base_digest": "0" * 64}))
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "results/models/llama-9b"}')
    message = rf"trained on another base: llama-9b .*digest 000000000000.* has {model_digest(base)[:12]}"
    with pytest.raises(InputError, match=message):
        caption(base, samples, tmp_path / "a", adapter=adapter)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("given", ["", "-1"])
def test_without_a_gpu_captions_are_made_on_the_cpu(base, samples, tmp_path, monkeypatch, given):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    captions = caption(base, samples, tmp_path / "a")
    assert [record.id for record in captions] == [sample.id for sample in read_samples(samples)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_job_whose_gpu_can_not_be_used_ends_at_once(base, samples, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(MachineError, match=r"GPU 0 was given to this job .* and torch can't use it"):
        caption(base, samples, tmp_path / "a")


def test_an_engine_that_is_not_installed_says_how_to_install_it(base, samples, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"can't be imported here .*pip install -r envs/vllm.txt"):
        caption(base, samples, tmp_path / "a", decoding={"engine": "vllm"})


def test_vllm_gets_the_same_prompts_adapters_and_stops(base, samples, tmp_path, monkeypatch):
    vllm_of_the_tests.install(monkeypatch)
    systems = {"zero": {}, **{n: {"adapter": str(build_adapter(tmp_path / n, base, len(n)))} for n in ("a", "bb")}}
    expected = caption_all(base, samples, tmp_path / "transformers", systems)
    found = caption_all(base, samples, tmp_path / "vllm", systems, decoding={"engine": "vllm"})
    assert {name: texts(captions) for name, captions in found.items()} == {n: texts(c) for n, c in expected.items()}
    with pytest.raises(InputError, match="engine vllm decodes without beams"):
        caption(base, samples, tmp_path / "beams", decoding={"engine": "vllm", "num_beams": 2})


def test_a_missing_base_is_named_and_nothing_is_left(samples, tmp_path):
    """test_caption_image.py asks the same of a command as a process."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"^the model folder nowhere does not exist; fetch it first: snakemake"):
        caption(Path("nowhere"), samples, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before
