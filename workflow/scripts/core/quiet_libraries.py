"""Keep advice, deprecations and progress bars of libraries out of a job's log; our own lines say what a person needs.

    from core import quiet_libraries

before torch, transformers and peft: some of them speak while they are imported, and tqdm reads its variable then.
Whoever looks for a fault in a library sets TRANSFORMERS_VERBOSITY and TQDM_DISABLE (empty: bars) as before.

Commands also start sooner. While libraries are imported the garbage collector finds nothing, and takes a fifth of the
time: it is off until core/command.py calls the command. Where a script is imported, as by a test, it stays on.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from pathlib import Path

_started = Path(sys.argv[0]).resolve()
if _started.is_file() and _started.parent == Path(__file__).resolve().parents[1]:
    gc.disable()

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# peft imports bitsandbytes wherever it is installed; without quantisation, what it lacks concerns nobody.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# What one library says to another: names that go away in a later version than the locked one.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")
warnings.filterwarnings("ignore", message=".*(pin_memory|gradient_checkpointing).*")
