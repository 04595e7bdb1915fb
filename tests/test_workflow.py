"""The workflow as a whole: dry runs of the profiles, what is refused before anything runs."""

import json
import re
from pathlib import Path

import pytest
import yaml
from metric_fixtures import write_spice_jars
from workflow_runs import ROOT, copy_project, planned_jobs, snakemake

FIELD_RECORDS = [
    {
        "filename": f"d{number}.svg",
        "xml": f"style=fill:{number},84,76;stroke:None\td=M0,0 L{number},9 L9,9",
        "caption": f"shape {number}",
    }
    for number in range(40)
]


@pytest.fixture
def full_project(tmp_path):
    """A project with a small file in the field's own format for the full experiment."""
    project = copy_project(tmp_path / "project")
    (project / "data").mkdir()
    (project / "data" / "drawings.json").write_text(json.dumps(FIELD_RECORDS))
    return project


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_source_tree_is_only_read(full_project, tmp_path):
    before = files_of(full_project)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "data").mkdir(parents=True)
    (elsewhere / "data" / "drawings.json").write_text(json.dumps(FIELD_RECORDS))
    place = ("--directory", str(elsewhere), "--configfile", str(full_project / "config.yaml"))
    snakemake(full_project, "results/full/preprocessed/drawings.parquet", "--cores", "2", *place)
    assert (elsewhere / "results" / "full" / "preprocessed" / "drawings.parquet").is_file()
    assert files_of(full_project) == before


def test_experiments_of_one_folder_share_nothing_but_models(full_project):
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    for name in ("first", "second"):
        (full_project / f"{name}.yaml").write_text(yaml.safe_dump(config | {"experiment": name}))
    snakemake(full_project, "results/first/preprocessed/drawings.parquet", "--cores", "2", "--configfile", "first.yaml")
    before = files_of(full_project / "results" / "first")
    snakemake(
        full_project, "results/second/preprocessed/drawings.parquet", "--cores", "2", "--configfile", "second.yaml"
    )
    assert {path.name for path in (full_project / "results").iterdir()} == {"first", "second"}
    assert files_of(full_project / "results" / "first") == before


@pytest.mark.parametrize("profile", [None, "profiles/local", "profiles/slurm"])
def test_the_full_experiment_is_planned_without_gpu_or_network(full_project, profile):
    jobs = planned_jobs(full_project, *(("--profile", profile) if profile else ("--cores", "1")))
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["caption_baseline"]) == (2, 4, 3)
    assert jobs["caption_image"] == 3
    assert (jobs["score_clip"], jobs["score_text"], jobs["html_report"]) == (10, 40, 1)


def test_a_file_of_captions_is_imported_scored_and_looked_at(full_project):
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    config["systems"] = {"mine": {"kind": "file", "path": "data/drawings.json"}}
    (full_project / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = planned_jobs(full_project, "--cores", "1")
    assert (jobs["import_captions"], jobs["caption_health"], jobs["score_text"]) == (1, 11, 44)


def test_metrics_of_a_user_with_a_model_and_with_files_are_planned_for_every_system(full_project):
    """One file in metrics/ and its name in the configuration, nothing else."""
    (full_project / "workflow/scripts/scoring/metrics/n_words.py").write_text(
        "import numpy as np\nfrom scoring.metrics import MeanMetric, ValueInfo\n\n\n"
        "class WordCount(MeanMetric):\n"
        "    name = 'n_words'\n"
        "    values = {'n_words': ValueInfo('words', 0, 50)}\n\n"
        "    def values_of_samples(self, texts):\n"
        "        return {'n_words': np.array([len(text.split()) for text in texts.tokens], float)}\n\n\n"
        "METRIC = WordCount()\n"
    )
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    config["metrics"] += ["n_words", "sentence_similarity", "spice"]
    (full_project / "encoder" / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (full_project / "encoder" / name).write_text("{}")
    (full_project / "encoder" / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (full_project / "encoder" / "modules.json").write_text(
        json.dumps([{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in modules])
    )
    write_spice_jars(full_project / "spice jars")
    config["metric_options"] = {
        "sentence_similarity": {"source": {"path": "encoder"}},
        "spice": {"folder": "spice jars"},
    }
    (full_project / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = planned_jobs(full_project, "--cores", "1")
    assert (jobs["score_text"], jobs["score_human"], jobs["score_clip"]) == (70, 7, 10)


def test_the_slurm_profile_sends_exactly_the_jobs_with_gpus_to_gpu_partitions(full_project):
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    config["models"]["llama-3.1-8b-test3"]["gpus"] = 2
    config["captioners"]["blip-large"]["shards"] = 2
    config["decoding"]["group_by_base"] = True
    config["large_size_b"] = 9
    (full_project / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    plan = snakemake(full_project, "-n", "--profile", "profiles/slurm").stdout
    blocks = re.split(r"^ *(?:local)?rule (\w+):\n", plan, flags=re.MULTILINE)[1:]
    placed = {
        (rule, int(gpus[1]) if (gpus := re.search(r"\bgpu=(\d+)", block)) else 0, partition[1])
        for rule, block in zip(blocks[::2], blocks[1::2], strict=True)
        if (partition := re.search(r"slurm_partition=(\w+)", block))
    }
    assert {(rule, gpus) for rule, gpus, partition in placed if partition == "l40s"} == {
        ("train_lora", 1),
        ("train_lora", 2),
        ("caption_llm_pass", 1),
        ("caption_image", 1),
    }
    assert {(rule, gpus) for rule, gpus, partition in placed if partition == "a40"} == {
        ("caption_llm_pass", 1),
        ("caption_image", 1),
        ("caption_image_shard", 1),
        ("extract_clip_features", 1),
        ("extract_reference_features", 1),
        ("score_clip", 1),
    }
    assert not {rule for rule, gpus, partition in placed if partition == "cpu" and gpus}


def test_the_demo_is_planned(tmp_path):
    jobs = planned_jobs(copy_project(tmp_path / "project"), "--profile", "profiles/demo")
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["train_clip_heads"]) == (2, 3, 1)


def test_a_typo_in_the_configuration_is_one_clear_message(full_project):
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    config["presets"] = {"test3": {"patience_step": 100}}
    (full_project / "config.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(full_project, "-n", check=False)
    assert run.returncode != 0
    assert "presets.test3.patience_step: unknown key; did you mean 'patience_steps'?" in run.stdout
    assert "Traceback" not in run.stdout


def test_a_missing_configuration_or_dataset_is_named(full_project):
    run = snakemake(full_project, "-n", "--configfile", "nowhere.yaml", check=False)
    assert run.returncode != 0
    assert "nowhere.yaml" in run.stdout
    (full_project / "data" / "drawings.json").unlink()
    run = snakemake(full_project, "-n", check=False)
    assert run.returncode != 0
    assert "dataset.sources.drawings.path: data/drawings.json does not exist" in run.stdout


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["metrics"], ["bleu", "meteorr"], "metrics: unknown metric 'meteorr'; did you mean 'meteor'?"),
        (["clip", "source"], {"path": "models/none"}, "clip.source.path: the model folder models/none does not exist"),
    ],
    ids=["metric", "model folder"],
)
def test_an_unknown_metric_or_missing_model_folder_is_named_before_anything_runs(full_project, keys, value, message):
    config = yaml.safe_load((full_project / "config.yaml").read_text())
    *parents, last = keys
    entry = config
    for key in parents:
        entry = entry[key]
    entry[last] = value
    (full_project / "config.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(full_project, "--cores", "1", check=False)
    assert run.returncode != 0
    assert message in run.stdout
    assert "Traceback" not in run.stdout
    assert not (full_project / "results").exists()


def test_the_workflow_passes_its_linter(full_project):
    run = snakemake(full_project, "--lint", check=False)
    assert run.returncode == 0, run.stdout


def test_the_project_and_the_demo_have_the_same_version_of_every_package():
    locked = dict(
        line.split(";")[0].strip().split("==")
        for name in ("requirements.lock", "requirements-demo.lock")
        for line in (ROOT / name).read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    demo = yaml.safe_load((ROOT / "profiles/demo/experiment.yaml").read_text())
    sources = [base["source"] for base in demo["bases"].values()] + list(demo["clip"]["train"].values())
    for source in sources:
        assert locked[source["package"]] == source["version"]
