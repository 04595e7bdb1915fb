"""The plan: typed records from a configuration, without Snakemake."""

import dataclasses

import pytest
import yaml
from workflow_runs import ROOT

from core.code_digest import SCRIPTS
from core.identity import ABSENT, library_version
from plan.configuration import order_keys
from plan.experiment import make_plan, one_of
from plan.frozen import Frozen, rules_digest
from plan.identity import LIBRARIES, Identities, schema_node
from plan.presets import resolve_defaults
from plan.schema import fill_defaults, load_schema


def resolved(change=lambda config: None, file="config.yaml"):
    config = yaml.safe_load((ROOT / file).read_text())
    change(config)
    resolve_defaults(config)
    return order_keys(fill_defaults(config, load_schema()))


def plan_of(change=lambda config: None):
    return make_plan(resolved(change))


def test_one_job_a_system_where_nothing_is_shared_or_sharded():
    plan = plan_of()
    assert list(plan.llm_jobs) == [
        *("llama-3.1-8b-zero-shot", "gemma-2-9b-zero-shot", "llama-3.1-8b-test3", "gemma-2-9b-test3"),
    ]
    assert plan.gathered == []
    assert plan.llm_job_of("gemma-2-9b-test3").adapters == (
        "results/full/adapters/gemma-2-9b-test3/adapter_model.safetensors",
    )


def test_one_job_a_base_where_systems_are_grouped():
    plan = plan_of(lambda config: config["decoding"].update(group_by_base=True))
    assert {name: job.systems for name, job in plan.llm_jobs.items()} == {
        "llama-3.1-8b": ("llama-3.1-8b-zero-shot", "llama-3.1-8b-test3"),
        "gemma-2-9b": ("gemma-2-9b-zero-shot", "gemma-2-9b-test3"),
    }
    assert plan.systems["llama-3.1-8b-test3"].parts == (
        "results/full/captions/passes/llama-3.1-8b/1-of-1/llama-3.1-8b-test3.jsonl",
    )


def test_the_captions_of_a_sharded_captioner_are_gathered():
    plan = plan_of(lambda config: config["captioners"]["blip-large"].update(shards=2))
    assert plan.gathered == ["blip-large"]
    assert plan.with_one_job("captioner") == ["vit-gpt2", "cogvlm"]
    assert plan.systems["blip-large"].parts == tuple(
        f"results/full/captions/shards/blip-large/{k}-of-2/blip-large.jsonl" for k in (1, 2)
    )


def test_device_classes_follow_size_and_gpus():
    def change(config):
        config["large_size_b"] = 9
        config["models"]["llama-3.1-8b-test3"]["gpus"] = 0

    classes = plan_of(change).device_classes()
    assert (classes["gemma-2-9b-zero-shot"], classes["gemma-2-9b-test3"]) == ("large", "large")
    assert (classes["llama-3.1-8b-test3"], classes["train llama-3.1-8b-test3"]) == ("small", "cpu")
    assert (classes["llama-3.1-8b-zero-shot"], classes["clip"]) == ("small", "small")
    assert plan_of(lambda config: config["decoding"].update(gpus=0)).device_classes()["clip"] == "cpu"


def test_a_folder_of_the_user_is_read_where_it_lies_and_its_manifest_is_in_the_store():
    plan = plan_of(lambda config: config["bases"]["gemma-2-9b"].update(source={"path": "models/mine"}))
    base = plan.trainings["gemma-2-9b-test3"].base
    assert base.folder == "models/mine"
    assert base.manifest.startswith("results/models/mine@")


def test_no_names_match_nothing():
    import re

    assert not re.fullmatch(one_of([]), "none")
    assert re.fullmatch(one_of(["a", "b"]), "b")


def identities(tmp_path, change=lambda config: None, frozen=None):
    return Identities(resolved(change), tmp_path / "digests.json", frozen)


@pytest.mark.parametrize(
    ("group", "setting", "counts"),
    [
        ("decoding", {"batch_tokens": 1}, False),
        ("decoding", {"cuda_graphs": True}, False),
        ("decoding", {"max_new_tokens": 7}, True),
        ("render", {"seconds_limit": 1}, False),
        ("render", {"shards": 3}, False),
        ("render", {"size": 448}, True),
    ],
)
def test_settings_of_speed_take_no_part_in_an_identity(tmp_path, group, setting, counts):
    before = identities(tmp_path).of("render_png", group)
    after = identities(tmp_path, lambda config: config[group].update(setting)).of("render_png", group)
    assert (before != after) == counts


@pytest.mark.parametrize("key", ["wandb", "tensorboard", "log_steps", "keep_checkpoints"])
def test_settings_of_logging_take_no_part_in_the_identity_of_a_training(key):
    assert schema_node(f"presets.*.{key}")["affects"] == "logging"


def test_the_identity_of_a_training_has_no_code_and_others_have(tmp_path):
    found = identities(tmp_path)
    assert found.of("train_lora", "prompt")["code"] is None
    assert found.of("compare", "comparison")["code"].startswith("ast2 compare ")


def test_content_and_not_time_or_place_of_a_folder_counts(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    before = identities(tmp_path).of("shard_source", content={"data": str(tmp_path / "data")})
    (tmp_path / "data").rename(tmp_path / "moved")
    assert identities(tmp_path).of("shard_source", content={"data": str(tmp_path / "moved")}) == before
    (tmp_path / "moved" / "a.txt").write_text("b")
    assert identities(tmp_path).of("shard_source", content={"data": str(tmp_path / "moved")}) != before


def test_a_job_goes_by_the_digests_that_its_run_was_planned_with(tmp_path):
    frozen = Frozen({}, {"compare": "ast2 compare planned"}, {"data": "planned"}, "rules")
    found = identities(tmp_path, frozen=frozen).of("compare", content={"data": "data"})
    assert (found["code"], found["inputs"]) == ("ast2 compare planned", {"data": "planned"})


def test_a_job_refuses_rules_that_were_edited_after_the_run_was_planned(tmp_path, monkeypatch):
    from core.command import InputError

    (tmp_path / "rules").mkdir()
    (tmp_path / "Snakefile").write_text("a")
    monkeypatch.setenv("PLANNED_RUN", "")
    assert Frozen.of_job(tmp_path) is None
    Frozen({"seed": 1}, {}, {}, rules_digest(tmp_path)).write(tmp_path / "runs")
    found = Frozen.of_job(tmp_path)
    assert found
    assert found.configuration == {"seed": 1}
    (tmp_path / "rules" / "data.smk").write_text("b")
    with pytest.raises(InputError, match=r"rules/ changed after this run was planned"):
        Frozen.of_job(tmp_path)


def keys_that_affect(kind, path):
    """The keys of a group of the schema that affect only `kind`."""
    return {key for key, node in schema_node(path)["properties"].items() if node.get("affects") == kind}


def test_jobs_leave_out_of_their_identities_what_the_schema_says():
    """The layers below the plan cannot read the schema: their lists must say the same."""
    import caption_image
    import caption_llm
    from generation.llm_engines import DecodingSettings
    from training import identity

    assert set(identity.ONLY_LOGGING) == keys_that_affect("logging", "presets.*")
    assert set(identity.ONLY_SPEED) == keys_that_affect("speed", "presets.*")
    assert set(caption_image.ONLY_SPEED) == keys_that_affect("speed", "captioners.*.settings")
    of_the_job = {field.name for field in dataclasses.fields(DecodingSettings)}  # not how many GPUs it has
    assert set(caption_llm.ONLY_SPEED) == keys_that_affect("speed", "decoding") & of_the_job


def test_libraries_of_a_module_count_where_it_is_loaded(tmp_path):
    found = identities(tmp_path)
    assert set(found.of("score_text", "scoring/metrics/bleu")["libraries"]) == {"pycocoevalcap"}
    assert "transformers" in found.of("score_text", "scoring/metrics/bert_score")["libraries"]
    assert "vllm" not in found.of("caption_llm", "generation/llm_engines/torch_engine")["libraries"]
    assert found.of("train_lora")["libraries"] == {}


def test_what_has_libraries_is_a_script_or_a_module_and_they_are_installed_or_optional():
    for name, libraries in LIBRARIES.items():
        assert (SCRIPTS / f"{name}.py").is_file()
        assert [one for one in libraries if library_version(one) == ABSENT] in ([], ["vllm"])


def test_two_runs_of_one_process_number_keep_records_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANNED_RUN", "")
    frozen = Frozen({}, {}, {}, "rules")
    assert frozen.write(tmp_path) != frozen.write(tmp_path)
