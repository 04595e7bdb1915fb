"""Training in the workflow: the presets of the experiment, what the rules plan, faults found before anything runs."""

import json

import pytest
import yaml
from workflow_runs import ROOT, copy_project, snakemake

from plan.faults import find_faults
from plan.presets import BUILT_IN
from plan.schema import load_schema
from training.settings import TrainingSettings

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
TEST1 = {"r": 4, "alpha": 8, "targets": ["q_proj", "v_proj"], "dropout": 0.05, "bias": "none", "batch_size": 1}
TEST1 |= {"accumulation": 16, "learning_rate": 2e-4, "scheduler": "cosine", "warmup_ratio": 0.03}
TEST3 = {"r": 16, "alpha": 32, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"], "dropout": 0.05, "batch_size": 2}
TEST3 |= {"accumulation": 4, "learning_rate": 1e-5, "scheduler": "cosine", "warmup_ratio": 0.05, "weight_decay": 0.01}
TEST3 |= {"log_steps": 10, "eval_steps": 50, "save_steps": 100, "keep_checkpoints": 5, "patience_steps": 100}
TEST3 |= {"min_delta": 0.0001, "quantisation": "nf4", "double_quantisation": True, "gradient_checkpointing": True}
TEST3 |= {"dtype": "auto"}


def test_the_presets_are_those_of_the_experiments_that_are_continued():
    presets = {name: vars(TrainingSettings(**settings)) for name, settings in BUILT_IN.items()}
    expected = {"test1": TEST1, "test2": {**TEST1, "batch_size": 4, "accumulation": 2}, "test3": TEST3}
    assert presets == {name: vars(TrainingSettings(**settings)) for name, settings in expected.items()}
    assert {model["preset"] for model in CONFIG["models"].values()} == {"test3"}


def faults(change):
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    config["dataset"]["sources"]["drawings"]["path"] = str(ROOT / "config.yaml")
    change(config)
    return find_faults(config, load_schema())


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"eval_steps": 30}, "models.llama-3.1-8b-test3: save_steps 100 is no multiple of eval_steps 30"),
        ({"save_steps": 120}, "models.llama-3.1-8b-test3: save_steps 120 is no multiple of eval_steps 50"),
        ({"patience": 3}, "models.llama-3.1-8b-test3.settings.patience: unknown key; did you mean 'patience_steps'?"),
        ({"r": 0}, "models.llama-3.1-8b-test3.settings.r: 0 is less than the minimum of 1"),
        ({"eval_steps": 100}, None),
        ({"best_by": "cider"}, "models.llama-3.1-8b-test3.settings.best_by: cider is not measured while this model"),
        (
            {"eval_captions": {"samples": 9, "metric": "clip_score"}},
            "models.llama-3.1-8b-test3.settings.eval_captions.metric: 'clip_score' is no value that texts alone give",
        ),
        ({"eval_captions": {"samples": 1}}, "models.llama-3.1-8b-test3.settings.eval_captions.samples: 1 sample has"),
        ({"eval_captions": {"samples": 50, "metric": "bleu_4"}, "best_by": "bleu_4"}, None),
    ],
)
def test_faults_of_training_settings_are_said_before_anything_runs(settings, fault):
    found = faults(lambda config: config["models"]["llama-3.1-8b-test3"].update(settings=settings))
    assert found == [] if fault is None else len(found) == 1 and found[0].startswith(fault)


def test_steps_that_cannot_agree_are_found_where_one_of_them_is_the_default():
    def change(config):
        config["presets"] = {"test1": {"eval_steps": 30}}  # save_steps is 100 where nothing is said
        config["models"]["llama-3.1-8b-test3"]["preset"] = "test1"

    (fault,) = faults(change)
    assert "save_steps 100 is no multiple of eval_steps 30" in fault


def test_an_unknown_preset_is_answered_with_the_nearest():
    (fault,) = faults(lambda config: config["models"]["llama-3.1-8b-test3"].update(preset="tst3"))
    assert fault == "models.llama-3.1-8b-test3.preset: no entry 'tst3' in presets; did you mean 'test3'?"


def test_the_rules_start_a_process_a_gpu_and_merge_where_wanted(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "data").mkdir()
    records = [{"id": f"{n}", "svg": "<svg/>", "caption": "a"} for n in range(9)]
    (project / "data" / "drawings.json").write_text(json.dumps(records))
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["models"]["gemma-2-9b-test3"] |= {"gpus": 2, "merge": True}
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake(project, "-n", "-p", "--cores", "4", "train").stdout
    commands = [line for line in plan.splitlines() if "train_lora.py" in line]
    devices = {line.split("--name=")[1].split()[0]: line.split("--devices=")[1].split()[0] for line in commands}
    assert devices == {"gemma-2-9b-test3": "2", "llama-3.1-8b-test3": "1"}
    assert plan.count("merge_adapter.py") == 1
    assert "gemma-2-9b-test3/merged" in plan
