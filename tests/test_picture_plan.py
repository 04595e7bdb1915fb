"""Systems that read pictures in the configuration: their names, their jobs' inputs, and what is refused."""

import json

import pytest
from small_configuration import REVISION, SCHEMA, only_fault, small_configuration

from plan.configuration import systems
from plan.experiment import make_plan
from plan.faults import find_faults
from plan.presets import resolve_defaults
from plan.schema import fill_defaults


def with_vlm(**base):
    """The small experiment with a vision-language model beside the LLM, trained on code, picture and both."""
    config = small_configuration()
    config["bases"]["vlm"] = {"source": {"hub": "owner/vlm", "revision": REVISION}, **base}
    for input in ("code", "image", "both"):
        config["models"][f"vlm-{input}"] = {"base": "vlm", "preset": "test3", "input": input}
    return config


def full(config):
    resolve_defaults(config)
    return fill_defaults(config, SCHEMA)


def test_each_input_of_a_base_without_training_is_a_system():
    config = with_vlm(inputs=["code", "image", "both"], few_shot={"k": 2}, label="VLM")
    assert not find_faults(config, SCHEMA)
    table = systems(full(config))
    found = {name: (one["label"], one["family"], one["input"]) for name, one in table.items() if one["base"] == "vlm"}
    assert found == {
        "vlm-zero-shot": ("VLM, zero-shot", "zero_shot", "code"),
        "vlm-zero-shot-image": ("VLM, zero-shot, picture", "zero_shot", "image"),
        "vlm-zero-shot-both": ("VLM, zero-shot, code and picture", "zero_shot", "both"),
        "vlm-few-shot": ("VLM, 2-shot", "few_shot", "code"),
        "vlm-few-shot-image": ("VLM, 2-shot, picture", "few_shot", "image"),
        "vlm-few-shot-both": ("VLM, 2-shot, code and picture", "few_shot", "both"),
        **{f"vlm-{input}": (f"vlm-{input}", "lora", input) for input in ("code", "image", "both")},
    }
    assert only_fault(with_vlm(inputs=["image", "image"])).startswith("bases.vlm.inputs")


def test_jobs_wait_for_the_pictures_that_they_show_and_for_no_others():
    plan = make_plan(full(with_vlm(inputs=["image"], few_shot={"k": 2})))
    pictures = {split: f"results/small/images/{split}.parquet" for split in ("train", "validation", "test")}
    assert plan.trainings["tuned"].images == plan.trainings["vlm-code"].images == {}
    assert plan.trainings["vlm-both"].images == {split: pictures[split] for split in ("train", "validation")}
    assert plan.llm_jobs["tuned"].images == plan.llm_jobs["vlm-code"].images == {}
    assert plan.llm_jobs["vlm-image"].images == {"test": pictures["test"]}
    assert plan.llm_jobs["vlm-few-shot-image"].images == {split: pictures[split] for split in ("test", "train")}
    assert json.loads(plan.llm_jobs["vlm-both"].described)["vlm-both"]["input"] == "both"
    assert "input" not in json.loads(plan.llm_jobs["vlm-code"].described)["vlm-code"]


def test_samples_are_sliced_by_the_tokens_of_a_system_that_reads_code():
    config = with_vlm(inputs=["image", "both"])
    config["bases"]["llm"]["zero_shot"] = False
    assert make_plan(full(config)).first_llm == "vlm-zero-shot-both"


def test_what_becomes_of_missing_pictures_concerns_those_alone_that_read_both():
    config = with_vlm()
    config["prompt"] = {"missing_picture": "use_code"}
    plan = make_plan(full(config))
    assert "missing_picture" not in plan.prompt("code")
    assert "missing_picture" not in plan.prompt("image")
    assert plan.prompt("code", "both")["missing_picture"] == "use_code"


def describe_base(folder, **described):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "model.safetensors").touch()
    return {"path": str(folder)}


@pytest.mark.parametrize("key", ["inputs", "input"])
def test_a_base_without_pictures_or_chat_template_is_refused_before_anything_runs(key, tmp_path):
    config = small_configuration()
    if key == "inputs":
        config["bases"]["llm"]["inputs"] = ["both"]
        path = "bases.llm.inputs"
    else:
        config["bases"]["llm"]["zero_shot"] = False
        config["models"]["tuned"]["input"] = "both"
        path = "models.tuned.input"
    assert not find_faults(config, SCHEMA)  # nothing is known of a base that is still to be fetched
    source = config["bases"]["llm"]["source"] = describe_base(tmp_path / "base", model_type="llama")
    assert only_fault(config).startswith(f"{path}: both needs a model that reads pictures, and bases.llm is a llama")
    describe_base(tmp_path / "base", model_type="llava", vision_config={})
    assert only_fault(config).startswith(f"{path}: both needs a chat template")
    (tmp_path / "base" / "chat_template.jinja").touch()
    assert source == {"path": str(tmp_path / "base")}
    assert not find_faults(config, SCHEMA)


@pytest.mark.parametrize("kind", ["blip", "vision-encoder-decoder"])
def test_a_captioner_that_takes_no_prompt_reads_pictures_alone(kind, tmp_path):
    config = small_configuration()
    config["bases"]["llm"] |= {"source": describe_base(tmp_path, model_type=kind), "zero_shot": False}
    for input in ("code", "both"):
        config["models"]["tuned"]["input"] = input
        message = f"models.tuned.input: {input} needs a model that is asked, and bases.llm is a {kind}"
        assert only_fault(config).startswith(message)
    config["models"]["tuned"]["input"] = "image"
    assert not find_faults(config, SCHEMA)


def test_a_configuration_that_cannot_be_read_is_a_fault_of_its_base(tmp_path):
    config = small_configuration()
    config["bases"]["llm"]["source"] = describe_base(tmp_path)
    (tmp_path / "config.json").write_text("")
    fault = only_fault(config)
    assert fault.startswith("bases.llm.source: ")
    assert "config.json" in fault
    config["models"]["tuned"]["input"] = "image"
    describe_base(tmp_path, model_type="llava", vision_config={})
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "tokenizer_config.json" in only_fault(config)


def test_a_base_that_was_fetched_is_looked_at_in_the_store(tmp_path):
    config = small_configuration()
    config["model_store"] = str(tmp_path)
    config["models"]["tuned"]["input"] = "image"
    describe_base(tmp_path / f"owner--llm@{REVISION[:12]}", model_type="gemma2")
    assert "models.tuned.input: image needs a model that reads pictures" in only_fault(config)


def test_settings_that_have_no_pictures_are_refused():
    config = small_configuration()
    config["models"]["tuned"]["settings"] = {"train_vision": True}
    assert only_fault(config).startswith("models.tuned.settings.train_vision: input: code reads no pictures")
    config = small_configuration()
    config["presets"] = {"mine": {"train_projector": True}}
    config["models"]["tuned"]["preset"] = "mine"
    assert only_fault(config).startswith("models.tuned.settings.train_projector: input: code")
    config = small_configuration()
    config["decoding"] = {"engine": "vllm"}
    config["models"]["tuned"]["input"] = "image"
    assert only_fault(config).startswith("models.tuned.input: image needs decoding.engine: transformers")


def with_build():
    """The small experiment with a base that is built of the demo's parts."""
    config = with_vlm(inputs=["code", "image"], few_shot={"k": 2})
    parts = {part: {"hub": f"owner/{part}", "revision": REVISION} for part in ("vision", "language")}
    config["bases"]["vlm"]["build"] = parts
    del config["bases"]["vlm"]["source"]
    return config


def test_a_base_that_is_built_lies_in_the_experiment_and_its_parts_are_fetched():
    config = with_build()
    assert not find_faults(config, SCHEMA)
    plan = make_plan(full(config))
    built, store = plan.built["vlm"], f"results/models/owner--%s@{REVISION[:12]}"
    assert built.model.manifest == "results/small/bases/vlm/manifest.json"
    assert (built.vision.folder, built.language.folder) == (store % "vision", store % "language")
    assert {f"owner--{part}@{REVISION[:12]}" for part in ("vision", "language")} <= set(plan.fetched)
    assert plan.trainings["vlm-both"].base == plan.llm_jobs["vlm-zero-shot"].base == built.model


def test_a_base_that_is_built_is_trained_on_this_data_where_it_reads_pictures():
    table = systems(full(with_build()))
    trained = {name: one["trained"] for name, one in table.items() if one["family"] in ("zero_shot", "few_shot")}
    assert trained == {
        **{"llm-zero-shot": False, "vlm-zero-shot": False, "vlm-few-shot": False},
        **{"vlm-zero-shot-image": True, "vlm-few-shot-image": True},
    }


def test_faults_of_a_base_that_is_built(tmp_path):
    config = with_build()
    config["bases"]["vlm"]["source"] = {"hub": "owner/vlm", "revision": REVISION}
    assert only_fault(config) == "bases.vlm: needs exactly one of: source; build"
    config = with_build()
    config["bases"]["vlm"]["build"]["settings"] = {"epoch": 3}
    assert only_fault(config) == "bases.vlm.build.settings.epoch: unknown key; did you mean 'epochs'?"
    config = with_build()
    config["bases"]["vlm"]["build"]["language"] = describe_base(tmp_path / "base", model_type="llava", vision_config={})
    assert only_fault(config).startswith(f"bases.vlm.build.language: {tmp_path / 'base'} reads pictures already; name")
    describe_base(tmp_path / "base", model_type="llama")
    assert only_fault(config).startswith(f"bases.vlm.build.language: {tmp_path / 'base'} has no chat template")


def test_the_settings_of_a_build_are_those_of_its_script():
    from dataclasses import fields

    from build_vlm import BuildSettings

    base = SCHEMA["properties"]["bases"]["additionalProperties"]["properties"]
    known = base["build"]["properties"]["settings"]["properties"]
    assert list(known) == [field.name for field in fields(BuildSettings)]
    assert all(f"{field.default:g} where absent" in known[field.name]["description"] for field in fields(BuildSettings))
