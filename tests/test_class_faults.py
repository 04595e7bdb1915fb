"""What is told as an error of the input, and what keeps its traceback: faults of ours and of machines."""

import errno
import re

import pytest
import torch

from core.command import InputError
from models.class_faults import told_as_input_error
from models.lora_targets import is_named


def fail(error):
    raise error


@pytest.mark.parametrize(
    "error",
    [
        AssertionError(),
        KeyError("full_attention"),
        RuntimeError("shape '[2]' is invalid"),
        OSError("no file named model-2.safetensors"),
        type("OfTheirOwn", (Exception,), {})("wrong"),
    ],
)
def test_whatever_the_code_of_a_class_raises_is_one_line_and_its_traceback_in_the_log(error, capsys):
    expected = rf"base: a x model can't be made: {type(error).__name__} in test_class_faults.py, line \d+.*; correct"
    with pytest.raises(InputError, match=expected) as told, told_as_input_error("base: a x model can't be made"):
        fail(error)
    assert str(error) in str(told.value)
    assert told.value.__cause__ is error
    assert "in fail\n    raise error" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("of the host"),
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("uncorrectable ECC error", 1),
        torch.distributed.DistStoreError("timeout"),
        RuntimeError("CUDA error: unspecified launch failure"),
        OSError(errno.EIO, "Input/output error"),
        InputError("said already"),
    ],
)
def test_faults_of_machines_stay_as_they_are_and_so_does_what_is_said_already(error):
    with pytest.raises(type(error), match=re.escape(str(error))) as raised, told_as_input_error("base"):
        fail(error)
    assert raised.value is error


def test_faults_of_our_code_and_those_after_the_first_use_keep_their_traceback():
    with pytest.raises(AttributeError), told_as_input_error("base"):
        is_named(None, "q_proj")
    with pytest.raises(KeyError), told_as_input_error("base", until=lambda: True):
        fail(KeyError("late"))
