r"""Caption any drawing by all systems of a finished experiment, on a page of this machine.

Input: results/<experiment>, with the settings of its last run (or those of a configuration file as it is now). Output:
the address of a page on 127.0.0.1, until Ctrl+C. On the page one pastes or drops an SVG, or chooses a test sample, and
sees the canonical text, the picture, the captions of all systems that can run here, and the nearest train drawings.
Captions are those of the workflow, character for character. Drawings are untrusted: they are read and rendered by
workers as in the workflow, without files and network.

    make try                                                        the demo (make try EXPERIMENT=mine: another)
    python workflow/scripts/try_experiment.py --experiment mine --port 9000
    python workflow/scripts/try_experiment.py --configfile mine.yaml
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)
from core.command import InputError, run_command
from page.experiment import open_experiment

HOST = "127.0.0.1"


def main(*, experiment: str, configfile: Path | None, port: int) -> None:
    """Serve the page until it is interrupted. Raises InputError without results, and for a port that is taken."""
    found = open_experiment(experiment, configfile)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # A worker process imports this file: what takes long to import is imported here.
    from page.desk import Desk
    from page.drawings import open_workshop
    from page.server import make_app, make_server
    from page.systems import wants_gpu

    if not wants_gpu(found.plan):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as for its jobs
    with contextlib.suppress(KeyboardInterrupt), open_socket(port) as listening, open_workshop(found.plan) as workshop:
        port = listening.getsockname()[1]
        app = make_app(found, Desk(found, workshop), port)
        sys.stdout.write(f"{found.title}: http://{HOST}:{port}/ (Ctrl+C ends it)\n")
        sys.stdout.flush()
        make_server(app).run(sockets=[listening])


def open_socket(port: int) -> socket.socket:
    """A socket that listens on this machine alone; port 0 is any free one. Raises InputError for a port in use."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise InputError(
            f"--port {port}: {os.strerror(error.errno).lower()}; give another one, or 0 for any"
        ) from error


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="demo", help="name of an experiment with results (default: demo)")
    parser.add_argument("--configfile", type=Path, help="take the settings from this file instead of the last run")
    parser.add_argument("--port", type=int, default=8765, help="port of 127.0.0.1; 0 for any free one")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
