"""A cluster for the tests of this folder; they are skipped where SLURM is not installed."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cluster import Cluster, missing_commands


@pytest.fixture(scope="session")
def cluster():
    missing = missing_commands()
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge")
    # A short path: the folder holds a unix socket.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    cluster = Cluster(folder, port=20000 + os.getpid() % 20000)
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)
