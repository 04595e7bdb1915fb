"""Captions of captioners: real classes with tiny random weights, one by one, in batches, after a failure."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest
import torch
import transformers
import yaml
from reference_captions import FAMILY, PROMPT, reference_caption
from tiny_captioners import build_tiny_captioner
from tiny_models import build_tiny_model
from workflow_runs import copy_project, planned_jobs, snakemake, write_small_demo

import caption_image
import gather_captions
from caption_image import main, prepared_batches
from core.command import InputError
from core.records import Image, Sample, read_captions, read_samples, write_images, write_samples
from generation.captioners import FAMILIES, Output, cogvlm
from generation.captioners.generation import decode_outputs
from generation.image_captions import caption_record

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "workflow" / "scripts" / "caption_image.py"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function that gives the model folder of a kind, built once."""
    built = {}

    def folder(kind):
        if kind not in built:
            built[kind] = build_tiny_captioner(tmp_path_factory.mktemp("models") / kind, kind)
        return built[kind]

    return folder


@pytest.fixture(autouse=True)
def own_module_cache(tmp_path, monkeypatch):
    """Copies of remote code stay out of the user's cache, and are imported anew by each test."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # to which the cache is added
    for name in [name for name in sys.modules if name.split(".")[0] == "transformers_modules"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))


def draw(number):
    """A PNG unlike the others."""
    colours = ["red", "green", "blue", "black", "orange"]
    image = PIL.Image.new("RGB", (40, 40), ["white", "yellow", "navy"][number % 3])
    pen = PIL.ImageDraw.Draw(image)
    pen.rectangle((number * 3, 4, number * 3 + 14, 30), fill=colours[number % 5])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def write_data(folder, changes=None, n=7):
    """Samples s0 … and their images, with changes to single image records (None: no record)."""
    write_samples(folder / "test.parquet", [Sample(f"s{i}", "a", "test", "g", "<svg/>", ["x"]) for i in range(n)])
    images = {f"s{i}": Image(f"s{i}", draw(i), 40, 40, "ok") for i in reversed(range(n))} | (changes or {})
    write_images(folder / "images.parquet", [image for image in images.values() if image])


def caption(folder, model, kind, output="captions.jsonl", tokenizer=None, trust=None, shard="1/1", **settings):
    values = {"prompt": PROMPT[kind], "max_new_tokens": 8, "dtype": "fp32", **settings}
    main(
        captioner=kind,
        family=FAMILY[kind],
        model=model,
        tokenizer=tokenizer,
        trust_remote_code=kind == "cogvlm" if trust is None else trust,
        images=folder / "images.parquet",
        samples=folder / "test.parquet",
        shard=shard,
        settings=json.dumps(values),
        seed=7,
        output=folder / output,
    )
    return read_captions(folder / output)


def texts(captions):
    return [
        (record.id, record.caption, record.reason, record.finish_reason, record.n_new_tokens) for record in captions
    ]


@pytest.mark.parametrize("kind", FAMILY)
def test_batches_give_what_one_at_a_time_gives_in_the_samples_order(folders, tmp_path, kind):
    write_data(tmp_path)
    alone = caption(tmp_path, folders(kind), kind, batch_size=1)
    together = caption(tmp_path, folders(kind), kind, batch_size=4)
    assert texts(together) == texts(alone)
    assert [record.id for record in together] == [f"s{i}" for i in range(7)]
    assert len({record.caption for record in together}) > 1, "the captions do not depend on the images"
    assert all(record.status == ("ok" if record.caption else "failed") for record in together)


@pytest.mark.parametrize("kind", sorted(FAMILY.keys() - {"cogvlm"}))
def test_a_caption_is_exactly_what_follows_the_prompt(folders, tmp_path, kind):
    write_data(tmp_path, n=3)
    records = caption(tmp_path, folders(kind), kind)
    assert len(records) == 3
    for number, record in enumerate(records):
        assert (record.caption, record.n_new_tokens) == reference_caption(kind, folders(kind), draw(number))


def test_outputs_end_before_the_end_token_and_begin_behind_the_prompt(folders):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders("vit_gpt2"))
    red, circle, end = (*tokenizer.convert_tokens_to_ids(["red", "circle"]), tokenizer.eos_token_id)
    sequences = torch.tensor([[end, red, circle, end, end], [end, red, red, red, red], [end, end, red, end, end]])
    assert decode_outputs(sequences, 1, [end], tokenizer, [None, 3, 3]) == [
        Output("red circle", "eos", None, 2),
        Output("red red red red", "length", 3, 4),
        Output("", "eos", 3, 0),
    ]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "the sample has no image record"),
        (Image("s2", None, 0, 0, "failed", "took longer than 10 s"), "not rendered: took longer than 10 s"),
        (Image("s2", draw(1), 40, 40, "ok", flags=["blank"]), "the image is blank"),
        (Image("s2", b"no image at all", 40, 40, "ok"), "the image can't be read"),
        (Image("s2", draw(1)[:60], 40, 40, "ok"), "the image can't be read"),
        (Image("s2", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 9, 9, "ok"), "the image can't be read"),
    ],
)
def test_a_sample_without_a_usable_image_is_a_failed_record_with_its_reason(folders, tmp_path, image, reason):
    write_data(tmp_path)
    whole = caption(tmp_path, folders("blip"), "blip")
    write_data(tmp_path, {"s2": image})
    records = caption(tmp_path, folders("blip"), "blip")
    assert (records[2].status, records[2].caption) == ("failed", "")
    assert records[2].reason.startswith(reason)
    assert texts(records[:2] + records[3:]) == texts(whole[:2] + whole[3:])


def test_shards_gathered_are_what_one_job_writes(folders, tmp_path):
    write_data(tmp_path, {"s3": None})
    whole = caption(tmp_path, folders("blip"), "blip", "whole.jsonl")
    shards = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    for number, path in enumerate(shards, start=1):
        caption(tmp_path, folders("blip"), "blip", path.name, shard=f"{number}/2")
    gather = {"samples": tmp_path / "test.parquet", "output": tmp_path / "gathered.jsonl"}
    gather_captions.main(shards=shards, **gather)
    assert texts(read_captions(tmp_path / "gathered.jsonl")) == texts(whole)
    for wrong in (shards[:1], [shards[0], shards[0]], [*shards, shards[0]]):
        with pytest.raises(InputError, match=r"1\.jsonl.* does not belong to these samples: .*remake it"):
            gather_captions.main(shards=wrong, **gather)


def test_without_any_usable_image_all_records_fail_and_no_model_is_loaded(folders, tmp_path, monkeypatch):
    write_data(tmp_path, {f"s{i}": None for i in range(7)})
    monkeypatch.setattr(caption_image, "load_captioner", lambda *_: pytest.fail("loaded a model for nothing"))
    assert [record.status for record in caption(tmp_path, folders("blip"), "blip")] == ["failed"] * 7


def test_an_empty_output_is_a_failure_and_white_space_is_folded():
    empty = caption_record("s", Output(" \n", "eos", None, 0), 0.1)
    assert (empty.status, empty.caption, empty.reason) == ("failed", "", "the model wrote nothing")
    folded = caption_record("s", Output(" a red\n\tcircle\u2028", "eos", 4, 3), 0.1)
    assert (folded.status, folded.caption, folded.n_prompt_tokens, folded.n_new_tokens) == ("ok", "a red circle", 4, 3)


def test_a_job_that_failed_goes_on_where_it_was(folders, tmp_path, monkeypatch):
    from generation.captioners.vision_encoder_decoder import VisionEncoderDecoder

    write_data(tmp_path, {"s1": None})
    whole = caption(tmp_path, folders("vit_gpt2"), "vit_gpt2", "whole.jsonl", batch_size=2)
    generate, batches = VisionEncoderDecoder.generate, []

    def generate_two_batches(self, inputs):
        batches.append(len(inputs["pixel_values"]))
        if len(batches) == 3:
            raise RuntimeError("the machine went down")
        return generate(self, inputs)

    monkeypatch.setattr(VisionEncoderDecoder, "generate", generate_two_batches)
    with pytest.raises(RuntimeError, match="went down"):
        caption(tmp_path, folders("vit_gpt2"), "vit_gpt2", batch_size=2)
    assert not (tmp_path / "captions.jsonl").exists()
    assert texts(caption(tmp_path, folders("vit_gpt2"), "vit_gpt2", batch_size=2)) == texts(whole)
    assert batches == [2, 2, 2, 2]  # the third one failed and alone was made again
    assert not (tmp_path / "captions.jsonl.parts").exists()


def test_out_of_memory_halves_the_batch(folders, tmp_path, monkeypatch):
    from generation.captioners.vision_encoder_decoder import VisionEncoderDecoder

    write_data(tmp_path)
    whole = caption(tmp_path, folders("vit_gpt2"), "vit_gpt2")
    generate = VisionEncoderDecoder.generate

    def full_memory(self, inputs):
        if len(inputs["pixel_values"]) > 2:
            raise torch.cuda.OutOfMemoryError
        return generate(self, inputs)

    monkeypatch.setattr(VisionEncoderDecoder, "generate", full_memory)
    assert texts(caption(tmp_path, folders("vit_gpt2"), "vit_gpt2")) == texts(whole)


def test_the_next_batch_is_prepared_while_the_model_works():
    prepared = {1: threading.Event(), 2: threading.Event()}

    class Counting:
        calls = 0

        def prepare(self, images):
            self.calls += 1
            prepared[self.calls].set()

    records = [Image(f"s{i}", draw(i), 40, 40, "ok") for i in range(2)]
    batches = prepared_batches(Counting(), [[record] for record in records])
    assert next(batches).ids == ["s0"]
    assert prepared[2].wait(timeout=10), "the second batch waits for the first one's captions"
    assert [batch.ids for batch in batches] == [["s1"]]


def test_beams_are_used(folders, tmp_path):
    write_data(tmp_path)
    greedy = caption(tmp_path, folders("idefics3"), "idefics3")
    beams = caption(tmp_path, folders("idefics3"), "idefics3", num_beams=4)
    assert texts(beams) != texts(greedy)
    assert texts(beams) == texts(caption(tmp_path, folders("idefics3"), "idefics3", num_beams=4, batch_size=1))


def test_code_from_a_model_folder_runs_only_with_the_users_word(folders, tmp_path):
    write_data(tmp_path)
    with pytest.raises(InputError, match=r"Python code of its own.*--trust-remote-code"):
        caption(tmp_path, folders("cogvlm"), "cogvlm", trust=False)
    assert not (tmp_path / "captions.jsonl").exists()
    assert not list((tmp_path / "modules").rglob("modeling_cogvlm.py"))


def test_missing_packages_of_remote_code_are_named_with_the_environment_that_has_them(tmp_path):
    folder = build_tiny_captioner(tmp_path / "cogvlm", "cogvlm")
    code = folder / "modeling_cogvlm.py"
    code.write_text("import no_such_package\n" + code.read_text())
    write_data(tmp_path)
    with pytest.raises(InputError, match=r"no_such_package[\s\S]*envs/cogvlm.yaml"):
        caption(tmp_path, folder, "cogvlm")


def test_cogvlm_takes_the_tokenizer_of_another_folder(folders, tmp_path):
    write_data(tmp_path)
    expected = caption(tmp_path, folders("cogvlm"), "cogvlm")
    model = build_tiny_captioner(tmp_path / "cogvlm", "cogvlm")
    (tmp_path / "vicuna").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).rename(tmp_path / "vicuna" / name)
    assert texts(caption(tmp_path, model, "cogvlm", tokenizer=tmp_path / "vicuna")) == texts(expected)
    with pytest.raises(InputError, match="nowhere does not exist"):
        caption(tmp_path, model, "cogvlm", tokenizer=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("vit_gpt2", {"prompt": "a picture of"}, "takes no prompt"),
        ("cogvlm", {"prompt": ""}, "needs a prompt"),
        ("cogvlm", {"num_beams": 2}, "decodes without beams, for which its code has no images: set num_beams: 1"),
        ("blip", {"num_beam": 3}, "did you mean 'num_beams'"),
        pytest.param(
            *("blip", {"quantisation": "nf4"}, "needs a GPU"),
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_settings_that_can_not_work_are_refused(folders, tmp_path, kind, settings, message):
    write_data(tmp_path)
    with pytest.raises(InputError, match=message):
        caption(tmp_path, folders(kind), kind, **settings)


def test_code_is_imported_from_a_folder_without_dots_in_its_name(folders, tmp_path, monkeypatch):
    """The transformers of envs/cogvlm.txt take a dot in the folder's name for a package."""
    write_data(tmp_path)
    expected = texts(caption(tmp_path, folders("cogvlm"), "cogvlm"))
    model, names = build_tiny_captioner(tmp_path / "cogvlm-1.1", "cogvlm"), []
    load = cogvlm.AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        cogvlm.AutoModelForCausalLM, "from_pretrained", lambda path, **o: names.append(path.name) or load(path, **o)
    )
    assert texts(caption(tmp_path, model, "cogvlm")) == expected
    assert names == ["cogvlm-1_1"]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"eos_token": None}, "", "has no eos_token, so that no caption would end"),
        ({}, "raise NotImplementedError('No operator found for `memory_efficient_attention_forward`')", "can't run on"),
    ],
)
def test_what_cogvlm_can_not_do_is_one_message(tmp_path, changes, code, message):
    write_data(tmp_path)
    model = build_tiny_captioner(tmp_path / "cogvlm", "cogvlm")
    tokenizer = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(tokenizer | changes))
    source = (model / "modeling_cogvlm.py").read_text()
    (model / "modeling_cogvlm.py").write_text(source.replace("        seen =", f"        {code}\n        seen ="))
    with pytest.raises(InputError, match=message):
        caption(tmp_path, model, "cogvlm")


def test_pickled_weights_are_refused(tmp_path):
    folder = build_tiny_captioner(tmp_path / "blip", "blip")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    write_data(tmp_path)
    with pytest.raises(InputError, match=r"no safetensors weights \(only pytorch_model.bin"):
        caption(tmp_path, folder, "blip")


def test_a_missing_model_folder_ends_the_command_with_one_line_and_leaves_nothing(tmp_path):
    write_data(tmp_path)
    before = sorted(tmp_path.iterdir())
    options = ["--captioner", "blip", "--family", "blip", "--model", "nowhere", "--seed", "7"]
    options += ["--images", "images.parquet", "--samples", "test.parquet", "--output", "out/blip.jsonl"]
    done = subprocess.run([sys.executable, SCRIPT, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: the model folder nowhere does not exist; fetch it first: snakemake fetch_models\n"
    assert sorted(tmp_path.iterdir()) == before


def test_the_families_are_those_of_the_schema():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    captioners = schema["properties"]["captioners"]["additionalProperties"]["properties"]
    assert tuple(captioners["family"]["enum"]) == FAMILIES
    assert set(captioners["settings"]["properties"]) == set(caption_image.CaptionerSettings.__dataclass_fields__)


@pytest.mark.slow
@pytest.mark.skipif("COGVLM_PYTHON" not in os.environ, reason="COGVLM_PYTHON names no interpreter of envs/cogvlm.txt")
def test_the_environment_of_cogvlm_writes_the_same_captions(folders, tmp_path):
    write_data(tmp_path, {"s1": None})
    expected = caption(tmp_path, folders("cogvlm"), "cogvlm", batch_size=3)
    settings = {"prompt": PROMPT["cogvlm"], "max_new_tokens": 8, "dtype": "fp32", "batch_size": 3}
    options = ["--captioner", "old", "--family", "cogvlm", "--model", folders("cogvlm"), "--seed", "7"]
    options += ["--images", tmp_path / "images.parquet", "--samples", tmp_path / "test.parquet"]
    options += ["--settings", json.dumps(settings), "--output", tmp_path / "old.jsonl"]
    command = [os.environ["COGVLM_PYTHON"], SCRIPT, *map(str, options)]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home")}
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 1
    assert "--trust-remote-code" in refused.stderr.splitlines()[-1]
    subprocess.run([*command, "--trust-remote-code"], env=environment, check=True, stdin=subprocess.DEVNULL)
    assert texts(read_captions(tmp_path / "old.jsonl")) == texts(expected)


@pytest.mark.slow
def test_captioners_and_grouped_llms_run_through_the_rules_whole_and_in_shards(folders, tmp_path):
    project = copy_project(tmp_path / "project")
    config = yaml.safe_load(write_small_demo(project).read_text())
    del config["dataset"]["sources"]["openmoji"]
    config["captioners"] = {
        kind.replace("_", "-"): {
            "family": FAMILY[kind],
            "source": {"path": str(folders(kind))},
            "settings": {"prompt": PROMPT[kind], "max_new_tokens": 8},
            "gpus": 0,
            "shards": 2 if kind == "blip" else 1,
        }
        for kind in ("blip", "idefics3")  # test_shipped_configuration.py runs the other families
    }
    base = build_tiny_model(tmp_path / "base")
    few_shot = {"k": 2, "example_tokens": 400}
    config |= {"models": {}, "bases": {"tiny": {"source": {"path": str(base)}, "few_shot": few_shot, "shards": 2}}}
    config["decoding"]["group_by_base"] = True
    (project / "small.yaml").write_text(yaml.safe_dump(config))
    outputs = {
        name: f"results/small/captions/{name}.jsonl"
        for name in ("tiny-zero-shot", "tiny-few-shot", *config["captioners"])
    }
    planned = planned_jobs(project, *outputs.values(), "--configfile", "small.yaml")
    assert (planned["caption_llm_pass"], planned["caption_image_shard"], planned["gather_captions"]) == (2, 2, 3)
    snakemake(project, "--configfile", "small.yaml", "--cores", "2", "--max-threads", "1", *outputs.values())
    ids = [sample.id for sample in read_samples(project / "results/small/data/test.parquet")]
    for output in outputs.values():
        records = read_captions(project / output)
        assert [record.id for record in records] == ids
        assert all(record.n_new_tokens for record in records)
    assert planned_jobs(project, *outputs.values(), "--configfile", "small.yaml") == {}
