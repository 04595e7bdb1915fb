"""A cluster for the tests of this folder; they are skipped where SLURM is not installed."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cluster import Cluster, missing_commands


@pytest.fixture(scope="module")
def cluster():
    missing = missing_commands()
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    # One cluster at a time, also where two sessions of pytest run: the nodes of all clusters have the same names.
    with open(Path(tempfile.gettempdir()) / f"svg-captioning-slurm-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from run_cluster()


def run_cluster():
    """Start a cluster, hand it out, and stop it."""
    # A short path: the folder holds a unix socket.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    cluster = Cluster(folder, port=20000 + os.getpid() % 20000)
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)
