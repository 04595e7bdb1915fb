"""What the report says of hosted models and of judges: who answered, at what cost, and what is wrong with a judge."""

import re

import pytest
from report_fixture import make_experiment
from report_scores import VALUES

from core.command import InputError
from core.records import write_json
from html_report import main
from report.comparison import read_comparison

HOSTED = {
    "base_url": "https://api.example.org/v1",
    "model": "big",
    "answered_by": "big-2026-11-01",
    "input": "both",
    "n_answers": 23,
    "n_rejected": 1,
    "first": "2026-11-27T23:00:00+00:00",
    "last": "2026-11-28T01:00:00+00:00",
    "parameters": {"max_tokens": 128, "temperature": 0},
    "n_prompt_tokens": 41234,
    "n_new_tokens": 912,
    "cost": 0.123,
}
JUDGE = {
    "judge": "judge-base",
    "answered_by": "judge-folder",
    "server": None,
    "n_asked": 120,
    "n_failed": 0,
    "reasons": {},
    "n_left_out": 0,
    "agreement": {"n": 50, "spearman": 0.812, "mean_difference": 0.034, "second_run": "asked in another order"},
    "length": {"n": 120, "spearman": -0.251, "systems": {"constant": None, "smollm2-test1": 0.377}},
}
QUESTIONS = {
    "digest": "0" * 64,
    "n": 30,
    "n_left_out": 2,
    "n_drawings": 12,
    "n_without": 3,
    "foreign": {"n": 5, "n_drawings": 4, "ids": ["x1", "x2", "x3", "x4"]},
    "subjects": {"<b>colour</b>": 20, "shape": 8},
    "rows": {
        name: {"score": score, "accuracy": 0.5, "n_failed": 0, "subjects": {"<b>colour</b>": colour, "shape": None}}
        for name, score, colour in (
            ("smollm2-test1", 0.612, 0.713),
            ("(no caption)", 0.214, 0.225),
            ("(reference)", 0.936, 1.0),
        )
    },
    "gap": {"mean": 0.722, "low": 0.512},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("models") / "demo", n_systems=5)


@pytest.fixture
def page(made):
    """The text of a report with records of an endpoint and of a judge."""
    metric = VALUES[0]["metric"]

    def write(endpoint=None, judge=None, kin="{}", system="constant"):
        files = {name: made.folder / name for name in (f"endpoints/{system}.json", "judges/one.json")}
        for (name, path), record in zip(files.items(), (endpoint, judge), strict=True):
            if record:
                write_json(path, {"metric": metric, **record} if name.startswith("judges") else record)
        paths = list(files.values())
        main(
            **made.arguments,
            endpoints=paths[:1] if endpoint else [],
            judges=paths[1:] if judge else [],
            judges_kin=kin.replace("METRIC", metric),
            currency="USD",
        )
        return made.arguments["output"].read_text()

    return write


def test_a_report_without_them_has_no_such_sections(page):
    text = page()
    assert 'id="endpoints"' not in text
    assert 'id="judges"' not in text


def test_the_model_that_answered_is_shown(page):
    text = page(endpoint=HOSTED)
    section = text.partition('<section id="endpoints">')[2].partition("</section>")[0]
    for words in ("big-2026-11-01", "api.example.org", "2026-11-27 to 2026-11-28", "max_tokens 128, temperature 0"):
        assert words in section
    for words in (">23<", ">1<", "41,234", "912", "0.12 USD"):
        assert words in section


def test_a_record_of_another_system_is_refused(page):
    with pytest.raises(InputError, match="nobody is no system of this comparison"):
        page(endpoint=HOSTED, system="nobody")
    with pytest.raises(InputError, match="is no record of an endpoint: it lacks answered_by"):
        page(endpoint={key: value for key, value in HOSTED.items() if key != "answered_by"})


def test_what_a_server_calls_itself_is_text(page):
    text = page(endpoint=HOSTED | {"answered_by": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_judge_s_agreement_and_length_are_shown(page):
    text = page(judge=JUDGE)
    section = text.partition('<section id="judges">')[2].partition("</section>")[0]
    for words in ("judge-base", "0.81", "0.03", "asked in another order"):
        assert words in section
    assert "0.25" in section  # of all captions
    assert "0.38" in section  # of one system
    assert "share a model" not in text
    assert "gave no score" not in text


def test_a_judge_of_a_contestant_s_model_gets_a_red_banner(page):
    text = page(judge=JUDGE, kin='{"METRIC": ["smollm2-test1", "smollm2-zero-shot"]}')
    assert "SmolLM2 LoRA r 4 and SmolLM2 zero-shot: judge and contestant share a model" in text
    faults = text.partition('<div class="alert fault">')[2].partition("</div>")[0]
    assert "judge and contestant share a model" in faults


def test_a_hosted_judge_of_the_name_that_a_system_has_gets_it_too(page):
    judge = JUDGE | {"server": "https://other.example.org/v1", "answered_by": HOSTED["answered_by"]}
    assert "captions of constant: judge and contestant share a model" in page(endpoint=HOSTED, judge=judge)
    other = judge | {"answered_by": "another"}
    assert "share a model" not in page(endpoint=HOSTED, judge=other)


def test_failures_of_a_judge_are_counted(page):
    text = page(judge=JUDGE | {"n_failed": 3, "n_left_out": 2, "reasons": {"no JSON": 3}})
    assert "the judge gave no score for 3 of 120 captions. 2 samples are left out of" in text
    assert "3 × no JSON" in text


def test_questions_that_captions_answer_are_shown_by_subject_between_floor_and_ceiling(made, page):
    text = page(judge=JUDGE | {"questions": QUESTIONS})
    section = text.partition('<section id="judges">')[2].partition("</section>")[0]
    value = [one for one in VALUES if one["metric"] == VALUES[0]["metric"]][-1]  # the fixture's judge is BLEU
    cell = read_comparison(made.arguments["comparison"]).cells["smollm2-test1", value["name"], "all"]
    ends = f"{cell.low:.2f} – {cell.high:.2f}"
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section.partition("<h3>")[2])
    assert [(label, re.findall(r"<td>(.*?)</td>", cells)) for label, cells in rows] == [
        ("no caption (floor)", ["0.21", "0.50", "0.23", "–", "0"]),
        ("SmolLM2 LoRA r 4", [f"0.61 <small>{ends}</small>", "0.50", "0.71", "–", "0"]),
        ("first reference (ceiling)", ["0.94", "0.50", "1.00", "–", "0"]),
    ]
    assert "&lt;b&gt;colour&lt;/b&gt; <small>n = 20</small>" in section
    assert "Ceiling and floor differ by 0.72 (lower end of the 95% interval: 0.51)." in section
    for words in ("3 test drawings have no question", "5 questions about 4 drawings outside", "x1, x2, x3, x4."):
        assert words in section
    assert "do not measure captions" not in text


def test_questions_that_need_no_caption_are_warned_of(page):
    gap = {"mean": 0.02, "low": -0.05}
    text = page(judge=JUDGE | {"n_failed": 3, "n_left_out": 1, "questions": QUESTIONS | {"gap": gap}})
    faults = " ".join(re.findall(r'<div class="alert fault">(.*?)</div>', text, re.DOTALL))
    assert "answers 0.94 of the questions right from the reference, and 0.21 without any caption" in faults
    assert "(difference 0.02, lower end of the 95% interval -0.05). The questions do not measure captions" in faults
    assert "the judge did not answer 3 of 120 questions by a letter. 2 of the 30 questions are left out of" in faults
