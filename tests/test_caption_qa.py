"""Questions that captions answer: the share of right answers, floor and ceiling, failures, and their configuration."""

import copy
import json
import re
from pathlib import Path

import pytest
from endpoint_server import chat_server, completion, text_of
from judge_runs import RIGHT, SAMPLES, SYSTEMS, N, judge, write_judged, write_system
from picture_samples import COLOURS, PLACES, SCENES
from small_configuration import SCHEMA, only_fault, small_configuration
from snakemake.utils import validate
from taught_models import teach
from tiny_models import build_tiny_model

from core.command import InputError
from core.records import read_json_lines
from plan.experiment import make_plan
from plan.faults import find_faults
from plan.judges import expected_cost_of_judge
from plan.presets import resolve_defaults
from plan.schema import fill_defaults
from scoring.choice_questions import QuestionFile, read_questions
from scoring.judgements import Item
from scoring.metrics import caption_qa
from scoring.question_rates import measure_gap

ROOT = Path(__file__).parent.parent
COLOUR, PLACE = "Which colour has the square?", "Where is the square?"
# Colours of drawings 0 to 3 and 5, places of 0 to 3; none of 4, and two of drawings that are not there.
ROWS = [
    {"id": f"test{n}", "question": text, "options": options, "answer": SCENES[n][field], "subject": subject}
    for text, options, field, subject, places in (
        (COLOUR, COLOURS, 0, "colour", (0, 1, 2, 3, 5)),
        (PLACE, list(PLACES), 1, "place", (0, 1, 2, 3)),
    )
    for n in places
] + [{"id": f"train{n}", "question": COLOUR, "options": COLOURS, "answer": "A"} for n in (1, 2)]
N_ASKED = 9


def answer(body):
    """The letter of the option that the caption holds, else of the first option in alphabetical order."""
    text = body["messages"][0]["content"]
    caption = re.search(r"Caption: (.*)", text)[1]
    options = {option: letter for letter, option in re.findall(r"^([A-Z])\. (.*)$", text, re.MULTILINE)}
    return completion(f"{options[next((one for one in options if one in caption), min(options))]}.")


@pytest.fixture
def server():
    with chat_server() as running:
        running.answer = answer
        yield running


@pytest.fixture
def folder(tmp_path):
    write_judged(tmp_path)
    (tmp_path / "questions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return tmp_path


def run(folder, server, names=SYSTEMS, repeated=0, **changes):
    """Values by system as texts, of which a missing one equals itself; the judge's record, and the signature."""
    questions = folder / "questions.jsonl"
    scores, record = judge(folder, server, "caption_qa", names, questions=questions, repeated=repeated, **changes)
    values = {system: [str(value) for value in found.columns["caption_qa"]] for system, found in scores.items()}
    return values, record, scores[names[0]].signature


def asked_questions(folder):
    return read_questions(folder / "questions.jsonl", {}).questions[:N_ASKED]


def test_the_score_is_the_share_of_questions_that_a_caption_answers(folder, server):
    values, record, signature = run(folder, server)
    # "blue" is wrong of every colour. Without a place the judge takes "bottom left", which is right of drawing 2.
    assert values == {
        "right": ["1.0", "1.0", "1.0", "1.0", "nan", "1.0"],
        "wrong": ["0.0", "0.0", "0.5", "0.0", "nan", "0.0"],  # of the last drawing it wrote nothing
    }
    asked = record["questions"]
    rows = asked["rows"]
    assert rows["right"] == {"score": 1, "accuracy": 1, "n_failed": 0, "subjects": {"colour": 1, "place": 1}}
    assert rows["wrong"]["score"] == pytest.approx(0.5 / 5)
    assert rows["wrong"]["accuracy"] == pytest.approx(1 / 9)
    assert rows["wrong"]["subjects"] == {"colour": 0, "place": 0.25}
    assert rows["(no caption)"] == rows["wrong"], "what it knows without a caption"
    assert rows["(reference)"] == rows["right"]
    # Differences of ceiling and floor: 1, 1, 0.5, 1, 1. 2.776 is Student's quantile of 4 degrees.
    assert asked["gap"]["mean"] == pytest.approx(0.9)
    assert asked["gap"]["low"] == pytest.approx(0.9 - 2.776 * (0.2 / 4) ** 0.5 / 5**0.5, rel=1e-4)
    assert (asked["n"], asked["n_drawings"], asked["n_without"], asked["n_left_out"]) == (N_ASKED, 5, 1, 0)
    assert asked["foreign"] == {"n": 2, "n_drawings": 2, "ids": ["train1", "train2"]}
    assert asked["subjects"] == {"colour": 5, "place": 4}
    assert (record["n_asked"], record["n_failed"], record["n_left_out"]) == (2 * N_ASKED - 1, 0, 0)
    digest = asked["digest"][:12]
    assert signature.startswith("caption_qa|prompt:v1 (after CaptionQA, Yang et al., 2025)|decoding:greedy|retries:1|")
    assert "|order:by sha256 of id, question and option|judge:tiny-2026-11-01|" in signature
    assert f"|questions:{digest}|options:4|" in signature
    row = read_json_lines(folder / "judgements" / "wrong.jsonl")[4]
    assert {key: row[key] for key in ("id", "question", "answer", "reason", "score")} == {
        **{"id": "test2", "question": COLOUR, "answer": "red", "reason": "blue", "score": 0},
    }
    assert (row["score_without_caption"], row["score_from_reference"]) == (0, 1)


def test_the_judge_sees_the_caption_alone_and_all_systems_the_same_order(folder, server):
    run(folder, server)
    texts = [text_of(body) for body in server.bodies]
    assert not [text for text in texts if "<svg" in text or "<rect" in text]
    assert not [text for text in texts if "blue 0 thing" in text and RIGHT[0] in text]
    orders = [
        {re.search(r"^A\. (.*)", text, re.MULTILINE)[1] for text in texts if f"Caption: {caption}\n" in text}
        for caption in (RIGHT[0], "blue 0 thing")
    ]
    assert orders[0] == orders[1]
    assert len({re.search(r"^A\. (.*)", text, re.MULTILINE)[1] for text in texts if COLOUR in text}) > 1


def test_another_system_costs_its_own_questions_and_the_second_run_moves_the_options(folder, server):
    record = run(folder, server, repeated=N)[1]
    # The ceiling shows what the system "right" wrote. Of a failed caption nothing is asked. Without a caption, drawings
    # whose options stand in the same order are asked the same.
    orders = {(one.question, *(one.options[place] for place in one.ordered())) for one in asked_questions(folder)}
    n_sent = N_ASKED + (N_ASKED - 1) + len(orders) + (2 * N_ASKED - 1)
    assert len(server.bodies) == n_sent
    assert record["agreement"]["n"] == 2 * N_ASKED - 1
    assert record["agreement"]["mean_difference"] == 0, "this judge does not go by the order"
    write_system(folder, "third", ["one more"] * N)
    run(folder, server, names=("right", "wrong", "third"))
    assert len(server.bodies) == n_sent + len(orders)


def test_a_judge_that_goes_by_the_place_disagrees_with_itself(folder, server):
    server.answer = lambda body: completion("A")
    record = run(folder, server, repeated=N)[1]
    assert record["agreement"]["mean_difference"] > 0.2
    assert record["questions"]["gap"]["mean"] == 0, "and floor and ceiling are one"


def test_a_question_without_an_answer_is_left_out_for_all_systems(folder, server):
    def refuse(body):
        text = body["messages"][0]["content"]
        of_last = "Caption: green top right\n" in text
        if (
            (f"Caption: {RIGHT[2]}\n" in text and COLOUR in text)
            or of_last
            or ("(no caption)" in text and PLACE in text)
        ):
            return completion("The caption does not say.")
        return answer(body)

    server.answer = refuse
    values, record, _ = run(folder, server)
    assert values == {
        "right": ["1.0", "1.0", "1.0", "1.0", "nan", "nan"],
        "wrong": ["0.0", "0.0", "1.0", "0.0", "nan", "nan"],  # of drawing 2 only its place is left
    }
    assert (record["n_failed"], record["n_left_out"]) == (2, 1)
    assert record["failed_by_system"] == {"right": 2, "wrong": 0}
    asked = record["questions"]
    assert (asked["n"], asked["n_left_out"], asked["subjects"]) == (N_ASKED, 2, {"colour": 3, "place": 4})
    floor = asked["rows"]["(no caption)"]
    assert (floor["n_failed"], floor["subjects"]) == (4, {"colour": 0, "place": None}), "counted, and not wrong"
    retried = [body["messages"][1:] for body in server.bodies if len(body["messages"]) == 3]
    assert {one[1]["content"] for one in retried} == {caption_qa.AGAIN}


def test_questions_of_other_drawings_alone_are_refused_before_the_model_is_asked(folder, server):
    (folder / "questions.jsonl").write_text(f"{json.dumps(ROWS[-1])}\n")
    with pytest.raises(
        InputError, match=r"none of 1 drawings with questions \(train2\) is in the test split \(test0, "
    ):
        run(folder, server)
    assert server.bodies == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        *[("B", 1), (" b", None), ("**C**", 2), ("(A)", 0), ("B) red", 1), ("B. red, since", 1), ("A: red", 0)],
        *[("Answer: C", 2), ("The answer is B.", 1), ("Answer: A\nNo, the answer is **C**", 2), ("**Answer:** B", 1)],
        *[
            ("<think>The answer is A.</think> B", 1),
            ("A red square", None),
            ("The answer is A red one", None),
            ("D", None),
            ("", None),
            ("red", None),
        ],
    ],
)
def test_an_answer_is_a_letter_and_not_an_article(text, place):
    assert caption_qa.read_letter(text, 3) == place


def test_an_interval_of_the_gap_needs_two_drawings():
    assert measure_gap([0.5]) == {"mean": 0.5, "low": None}
    assert measure_gap([]) == {"mean": None, "low": None}


def test_a_base_answers_too(folder):
    questions = read_questions(folder / "questions.jsonl", {})
    metric = caption_qa.METRIC.asking(questions)
    taught = [
        metric.inquire(Item(0, one), text, [], None, False).chat for one in questions.questions[:1] for text in RIGHT
    ]
    base = teach(build_tiny_model(folder / "llm", "llama"), taught, "B")
    decoding = json.dumps({"max_new_tokens": 4, "dtype": "fp32"})
    values, record, signature = run(folder, None, model=base, name="tiny", decoding=decoding)
    said_b = {one: float(one.ordered()[1] == one.answer) for one in questions.questions}
    expected = [[share for one, share in said_b.items() if one.id == sample.id] for sample in SAMPLES]
    assert values["right"] == [str(sum(own) / len(own)) if own else "nan" for own in expected]
    assert record["questions"]["gap"]["mean"] == 0
    assert re.search(r"\|judge:tiny\|weights:[0-9a-f]{12}\|questions:", signature)


# The configuration


@pytest.fixture
def config(folder):
    config = small_configuration()
    config["metrics"] = ["bleu", "meteor", "caption_qa"]
    config["baselines"] = {"constant": {}}
    options = {"judge": {"base": "llm"}, "questions": str(folder / "questions.jsonl")}
    config["metric_options"] = {"caption_qa": options}
    return config


def test_it_is_planned_with_its_questions_and_its_cost_is_told(config, folder):
    config["metric_options"]["caption_qa"]["judge"] = {"base_url": "https://x.org/v1", "model": "m", "repeated": 3}
    assert find_faults(config, SCHEMA) == []
    resolve_defaults(config)
    validate(copy.deepcopy(config), ROOT / "workflow" / "schemas" / "config.schema.yaml")  # as Snakemake does it
    judge = make_plan(fill_defaults(config, SCHEMA)).judges["caption_qa"]
    assert judge.questions == {"path": str(folder / "questions.jsonl"), "fields": {}}
    cost = expected_cost_of_judge(judge, 3, folder / "test.parquet")
    # Of three systems, of floor and ceiling, and half of the drawings of each system once more.
    assert cost.n_requests == (3 + 2) * N_ASKED + 3 * round(N_ASKED / 2)
    assert cost.n_new_tokens == 16 * cost.n_requests


def test_faults_of_questions_are_found_before_anything_runs(config, folder):
    path, options = folder / "questions.jsonl", config["metric_options"]["caption_qa"]
    key = "metric_options.caption_qa.questions"
    options["questions"] = {"path": str(path), "fields": {"answer": "right"}}
    assert only_fault(config).startswith(f"{key}: {path}, line 1: no field 'right'; there are: id, question, options,")
    options["questions"] = str(path)
    path.write_text(f"{json.dumps(ROWS[0])}\n{json.dumps(ROWS[1] | {'answer': 'pink'})}\n")
    assert only_fault(config).startswith(
        f"{key}: {path}, line 2: the answer 'pink' is none of the options (red, green,"
    )
    path.unlink()
    assert only_fault(config) == f"{key}: {path} does not exist"
    del options["questions"]
    assert only_fault(config) == f"{key}: is not there; name a file with questions about test drawings"


def test_other_metrics_ask_no_questions(config, folder):
    config["metric_options"]["bleu"] = {"questions": str(folder / "questions.jsonl")}
    assert only_fault(config).startswith("metric_options.bleu.questions: the metric bleu asks no questions of a file")


def test_a_metric_without_questions_has_nothing_to_ask():
    assert caption_qa.METRIC.items(SAMPLES) == []
    assert QuestionFile(()).by_id == {}
