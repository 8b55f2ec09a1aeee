"""Starts and stops the daemons of the Slurm that the tests bring up.

A process of its own: it starts every daemon as its child, says where the configuration is,
and stops all of them when its standard input closes, which also happens when the tests
are killed. By hand::

    python tests/slurm_daemons.py      # export SLURM_CONF as it says; Ctrl-C ends everything
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.slurm_conf import CGROUP_ROOT, ClusterLayout, make_layout, write_configuration

SBIN = ("/usr/sbin", "/sbin")
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 10.0
PR_SET_PDEATHSIG = 1


class SlurmStartError(RuntimeError):
    """The cluster did not come up; the message holds the daemons' last words."""


def make_path() -> str:
    """``PATH`` with the folders of daemons, which are not in every user's."""
    return os.pathsep.join([os.environ.get("PATH", "/usr/bin:/bin"), *SBIN])


def make_env(conf: Path) -> dict[str, str]:
    """Environment in which Slurm's commands talk to the cluster of `conf` and no other."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
    return keep | {"SLURM_CONF": str(conf)}


def wait_until(check: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Poll `check` until it holds."""
    deadline = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline:
            raise SlurmStartError(f"{what} within {timeout_s:.0f} s")
        time.sleep(0.05)


def claim_prefix() -> tuple[str, socket.socket]:
    """Take a prefix of node names that no other cluster on this machine uses.

    The claim is an abstract socket, so it ends with the process that holds it.
    """
    for letter in "tuvwxyzabcdefghijklmo":  # without n, which people use by hand
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0llm-scheduler-slurm-{letter}")
        except OSError:
            claim.close()
        else:
            return letter, claim
    raise SlurmStartError("too many clusters run on this machine already")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Supervisor:
    """Starts the daemons of one cluster as children and stops them."""

    layout: ClusterLayout
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return make_env(self.layout.conf) | {"PATH": make_path()}

    def call(self, *argv: str, timeout_s: float = 20.0, text: str | None = None) -> bool:
        """Run a command to its end; tell whether it worked."""
        try:
            done = subprocess.run(
                argv, env=self.env, capture_output=True, timeout=timeout_s, text=True, input=text
            )
        except subprocess.TimeoutExpired:
            return False
        with (self.layout.log_dir / "commands.log").open("a") as log:
            log.write(f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.returncode == 0

    def spawn(self, name: str, *argv: str) -> None:
        """Start a daemon in the foreground, as a child."""
        with (self.layout.log_dir / f"{name}.out").open("ab") as log:
            self.children[name] = subprocess.Popen(
                argv,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.layout.root,
                start_new_session=True,
                # Also when this process is killed nothing is left behind.
                preexec_fn=_die_with_parent,
            )

    def await_ready(self, name: str, check: Callable[[], bool]) -> None:
        """Wait until a daemon answers, or say why it does not."""

        def is_ready() -> bool:
            child = self.children[name]
            if child.poll() is not None:
                raise SlurmStartError(f"{name} ended with {child.returncode}\n{self.last_words()}")
            return check()

        try:
            wait_until(is_ready, f"{name} did not answer")
        except SlurmStartError as exc:
            raise SlurmStartError(f"{exc}\n{self.last_words()}") from exc

    def last_words(self) -> str:
        """Ends of all daemons' logs."""
        parts = []
        for path in sorted(self.layout.log_dir.iterdir()):
            tail = path.read_text(errors="replace")[-1500:]
            parts.append(f"--- {path.name}\n{tail}")
        return "\n".join(parts)

    def start(self) -> None:
        """Bring everything up, in the order in which the parts need each other."""
        write_configuration(self.layout)
        self._start_munge()
        self._start_database()
        self._start_dbd()
        self._start_controller()

    def _start_munge(self) -> None:
        # One's own key and socket: the machine's munge is neither needed nor touched.
        run = self.layout.run_dir
        key = self.layout.conf_dir / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self.spawn(
            "munged",
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self.layout.munge_socket}",
            f"--pid-file={run / 'munged.pid'}",
            f"--seed-file={run / 'munged.seed'}",
            f"--log-file={self.layout.log_dir / 'munged.log'}",
        )
        socket_option = f"--socket={self.layout.munge_socket}"
        self.await_ready("munged", lambda: self.call("munge", "-n", socket_option))

    def _start_database(self) -> None:
        data, sock = self.layout.root / "database", self.layout.run_dir / "mariadb.socket"
        self._make_database(data)
        self.spawn(
            "mariadb",
            "mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            f"--socket={sock}",
            "--bind-address=127.0.0.1",
            f"--port={self.layout.database_port}",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            "--innodb-lock-wait-timeout=900",  # slurmdbd insists
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-name-resolve",
        )
        grant = (
            "CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm';"
            "GRANT ALL ON *.* TO slurm@'127.0.0.1';"
        )
        client = ("mariadb", "--no-defaults", "-uroot", "-S", str(sock))
        self.await_ready("mariadb", lambda: self.call(*client, text=grant))

    def _make_database(self, data: Path) -> None:
        options = ("--skip-test-db", "--auth-root-authentication-method=normal")
        argv = ("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", *options)
        if not self.call(*argv, timeout_s=START_TIMEOUT_S):
            raise SlurmStartError(f"the database can't be made\n{self.last_words()}")

    def _start_dbd(self) -> None:
        self.spawn("slurmdbd", "slurmdbd", "-D")
        self.await_ready("slurmdbd", lambda: self.call("sacctmgr", "-n", "show", "cluster"))
        cluster = self.layout.cluster
        for words in (
            ("cluster", cluster),
            ("account", "acct", f"cluster={cluster}"),
            ("user", "root", "account=acct", "adminlevel=admin"),
        ):
            self.call("sacctmgr", "-i", "-Q", "add", *words, timeout_s=START_TIMEOUT_S)

    def _start_controller(self) -> None:
        self.spawn("slurmctld", "slurmctld", "-D")
        for node in self.layout.nodes:
            self.spawn(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        self.await_ready("slurmctld", self._nodes_are_idle)

    def _nodes_are_idle(self) -> bool:
        done = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"],
            env=self.env,
            capture_output=True,
            text=True,
        )
        return set(done.stdout.split()) == set(self.layout.nodes)

    def stop(self) -> None:
        """End all jobs and daemons, and remove every trace."""
        if "slurmctld" in self.children:
            self.call("scancel", "--user=root", timeout_s=5.0)
            self.call("scancel", "--user=root", "--signal=KILL", "--full", timeout_s=5.0)
        for name in reversed(self.children):  # the daemons that others need go last
            self._stop_child(self.children[name])
        self._kill_left_over()
        for controller in ("memory", "freezer", "cpuset", "devices", "cpuacct", "cpu", "."):
            for node in self.layout.nodes:
                _remove_cgroup(CGROUP_ROOT / controller / f"slurm_{node}")
        shutil.rmtree(self.layout.root, ignore_errors=True)

    def _stop_child(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _kill_left_over(self) -> None:
        # Programs of jobs, and the slurmstepd above them, outlive slurmd.
        mark = f"SLURM_CONF={self.layout.conf}".encode()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (left := list(find_processes_with(mark))) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def find_processes_with(mark: bytes) -> Iterable[int]:
    """Find processes with `mark` in their environment, other than this one and its parent."""
    spared = {os.getpid(), os.getppid()}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in spared:
            continue
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def _remove_cgroup(folder: Path) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while folder.exists() and time.monotonic() < deadline:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # a process that is still dying
                Path(path).rmdir()
        if folder.exists():
            time.sleep(0.05)


def supervise() -> int:
    """Run a cluster until the standard input closes or the parent is gone."""
    parent = os.getppid()
    prefix, _claim = claim_prefix()
    root = Path(tempfile.mkdtemp(prefix="llm-scheduler-slurm-"))
    root.chmod(0o755)
    supervisor = Supervisor(make_layout(root, prefix))
    try:
        supervisor.start()
        layout = supervisor.layout
        ready = {"conf": str(layout.conf), "nodes": layout.nodes, "mode": layout.mode}
        print(json.dumps(ready), flush=True)
        while os.getppid() == parent:
            readable, _, _ = select.select([sys.stdin], [], [], 1.0)
            if readable and not os.read(sys.stdin.fileno(), 4096):
                break
    except SlurmStartError as exc:
        print(exc, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(supervise())
