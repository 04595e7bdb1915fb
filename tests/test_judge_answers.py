"""What judges answer: how a verdict is read of it, and how local models give it."""

import json
import math

import pytest
import torch
from picture_samples import draw
from taught_models import local_source, teach
from tiny_models import build_tiny_model

from core.command import InputError
from generation.chats import Chat
from generation.endpoints import Rejection
from models.language_models import load_language_model, read_config
from models.pictures import PictureInputs
from scoring.metrics import clair, image_judge

PNG = draw("red", "top left")


# CLAIR


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"score": 80, "reason": "both  show\\na cat"}', (0.8, "both show a cat")),
        ('Sure!\n```json\n{"reason": "x", "score": "7.5"}\n```', (0.075, "x")),
        ('{"score": 0}', (0.0, "")),
        ('{"note": 1} {"score": 100, "reason": null}', (1.0, "")),
        ('{"result": {"score": 20, "reason": "in"}}', (0.2, "in")),
        ("80", None),
        ("", None),
        ('{"score": 101}', None),
        ('{"score": -1}', None),
        ('{"score": true}', None),
        ('{"score": NaN}', None),
        ('{"score": "high"}', None),
        ('{"score": [80]}', None),
        ('{"score": 80', None),
        ("{" * 5000, None),
        ('{"score": 1' + "0" * 400 + "}", None),
    ],
)
def test_a_verdict_is_the_json_that_was_asked_for_or_none(text, verdict):
    assert clair.read_verdict(text) == (pytest.approx(verdict[0]), verdict[1]) if verdict else True
    found = clair.METRIC.read(text, [])
    assert (found.score is None) == (verdict is None)
    assert bool(found.fault) == (verdict is None)


def test_the_prompt_is_the_paper_s_and_a_caption_cannot_fill_its_places():
    references = ["a cat", "the cat\nsits"]
    (text,) = clair.METRIC.question("{references} {x}", references, None, is_second=False).turns
    assert "Candidate set:\n- {references} {x}\nReference set:\n- a cat\n- the cat sits\nOn a precise scale" in text
    (second,) = clair.METRIC.question("a dog", references, None, is_second=True).turns
    assert "Reference set:\n- the cat sits\n- a cat\nCandidate set:\n- a dog\nOn a precise scale" in second


# Image judge


def tokens(*places):
    """Alternatives of each token by their probabilities, the written one last."""
    return [{token: math.log(share) for token, share in place.items()} for place in places]


@pytest.mark.parametrize(
    ("places", "score"),
    [
        (tokens({"1": 0.2, "0": 0.8}, {".": 1.0}, {"9": 0.25, "7": 0.75}), 0.2 + 0.8 * (0.25 * 0.9 + 0.75 * 0.7)),
        (tokens({"0": 1.0}, {".": 1.0}, {"85": 0.5, "8": 0.5}), 0.5 * 0.85 + 0.5 * 0.8),
        (tokens({" ": 1.0}, {"0.": 1.0}, {"5": 0.6, "x": 0.2}), 0.5),
        (tokens({"0": 0.3, "1": 0.7}, {".": 1.0}, {"0": 1.0}), 0.7 + 0.3 * 0.9),
        (tokens({"0": 1.0}, {".": 1.0}, {"5": 0.4, "x": 0.6}), None),
        (tokens({"The": 0.9, "0": 0.1}), None),
        (tokens({"0": 1.0}), None),
        (tokens({"0": 1.0}, {"0": 1.0}, {"5": 1.0}), None),
        (tokens({" ": 1.0}), None),
        ([{}], None),
    ],
)
def test_the_score_is_its_expectation_by_the_tokens(places, score):
    assert image_judge.expected_score(places) == (None if score is None else pytest.approx(score))


def test_an_image_judge_needs_probabilities():
    assert "gives no probabilities" in image_judge.METRIC.read("0.9", []).fault
    assert "no number" in image_judge.METRIC.read("Nice!", tokens({"Nice": 1.0})).fault


# Local models


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    chats = [clair.METRIC.question(word, ["a cat"], None, False) for word in ("a cat", "a dog")]
    return teach(build_tiny_model(tmp_path_factory.mktemp("judge") / "llm", "llama"), chats, '{"score": 80}')


def test_a_local_model_answers_once_and_in_order(llm, tmp_path):
    chats = [clair.METRIC.question(word, ["a cat"], None, False) for word in ("a cat", "a dog", "a cat")]
    answers = local_source(llm, tmp_path).ask(chats)
    assert [clair.METRIC.read(one.text, one.logprobs).score for one in answers] == [0.8] * 3
    assert {one.finish_reason for one in answers} == {"stop"}
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.glob("*.jsonl")) == 2
    again = local_source(llm, tmp_path)
    assert again.ask(chats) == answers
    assert again._engine is None, "what is in the store loads no model"


def test_a_question_that_a_local_model_cannot_read_is_rejected(llm, tmp_path):
    long = clair.METRIC.question("word " * 3000, ["a cat"], None, False)
    rejected, answer = local_source(llm, tmp_path).ask([long, clair.METRIC.question("a cat", ["a cat"], None, False)])
    assert isinstance(rejected, Rejection)
    assert "and the judge reads 2024" in rejected.reason
    assert json.loads(answer.text) == {"score": 80}


def test_a_judge_whose_tokenizer_has_more_tokens_than_its_model_is_refused(tmp_path):
    base = build_tiny_model(tmp_path / "base", "llama")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"vocab_size": 300}))
    with pytest.raises(InputError, match=r"base: its tokenizer writes token 3\d\d and its model has 300"):
        local_source(base, tmp_path / "store").ask([clair.METRIC.question("a cat", ["a cat"], None, False)])


def test_a_base_without_chat_template_is_no_judge(tmp_path):
    with pytest.raises(InputError, match="has no chat template, by which a judge is asked"):
        local_source(build_tiny_model(tmp_path / "plain", "plain"), tmp_path / "store")


def test_a_local_image_judge_is_read_behind_the_first_digits(tmp_path, vlms):
    import shutil

    base = shutil.copytree(vlms("qwen2_5_vl"), tmp_path / "vlm")
    question = image_judge.METRIC.question("a red square", [], PNG, False)
    teach(base, [question], "0.8")
    source = local_source(base, tmp_path / "store", reads_pictures=True)
    (answer,) = source.ask([question])
    found = image_judge.METRIC.read(answer.text, answer.logprobs)

    model = load_language_model(base, read_config(base), torch.float32, "eager").eval()
    forced = source.tokenizer("0.", add_special_tokens=False)["input_ids"]
    prompt = source._prompt("", question)
    ids = torch.tensor([[*prompt.tokens, *forced]])
    with torch.inference_mode():
        shown = PictureInputs(source.processor, torch.float32).of(ids, list(prompt.pngs))
        shares = model(input_ids=ids, **shown).logits[0].softmax(-1)
    texts = [source.tokenizer.decode([token]).strip() for token in range(shares.shape[-1])]

    def mean(row, numbers):
        held = [(float(row[token]), numbers[text]) for token, text in enumerate(texts) if text in numbers]
        return sum(share * number for share, number in held) / sum(share for share, _ in held)

    one = mean(shares[-len(forced) - 1], {"0": 0.0, "1": 1.0, "0.": 0.0, "1.": 1.0})
    digits = {text: float(f"0.{text}") for text in texts if text.isdigit()}
    assert found.score == pytest.approx(one + (1 - one) * mean(shares[-1], digits), abs=2e-3)
    assert 0.7 < found.score < 0.9
    other = Chat(question.turns, draw("blue", "bottom right"), question.begins)
    assert source.ask([other])[0].logprobs != answer.logprobs
