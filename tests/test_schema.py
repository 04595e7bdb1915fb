"""The schema: defaults, what a setting affects, and which settings decide a result."""

import copy

import pytest
import yaml
from snakemake.utils import validate
from workflow_runs import ROOT

from plan.schema import KINDS, affects, fill_defaults, load_schema, resolve_node, result_settings

SCHEMA = load_schema()
PROPERTIES = SCHEMA["properties"]
TRAINING = {"$ref": "#/$defs/training"}
KEYWORDS = {
    *(
        "$defs",
        "$ref",
        "$schema",
        "title",
        "description",
        "affects",
        "type",
        "default",
        "enum",
        "const",
        "not",
        "oneOf",
    ),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "pattern", "format"),
    *("items", "minItems", "maxItems", "uniqueItems"),
    *("properties", "additionalProperties", "propertyNames", "minProperties", "required", "dependentRequired"),
}


def all_nodes(node):
    """Every node of the schema, depth first."""
    yield node
    for key in ("properties", "$defs"):
        for child in node.get(key, {}).values():
            yield from all_nodes(child)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(node.get(key), dict):
            yield from all_nodes(node[key])


def test_every_keyword_is_known_and_every_description_is_whole():
    for node in all_nodes(SCHEMA):
        # A comma or # in a description without quotes would end it, and begin a keyword of its own.
        assert set(node) <= KEYWORDS, node
        assert node.get("description", ".").rstrip()[-1] in ".)", node
        assert node.get("affects", "result") in KINDS, node


@pytest.mark.parametrize("file", ["config.yaml", "profiles/demo/experiment.yaml"])
def test_the_defaults_are_those_that_snakemake_fills_in(file):
    config = yaml.safe_load((ROOT / file).read_text())
    filled = fill_defaults(config, SCHEMA)
    validate(config, str(ROOT / "workflow/schemas/config.schema.yaml"))
    assert filled == config


def test_filling_in_defaults_changes_neither_the_configuration_nor_the_schema():
    config = {"baselines": {}}
    filled = fill_defaults(config, SCHEMA)
    filled["report"]["radar"].append("x")
    assert config == {"baselines": {}}
    assert "x" not in fill_defaults(config, SCHEMA)["report"]["radar"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("seed", "result"),
        ("dataset.shards", "speed"),
        ("render.shards", "speed"),
        ("render.size", "result"),
        ("bases.mine.shards", "speed"),
        ("models.mine.gpus", "result"),
        ("models.mine.settings.batch_size", "result"),
        ("models.mine.settings.micro_batch", "speed"),
        ("models.mine.settings.log_steps", "logging"),
        ("presets.mine.keep_checkpoints", "logging"),
        ("presets.mine.tensorboard", "logging"),
        ("captioners.mine.settings.batch_size", "speed"),
        ("captioners.mine.settings.num_beams", "result"),
        ("captioners.mine.gpus", "speed"),
        ("captioners.mine.python", "speed"),
        ("decoding.batch_tokens", "speed"),
        ("decoding.gpus", "speed"),
        ("decoding.cuda_graphs", "speed"),
        ("decoding.python", "speed"),
        ("decoding.group_by_base", "speed"),
        ("decoding.dtype", "result"),
        ("report.wandb", "logging"),
    ],
)
def test_a_setting_affects_the_result_unless_the_schema_says_otherwise(path, kind):
    assert affects(path) == kind


def test_an_unknown_path_affects_nothing():
    with pytest.raises(KeyError):
        affects("decoding.batch_token")


def test_settings_of_speed_and_logging_are_no_result():
    decoding = {"batch_tokens": 9, "gpus": 4, "group_by_base": True, "python": "/p", "max_new_tokens": 7}
    assert result_settings(decoding, PROPERTIES["decoding"]) == {"max_new_tokens": 7}
    training = {"r": 4, "log_steps": 1, "keep_checkpoints": 1, "wandb": "disabled", "tensorboard": True}
    assert result_settings(training, TRAINING) == {"r": 4}


def test_settings_that_have_their_default_are_left_out():
    assert result_settings(fill_defaults({}, PROPERTIES["preprocess"]), PROPERTIES["preprocess"]) == {}
    given = fill_defaults({"max_rates": {"empty": 0.5}}, PROPERTIES["health"])
    assert result_settings(given, PROPERTIES["health"]) == {"max_rates": {"empty": 0.5}}


def test_a_new_key_with_its_default_changes_nothing():
    node = copy.deepcopy(resolve_node(TRAINING))
    old = fill_defaults({"r": 4}, node)
    node["properties"]["rank_pattern"] = {"type": "object", "default": {}, "properties": {"q": {"default": 1}}}
    new = fill_defaults({"r": 4}, node)
    assert new["rank_pattern"] == {"q": 1}
    assert result_settings(new, node) == result_settings(old, TRAINING) == {"r": 4}


def test_the_entries_of_a_map_stay_and_are_reduced_inside():
    source = {"path": "/models/mine"}
    entry = {"source": {**source, "convert_bin": False}, "shards": 8, "zero_shot": True, "few_shot": {"k": 3}}
    # That few_shot is there makes a system, though all of it is as by default.
    assert result_settings({"mine": entry}, PROPERTIES["bases"]) == {"mine": {"source": source, "few_shot": {}}}
    assert result_settings({"baselines": {"constant": {}}}, SCHEMA) == {"baselines": {"constant": {}}}


def test_settings_without_a_schema_of_their_own_are_results():
    options = {"bert_score": {"settings": {"layer": 17}}}
    assert result_settings(options, PROPERTIES["metric_options"]) == options


def test_reducing_settings_leaves_them_as_they_are():
    given = fill_defaults({}, PROPERTIES["render"])
    before = copy.deepcopy(given)
    result_settings(given, PROPERTIES["render"])
    assert given == before


def test_the_reference_marks_required_keys_and_what_settings_affect():
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = text.partition("## Built-in presets")[0].splitlines()

    def cells(key):
        (row,) = [row for row in rows if row.startswith(f"| `{key}` |")]
        return [cell.strip() for cell in row.strip("|").split(" | ")][2:]

    assert cells("experiment") == ["**required**", ""]
    assert cells("models.<name>.preset") == ["**required**", ""]
    assert cells("decoding.batch_tokens") == ["`16384`", "speed"]
    assert cells("log_steps") == ["`10`", "logging"]
    assert cells("clip")[0] == ""
