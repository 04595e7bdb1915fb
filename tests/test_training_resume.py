"""Resume: a training that was stopped in whatever way ends with the adapter of one that was not."""

import json
import os
import signal
import time

import pytest
from training_runs import adapter, climb_after, history, same_adapters, start, train, write_base_and_data

import train_lora
from core import identity
from core.code_digest import code_digest
from training.callbacks import KeepBest, KeepCheckpoints, StopOnSignal
from training.checkpoints import (
    agree_with,
    find_checkpoints,
    is_whole,
    newest_whole,
    rotate_bests,
    step_of,
    write_checksums,
)

# Dropout draws random numbers: a resumed run must go on in them.
# Records fall between checkpoints: their losses are means of the steps since the record before.
SETTINGS = {"dropout": 0.1, "max_steps": 24, "learning_rate": 0.02, "accumulation": 2, "log_steps": 3}


class Killed(BaseException):
    """Stands for kill -9 inside this process: nothing of the program catches it."""


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def whole(base_and_data, tmp_path_factory):
    """An uninterrupted training."""
    output = tmp_path_factory.mktemp("whole") / "out"
    train(*base_and_data, output, **SETTINGS)
    return output


def at_step(step, action, method="on_step_end"):
    """A callback method that does `action` at a step, before the one that is there."""

    def patched(original):
        def wrapper(self, args, state, control, **options):
            if state.global_step == step:
                action(self)
            return original(self, args, state, control, **options)

        return wrapper

    return patched


def kill(*_):
    raise Killed


def interrupt(monkeypatch, callback, method, step, action):
    monkeypatch.setattr(callback, method, at_step(step, action)(getattr(callback, method)))


def comparable(records):
    return [{key: record.get(key) for key in ("step", "loss", "eval_loss", "lr")} for record in records]


@pytest.mark.parametrize("step", [9, 16], ids=["between checkpoints", "while a checkpoint is saved"])
def test_a_killed_training_resumes_to_the_same_adapter(base_and_data, whole, tmp_path, monkeypatch, capfd, step):
    with monkeypatch.context() as patch:
        callback, method = (KeepCheckpoints, "on_save") if step == 16 else (StopOnSignal, "on_step_end")
        interrupt(patch, callback, method, step, kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert not (tmp_path / "out" / "adapter_model.safetensors").exists()
    effort = tmp_path / "out" / "checkpoints" / "effort.json"
    lost = json.loads(effort.read_text())
    effort.write_text(json.dumps({**lost, "seconds": 5000.0, "peak_memory_mb": 1e9}))  # as after an hour
    summary = train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert (lost["attempts"], summary["attempts"], summary["peak_memory_mb"]) == (1, 2, 1e9)
    assert lost["seconds"] > 0
    assert summary["seconds"] > 5000, "the seconds of the killed attempt are forgotten"
    log = capfd.readouterr().err
    assert f"resumes from step {8 if step == 9 else 12}" in log
    assert ("checkpoint-16 is not whole" in log) == (step == 16)
    assert same_adapters(whole, tmp_path / "out")
    assert comparable(history(whole)) == comparable(history(tmp_path / "out"))


def test_sigterm_saves_a_checkpoint_and_asks_to_be_tried_again(base_and_data, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, StopOnSignal, "on_step_end", 10, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as end:
            train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert end.value.code == 75
    assert is_whole(tmp_path / "out" / "checkpoints" / "checkpoint-10")
    train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert same_adapters(whole, tmp_path / "out")
    assert_same_losses(whole, tmp_path / "out", stops={10})


def assert_same_losses(whole, resumed, stops):
    """Both trainings logged the same losses, the resumed one at its stops as well (means since the record before)."""
    expected, found = (summed_losses(history(output)) for output in (whole, resumed))
    assert found.keys() - expected.keys() == stops - expected.keys()
    assert {step: found[step] for step in expected} == pytest.approx(expected)
    first, second = (
        [(record["step"], record["eval_loss"]) for record in history(output) if record.get("eval_loss") is not None]
        for output in (whole, resumed)
    )
    assert first == second


def summed_losses(records):
    """By step: the sum of the losses of all steps so far."""
    total, last, sums = 0.0, 0, {}
    for record in records:
        if "loss" in record:
            total += record["loss"] * (record["step"] - last)
            last = record["step"]
            sums[last] = total
    return sums


def test_a_training_killed_after_its_last_step_only_writes_its_results(base_and_data, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_lora, "write_results", kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", **SETTINGS)
    monkeypatch.setattr(train_lora.CaptionTrainer, "train", lambda *_, **__: pytest.fail("it trained again"))
    train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert same_adapters(whole, tmp_path / "out")


def test_early_stopping_is_remembered_by_a_resumed_training(base_and_data, tmp_path, monkeypatch):
    settings = {**SETTINGS, "patience_steps": 8, "min_delta": 100.0}
    with monkeypatch.context() as patch:
        patch.setattr(train_lora, "write_results", kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", **settings)
    assert train(*base_and_data, tmp_path / "out", **settings)["steps"] == 12


def test_kill_9_of_the_command_loses_nothing_but_time(base_and_data, whole, tmp_path):
    process = start(*base_and_data, tmp_path / "out", **SETTINGS)
    while not list(tmp_path.glob("out/checkpoints/checkpoint-*/checksums.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9
    train(*base_and_data, tmp_path / "out", **SETTINGS)
    assert same_adapters(whole, tmp_path / "out")


@pytest.mark.slow
def test_sigterm_to_one_process_or_to_all_of_two_devices_saves_and_resumes(base_and_data, tmp_path):
    """SLURM signals the command alone (scancel --batch) or every process of the job, the launcher and the ranks."""
    settings = {**SETTINGS, "max_steps": 100, "eval_steps": 50, "save_steps": 50}
    whole = start(*base_and_data, tmp_path / "whole", devices=2, **settings)
    stopped_at, stops = 0, set()
    for send in (os.kill, os.killpg):
        process = start(*base_and_data, tmp_path / "out", devices=2, **settings)
        while last_logged_step(tmp_path / "out") <= stopped_at:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        send(process.pid, signal.SIGTERM)
        _, log = process.communicate()
        assert process.returncode == 75, log
        assert "stopped by a signal; a checkpoint is saved" in log
        assert (f"resumes from step {stopped_at}" in log) == (stopped_at > 0)
        newest = newest_whole(tmp_path / "out" / "checkpoints")
        assert stopped_at < step_of(newest) < 100
        stopped_at = step_of(newest)
        stops.add(stopped_at)
    resumed = start(*base_and_data, tmp_path / "out", devices=2, **settings)
    for process in (whole, resumed):
        _, log = process.communicate()
        assert process.returncode == 0, log
    assert f"resumes from step {stopped_at}" in log
    assert same_adapters(tmp_path / "whole", tmp_path / "out")
    assert_same_losses(tmp_path / "whole", tmp_path / "out", stops)


def last_logged_step(output):
    path = output / "checkpoints" / "history.jsonl"
    return json.loads(path.read_text().splitlines()[-1])["step"] if path.is_file() else 0


def test_qlora_resumes_to_the_same_adapter(base_and_data, tmp_path, monkeypatch):
    settings = {**SETTINGS, "quantisation": "nf4", "max_steps": 8}
    train(*base_and_data, tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        interrupt(patch, StopOnSignal, "on_step_end", 6, kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", **settings)
    train(*base_and_data, tmp_path / "out", **settings)
    assert same_adapters(tmp_path / "whole", tmp_path / "out")
    assert all(value.any() for key, value in adapter(tmp_path / "out").items() if "lora_B" in key)


def stop_at(monkeypatch, step, base_and_data, output, **settings):
    """Train until a step, and end as by kill -9."""
    with monkeypatch.context() as patch:
        interrupt(patch, StopOnSignal, "on_step_end", step, kill)
        with pytest.raises(Killed):
            train(*base_and_data, output, **settings)


def test_checkpoints_of_other_settings_are_set_aside_and_used_when_these_are_put_back(
    base_and_data, whole, tmp_path, monkeypatch, capfd
):
    output = tmp_path / "out"
    stop_at(monkeypatch, 9, base_and_data, output, **SETTINGS)
    stop_at(monkeypatch, 6, base_and_data, output, **SETTINGS, r=2)
    log = capfd.readouterr().err
    (kept,) = (output / "set_aside").iterdir()
    assert f"starts anew: setting r changed since the interrupted run, whose checkpoints are set aside in {kept}" in log
    assert "resumes" not in log
    assert is_whole(kept / "checkpoint-8")
    train(*base_and_data, output, **SETTINGS)
    log = capfd.readouterr().err
    assert f"takes the checkpoints of these settings back from {kept}" in log
    assert "resumes from step 8" in log
    assert same_adapters(whole, output)
    (other,) = (output / "set_aside").iterdir()
    assert is_whole(other / "checkpoint-4")
    assert not (output / "checkpoints").exists()


def test_a_training_goes_on_with_other_logging(base_and_data, whole, tmp_path, monkeypatch, capfd):
    stop_at(monkeypatch, 6, base_and_data, tmp_path / "out", **SETTINGS)
    train(*base_and_data, tmp_path / "out", **SETTINGS | {"log_steps": 1}, tensorboard=True, keep_checkpoints=1)
    assert "resumes from step 4" in capfd.readouterr().err
    assert same_adapters(whole, tmp_path / "out")
    logged = [record["step"] for record in history(tmp_path / "out") if "loss" in record]
    assert logged == [3, 4, *range(5, 25)]  # of the checkpoint as well; with the new interval from the checkpoint on


def test_other_code_and_libraries_are_recorded_and_throw_no_checkpoint_away(
    base_and_data, whole, tmp_path, monkeypatch, capfd
):
    with monkeypatch.context() as patch:
        patch.setattr(train_lora, "code_digest", lambda script: "code of the first start")
        patch.setattr(identity.metadata, "version", lambda name: "0.1")
        stop_at(monkeypatch, 6, base_and_data, tmp_path / "out", **SETTINGS)
    summary = train(*base_and_data, tmp_path / "out", **SETTINGS)
    log = capfd.readouterr().err
    assert "warning: code, version of peft, version of torch, version of transformers changed since the inter" in log
    assert "resumes from step 4" in log
    assert same_adapters(whole, tmp_path / "out")
    assert [attempt["code"] for attempt in summary["made_by"]] == ["code of the first start", code_digest("train_lora")]
    assert (tmp_path / "out" / "code_digest.txt").read_text() == "code of the first start\n"


def test_an_edit_during_the_training_does_not_pass_for_the_code_that_trained(base_and_data, tmp_path, monkeypatch):
    digests = iter(["code at the start"])
    monkeypatch.setattr(train_lora, "code_digest", lambda script: next(digests, "code after an edit"))
    train(*base_and_data, tmp_path / "out", max_steps=4)
    assert (tmp_path / "out" / "code_digest.txt").read_text() == "code at the start\n"


def write_checkpoints(folder, steps):
    for step in steps:
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "optimizer.pt").write_bytes(bytes(1000))
        write_checksums(checkpoint)


@pytest.mark.parametrize("damage", ["one bit", "cut off", "missing", "no checksums", "damaged checksums"])
def test_a_corrupt_checkpoint_is_skipped_for_the_one_before(tmp_path, capfd, damage):
    write_checkpoints(tmp_path, (8, 12))
    file = tmp_path / "checkpoint-12" / "optimizer.pt"
    checksums = tmp_path / "checkpoint-12" / "checksums.json"
    if damage == "one bit":
        file.write_bytes(b"\1" + bytes(999))
    elif damage == "cut off":
        file.write_bytes(bytes(500))
    elif damage == "missing":
        file.unlink()
    elif damage == "no checksums":
        checksums.unlink()
    else:
        checksums.write_bytes(b"\xff")
    assert newest_whole(tmp_path) == tmp_path / "checkpoint-8"
    assert "warning: checkpoint-12 is not whole and is skipped" in capfd.readouterr().err
    assert find_checkpoints(tmp_path) == [tmp_path / "checkpoint-8"]


def test_the_best_is_kept_for_every_checkpoint_that_a_run_may_go_back_to(tmp_path):
    write_checkpoints(tmp_path, (8, 12))
    for step in (4, 8, 12):
        (tmp_path / f"best-{step}").mkdir()
    log = [{"step": step, "eval_loss": loss} for step, loss in ((4, 3.0), (8, 4.0), (12, 2.0))]
    rotate_bests(tmp_path, log)  # from checkpoint-8 on, the best is that of step 4
    assert sorted(path.name for path in tmp_path.glob("best-*")) == ["best-12", "best-4"]


def test_the_best_outlives_the_limit_of_checkpoints(base_and_data, tmp_path, monkeypatch):
    seen = []

    def look(callback):
        seen.append(sorted(path.name for path in callback.folder.glob("*-*") if path.is_dir()))

    interrupt(monkeypatch, KeepBest, "on_step_end", 28, look)
    climb_after(monkeypatch, 8)
    summary = train(*base_and_data, tmp_path / "out", max_steps=28, keep_checkpoints=2)
    assert summary["best_step"] < 20
    assert [name for name in seen[0] if name.startswith("checkpoint")] == ["checkpoint-20", "checkpoint-24"]
    assert f"best-{summary['best_step']}" in seen[0]


def an_identity(seed, **changes):
    return {"inputs": {}, "settings": {"seed": seed}, "code": "code 1", "libraries": {}, **changes}


def test_checkpoints_of_the_same_training_stay_and_others_are_moved(tmp_path):
    folder = tmp_path / "checkpoints"
    agree_with(folder, an_identity(1))
    write_checkpoints(folder, (8,))
    agree_with(folder, an_identity(1, code="code 2"))
    assert find_checkpoints(folder)
    agree_with(folder, an_identity(2))
    assert not find_checkpoints(folder)
    agree_with(folder, an_identity(3))  # there was no checkpoint yet: nothing is set aside
    assert len(list((tmp_path / "set_aside").iterdir())) == 1
    agree_with(folder, an_identity(1))
    assert find_checkpoints(folder)


def test_checkpoints_of_an_unknown_training_are_set_aside(tmp_path):
    folder = tmp_path / "checkpoints"
    write_checkpoints(folder, (8,))
    (folder / "identity.json").write_text('{"settings": {"r"')
    (folder / "checkpoint-8" / "checksums.json").rename(folder / "checkpoint-8" / "seal.json")  # of an earlier version
    agree_with(folder, an_identity(1))
    (kept,) = (tmp_path / "set_aside").iterdir()
    assert (kept / "checkpoint-8" / "optimizer.pt").is_file()
