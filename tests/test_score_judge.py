"""Judges as metrics: scores of all systems on the same samples, failures, two runs, and their configuration."""

import json
import re

import pytest
from endpoint_server import as_json, chat_server, completion, text_of
from judge_runs import RIGHT, SAMPLES, SYSTEMS, N, judge, write_judged, write_system
from picture_samples import draw, image_of
from small_configuration import REVISION, SCHEMA, only_fault, small_configuration
from taught_models import teach
from tiny_models import build_tiny_model

from core.command import InputError
from core.records import read_json, read_json_lines, write_images
from plan.configuration import systems
from plan.experiment import make_plan
from plan.faults import find_faults
from plan.judges import expected_cost_of_judge
from plan.presets import resolve_defaults
from plan.schema import fill_defaults
from scoring.metrics import clair


@pytest.fixture
def server():
    with chat_server() as running:
        yield running


@pytest.fixture
def folder(tmp_path):
    """Samples, pictures but of the last one, and captions of a right and of a wrong system; one of these failed."""
    write_judged(tmp_path)
    pngs = [draw("red", "top left")] * (N - 1) + [None]
    write_images(tmp_path / "images.parquet", map(image_of, SAMPLES, pngs))
    return tmp_path


def run(folder, server, metric="clair", names=SYSTEMS, repeated=2, **changes):
    """Values by system, the judge's record, and the signature."""
    images = folder / "images.parquet"
    scores, record = judge(folder, server, metric, names, images=images, repeated=repeated, **changes)
    values = {system: found.columns[metric].tolist() for system, found in scores.items()}
    return values, record, scores[names[0]].signature


def verdict(body):
    """90 where the candidate is among the references, else 10."""
    text = body["messages"][0]["content"]
    candidate = re.search(r"Candidate set:\n- (.*)", text)[1]
    references = re.search(r"Reference set:\n- (.*)", text)[1]
    return completion(json.dumps({"score": 90 if candidate == references else 10, "reason": f"because {candidate}"}))


def test_a_hosted_judge_scores_the_captions_of_all_systems(folder, server):
    server.answer = verdict
    values, record, signature = run(folder, server)
    assert values == {"right": [0.9] * N, "wrong": [*[0.1] * (N - 1), 0.0]}, "a failed caption scores 0"
    assert signature.startswith("clair|prompt:v1 (Chan et al., 2023)|decoding:greedy|retries:1|judge:tiny-2026-11-01|")
    assert f"|server:{server.base_url}|" in signature
    assert (record["answered_by"], record["n_asked"], record["n_failed"], record["n_left_out"]) == (
        *("tiny-2026-11-01", 2 * N - 1, 0, 0),
    )
    assert record["agreement"]["n"] in (3, 4)  # of two samples; one caption failed
    assert record["agreement"]["mean_difference"] == 0
    rows = read_json_lines(folder / "judgements" / "right.jsonl")
    assert [row["reason"] for row in rows] == [f"because {text}" for text in RIGHT]
    assert sum(row["second_score"] is not None for row in rows) == 2
    n_sent = len(server.bodies)
    assert n_sent == 2 * N - 1 + record["agreement"]["n"]
    assert run(folder, server)[0] == values
    assert len(server.bodies) == n_sent, "a repeated run sends nothing"
    write_system(folder, "third", ["one more"] * N)
    run(folder, server, names=("right", "wrong", "third"))
    assert len(server.bodies) == n_sent + N + 2, "another system costs its own captions alone"


def test_what_cannot_be_read_is_asked_again_and_then_no_score_and_never_0(folder, server):
    def answer(body):
        candidate = re.search(r"Candidate set:\n- (.*)", body["messages"][0]["content"])[1]
        if candidate == RIGHT[0]:
            return completion("I'd say they match.")
        if candidate == RIGHT[1] and len(body["messages"]) == 1:
            return completion("ninety")
        return verdict(body)

    server.answer = answer
    values, record, _ = run(folder, server, repeated=0)
    assert values["right"][1:] == [0.9] * (N - 1)
    assert [str(values[system][0]) for system in values] == ["nan", "nan"], "a sample is left out for all systems"
    assert (record["n_failed"], record["n_left_out"]) == (1, 1)
    assert record["failed_by_system"] == {"right": 1, "wrong": 0}
    (reason,) = record["reasons"]
    assert 'no JSON with a score from 0 to 100: "I\'d say they match."' in reason
    retried = [body["messages"] for body in server.bodies if len(body["messages"]) == 3]
    assert [[one["content"] for one in messages[1:]] for messages in retried] == [
        ["I'd say they match.", clair.AGAIN],
        ["ninety", clair.AGAIN],
    ]
    assert read_json(folder / "scores/right/clair.json")["values"]["clair"] == pytest.approx(0.9)


def test_a_judge_that_never_scores_is_refused(folder, server):
    server.answer = lambda body: completion("fine")
    with pytest.raises(InputError, match=r"gave no score for any of 11 captions .*choose another judge"):
        run(folder, server)


def test_the_second_run_shows_whether_the_order_decides(folder, server):
    def answer(body):
        text = text_of(body)
        score = 20 + 10 * (sum(map(ord, re.search(r"Candidate set:\n- (.*)", text)[1])) % 7)
        return completion(json.dumps({"score": score + 5 * ("captions.\nReference set:" in text)}))

    server.answer = answer
    record = run(folder, server, repeated=N)[1]
    assert record["agreement"]["n"] == 2 * N - 1
    assert record["agreement"]["spearman"] == pytest.approx(1)
    assert record["agreement"]["mean_difference"] == pytest.approx(0.05)
    assert record["agreement"]["second_run"] == "asked again with the references first and in reverse order"


def test_scores_that_go_with_length_are_told(folder, server):
    write_system(folder, "wrong", ["word " * (n + 1) for n in range(N)])
    server.answer = lambda body: completion(json.dumps({"score": min(100, text_of(body).count("word") * 10)}))
    length = run(folder, server)[1]["length"]
    assert length["n"] == 2 * N
    assert length["systems"]["wrong"] == pytest.approx(1)
    assert length["systems"]["right"] is None
    assert 0 < length["spearman"] < 1


def test_an_image_judge_is_read_by_the_probabilities_that_the_server_gives(folder, server):
    def answer(body):
        content = body["messages"][0]["content"]
        assert [part["type"] for part in content] == ["image_url", "text"]
        digit = "9" if "blue" not in content[1]["text"] else "2"
        reply = json.loads(completion(f"0.{digit}")[2])
        places = [{"0": -0.0001}, {".": -0.0001}, {"5": -1.0, digit: -0.5}]
        reply["choices"][0]["logprobs"] = {
            "content": [
                {
                    "token": list(place)[-1],
                    "logprob": list(place.values())[-1],
                    "top_logprobs": [{"token": token, "logprob": logprob} for token, logprob in place.items()],
                }
                for place in places
            ]
        }
        return as_json(reply)

    server.answer = answer
    values, record, signature = run(folder, server, "image_judge")
    high, low = values["right"][1], values["wrong"][1]
    assert 0.7 < high < 0.9
    assert 0.2 < low < 0.4
    assert [str(values[system][-1]) for system in values] == ["nan", "nan"], "the last drawing has no picture"
    assert (record["n_asked"], record["n_failed"], record["n_left_out"]) == (2 * N - 2, 0, 1)
    assert "prompt:v1 (FLEUR, Lee et al., 2024)" in signature


def test_an_image_judge_without_probabilities_is_refused(folder, server):
    server.answer = lambda body: completion("0.9")
    with pytest.raises(InputError, match="gives no probabilities of tokens"):
        run(folder, server, "image_judge")


def test_a_base_is_a_judge_too(folder):
    chats = [clair.METRIC.question(text, [text], None, False) for text in RIGHT[:1]]
    base = teach(build_tiny_model(folder / "llm", "llama"), chats, '{"score": 70}')
    decoding = json.dumps({"max_new_tokens": 16, "dtype": "fp32"})
    values, record, signature = run(folder, None, model=base, name="tiny", decoding=decoding)
    assert {round(value, 3) for value in values["right"] if value == value} == {0.7}
    assert record["server"] is None
    assert re.search(r"\|judge:tiny\|weights:[0-9a-f]{12}\|", signature)


# The configuration


@pytest.fixture
def config():
    config = small_configuration()
    config["metrics"] = ["bleu", "meteor", "clair"]
    config["baselines"] = {"constant": {}}
    config["metric_options"] = {"clair": {"judge": {"base": "llm"}}}
    return config


def test_a_judge_is_planned_as_a_metric_of_its_own(config):
    assert find_faults(config, SCHEMA) == []
    resolve_defaults(config)
    plan = make_plan(fill_defaults(config, SCHEMA))
    assert plan.text_metrics == ["bleu", "meteor"]
    judge = plan.judges["clair"]
    assert judge.kin == ("llm-zero-shot", "tuned"), "systems of the judge's own base"
    assert (judge.repeated, judge.images, judge.decoding["max_new_tokens"]) == (100, None, 256)
    assert plan.device_classes()["judge clair"] == "small"


def test_systems_of_the_judge_s_own_model_are_found_under_other_names(config):
    config["bases"]["same"] = {"source": {"hub": "owner/llm", "revision": REVISION}}
    config["captioners"] = {"sees": {"family": "blip", "source": {"hub": "owner/llm", "revision": REVISION}}}
    endpoint = {"kind": "endpoint", "base_url": "https://x.org/v1", "model": "m", "input": "code"}
    config["systems"] = {"gpt": endpoint}
    resolve_defaults(config)
    assert make_plan(fill_defaults(config, SCHEMA)).judges["clair"].kin == (
        *("llm-zero-shot", "same-zero-shot", "tuned", "sees"),
    )
    config["metric_options"]["clair"]["judge"] = {"base_url": "https://other.org/v1", "model": "m"}
    full = fill_defaults(config, SCHEMA)
    assert make_plan(full).judges["clair"].kin == ("gpt",)
    assert set(systems(full)) > {"gpt"}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "metrics: clair needs a judge; name a base or an endpoint under metric_options.clair.judge"),
        ({"judge": {"base": "lm"}}, "metric_options.clair.judge.base: no entry 'lm' in bases; did you mean 'llm'?"),
        ({"judge": {"base": "llm", "parallel": 2}}, "metric_options.clair.judge.parallel: belongs to an endpoint"),
        ({"judge": {"base": "llm", "base_url": "x", "model": "m"}}, "metric_options.clair.judge: needs exactly one of"),
        ({"judge": {"base_url": "https://k:s@x.org", "model": "m"}}, "metric_options.clair.judge.base_url: has creden"),
    ],
)
def test_faults_of_judges_are_named(config, options, fault):
    config["metric_options"] = {"clair": options}
    assert only_fault(config).startswith(fault)


def test_a_metric_that_is_computed_takes_no_judge(config):
    config["metric_options"]["bleu"] = {"judge": {"base": "llm"}}
    assert only_fault(config).startswith("metric_options.bleu.judge: the metric bleu is computed and takes no judge")


def test_an_image_judge_is_a_base_that_sees(config, tmp_path):
    base = build_tiny_model(tmp_path / "llm", "llama")
    config["bases"]["llm"]["source"] = {"path": str(base)}
    config["metrics"].append("image_judge")
    config["metric_options"]["image_judge"] = {"judge": {"base": "llm"}}
    assert only_fault(config).startswith("metric_options.image_judge.judge.base: image_judge looks at pictures, and")


def test_the_cost_of_a_hosted_judge_is_told(config, folder):
    config["metric_options"]["clair"]["judge"] = {"base_url": "https://x.org/v1", "model": "m", "repeated": 2}
    resolve_defaults(config)
    judge = make_plan(fill_defaults(config, SCHEMA)).judges["clair"]
    assert expected_cost_of_judge(judge, 3, folder / "none.parquet") is None
    cost = expected_cost_of_judge(judge, 3, folder / "test.parquet")
    assert (cost.n_requests, cost.n_new_tokens) == (3 * (N + 2), 3 * (N + 2) * 256)
    assert 100 * cost.n_requests < cost.n_prompt_tokens < 250 * cost.n_requests
