"""Runs one job of the local scheduler: a program of its own, standard library only.

Two processes belong to each job. The *guard* is what the runner starts; it forks the
*monitor*, which starts the job, measures it, enforces its limits and writes its
accounting record. Both are "child subreapers": a process of the job that daemonises
comes back to the monitor, and to the guard when the monitor is gone. So whichever one
process is killed, another is left that ends the job's whole tree and says so.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

if __package__:
    from llm_scheduler.engine import process_tree as tree
else:  # run as a program; at the path's end no file here can hide a standard module
    sys.path.append(str(Path(__file__).parent))
    import process_tree as tree  # type: ignore[import-not-found,no-redef]

Spec = dict[str, Any]

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MANAGER_DIED = signal.SIGUSR1
GUARD_DIED = signal.SIGUSR2
SIGNALS = {signal.SIGCHLD, *STOP_SIGNALS, MANAGER_DIED, GUARD_DIED}

PARENT_CHECK_S = 0.2
SAMPLE_LIMITED_S = 0.1
SAMPLE_UNLIMITED_S = 0.5
FIRST_SAMPLE_S = 0.02
EXACT_AGAIN_S = 2.0
KILL_LIMIT_S = 30.0
CANT_EXECUTE, NOT_FOUND = 126, 127


def now_text() -> str:
    """Return the present time in UTC, as the records hold it."""
    return datetime.now(UTC).isoformat()


def write_record(path: str, record: dict[str, Any]) -> None:
    """Replace a record file in one step, so that no reader sees half of it."""
    data = json.dumps(record).encode()
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        Path(temporary).write_bytes(data)
        os.replace(temporary, path)  # noqa: PTH105 - a plain string
    except OSError:
        # On a full disk there is no room for a second file, but the first one's block
        # has some; how the job ended must not get lost.
        with suppress(OSError):
            Path(temporary).unlink()
        with Path(path).open("r+b") as file:
            file.write(data)
            file.truncate()


def in_mb(n_bytes: int) -> str:
    """Return a number of bytes as Slurm's megabytes."""
    return f"{n_bytes / 1024**2:.1f} MB"


def kill_tree(reap: Any) -> None:
    """Kill all descendants until none is left; `reap` returns whether one may be."""
    deadline = time.monotonic() + KILL_LIMIT_S
    while reap() and time.monotonic() < deadline:
        tree.kill_all(tree.descendants(os.getpid()))
        signal.sigtimedwait({signal.SIGCHLD}, 0.02)


class MemoryMeter:
    """Measures a tree's own memory, exactly only where the cheap upper bound asks for it."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.peak = 0
        self.cost_s = 0.0
        self._checked = 0
        self._checked_at = 0.0

    def measure(self, pids: list[int]) -> int:
        """Return the memory in use; it is exact whenever it exceeds the limit."""
        bound = tree.resident_bytes(pids)
        now = time.monotonic()
        self.cost_s = 0.0
        over = self.limit is not None and bound > self.limit
        grown = bound > 1.05 * self._checked
        stale = bound > 1.05 * self.peak and now - self._checked_at > EXACT_AGAIN_S
        if not (over or grown or stale):
            return min(bound, self.peak)
        used = tree.proportional_bytes(pids)
        self._checked, self._checked_at = bound, now
        self.cost_s = time.monotonic() - now
        self.peak = max(self.peak, used)
        return used


class JobLog:
    """The job's log file; lines of ours always begin at a line's start."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)

    def write(self, text: str) -> None:
        """Append a line; a full disk must not hide the job's state."""
        with suppress(OSError):
            size = os.fstat(self.fd).st_size
            start = "\n" if size and os.pread(self.fd, 1, size - 1) != b"\n" else ""
            os.write(self.fd, f"{start}llm_scheduler: error: {text}\n".encode())


class Monitor:
    """Starts the job, watches it to its end and writes its record."""

    def __init__(self, spec: Spec, guard: int) -> None:
        self.spec = spec
        self.record: dict[str, Any] = dict(spec["record"])
        self.guard = guard
        self.meter = MemoryMeter(spec["memory_bytes"])
        self.job = 0
        self.status: int | None = None
        self.state = ""
        self.reason = ""
        self.kill_at: float | None = None
        self.killing = False
        self.max_rss = 0

    def run(self) -> None:
        """Run the job and write its last record."""
        tree.prctl(tree.PR_SET_CHILD_SUBREAPER, 1)
        tree.prctl(tree.PR_SET_PDEATHSIG, GUARD_DIED)
        self.started = time.monotonic()
        self.record.update(state="RUNNING", started_at=now_text(), nodes=[socket.gethostname()])
        try:
            self.log = JobLog(self.spec["log_file"])
        except OSError as exc:
            self.reason = f"can't write the log file {exc.filename!r}: {exc.strerror}"
            self.finish("FAILED", 1, None)
            return
        error = self.start()
        if error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else CANT_EXECUTE
            self.reason = f"can't start {self.spec['argv'][0]!r}: {error.strerror}"
            self.log.write(self.reason)
            self.finish("FAILED", code, None)
            return
        self.save()
        self.watch()
        kill_tree(self.reap)
        self.conclude()

    def start(self) -> OSError | None:
        """Fork and execute the job; the error, if it can't be."""
        read_end, write_end = os.pipe()
        monitor = os.getpid()
        self.job = os.fork()
        if self.job == 0:
            execute(self.spec, self.log.fd, write_end, monitor)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            told = pipe.read()
        if not told:
            return None
        os.waitpid(self.job, 0)
        return OSError(int(told), os.strerror(int(told)))

    def save(self) -> None:
        """Write the record of the running job, with the identity of its processes."""
        pids = {"guard": self.guard, "monitor": os.getpid(), "job": self.job}
        self.record["processes"] = {k: [v, tree.start_ticks(v)] for k, v in pids.items()}
        write_record(self.spec["record_file"], self.record)

    def watch(self) -> None:
        """Wait for the job's end while enforcing its limits."""
        limit = self.spec["time_limit_s"]
        deadline = None if limit is None else self.started + limit
        full = SAMPLE_UNLIMITED_S if self.meter.limit is None else SAMPLE_LIMITED_S
        interval, sample_at = FIRST_SAMPLE_S, time.monotonic()
        if os.getppid() != self.guard:
            self.obey(GUARD_DIED)
        while self.reap() and (self.status is None or self.kill_at is not None):
            times = [t for t in (deadline, sample_at, self.kill_at) if t is not None]
            info = signal.sigtimedwait(SIGNALS, max(0.0, min(times) - time.monotonic()))
            if info is not None:
                self.obey(info.si_signo)
            now = time.monotonic()
            if self.kill_at is not None and now >= self.kill_at:
                self.kill()
            if now >= sample_at:
                self.check_memory()
                interval = min(full, interval * 1.5)
                sample_at = now + max(interval, 10 * self.meter.cost_s)
            if deadline is not None and now >= deadline:
                deadline = None
                self.stop("TIMEOUT", "TimeLimit", f"{self.cancelled_text()} DUE TO TIME LIMIT ***")

    def obey(self, number: int) -> None:
        """Act on a signal of the runner, the guard or a person."""
        if number in STOP_SIGNALS:
            self.record["cancelled_by"] = self.record.get("user", "")
            self.stop("CANCELLED", "", f"{self.cancelled_text()} ***")
        elif number == MANAGER_DIED:
            text = f"{self.cancelled_text()} BECAUSE THE PROGRAM THAT STARTED IT ENDED ***"
            self.stop("CANCELLED", "ManagerDied", text)
        elif number == GUARD_DIED:
            text = f"*** JOB {self.record['job_id']} FAILED: its supervisor was killed ***"
            self.stop("NODE_FAIL", "SupervisorDied", text)
            self.kill()

    def cancelled_text(self) -> str:
        """Return the beginning of the line, in Slurm's form."""
        stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        return f"*** JOB {self.record['job_id']} ON {socket.gethostname()} CANCELLED AT {stamp}"

    def stop(self, state: str, reason: str, text: str) -> None:
        """Ask the tree to end and set the time of its kill; the first reason counts."""
        if self.state:
            return
        self.state, self.reason = state, reason
        self.log.write(text)
        for pid in tree.descendants(os.getpid()):
            tree.send_signal(pid, signal.SIGTERM)
            tree.send_signal(pid, signal.SIGCONT)
        self.kill_at = time.monotonic() + self.spec["grace_s"]

    def kill(self) -> None:
        """End the tree now."""
        self.kill_at = None
        kill_tree(self.reap)

    def check_memory(self) -> None:
        """Measure the tree and kill it when it is over its limit."""
        used = self.meter.measure(tree.descendants(os.getpid()))
        limit = self.meter.limit
        if limit is None or used <= limit or self.state:
            return
        self.state = "OUT_OF_MEMORY"
        self.reason = f"memory limit exceeded: used {in_mb(used)} of {in_mb(limit)}"
        kill_tree(self.reap)
        self.log.write(f"{self.reason}; the job was killed")

    def reap(self) -> bool:
        """Collect ended processes; whether any process of the job is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.job:
                self.status = status
                self.max_rss = usage.ru_maxrss * 1024

    def conclude(self) -> None:
        """Turn the way the job ended into state, exit code and signal."""
        status = self.status
        if status is None:  # not to be killed, e.g. stuck in the kernel
            self.finish(self.state or "FAILED", None, None)
        elif os.WIFSIGNALED(status):
            self.finish(self.state or "FAILED", 0, os.WTERMSIG(status))
        else:
            code = os.WEXITSTATUS(status)
            self.finish(self.state or ("FAILED" if code else "COMPLETED"), code, None)

    def finish(self, state: str, exit_code: int | None, signal_number: int | None) -> None:
        """Write the last record."""
        self.record.update(
            state=state,
            exit_code=exit_code,
            signal=signal_number,
            reason=self.reason,
            elapsed_s=round(time.monotonic() - self.started, 3),
            max_rss_bytes=self.meter.peak or self.max_rss or None,
            ended_at=now_text(),
        )
        write_record(self.spec["record_file"], self.record)


def execute(spec: Spec, log_fd: int, error_fd: int, monitor: int) -> NoReturn:
    """Become the job, in the process that was forked for it."""
    try:
        os.setsid()
        tree.prctl(tree.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != monitor:
            os._exit(1)
        with suppress(OSError):
            # The kernel should rather kill the job than the notebook.
            Path("/proc/self/oom_score_adj").write_text("500")
        for fd in (1, 2):
            os.dup2(log_fd, fd)
        for number in (*SIGNALS, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - no shell
    except OSError as exc:
        os.write(error_fd, str(exc.errno).encode())
    except ValueError:  # a null character in an argument
        os.write(error_fd, str(errno.EINVAL).encode())
    os._exit(NOT_FOUND)


def fork_monitor(spec: Spec) -> int:
    """Fork the process that runs the job; its pid."""
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        Monitor(spec, guard).run()
        code = 0
    except BaseException:  # noqa: BLE001 - a forked process must never return
        with suppress(OSError):
            path = Path(spec["record_file"]).with_name("supervisor.err")
            path.write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(code)


def wait_for(monitor: int, spec: Spec) -> int:
    """Pass signals on to the monitor until it ends; its wait status."""
    told = bool(spec["keep_running"])
    while True:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == monitor:
                    return ended[1]
        if not told and os.getppid() != spec["manager"]:
            told = True
            tree.send_signal(monitor, MANAGER_DIED)
        info = signal.sigtimedwait(SIGNALS, PARENT_CHECK_S)
        if info is not None and info.si_signo in (*STOP_SIGNALS, MANAGER_DIED):
            tree.send_signal(monitor, info.si_signo)


def any_child() -> bool:
    """Collect ended children; whether one is left."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def record_lost_job(spec: Spec) -> None:
    """Say that the monitor was killed, unless it had written the last record before."""
    record: dict[str, Any] = dict(spec["record"])
    with suppress(OSError, ValueError):
        record = json.loads(Path(spec["record_file"]).read_text(encoding="utf-8"))
    if record.get("state") not in ("PENDING", "RUNNING"):
        return
    record.update(state="NODE_FAIL", reason="SupervisorDied", ended_at=now_text())
    with suppress(OSError):
        log = JobLog.__new__(JobLog)
        log.fd = os.open(spec["log_file"], os.O_RDWR | os.O_APPEND)
        log.write(f"*** JOB {record['job_id']} FAILED: its supervisor was killed ***")
    write_record(spec["record_file"], record)


def main() -> None:
    """Read the job from standard input, run it and wait for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    spec: Spec = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    tree.prctl(tree.PR_SET_CHILD_SUBREAPER, 1)
    status = wait_for(fork_monitor(spec), spec)
    kill_tree(any_child)
    if status != 0:
        record_lost_job(spec)


if __name__ == "__main__":
    main()
