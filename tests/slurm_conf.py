"""Owns the configuration files of the Slurm that the tests bring up."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

N_NODES = 4
CPUS_PER_NODE = 8
"""More than the machine has: most programs of the tests only wait or die at once."""
MEMORY_PER_NODE_MB = 4000
HOLD_COMPLETING = "hold-completing"
"""Name of a file beside `slurm.conf` that keeps ended jobs in COMPLETING."""
CGROUP_ROOT = Path("/sys/fs/cgroup")
FIRST_PORT, PORTS_PER_PREFIX = 21000, 100
"""Below the ports that Linux chooses by itself, which begin at 32768."""

PARTITIONS = {
    "debug": "the default: nodes 1 and 2",
    "all": "all four nodes",
    "lowcancel": "node 3; its jobs are cancelled when `high` needs the node",
    "lowrequeue": "node 3; its jobs are requeued when `high` needs the node",
    "high": "node 3, goes first",
    "fragile": "node 4, which tests may set down",
}
"""Partitions, and what they are for."""


@dataclass(frozen=True)
class ClusterLayout:
    """Where one Slurm lives: its folder, names and ports."""

    root: Path
    prefix: str
    """Of node names: ``t`` for ``t1`` to ``t4``. Cgroups carry node names, so two
    clusters on one machine must not share it."""
    controller_port: int
    dbd_port: int
    database_port: int
    node_ports: tuple[int, ...]
    mode: str
    """``cgroup/v1``, ``cgroup/v2`` or ``linuxproc``."""

    @property
    def conf_dir(self) -> Path:
        return self.root / "etc"

    @property
    def conf(self) -> Path:
        return self.conf_dir / "slurm.conf"

    @property
    def log_dir(self) -> Path:
        return self.root / "log"

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def munge_socket(self) -> Path:
        return self.run_dir / "munge.socket"

    @property
    def cluster(self) -> str:
        return f"test{self.prefix}"

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{i}" for i in range(1, N_NODES + 1))


def find_tracking_mode(cgroup_root: Path = CGROUP_ROOT) -> str:
    """Tell how this machine lets Slurm track and limit processes."""
    v1 = [cgroup_root / name / "cgroup.procs" for name in ("memory", "freezer")]
    if all(os.access(path, os.W_OK) for path in v1):
        return "cgroup/v1"
    controllers = cgroup_root / "cgroup.subtree_control"
    # Slurm's plugin for version 2 asks systemd for a scope of its own unless it is told
    # not to, and needs the memory controller handed down.
    if os.access(controllers, os.W_OK) and "memory" in controllers.read_text().split():
        return "cgroup/v2"
    return "linuxproc"


def short_host_name() -> str:
    """Name of this machine as Slurm compares it, without the domain."""
    return socket.gethostname().partition(".")[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free_ports(count: int, prefix: str) -> list[int]:
    """Return ports that nothing listens on, all different.

    Daemons take them seconds later. So each prefix, which one cluster holds, has ports
    of its own, which the kernel gives to nobody who asks for any port.
    """
    first = FIRST_PORT + PORTS_PER_PREFIX * (ord(prefix) - ord("a"))
    free = list(filter(_is_free, range(first, first + PORTS_PER_PREFIX)))
    if len(free) < count:
        raise RuntimeError(f"of ports {first} to {first + PORTS_PER_PREFIX - 1} few are free")
    return free[:count]


def make_layout(root: Path, prefix: str) -> ClusterLayout:
    """Choose ports and the way of tracking for a cluster in `root`."""
    ports = find_free_ports(3 + N_NODES, prefix)
    return ClusterLayout(
        root=root,
        prefix=prefix,
        controller_port=ports[0],
        dbd_port=ports[1],
        database_port=ports[2],
        node_ports=tuple(ports[3:]),
        mode=find_tracking_mode(),
    )


def make_cgroup_conf(mode: str) -> str:
    """Text of ``cgroup.conf``."""
    lines = [
        f"CgroupPlugin={mode}",
        "ConstrainRAMSpace=yes",
        "ConstrainSwapSpace=no",
        "ConstrainCores=no",
        "AllowedRAMSpace=100",
        f"CgroupMountpoint={CGROUP_ROOT}",
    ]
    if mode == "cgroup/v2":
        lines.append("IgnoreSystemd=yes")
    return "\n".join(lines) + "\n"


def make_epilog(hold: Path) -> str:
    """Script that nodes run after each job: it stays COMPLETING while a file is there."""
    return f"""\
#!/bin/sh
i=0
while [ -e "{hold}" ] && [ $i -lt 3000 ]; do
  /bin/sleep 0.1
  i=$((i + 1))
done
"""


def make_slurmdbd_conf(layout: ClusterLayout) -> str:
    """Text of ``slurmdbd.conf``."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
DbdHost={short_host_name()}
DbdAddr=127.0.0.1
DbdPort={layout.dbd_port}
SlurmUser=root
LogFile={layout.log_dir}/slurmdbd.log
PidFile={layout.run_dir}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={layout.database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""


def _tracking_lines(mode: str) -> Iterator[str]:
    yield "JobAcctGatherType=jobacct_gather/linux"
    yield "JobAcctGatherFrequency=task=1"
    if mode == "linuxproc":
        yield "ProctrackType=proctrack/linuxproc"
        yield "TaskPlugin=task/none"
        yield "JobAcctGatherParams=OverMemoryKill,NoShared"
    else:
        yield "ProctrackType=proctrack/cgroup"
        yield "TaskPlugin=task/cgroup"


def _node_lines(layout: ClusterLayout) -> Iterator[str]:
    host = short_host_name()
    for name, port in zip(layout.nodes, layout.node_ports, strict=True):
        yield (
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={CPUS_PER_NODE} RealMemory={MEMORY_PER_NODE_MB} State=UNKNOWN"
        )


def _partition_lines(layout: ClusterLayout) -> Iterator[str]:
    n1, n2, n3, n4 = layout.nodes
    yield f"PartitionName=debug Nodes={n1},{n2} Default=YES MaxTime=60 DefaultTime=10"
    yield f"PartitionName=all Nodes={n1},{n2},{n3},{n4} MaxTime=60 DefaultTime=10"
    yield f"PartitionName=lowcancel Nodes={n3} PriorityTier=1 PreemptMode=CANCEL DefaultTime=10"
    yield f"PartitionName=lowrequeue Nodes={n3} PriorityTier=1 PreemptMode=REQUEUE DefaultTime=10"
    yield f"PartitionName=high Nodes={n3} PriorityTier=10 PreemptMode=OFF DefaultTime=10"
    yield f"PartitionName=fragile Nodes={n4} DefaultTime=10"


def make_slurm_conf(layout: ClusterLayout) -> str:
    """Text of ``slurm.conf``."""
    head = f"""\
ClusterName={layout.cluster}
SlurmctldHost={short_host_name()}(127.0.0.1)
SlurmctldPort={layout.controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits until its old credential is void: two minutes by default.
AuthInfo=socket={layout.munge_socket},cred_expire=5
MpiDefault=none
MailProg=/bin/true
StateSaveLocation={layout.root}/state
SlurmdSpoolDir={layout.root}/spool/%n
SlurmctldPidFile={layout.run_dir}/slurmctld.pid
SlurmdPidFile={layout.run_dir}/slurmd.%n.pid
SlurmctldLogFile={layout.log_dir}/slurmctld.log
SlurmdLogFile={layout.log_dir}/slurmd.%n.log
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={layout.dbd_port}
AccountingStoragePass={layout.munge_socket}
AccountingStorageEnforce=associations,limits,qos
EnforcePartLimits=ALL
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=50000,bf_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PriorityType=priority/basic
ReturnToService=2
SlurmdParameters=config_overrides
OverTimeLimit=0
KillWait=1
Epilog={layout.conf_dir}/epilog.sh
InactiveLimit=0
MinJobAge=600
Waittime=0
DefMemPerCPU=128
"""
    lines = [*_tracking_lines(layout.mode), *_node_lines(layout), *_partition_lines(layout)]
    return head + "\n".join(lines) + "\n"


def write_configuration(layout: ClusterLayout) -> None:
    """Write all files of the configuration and make the folders they name."""
    for path in (layout.conf_dir, layout.log_dir, layout.run_dir, layout.root / "state"):
        path.mkdir(parents=True, exist_ok=True)
    for node in layout.nodes:
        (layout.root / "spool" / node).mkdir(parents=True, exist_ok=True)
    layout.conf.write_text(make_slurm_conf(layout))
    epilog = layout.conf_dir / "epilog.sh"
    epilog.write_text(make_epilog(layout.conf_dir / HOLD_COMPLETING))
    epilog.chmod(0o755)
    dbd = layout.conf_dir / "slurmdbd.conf"
    dbd.write_text(make_slurmdbd_conf(layout))
    dbd.chmod(0o600)  # slurmdbd refuses a file that others can read: it holds a password
    if layout.mode != "linuxproc":
        (layout.conf_dir / "cgroup.conf").write_text(make_cgroup_conf(layout.mode))
