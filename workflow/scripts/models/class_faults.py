"""One clear error where the code of a model's class, which is not ours, can't make or run the model.

    with told_as_input_error(f"{base}: a {config.model_type} model can't be made"):
        model = auto_class(config).from_config(config)

Such code asserts, looks up and unpacks as it likes, so that any exception may come: of a configuration that it does not
take, of inputs that it does not know, of a part that it lacks. Faults of our code keep their traceback, and so do those
of a machine, after which another attempt may succeed. Runs with the old torch of envs/cogvlm.txt as well.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.command import InputError

OUR_CODE = Path(__file__).resolve().parents[1]
# What the errors of devices, launchers and memory are called, or say.
OF_MACHINE = re.compile(r"MemoryError|AcceleratorError|Dist\w*Error|CUDA|CUBLAS|cuDNN|NCCL|allocate memory")


@contextmanager
def told_as_input_error(what: str, until: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Raise InputError for what a library raises in this block; `what` names the model and what fails.

    The traceback goes to the job's log, for whoever maintains that code. From when `until` is true on, everything is
    raised as it is.
    """
    try:
        yield
    except Exception as error:  # any: see above
        if until() or isinstance(error, InputError) or is_of_machine(error) or is_ours(error):
            raise
        traceback.print_exception(error)
        raise InputError(
            f"{what}: {describe_fault(error)}; correct what it names in the model's folder, or choose another model"
        ) from error


def describe_fault(error: Exception) -> str:
    """An exception in one line, with the place where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    why = " ".join(str(error).split())[:300]
    return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}{why and ': '}{why}"


def name_of(model: Any) -> str:
    """The folder and the class of a model, for messages."""
    return f"{model.name_or_path}: a {type(model).__name__}"


def is_of_machine(error: Exception) -> bool:
    """Whether the machine is at fault; an OSError without a number is a library's own, of a file that it misses."""
    if isinstance(error, OSError):
        return error.errno is not None
    raised = f"{type(error).__name__}: {error}"
    return isinstance(error, (MemoryError, RuntimeError)) and OF_MACHINE.search(raised) is not None


def is_ours(error: Exception) -> bool:
    """Whether it was raised in a line of this project."""
    return Path(traceback.extract_tb(error.__traceback__)[-1].filename).is_relative_to(OUR_CODE)
