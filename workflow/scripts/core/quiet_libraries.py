"""Keep advice, deprecations and progress bars of libraries out of a job's log; our own lines say what a person needs.

    from core import quiet_libraries

before torch, transformers and peft: some of them speak while they are imported, and tqdm reads its variable then.
Whoever looks for a fault in a library sets TRANSFORMERS_VERBOSITY and TQDM_DISABLE (empty: bars) as before.
"""

from __future__ import annotations

import logging
import os
import warnings

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# peft imports bitsandbytes wherever it is installed; without quantisation, what it lacks concerns nobody.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# What one library says to another: names that go away in a later version than the locked one.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")
warnings.filterwarnings("ignore", message=".*(pin_memory|gradient_checkpointing).*")
