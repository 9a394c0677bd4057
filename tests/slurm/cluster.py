"""A SLURM of one node out of Debian's packages, in a folder and on ports of its own, up in a second.

    python -m tests.slurm.cluster snakemake --profile slurm results/report.html

runs a command on it and takes it down. The node claims more cores, memory and GPUs than the machine has: what
a study asks for is scheduled as on a real cluster, and runs on what there is. The packages are among those of
``make system``; no service of the machine is used or touched, and an ordinary user may run it too.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol", "sacct", "sacctmgr", "sshare")
FOLDERS = os.environ["PATH"].split(os.pathsep)  # of ordinary users: daemons lie beside them
PLACES = os.pathsep.join([*FOLDERS, *(str(Path(folder).with_name("sbin")) for folder in FOLDERS if folder)])
GPUS = 2
CPUS = 32
DEVICES = ("/dev/null", "/dev/zero")  # for one who may not make any: GPUs are character devices
PATIENCE = 60.0  # seconds until the node must be idle
# Not as on a cluster: a requeued job starts once its old credential has expired, and one that was told to end
# is killed, after 10 and 5 seconds (else 120 and 30).

CONFIGURATION = """\
ClusterName=plumbline
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={worker}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg={mailer}
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,requeue_delay=1
GresTypes=gpu
DefMemPerCPU=500
MinJobAge=3600
KillWait=5
OverTimeLimit=0
JobRequeue=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=512000 Gres=gpu:demo:{gpus} State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=120 State=UP
PartitionName=long Nodes={host} MaxTime=1440 State=UP
PartitionName=gpu Nodes={host} MaxTime=2880 State=UP
"""


def missing() -> list[str]:
    """Return the programs of SLURM that this machine does not have."""
    return [name for name in (*DAEMONS, *COMMANDS) if shutil.which(name, path=PLACES) is None]


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Cluster:
    """A running cluster."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]]

    @property
    def path(self) -> str:
        """Return the PATH on which this cluster's commands come first."""
        return f"{self.folder / 'bin'}:{os.environ['PATH']}"

    def call(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it printed."""
        done = subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Return what SLURM recorded of every job, in the order of submission."""
        lines = self.call("scontrol", "--oneliner", "show", "job").splitlines()
        records = (dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines)
        return sorted((one for one in records if "JobId" in one), key=lambda one: int(one["JobId"]))

    def start(self, name: str) -> None:
        """Start a daemon; it ends with this process."""
        options = {
            "munged": [
                "--foreground",
                "--force",
                f"--key-file={self.folder}/munge.key",
                f"--socket={self.folder}/munge.socket",
                f"--pid-file={self.folder}/munged.pid",
                f"--log-file={self.folder}/munged.log",
                f"--seed-file={self.folder}/munge.seed",
            ],
            "slurmctld": ["-D", "-f", f"{self.folder}/slurm.conf"],
            "slurmd": ["-D", "-f", f"{self.folder}/slurm.conf"],
        }[name]
        program = str(shutil.which(name, path=PLACES))
        with (self.folder / f"{name}.out").open("ab") as out:
            self.running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", program, *options],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """Stop a daemon and wait for its end."""
        process = self.running.pop(name)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait_until_idle(self) -> None:
        """Wait until the node takes jobs."""
        for _ in range(int(PATIENCE / 0.1)):
            try:
                if self.call("sinfo", "-h", "-N", "-p", "short", "-o", "%T").split() == ["idle"]:
                    return
            except AssertionError:
                pass  # not yet there
            time.sleep(0.1)
        logs = "".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.out"))
        raise RuntimeError(f"SLURM's node is not idle after {PATIENCE:.0f} s\n{logs}")


def write_files(folder: Path, cpus: int) -> None:
    """Write configuration, key, GPUs and commands of a cluster into ``folder``."""
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    controller, worker = free_ports(2)
    names = {
        "host": socket.gethostname().partition(".")[0],
        "user": getuser(),
        "folder": folder,
        "gpus": GPUS,
        "cpus": cpus,
        "mailer": shutil.which("true"),
    }
    (folder / "slurm.conf").write_text(CONFIGURATION.format(controller=controller, worker=worker, **names))
    devices = ",".join(gpu_devices(folder))
    (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu Type=demo File={devices}\n")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    # The plugin takes SLURM_CONF out of the environment of a job, so the commands bring it along.
    for name in COMMANDS:
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
        command.chmod(0o755)


def gpu_devices(folder: Path) -> list[str]:
    """Return a character device for each GPU."""
    try:
        for i in range(GPUS):
            os.mknod(folder / f"gpu{i}", 0o666 | stat.S_IFCHR, Path("/dev/null").stat().st_rdev)
    except PermissionError:
        return list(DEVICES[:GPUS])
    return [f"{folder}/gpu{i}" for i in range(GPUS)]


@contextmanager
def cluster(cpus: int = CPUS) -> Iterator[Cluster]:
    """Bring a cluster up whose node claims ``cpus`` cores, and take it and its jobs down again."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munge wants to be sure that nobody else writes above its socket
        write_files(folder, cpus)
        made = Cluster(folder, {})
        try:
            for daemon in DAEMONS:
                made.start(daemon)
            made.wait_until_idle()
            yield made
            made.call("scancel", "--signal=KILL", "--user", getuser())
        finally:
            for daemon in reversed(list(made.running)):
                made.stop(daemon)


def main(command: list[str]) -> int:
    """Run ``command`` on a cluster; return its exit code."""
    with cluster() as made:
        return subprocess.run(command, env={**os.environ, "PATH": made.path}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
