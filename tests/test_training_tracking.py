"""W&B and TensorBoard: what is told, one run over a resume, no network, and no key anywhere."""

import json

import pytest
from training_runs import train, write_base_and_data

from training import tracking as training_tracking
from training.callbacks import StopOnSignal
from training.caption_files import read_result
from training.tracking import run_id
from training.wandb_runs import wandb_mode

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("tracking"))


class Run:
    """Stands for a run of W&B: keeps what it is told."""

    def __init__(self, **options):
        self.options, self.logged, self.summary, self.finished = options, [], {}, False

    def log(self, record):
        self.logged.append(record)

    def finish(self):
        self.finished = True


@pytest.fixture
def runs(monkeypatch):
    import wandb

    started = []

    def init(**options):
        started.append(Run(**options))
        return started[-1]

    monkeypatch.setattr(wandb, "init", init)
    return started


def test_wandb_is_told_config_parameters_numbers_and_the_best_step(base_and_data, tmp_path, runs):
    summary = train(*base_and_data, tmp_path / "out", wandb="offline", learning_rate=0.3, max_steps=20)
    (run,) = runs
    assert run.options["mode"] == "offline"
    assert run.options["config"]["parameters"] == summary["parameters"]
    assert (run.options["config"]["settings"]["r"], run.options["config"]["seed"]) == (4, 7)
    assert {"loss", "lr", "grad_norm", "tokens_per_second", "step"} <= run.logged[-2].keys()
    assert any("eval_loss" in record for record in run.logged)
    assert run.summary == {"best_step": summary["best_step"], "best_eval_loss": summary["best_eval_loss"]}
    assert run.finished


def test_the_id_of_a_run_survives_a_resume(base_and_data, tmp_path, runs, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(self, args, state, control, **options):
        if state.global_step == 6:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StopOnSignal, "on_step_end", kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", wandb="offline")
    train(*base_and_data, tmp_path / "out", wandb="offline")
    first, second = runs
    assert first.options["id"] == second.options["id"]
    assert second.options["resume"] == "allow"
    assert run_id(tmp_path / "another.txt") != first.options["id"]


def test_online_without_a_key_stays_offline_and_says_so(monkeypatch, tmp_path, capfd):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert wandb_mode("train_lora", "online") == "offline"
    assert "W&B has no key here" in capfd.readouterr().err
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai\n login user\n password {KEY}\n")
    assert wandb_mode("train_lora", "online") == "online"
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_mode("train_lora", "online") == "online"
    assert wandb_mode("train_lora", "offline") == "offline"
    assert KEY not in capfd.readouterr().err


def test_an_offline_run_writes_files_and_no_key(base_and_data, tmp_path, monkeypatch, capfd):
    """The real W&B, without network."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    train(*base_and_data, tmp_path / "out", wandb="offline", max_steps=4)
    assert list((tmp_path / "out" / "wandb").glob("offline-run-*/*.wandb"))
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err


def test_disabled_means_that_wandb_is_not_even_imported(base_and_data, tmp_path, monkeypatch):
    monkeypatch.setattr(training_tracking, "TrackWandb", lambda *_: pytest.fail("W&B was set up"))
    train(*base_and_data, tmp_path / "out", wandb="disabled", max_steps=4)
    assert not (tmp_path / "out" / "wandb").exists()


def test_tensorboard_gets_the_same_numbers(base_and_data, tmp_path):
    train(*base_and_data, tmp_path / "out", tensorboard=True, max_steps=4)
    (events,) = (tmp_path / "out" / "tensorboard").iterdir()
    for name in (b"train/loss", b"train/eval_loss", b"train/lr", b"train/grad_norm"):
        assert name in events.read_bytes()
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["tensorboard"] is True


def test_both_get_the_score_and_three_of_the_captions_of_evaluations(base_and_data, tmp_path, runs):
    captions = {"eval_captions": {"samples": 5, "metric": "rouge_l"}, "best_by": "rouge_l"}
    train(*base_and_data, tmp_path / "out", wandb="offline", tensorboard=True, max_steps=4, **captions)
    (run,), records = runs, read_result(tmp_path / "out")
    (table,) = (record["captions"] for record in run.logged if "captions" in record)
    assert table.data == [[one["id"], one["captions"]["4"], one["references"][0], 4] for one in records[:3]]
    assert any("eval_rouge_l" in record and "caption_seconds" in record for record in run.logged)
    assert run.summary.keys() == {"best_step", "best_eval_rouge_l"}
    (events,) = (tmp_path / "out" / "tensorboard").iterdir()
    assert b"train/eval_rouge_l" in events.read_bytes()
    assert events.read_bytes().count(b"captions/validation") == 3
