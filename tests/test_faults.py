"""What can be known of a configuration before anything runs: each fault is one line with key, value and remedy."""

import pytest
import yaml
from small_configuration import REVISION, SCHEMA, only_fault, small_configuration

from comparison.resampling import resamples_needed
from plan.configuration import fetched_sources, system_names, systems
from plan.faults import find_faults
from plan.file_faults import CLIP_FILES
from plan.languages import LANGUAGES
from plan.metrics import default_radar
from plan.presets import BUILT_IN, resolve_defaults
from plan.schema import fill_defaults


@pytest.fixture
def config():
    return small_configuration()


def test_the_small_experiment_has_no_faults(config):
    assert find_faults(config, SCHEMA) == []


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"use_dora": True}, "use_dora: vllm loads no such adapter; set decoding.engine: transformers, or remove it"),
        ({"trained_modules": ["norm"], "dtype": "fp32"}, "trained_modules: vllm loads no such adapter; set decoding."),
        ({"bias": "lora_only", "dtype": "fp32"}, "bias: vllm loads no such adapter; set decoding.engine"),
        ({"init": "pissa", "quantisation": "nf4"}, "init: pissa changes the base's weights, which 4 bit does not al"),
        ({"last_layers": 4, "bias": "all", "dtype": "fp32"}, "bias: all trains the biases of every layer, past"),
    ],
)
def test_lora_settings_that_exclude_each_other_are_one_fault(config, settings, fault):
    engine = "transformers" if "last_layers" in settings else "vllm"
    config["decoding"] = {"engine": engine}
    config["models"]["tuned"]["settings"] = settings
    assert only_fault(config).startswith(f"models.tuned.settings.{fault}")


@pytest.mark.parametrize("settings", [{"trained_modules": ["norm"]}, {"bias": "all"}])
def test_weights_of_the_base_are_trained_in_fp32_alone(config, settings):
    config["models"]["tuned"]["settings"] = settings
    (name,) = settings
    fault = f"{name}: in 16 bits small steps of the base's weights vanish by rounding; set dtype: fp32"
    assert only_fault(config) == f"models.tuned.settings.{fault}"


# Metrics and what the report shows of them


def test_the_default_radar_shows_the_listed_metrics_only(config):
    config["metrics"] = ["bleu", "meteor", "rouge_l"]
    assert find_faults(config, SCHEMA) == []
    resolve_defaults(config)
    assert config["report"]["radar"] == ["bleu_4", "meteor", "rouge_l"]


def test_a_default_radar_of_few_metrics_takes_their_other_values(config):
    config["metrics"] = ["bleu", "cider"]
    assert default_radar(config) == ["bleu_4", "cider", "bleu_1"]


def test_the_default_radar_of_the_default_metrics_is_the_schema_s(config):
    assert default_radar(config) == SCHEMA["properties"]["report"]["properties"]["radar"]["default"]


def test_metrics_of_too_few_values_for_a_radar_are_refused(config):
    config["metrics"] = ["cider"]
    assert only_fault(config) == (
        "metrics: a radar chart needs at least 3 values, and the listed metrics have only cider; list more metrics"
    )


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        (
            {"radar": ["bleu_4", "metor", "cider"]},
            "report.radar: no listed metric has a value 'metor'; did you mean 'meteor'?",
        ),
        (
            {"radar": ["bleu_4", "meteor", "spice"]},
            "report.radar: 'spice' is a value of the metric spice, which is not listed under metrics; list spice, or "
            "remove the value",
        ),
        (
            {"qualitative": {"value": "cidr"}},
            "report.qualitative.value: no listed metric has a value 'cidr'; did you mean 'cider'?",
        ),
        (
            {"qualitative": {"system": "tunde"}},
            "report.qualitative.system: no system 'tunde'; did you mean 'tuned'?",
        ),
        (
            {"style": {"ranges": {"bleu_5": [0, 1]}}},
            "report.style.ranges.bleu_5: no listed metric has a value 'bleu_5'; did you mean 'bleu_4'?",
        ),
        (
            {"style": {"ranges": {"bleu_4": [1, 1]}}},
            "report.style.ranges.bleu_4: [1, 1] is no range; the first number must be below the second",
        ),
        (
            {"style": {"colours": ["red"]}},
            "report.style.colours.0: 'red' does not fit (A colour as #rrggbb.); did you mean '#ff0000'?",
        ),
    ],
)
def test_what_the_report_names_must_be_there(config, report, fault):
    config["report"] = report
    assert only_fault(config) == fault


def test_the_system_of_the_chosen_samples_may_be_any_of_the_comparison(config):
    config["report"] = {"qualitative": {"system": "llm-zero-shot"}}
    assert find_faults(config, SCHEMA) == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (
            {"bert_scor": {}},
            "metric_options.bert_scor: unknown metric 'bert_scor'; did you mean 'bert_score'?",
        ),
        (
            {"bert_score": {}},
            "metric_options.bert_score: the metric bert_score is not listed under metrics; list it there, or remove "
            "metric_options.bert_score",
        ),
        (
            {"bleu": {"settings": {"order": 4}}},
            "metric_options.bleu.settings.order: unknown setting of the metric bleu; there are: none",
        ),
    ],
)
def test_options_belong_to_a_listed_metric_that_knows_them(config, options, fault):
    config["metric_options"] = options
    assert only_fault(config) == fault


def test_an_unknown_setting_of_a_metric_names_the_nearest(config):
    source = {"hub": "owner/encoder", "revision": REVISION}
    config["metrics"] = ["bleu", "bert_score"]
    config["metric_options"] = {"bert_score": {"source": source, "settings": {"layr": 17}}}
    assert only_fault(config).endswith("unknown setting of the metric bert_score; did you mean 'layer'?")


# CLIP


def test_a_clip_model_is_required_by_what_uses_it(config):
    del config["clip"]
    assert only_fault(config) == (
        "clip: missing, and the metric clip_score and the baseline clip_nearest need a CLIP model; give clip.source, "
        "or list `metrics` and `baselines` without them"
    )
    config["metrics"] = ["bleu", "meteor", "rouge_l"]
    assert only_fault(config).startswith("clip: missing, and the baseline clip_nearest needs a CLIP model")
    config["baselines"] = {"constant": {}}
    assert find_faults(config, SCHEMA) == []


def test_the_look_ups_work_without_a_clip_model(config):
    del config["clip"]
    config |= {"metrics": ["bleu"], "baselines": {"constant": {}}}
    full = fill_defaults(config, SCHEMA)
    assert list(fetched_sources(full)) == [f"owner--llm@{REVISION[:12]}"]
    assert list(systems(full)) == [name for _, name in system_names(full)] == ["llm-zero-shot", "tuned", "constant"]


def test_a_clip_folder_has_the_files_of_open_clip(config, tmp_path):
    config["clip"] = {"source": {"path": str(tmp_path)}}
    assert only_fault(config) == (
        f"clip.source.path: {tmp_path} is no CLIP folder in open_clip's format: it has no open_clip_config.json and no "
        "open_clip_model.safetensors; workflow/scripts/make_clip_folder.py makes such a folder of bare weights"
    )
    for name in CLIP_FILES:
        (tmp_path / name).touch()
    assert find_faults(config, SCHEMA) == []


def test_the_files_of_a_clip_folder_are_those_that_are_loaded():
    from models.clip_model import CONFIG, WEIGHTS

    assert CLIP_FILES == (CONFIG, WEIGHTS)


def test_the_settings_of_the_head_training_are_known(config):
    from dataclasses import fields

    from train_clip_heads import HeadSettings

    source = {"hub": "owner/tower", "revision": REVISION}
    config["clip"] = {"train": {"vision": source, "text": source, "settings": {"epoch": 3}}}
    assert only_fault(config) == "clip.train.settings.epoch: unknown key; did you mean 'epochs'?"
    train = SCHEMA["properties"]["clip"]["properties"]["train"]["properties"]
    known = train["settings"]["properties"]
    assert list(known) == [field.name for field in fields(HeadSettings)]
    assert all(f"{field.default:g} where absent" in known[field.name]["description"] for field in fields(HeadSettings))


# Names and values


@pytest.mark.parametrize("key", ["bases", "models", "captioners", "systems"])
def test_the_name_none_is_reserved(config, key):
    config[key] = {**config.get(key, {}), "none": {}}
    assert f"{key}.none: 'none' is a reserved name; choose another" in find_faults(config, SCHEMA)


def test_no_source_is_called_none(config):
    config["dataset"]["sources"]["none"] = {"build": "scenes"}
    assert only_fault(config) == "dataset.sources.none: 'none' is a reserved name; choose another"


def test_a_name_that_does_not_fit_is_named(config):
    config["models"]["Tuned 2"] = config["models"]["tuned"]
    assert only_fault(config).startswith("models.Tuned 2: 'Tuned 2' does not fit (A name in lower case letters")


def test_the_model_store_is_no_folder_of_the_experiment(config):
    config["model_store"] = "results/../results/small"
    assert only_fault(config).startswith("model_store: results/../results/small is the folder of the experiment's outp")


@pytest.mark.parametrize(
    ("language", "hint"),
    [
        ("english", "did you mean 'en' (English)?"),
        ("en-US", "did you mean 'en' (English)?"),
        ("Deutsch", "did you mean 'de' (German)?"),
        ("portugese", "did you mean 'pt' (Portuguese)?"),
        ("qqq", "there are: af, am, ar, "),
    ],
)
def test_a_language_that_is_no_code_names_the_code(config, language, hint):
    config["dataset"]["captions"] = {"language": language}
    config["health"] = {"language": language}
    keys = ["dataset.captions.language", "health.language"]
    beginnings = [f"{key}: {language!r} is no language code that the detector knows; {hint}" for key in keys]
    faults = find_faults(config, SCHEMA)
    assert len(faults) == 2
    assert all(fault.startswith(beginning) for fault, beginning in zip(faults, beginnings, strict=True))


def test_a_code_that_yaml_takes_for_a_truth_value_wants_quotes(config):
    config["health"] = yaml.safe_load("language: no")
    assert only_fault(config).startswith("health.language: YAML reads unquoted no, off, yes and on as false and true")


def test_a_number_that_yaml_takes_for_text_wants_a_dot(config):
    config["models"]["tuned"]["settings"] = yaml.safe_load("learning_rate: 1e-4")
    assert only_fault(config) == (
        "models.tuned.settings.learning_rate: YAML reads 1e-4 as text; write a number with a dot, as 1.0e-4 (Peak "
        "learning rate.)"
    )


def test_the_language_codes_are_the_detector_s():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).labels
    assert set(LANGUAGES) == set(labels) - {"zxx"}  # stands for no language


def test_a_background_is_a_colour(config):
    config["render"] = {"background": "wite"}
    assert only_fault(config) == "render.background: 'wite' is no colour; give a CSS name or #rrggbb"


def test_examples_of_a_prompt_cannot_outnumber_the_train_samples(config):
    config["bases"]["llm"]["few_shot"] = {"k": 5}
    sources = config["dataset"]["sources"]
    sources["scenes"]["scenes"] = {"train": 3}
    assert only_fault(config) == (
        "bases.llm.few_shot.k: 5 examples are more than the 3 train samples that the sources can give; set 3 or less, "
        "or raise scenes.train or limits.train of a source"
    )
    sources["emoji"] = {"build": "openmoji", "limits": {"train": 2}}
    assert find_faults(config, SCHEMA) == []
    sources["scenes"]["limits"] = {"train": 1}
    assert "5 examples are more than the 3 train samples" in only_fault(config)
    del sources["emoji"]["limits"]  # nobody knows how many it gives
    assert find_faults(config, SCHEMA) == []


def test_enough_resamples_for_a_significant_difference(config):
    config["models"] = {f"tuned-{n}": {"base": "llm", "preset": "test3"} for n in range(6)}
    config["comparison"] = {"n_resamples": 899}
    assert only_fault(config) == (
        "comparison.n_resamples: with 899 no difference between 10 systems could be significant (45 pairs, corrected "
        "by Holm, confidence 0.95); set 900 or more"
    )
    config["comparison"] = {"n_resamples": 900}
    assert find_faults(config, SCHEMA) == []


@pytest.mark.parametrize(("n_systems", "confidence"), [(10, 0.95), (6, 0.99), (7, 0.9)])
def test_the_resamples_needed_are_the_fewest_that_suffice(n_systems, confidence):
    from comparison.resampling import holm, randomisation_p

    def smallest(n_resamples):
        n_pairs = n_systems * (n_systems - 1) // 2
        p = randomisation_p(1.0, [0.0] * n_resamples)
        return min(holm([p] + [1.0] * (n_pairs - 1)))

    needed = resamples_needed(n_systems, confidence)
    assert smallest(needed) < round(1 - confidence, 12) <= smallest(needed - 1)


# Presets


def test_the_built_in_presets_need_not_be_spelt_out(config):
    resolve_defaults(config)
    assert config["models"]["tuned"]["settings"] == BUILT_IN["test3"]


def test_a_preset_of_the_same_name_replaces_the_built_in_one(config):
    config["presets"] = {"test3": {"r": 2}}
    resolve_defaults(config)
    assert config["models"]["tuned"]["settings"] == {"r": 2}


def test_an_unknown_preset_is_answered_with_a_built_in_one(config):
    config["models"]["tuned"]["preset"] = "tes3"
    assert only_fault(config) == "models.tuned.preset: no entry 'tes3' in presets; did you mean 'test3'?"
