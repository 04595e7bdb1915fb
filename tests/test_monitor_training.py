"""The monitor: where each training stands, what is wrong with it, and the page of curves, from files alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from training_runs import train, write_base_and_data

from core.command import InputError
from core.records import Caption, Sample
from monitor_training import main, make_table, sparkline
from training.caption_files import write_step
from training.status import describe, read_status, read_statuses

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "monitor_training.py"
START = 1_000_000.0
PLAN = {"name": "m", "steps": 200, "patience_steps": 100, "min_delta": 0.0, "started": START}


def record(step, loss, **more):
    return {"step": step, "loss": loss, "lr": 1e-4, "grad_norm": 1.0, "time": START + 2 * step, **more}


def evaluation(step, loss):
    return {"step": step, "eval_loss": loss, "time": START + 2 * step}


def write_running(experiment, name, records, plan=PLAN):
    folder = experiment / "adapters" / name / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({**plan, "name": name}))
    (folder / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in records))


def shown(experiment, now=START + 130, width=200):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(make_table(read_statuses(experiment, now), width))
    return console.export_text()


def test_a_running_training_tells_step_best_patience_pace_and_time_left(tmp_path):
    records = [record(step, 3 - step / 100, tokens_per_second=512.0) for step in (10, 20, 30, 40, 50)]
    write_running(tmp_path, "m", [*records, evaluation(50, 2.5), record(60, 2.4, tokens_per_second=600.0)])
    (status,) = read_statuses(tmp_path, START + 125)
    assert (status.state, status.step, status.n_steps, status.best) == ("running", 60, 200, (50, 2.5))
    assert (status.patience_left, status.tokens_per_second, status.lr) == (100, 600.0, 1e-4)
    assert status.seconds_left == pytest.approx(2 * 140)
    text = shown(tmp_path)
    for part in ("60/200", "2.5 at 50", "100 steps", "600", "4 min 40 s", "█▇▅▄▂▁ 2.4"):
        assert part in text, part


def test_patience_counts_down_and_a_done_training_says_that_early_stopping_fired(tmp_path):
    evaluations = [evaluation(50, 2.0), evaluation(100, 2.1)]
    assert describe("m", PLAN, evaluations, START + 210).patience_left == 50
    base, data = write_base_and_data(tmp_path)
    output = tmp_path / "adapters" / "tiny"
    train(base, data, output, min_delta=100.0, patience_steps=8, max_steps=40)
    status = read_status(output, START)
    assert (status.state, status.step, status.patience_left, status.warnings) == ("stopped early", 12, 0, [])
    assert "early stopping fired at step 12" in shown(tmp_path)


@pytest.mark.parametrize(
    ("records", "warning"),
    [
        ([record(10, 2.0), record(20, None)], "the loss is no number since step 20"),
        ([evaluation(10, None)], "the validation loss is no number since step 10"),
        ([evaluation(10 * n, 1 + n / 10) for n in range(1, 5)], "the validation loss has risen 3 times in a row"),
        ([record(10 * n, 1.0 if n < 6 else 1.5) for n in range(1, 11)], "the loss is rising: 1 to 1.5"),
    ],
)
def test_a_loss_that_is_no_number_or_rises_is_said(records, warning):
    assert describe("m", PLAN, records, START + 2 * records[-1]["step"] + 1).warnings == [warning]


def test_a_falling_loss_is_no_fault():
    records = [record(10 * n, 2 / n) for n in range(1, 11)] + [evaluation(100, 1.0)]
    assert describe("m", PLAN, records, START + 201).warnings == []


def test_a_run_that_is_silent_for_long_is_said(tmp_path):
    write_running(tmp_path, "m", [record(10, 2.0), record(20, 1.9)])
    assert read_statuses(tmp_path, START + 40 + 290)[0].state == "running"
    (status,) = read_statuses(tmp_path, START + 40 + 3600)
    assert status.state == "silent"
    assert status.warnings == ["nothing logged for 1 h 00 min: killed, waiting, or stuck"]
    slow = [record(10 * n, 2.0, time=START + 600 * n) for n in range(1, 4)]  # a record every ten minutes is usual here
    assert describe("m", PLAN, slow, START + 1800 + 3600).state == "running"


def test_a_training_that_prepares_or_has_not_logged_is_shown(tmp_path):
    (tmp_path / "adapters" / "new" / "checkpoints").mkdir(parents=True)
    write_running(tmp_path, "started", [])
    assert [(s.name, s.state) for s in read_statuses(tmp_path, START + 5)] == [
        ("new", "preparing"),
        ("started", "running"),
    ]
    assert "0/200" in shown(tmp_path)


def test_a_folder_without_trainings_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_statuses(tmp_path / "none", START)
    (tmp_path / "adapters").mkdir()
    with pytest.raises(InputError, match="has no training yet"):
        read_statuses(tmp_path, START)


def test_the_page_has_the_curves_and_no_markup_of_strangers(tmp_path):
    name = "<script>alert(1)"
    write_running(tmp_path, name, [record(10, 2.0), record(20, 1.5), evaluation(20, 1.8)])
    main(folder=tmp_path, once=True, html=tmp_path / "curves.html", seconds=1)
    page = (tmp_path / "curves.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert page.count("<polyline") == 2
    assert "<dd>20, with the lowest validation loss (1.8000); its adapter is kept</dd>" in page
    assert ">optimizer step</text>" in page
    assert [f">{value}</text>" in page for value in ("1.5", "1.75", "2")] == [True] * 3, "ends and middle of the axis"
    assert "http" not in page.replace("http-equiv", "")


def test_captions_are_told_by_score_share_of_time_and_three_samples(tmp_path):
    scores = [(20, 1.8, 0.1), (40, 1.9, 0.3), (60, 1.7, 0.2)]
    records = [evaluation(step, loss) | {"eval_cider": score, "caption_seconds": 3.0} for step, loss, score in scores]
    write_running(tmp_path, "m", [record(10, 2.0), *records], {**PLAN, "best_by": "cider"})
    write_running(tmp_path, "plain", [record(10, 2.0), evaluation(20, 1.8)])
    checkpoints = tmp_path / "adapters" / "m" / "checkpoints"
    (checkpoints / "effort.json").write_text(json.dumps({"attempts": 1, "seconds": 120.0}))
    samples = [Sample(f"v{n}", "a", "validation", "g", "<svg/>", ["a <b>square</b>"]) for n in range(5)]
    for step, *_ in scores:
        captions = [Caption(sample.id, f"{sample.id} at {step} <i>" if step > 20 else "") for sample in samples]
        write_step(checkpoints, step, samples, captions)
    status, plain = read_statuses(tmp_path, START + 125)
    assert (status.best, status.patience_left, status.caption_share) == ((40, 0.3), 80, 9 / 120)
    assert (plain.best, plain.best_by, plain.metric) == ((20, 1.8), "loss", None)
    text = shown(tmp_path)
    narrow = shown(tmp_path, width=80)
    for part in ("running", "60/200", "cider 0.2", "validation"):
        assert part in narrow, part
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow.partition("m: writing")[0], "a heading or number is cut"
    for part in ("cider ▁█▅ 0.2", "m: writing captions at evaluations takes 8% of", "cider 0.3 at 40", "1.8 at 20"):
        assert part in text, part
    main(folder=tmp_path, once=True, html=tmp_path / "curves.html", seconds=1)
    page = (tmp_path / "curves.html").read_text()
    assert "<dd>40, with the highest cider of validation captions (0.3000); its adapter is kept</dd>" in page
    assert page.count("<polyline") == 3 + 2
    assert page.count("<dt>step 40 (best)</dt><dd>v") == 3
    assert "v2 at 60 &lt;i&gt;" in page
    assert "<dt>step 20</dt><dd>no caption</dd>" in page
    assert "<b>" not in page


def test_the_command_prints_once_and_ends(tmp_path):
    write_running(tmp_path, "m", [record(10, 2.0)])
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--once"]
    run = subprocess.run(command, capture_output=True, text=True, env={"COLUMNS": "200", "PATH": ""})
    assert (run.returncode, run.stderr) == (0, "")
    assert "10/200" in run.stdout


def test_the_live_view_ends_when_all_trainings_are_over(tmp_path, capsys):
    base, data = write_base_and_data(tmp_path)
    train(base, data, tmp_path / "adapters" / "tiny", max_steps=4)
    main(folder=tmp_path, once=False, html=None, seconds=0.01)
    assert "4/4" in capsys.readouterr().out


def test_sparklines_scale_and_average():
    assert sparkline([1.0, 4.5, 8.0, 1.0]) == "▁▅█▁"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert len(sparkline([float(n) for n in range(1000)])) == 16
