"""The configuration: every fault in words that name key, value and fix."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from snakemake.utils import validate

from plan.configuration import fetched_sources, model_folder_name, order_keys, stage_seed, systems
from plan.faults import find_faults
from plan.presets import resolve_defaults
from plan.schema import default_settings, fill_defaults, load_schema
from scoring.metrics import metric_names

ROOT = Path(__file__).parent.parent
SCHEMA = load_schema()


@pytest.fixture
def config(tmp_path):
    """The full experiment, with a dataset file that exists."""
    loaded = yaml.safe_load((ROOT / "config.yaml").read_text())
    data = tmp_path / "drawings.json"
    data.write_text('[{"id": "a", "svg": "<svg/>", "caption": "x"}]')
    loaded["dataset"]["sources"]["drawings"]["path"] = str(data)
    return loaded


def write_model_folder(folder: Path) -> Path:
    """A folder that looks like a model's from the outside."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    return folder


def only_fault(config) -> str:
    faults = find_faults(config, SCHEMA)
    assert len(faults) == 1, faults
    return faults[0]


def test_the_full_experiment_has_no_faults(config):
    assert find_faults(config, SCHEMA) == []


def test_a_file_of_captions_is_a_system_of_its_own_family(config, tmp_path):
    config["systems"] = {"mine": {"kind": "file", "path": str(tmp_path / "none.csv")}}
    assert only_fault(config).startswith(f"systems.mine.path: {tmp_path}/none.csv does not exist")
    (tmp_path / "none.csv").write_text("id,caption\n")
    assert find_faults(config, SCHEMA) == []
    config["systems"]["cogvlm"] = config["systems"]["mine"]
    assert "a system named 'cogvlm' exists already" in only_fault(config)
    del config["systems"]["cogvlm"]
    resolve_defaults(config)
    validate(config, str(ROOT / "workflow/schemas/config.schema.yaml"))
    mine = {"label": "mine", "family": "file", "base": "mine"}
    assert systems(config)["mine"] == mine | {"trained": None, "input": None}, "what nobody said is not guessed"
    config["systems"]["mine"] |= {"trained_on_this_data": True, "input": "both"}
    assert find_faults(config, SCHEMA) == []
    assert systems(config)["mine"] == mine | {"trained": True, "input": "both"}
    config["systems"]["mine"]["input"] = "none"
    assert "systems.mine.input" in only_fault(config)
    assert config["health"]["max_rates"] == default_settings("health")["max_rates"]


def test_a_metric_that_needs_a_model_says_so_before_anything_runs(config, tmp_path):
    config["metrics"] = ["bleu", "bert_score"]
    assert only_fault(config) == (
        "metrics: bert_score needs a model; say where it comes from under metric_options.bert_score.source"
    )
    write_model_folder(tmp_path)
    config["metric_options"] = {"bert_score": {"source": {"path": str(tmp_path)}, "settings": {"layer": 17}}}
    assert find_faults(config, SCHEMA) == []
    assert model_folder_name({"path": str(tmp_path)}) in fetched_sources(fill_defaults(config, SCHEMA))


def test_a_metric_that_needs_files_says_which_and_from_where(config, tmp_path):
    config["metrics"] = ["bleu", "spice"]
    assert only_fault(config).startswith(
        "metrics: spice needs files in a folder that metric_options.spice.folder names: stanford-corenlp-3.6.0.jar "
        "and stanford-corenlp-3.6.0-models.jar from https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12"
    )
    config["metric_options"] = {"spice": {"folder": str(tmp_path)}}
    fault = only_fault(config)
    assert fault.startswith(f"metric_options.spice.folder: {tmp_path}: stanford-corenlp-3.6.0.jar is missing")
    assert "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip" in fault


def test_an_unknown_key_names_the_nearest_one(config):
    config["presets"] = {"test3": {"learning_rat": 1e-4}}
    assert only_fault(config) == "presets.test3.learning_rat: unknown key; did you mean 'learning_rate'?"


def test_an_unknown_key_at_the_top_is_refused(config):
    config["modles"] = {}
    assert "modles: unknown key; did you mean 'models'?" in only_fault(config)


def test_a_key_of_an_older_version_is_refused_with_the_known_ones(config):
    config["preprocess"] = {"proof": False}
    fault = only_fault(config)
    assert fault.startswith("preprocess.proof: unknown key; known keys here: ")
    assert "render_check" in fault


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("seed",), -1, "seed"),
        (("render", "renderer"), "resvgg", "did you mean 'resvg'?"),
        (("dataset", "test"), 2, "dataset.test"),
        (("preprocess", "precision"), "0", "preprocess.precision"),
        (("bases", "llama-3.1-8b", "source", "revision"), "main", "bases.llama-3.1-8b.source.revision"),
        (("experiment",), "models", "reserved"),
    ],
)
def test_a_value_out_of_range_names_its_key_path(config, path, value, expected):
    entry = config
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    assert expected in only_fault(config)


def test_a_missing_key_is_named(config):
    del config["models"]["gemma-2-9b-test3"]["preset"]
    assert "models.gemma-2-9b-test3.preset: missing" in only_fault(config)


def test_a_model_of_an_unknown_base_names_the_nearest_one(config):
    config["models"]["gemma-2-9b-test3"]["base"] = "gemma-2-9"
    assert "did you mean 'gemma-2-9b'?" in only_fault(config)


def test_a_missing_dataset_file_is_named(config):
    config["dataset"]["sources"]["drawings"]["path"] = "nowhere.json"
    assert "nowhere.json does not exist" in only_fault(config)


def test_an_empty_dataset_file_is_named(config, tmp_path):
    (tmp_path / "empty.json").touch()
    config["dataset"]["sources"]["drawings"]["path"] = str(tmp_path / "empty.json")
    assert "is empty" in only_fault(config)


def test_a_missing_model_folder_is_named(config):
    config["bases"]["gemma-2-9b"]["source"] = {"path": "no/such/model"}
    assert "no/such/model does not exist" in only_fault(config)


def test_an_unknown_metric_names_the_nearest_one(config):
    config["metrics"] = ["bleu", "meteorr"]
    assert only_fault(config) == "metrics: unknown metric 'meteorr'; did you mean 'meteor'?"


def test_save_and_evaluation_steps_must_agree(config):
    config["presets"] = {"test3": {"save_steps": 70}}
    faults = find_faults(config, SCHEMA)
    assert faults
    assert all("save_steps 70 is no multiple of eval_steps 50" in fault for fault in faults)


def test_two_systems_of_one_name_are_refused(config):
    config["models"]["blip-large"] = config["models"].pop("gemma-2-9b-test3")
    assert "a system named 'blip-large' exists already" in only_fault(config)


def test_a_model_overrides_its_preset_and_defaults_override_neither(config):
    config["models"]["gemma-2-9b-test3"]["settings"] = {"r": 2}
    resolve_defaults(config)
    settings = config["models"]["gemma-2-9b-test3"]["settings"]
    assert (settings["r"], settings["alpha"], settings["patience_steps"]) == (2, 32, 100)
    validate(config, str(ROOT / "workflow/schemas/config.schema.yaml"))
    assert (settings["r"], settings["alpha"], settings["patience_steps"]) == (2, 32, 100)
    assert settings["bias"] == "none"


def test_a_source_that_differs_gets_another_folder(config):
    first = config["bases"]["gemma-2-9b"]["source"]
    second = {**copy.deepcopy(first), "revision": "0" * 40}
    assert model_folder_name(first) != model_folder_name(second)
    assert model_folder_name(first) in fetched_sources(fill_defaults(config, SCHEMA))


def test_systems_come_in_the_order_of_the_configuration(config):
    for model in config["models"].values():
        model["settings"] = {}
    names = list(systems(fill_defaults(config, SCHEMA)))
    assert names[:3] == ["llama-3.1-8b-zero-shot", "gemma-2-9b-zero-shot", "llama-3.1-8b-test3"]


def test_the_order_of_keys_means_nothing_but_the_order_of_rows(config):
    def reverse(value):
        return {key: reverse(item) for key, item in reversed(value.items())} if isinstance(value, dict) else value

    rows = ("bases", "models", "captioners", "baselines")
    turned = reverse(config) | {key: {name: reverse(entry) for name, entry in config[key].items()} for key in rows}
    assert json.dumps(turned) != json.dumps(config)
    assert json.dumps(order_keys(turned)) == json.dumps(order_keys(config))
    assert [list(order_keys(config)[key]) for key in rows] == [list(config[key]) for key in rows]


def test_stages_have_seeds_of_their_own():
    assert stage_seed(1, "train") != stage_seed(1, "caption")
    assert stage_seed(1, "train") == 926295473, "results of before had another seed"
    assert all(stage_seed(seed, "train") < 2**31 for seed in range(100))


def test_metrics_are_the_modules_of_their_package():
    assert {"bleu", "meteor", "rouge_l", "cider", "clip_score"} <= set(metric_names())
