"""A SLURM cluster on this machine for tests: munge, slurmctld and four slurmd on loopback, with fake GPUs.

Needs Debian's packages slurmctld, slurmd, slurm-client and munge, and may run as any user. The nodes promise more
cores, memory and GPUs than there are; their GPUs are links to /dev/null, enough for SLURM to count and to assign them.
Jobs get no CUDA_VISIBLE_DEVICES, since they would refuse GPUs that torch can't use. There is no accounting: jobs are
followed by squeue, and SLURM's own record of a job is `scontrol show job`.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
SBIN = "/usr/sbin:/sbin"

LARGE = "CPUs=32 RealMemory=200000 Gres=gpu:l40s:4"
NODES = {
    "large1": LARGE,
    "large2": LARGE,
    "frail1": LARGE,  # nodes that tests let vanish
    "frail2": LARGE,
    "shared1": LARGE,  # a node that a partition of higher priority takes from running jobs
    "small1": "CPUs=32 RealMemory=200000 Gres=gpu:a40:4",
    "cpu1": "CPUs=64 RealMemory=400000",
}

GRES = """\
AutoDetect=off
NodeName=large[1-2],frail[1-2],shared1 Name=gpu Type=l40s Flags=no_gpu_env File={folder}/dev/nvidia[0-3]
NodeName=small1 Name=gpu Type=a40 Flags=no_gpu_env File={folder}/dev/nvidia[0-3]
"""

# What is not plain: node limits are taken from here, not from the machine (config_overrides); memory over the limit
# kills (OverMemoryKill); the partition urgent takes its node from jobs of low, which are queued again.
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=10
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
MailProg=/bin/true
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=3600
KillWait=5
InactiveLimit=0
Waittime=0
EpilogMsgTime=0
SlurmdTimeout=15
MessageTimeout=30
DefMemPerCPU=1000
{nodes}
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=2-00:00:00 DefaultTime=10 State=UP
PartitionName=l40s Nodes=large[1-2] MaxTime=1-00:00:00 DefaultTime=10 State=UP
PartitionName=a40 Nodes=small1 MaxTime=1-00:00:00 DefaultTime=10 State=UP
PartitionName=frail Nodes=frail[1-2] MaxTime=1-00:00:00 DefaultTime=10 State=UP
PartitionName=low Nodes=shared1 MaxTime=1-00:00:00 DefaultTime=10 State=UP PriorityTier=1
PartitionName=urgent Nodes=shared1 MaxTime=1-00:00:00 DefaultTime=10 State=UP PriorityTier=10 PreemptMode=OFF
"""

# The plugin gives the options first, each as one word, then the command. Where UNPLUGGED is set the job has no network
# but a loopback of its own; only root can take it away, for others nothing changes. Such a job can't reach the
# controller either, as jobs of a real cluster can: without SLURM_CONF it doesn't try, which would cost each start of
# Snakemake ten seconds. Snakemake's jobstep plugin drops SLURM_CONF before it calls srun; real clusters have
# /etc/slurm.
SRUN = """\
#!/bin/sh
options=
while case $1 in -*) true ;; *) false ;; esac; do options="$options $1"; shift; done
export SLURM_CONF={folder}/slurm.conf
[ "$UNPLUGGED" ] && [ "$(id -u)" = 0 ] || exec {srun} $options "$@"
exec {srun} $options unshare --net sh -c 'ip link set lo up; unset SLURM_CONF; exec "$@"' sh "$@"
"""


def missing_commands() -> list[str]:
    """The commands of SLURM and munge that this machine lacks."""
    return [name for name in COMMANDS if not shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}")]


class Cluster:
    """A running cluster whose state lies in a folder (a short path: it holds a unix socket).

    `environment` is what a user's shell on its login node would have.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:{SBIN}",
        }

    def start(self) -> None:
        """Write the configuration, start all daemons, and wait until every node takes jobs."""
        for name in ("bin", "log", "state", "spool", "dev"):
            (self.folder / name).mkdir(parents=True)
        for number in range(4):
            (self.folder / "dev" / f"nvidia{number}").symlink_to("/dev/null")
        self._write_configuration()
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        self.wait_for_nodes()

    def _write_configuration(self) -> None:
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={self.port + 1 + number} {what}"
            for number, (name, what) in enumerate(NODES.items())
        )
        values = {"folder": self.folder, "host": host, "user": getpass.getuser(), "port": self.port, "nodes": nodes}
        (self.folder / "slurm.conf").write_text(CONF.format(**values))
        (self.folder / "gres.conf").write_text(GRES.format(**values))
        srun = self.folder / "bin" / "srun"
        srun.write_text(SRUN.format(folder=self.folder, srun=shutil.which("srun")))
        srun.chmod(0o755)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        options = {"key-file": key, "socket": self.folder / "munge.sock", "pid-file": self.folder / "munge.pid"}
        options |= {"log-file": self.folder / "log/munge.log", "seed-file": self.folder / "munge.seed"}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self._start("munged", "munged", "--foreground", "--force", *arguments)
        self._wait((self.folder / "munge.sock").exists, "munged", seconds=10)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start(node, "slurmd", "-D", "-N", node)

    def stop_node(self, node: str) -> None:
        """Let a node vanish, with everything that runs on it, as a power cut would."""
        self.daemons.pop(node).kill()
        for process in _processes_of(node):
            _kill(process)

    def restart_controller(self, pause: float) -> None:
        """Stop slurmctld, leave the cluster without it for some seconds, and start it again from its saved state."""
        self._stop("slurmctld")
        time.sleep(pause)
        self._start("slurmctld", "slurmctld", "-D")
        self.wait_for_nodes(tuple(node for node in NODES if node in self.daemons))  # others were stopped before

    def wait_for_nodes(self, nodes: tuple[str, ...] = tuple(NODES), seconds: float = 60) -> None:
        def up() -> bool:
            states = dict(line.split() for line in self._run("sinfo", "-h", "-N", "-o", "%N %t").splitlines())
            return all(states.get(node) in {"idle", "mix", "alloc", "comp"} for node in nodes)

        self._wait(up, "slurmctld", seconds)

    def _wait(self, condition, daemon: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            log = "\n".join(
                path.read_text(errors="replace")[-1500:] for path in (self.folder / "log").glob(f"{daemon}*")
            )
            assert self.daemons[daemon].poll() is None, f"{daemon} ended:\n{log}"
            assert time.monotonic() < end, f"{daemon} did not come up in {seconds} s:\n{log}"
            time.sleep(0.1)

    def _run(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60).stdout

    def run(self, command: str) -> str:
        """Output of a command of SLURM; fails where it fails."""
        run = subprocess.run(shlex.split(command), env=self.environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, f"{command}: {run.stderr}"
        return run.stdout

    def jobs(self) -> list[dict[str, str]]:
        """SLURM's record of every job since the start: the fields of `scontrol show job`, as text, oldest first."""
        lines = self.run("scontrol show job --oneliner --all").splitlines()
        records = [
            dict(field.split("=", 1) for field in line.split() if "=" in field) for line in lines if "JobId=" in line
        ]
        return sorted(records, key=lambda record: int(record["JobId"]))

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        self._run("scancel", "--user", getpass.getuser())
        end = time.monotonic() + 30
        while self._run("squeue", "-h").strip() and time.monotonic() < end:
            time.sleep(0.2)

    def _stop(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop(self) -> None:
        """Stop everything; what was running is cancelled."""
        self.cancel_all()
        for name in [*NODES, "slurmctld", "munged"]:
            if name in self.daemons:
                self._stop(name)


def _processes_of(node: str) -> list[int]:
    """All processes of a node's jobs, by the name of the node in their environment, and the steps that watch them."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    jobs = [pid for pid in pids if f"\0SLURMD_NODENAME={node}\0" in f"\0{_read(pid, 'environ')}"]
    parents = {int(_read(pid, "stat").rpartition(")")[2].split()[1]) for pid in jobs if _read(pid, "stat")}
    return [*jobs, *(pid for pid in parents if _read(pid, "comm").startswith("slurmstepd"))]


def _read(pid: int, name: str) -> str:
    """A file of a process below /proc; empty where the process has gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
