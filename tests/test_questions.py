"""The question of each sample in place of the instruction: in training, captioning and examples, where it is asked."""

import json
from dataclasses import replace

import pytest
from small_configuration import SCHEMA, only_fault, small_configuration
from test_split_samples import sample
from tiny_models import tiny_tokenizer
from training_runs import write_base_and_data

from captions.examples import FewShotSettings
from captions.health import HealthSettings, diagnose
from captions.prompts import PromptSettings
from core.command import InputError
from core.records import Caption, read_samples, sample_schema_of, write_samples
from generation.llm_prompts import LlmSystem, PromptMaker, describe_example
from plan.configuration import order_keys
from plan.experiment import make_plan
from plan.faults import find_faults
from plan.presets import resolve_defaults
from plan.schema import fill_defaults
from split_samples import main as split_samples
from training.data import encode_samples
from training.identity import training_identity
from training.settings import TrainingSettings

ASKING = PromptSettings.from_json('{"from": "question"}')
TOKENIZER = tiny_tokenizer("llama")


def asked(number, question="Which shape is it?", **changes):
    xml = f'<svg xmlns="http://www.w3.org/2000/svg"><rect width="{number}"/></svg>'
    return sample(number, **{"xml": xml, "question": question, **changes})


def texts_of_prompts(samples, settings, examples=()):
    maker = PromptMaker(None, TOKENIZER, settings, 4000, 7, None, {})
    prompts, failed = maker.prompts(samples, LlmSystem(), examples)
    assert failed == []
    return [TOKENIZER.decode(prompt.tokens) for prompt in prompts]


def test_the_question_stands_in_place_of_the_instruction_in_captioning_and_in_training():
    samples = [asked(1), asked(2, "What is it for?")]
    first, second = texts_of_prompts(samples, ASKING)
    assert "Which shape is it?" in first
    assert "What is it for?" in second
    assert '<rect width="2"/>' in second
    assert "Write a caption" not in first + second
    trained = encode_samples(TOKENIZER, samples, ASKING, "shorten", 4000).samples
    assert [TOKENIZER.decode(one.prompt) for one in trained] == [first, second]


def test_questions_are_not_asked_where_the_instruction_is():
    (text,) = texts_of_prompts([asked(1)], PromptSettings())
    assert text == texts_of_prompts([asked(1, "")], PromptSettings())[0]
    assert "Which shape" not in text


def test_examples_of_a_prompt_have_their_own_questions(tmp_path):
    write_samples(tmp_path / "train.parquet", [asked(n, f"Question {n}?") for n in range(3)], questions=True)
    system = LlmSystem(few_shot=FewShotSettings(k=2))
    maker = PromptMaker(None, TOKENIZER, ASKING, 4000, 7, tmp_path / "train.parquet", {})
    examples = maker.examples("few", system)
    (text,) = texts_of_prompts([asked(9, "And this?")], ASKING, examples)
    assert [describe_example(one)["question"] in text for one in examples] == [True, True]
    assert text.index("Question") < text.index("And this?")
    plain = PromptMaker(None, TOKENIZER, PromptSettings(), 4000, 7, tmp_path / "train.parquet", {})
    assert all("question" not in describe_example(one) for one in plain.examples("few", system))


def caption(samples):
    return texts_of_prompts(samples, ASKING)


def train(samples):
    return encode_samples(TOKENIZER, samples, ASKING, "shorten", 4000)


@pytest.mark.parametrize("stage", [caption, train])
def test_a_sample_without_a_question_is_refused(stage):
    with pytest.raises(InputError, match=r"1 samples of a have no question \(s002\), and prompt.from is question"):
        stage([asked(1), asked(2, "")])


def test_an_unknown_source_of_the_prompt_is_refused():
    with pytest.raises(InputError, match=r"prompt\.from: 'answer' is none of instruction, question"):
        PromptSettings.from_json('{"from": "answer"}')
    with pytest.raises(InputError, match=r"prompt\.form: unknown key; did you mean 'from'\?"):
        PromptSettings.from_json('{"form": "question"}')


def many():
    return [asked(n, f"Question {n}?", split=split) for n, split in enumerate(("train", "validation", "test") * 2)]


def split(folder, samples, **changes):
    """The splits of samples, from a file that has questions."""
    write_samples(folder / "a.parquet", samples, questions=True)
    settings = {"validation": 0.2, "test": 0.2, "seed": 7, "limits": "{}", "fingerprints": [], "leakage": "warn"}
    split_samples(input=[folder / "a.parquet"], output_dir=folder / "data", captions="{}", **{**settings, **changes})
    return {name: read_samples(folder / "data" / f"{name}.parquet") for name in ("train", "test")}


def test_splits_have_questions_only_where_they_are_asked(tmp_path):
    plain = split(tmp_path / "plain", many())
    kept = split(tmp_path / "asked", many(), questions=True)
    assert [one.question for one in plain["test"]] == ["", ""]
    assert [one.question for one in kept["test"]] == ["Question 2?", "Question 5?"]
    assert "question" not in sample_schema_of(tmp_path / "plain" / "data" / "test.parquet").names
    with pytest.raises(InputError, match="1 samples of a have no question"):
        split(tmp_path / "without", [*many(), asked(9, "", split="test")], questions=True)


def test_other_questions_leave_the_splits_as_they_are_where_they_are_not_asked(tmp_path):
    for name, samples in (("one", many()), ("other", [replace(one, question="Else?") for one in many()])):
        split(tmp_path / name, samples)
    one, other = ((tmp_path / name / "data" / "train.parquet").read_bytes() for name in ("one", "other"))
    assert one == other


def test_another_question_about_a_drawing_is_another_sample(tmp_path):
    twice = [*many(), asked(2, "What else?", id="again", split="test")]
    kept = split(tmp_path / "asked", twice, questions=True)
    assert [one.question for one in kept["test"]] == ["Question 2?", "Question 5?", "What else?"]
    assert len(split(tmp_path / "plain", twice)["test"]) == 2


def test_a_file_without_questions_reads_as_samples_without_them(tmp_path):
    write_samples(tmp_path / "a.parquet", [asked(1)])
    assert read_samples(tmp_path / "a.parquet")[0].question == ""


def test_a_repeated_question_is_an_echo():
    captions = [Caption("s001", "Which shape is it? A square.")]
    settings = HealthSettings()
    (diagnosis,), _ = diagnose(captions, [asked(1)], "Describe it.", settings)
    assert "prompt_echo" in diagnosis.flags
    (diagnosis,), _ = diagnose(captions, [asked(1, "")], "Describe it.", settings)
    assert "prompt_echo" not in diagnosis.flags


def planned(config):
    config = json.loads(json.dumps(config))
    resolve_defaults(config)
    return make_plan(order_keys(fill_defaults(config, SCHEMA)))


def test_the_prompt_of_jobs_has_what_is_asked_and_no_more(tmp_path):
    config = small_configuration()
    plan = planned(config)
    assert {"instruction"} == {"instruction", "from"} & plan.prompt("code").keys()
    config["prompt"] = {"from": "question"}
    plan = planned(config)
    assert {"from"} == {"instruction", "from"} & plan.prompt("code").keys()
    assert PromptSettings.from_json(json.dumps(plan.prompt("code"))) == ASKING


def test_a_source_without_questions_is_a_fault_where_they_are_asked(tmp_path):
    config = small_configuration()
    config["prompt"] = {"from": "question"}
    assert only_fault(config).startswith("dataset.sources.scenes: prompt.from is question, and this source has none")
    row = {"id": "a", "svg": "<svg/>", "caption": "a", "ask": "What?"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    config["dataset"]["sources"] = {"mine": {"path": str(tmp_path / "a.jsonl"), "fields": {"question": "ask"}}}
    assert find_faults(config, SCHEMA) == []


def test_what_is_asked_is_part_of_a_trainings_identity(tmp_path):
    base, data = write_base_and_data(tmp_path)
    files = {name: data / f"{name}.parquet" for name in ("train", "validation")}
    plain, asking = (
        training_identity(base, files, prompt, TrainingSettings(), 7, 1) for prompt in (PromptSettings(), ASKING)
    )
    assert plain["settings"]["prompt"] == {}
    assert asking["settings"]["prompt"] == {"asked": "question"}
