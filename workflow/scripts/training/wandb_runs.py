"""How W&B is used: quietly, and without network unless it is asked for and has a key.

No key is read for any other purpose, written, or shown: W&B looks for it by itself.
"""

from __future__ import annotations

import contextlib
import netrc
import os
from typing import Any, Literal

from core.command import log

QUIET: dict[str, Any] = {"silent": True, "console": "off", "disable_git": True, "save_code": False}


def wandb_project() -> str:
    """The project of all runs."""
    return os.environ.get("WANDB_PROJECT", "svg-captioning")


def wandb_mode(stage: str, wanted: str) -> Literal["offline", "online"]:
    """The mode of W&B: online needs a key, and no results are lost for want of one."""
    if wanted == "online" and not has_wandb_key():
        log(stage, "warning: W&B has no key here, so its run is kept offline; `wandb sync` sends it later")
    elif wanted == "online":
        return "online"
    return "offline"


def has_wandb_key() -> bool:
    """Whether W&B would find a key: in its variable or in the netrc file where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("//")[-1].split("/")[0].split(":")[0]
    with contextlib.suppress(OSError, netrc.NetrcParseError):  # no file, or one that nobody can read
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False
