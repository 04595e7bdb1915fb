"""A training on two nodes is stopped by signals and goes on, and ends when a node is lost.

A node is an agent of torchrun with a rank in a process group of its own, on this machine and by gloo.
"""

import os
import signal
import time

import pytest
from forked_ranks import end_nodes, start_nodes, train_on_two
from training_runs import same_adapters, write_base_and_data

import train_lora
from core.command import InputError, MachineError
from training import callbacks, launch
from training.callbacks import StopOnSignal
from training.checkpoints import newest_whole
from training.endings import tell_stopped, told_faults, was_stopped
from training.launch import launch_ranks


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("nodes"))


def at_step(monkeypatch, step, node, action):
    """Let the rank of a node do something at the end of a step."""
    original = StopOnSignal.on_step_end

    def on_step_end(self, args, state, control, **options):
        if state.global_step == step and args.process_index == node:
            action()
        original(self, args, state, control, **options)

    monkeypatch.setattr(StopOnSignal, "on_step_end", on_step_end)


def signal_rank():
    os.kill(os.getpid(), signal.SIGTERM)


def signal_node():
    """To the agent and its rank."""
    os.killpg(0, signal.SIGTERM)


def lose_node():
    os.killpg(0, signal.SIGKILL)


def before(monkeypatch, module, name, action):
    """Let something happen before each call of a function."""
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: (action(), original(*arguments)))


def test_signals_to_one_node_first_or_to_one_process_stop_all_at_one_step(base_and_data, tmp_path, monkeypatch, capfd):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        at_step(patch, 3, 1, signal_node)
        before(patch, callbacks, "write_checksums", signal_node)  # the other node, while it saves
        before(patch, train_lora, "tell_stopped", lambda: time.sleep(1))  # the first has nothing left to do
        assert all(end_nodes(start_nodes(*base_and_data, out), together=True))
    assert newest_whole(out / "checkpoints").name == "checkpoint-3"
    assert was_stopped(out / "checkpoints")
    with monkeypatch.context() as patch:
        at_step(patch, 6, 0, signal_rank)
        assert all(end_nodes(start_nodes(*base_and_data, out), together=True))
    assert newest_whole(out / "checkpoints").name == "checkpoint-6"
    assert end_nodes(start_nodes(*base_and_data, out), together=True) == [0, 0]
    log = capfd.readouterr().err
    assert [log.count(f"resumes from step {step}") for step in (3, 6)] == [1, 1]
    assert train_on_two(*base_and_data, tmp_path / "whole") == [0, 0]
    assert same_adapters(tmp_path / "whole", out)


@pytest.mark.parametrize("lost", [0, 1])
def test_the_loss_of_a_node_ends_the_other(base_and_data, tmp_path, monkeypatch, lost):
    at_step(monkeypatch, 5, lost, lose_node)
    codes = end_nodes(start_nodes(*base_and_data, tmp_path / "out"), together=False)
    assert (codes[lost], codes[1 - lost]) == (-9, 1)
    assert newest_whole(tmp_path / "out" / "checkpoints").name == "checkpoint-4"


def test_a_rank_tells_by_which_fault_it_ends(base_and_data, tmp_path):
    assert train_on_two(*base_and_data, tmp_path / "out", learning_rate=1e38, warmup_ratio=0) == [1, 1]
    with pytest.raises(InputError, match="the training is lost"):
        was_stopped(tmp_path / "out" / "checkpoints")


@pytest.fixture
def launch_told(monkeypatch, tmp_path):
    """Runs launch_ranks with a launcher that is killed after its ranks have told what `tell` tells."""
    monkeypatch.setenv("RANK", "1")
    (tmp_path / "told").mkdir()
    (tmp_path / "checkpoints").mkdir()
    before = signal.getsignal(signal.SIGTERM)  # this process is that of all tests

    def launch_after(tell):
        tell(tmp_path / "told")
        script = f"cp {tmp_path}/told/* {tmp_path}/checkpoints; kill -9 $$"
        monkeypatch.setattr(launch, "launch_command", lambda devices: ["sh", "-c", script])
        launch_ranks(2, tmp_path / "checkpoints")

    yield launch_after
    signal.signal(signal.SIGTERM, before)


def fail_by(error):
    def tell(folder):
        with pytest.raises(type(error)), told_faults(folder):
            raise error

    return tell


def test_ranks_that_a_signal_stopped_ask_for_another_attempt(launch_told):
    with pytest.raises(SystemExit) as end:
        launch_told(tell_stopped)
    assert end.value.code == 75


@pytest.mark.parametrize("error", [InputError("lower learning_rate"), MachineError("the disk is full")])
def test_the_fault_of_a_rank_is_the_last_word_of_the_command(launch_told, error):
    with pytest.raises(type(error), match=str(error)) as raised:
        launch_told(fail_by(error))
    assert type(raised.value) is type(error)


def test_ranks_that_say_nothing_were_killed(launch_told, tmp_path):
    tell_stopped(tmp_path / "checkpoints")  # of an earlier attempt
    with pytest.raises(MachineError, match=r"a process of the training has ended \(the launcher's exit code is -9\)"):
        launch_told(lambda folder: None)
