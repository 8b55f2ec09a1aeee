"""The thread that starts a runner's jobs when cores become free and notices their end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from llm_scheduler.engine import local_supervisor
from llm_scheduler.engine import process_tree as tree
from llm_scheduler.engine.local_store import JobStore, RawRecord, has_processes, is_live

POLL_S = 0.1
"""On kernels without pidfd, and for what is left of a killed supervisor."""
ORPHAN_LIMIT_S = 5.0
"""How long what is left of a killed supervisor may take to write the record."""


@dataclass
class Job:
    """A job of this runner, from its submission to its end."""

    record: RawRecord
    spec: bytes
    """What the supervisor is told."""
    cores: int
    memory_bytes: int
    process: subprocess.Popen[bytes] | None = None
    pidfd: int | None = None
    orphaned_at: float | None = None

    def forget(self) -> None:
        """Don't wait for the supervisor, nor warn that it still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.returncode = 0


class JobWorker:
    """Jobs of one runner in one process: those that wait, those that run, and the thread.

    Parameters
    ----------
    store
        The folder of the records.
    cores
        Cores of all running jobs together.
    memory_bytes
        Memory of all running jobs together, or ``None``.
    """

    def __init__(self, store: JobStore, cores: int, memory_bytes: int | None) -> None:
        self.store = store
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.pid = os.getpid()
        self.closed = False
        self.changed = threading.Condition()
        """Held to read or change `pending` and `running`; told when a job leaves them."""
        self.pending: dict[str, Job] = {}
        self.running: dict[str, Job] = {}
        self.thread: threading.Thread | None = None
        self._wake_read, self._wake_write = -1, -1

    def add(self, job: Job) -> None:
        """Queue a job."""
        with self.changed:
            self.pending[job.record["job_id"]] = job
            if self.thread is None:
                self._wake_read, self._wake_write = os.pipe()
                os.set_blocking(self._wake_write, False)
                name = "llm-scheduler-local-jobs"
                self.thread = threading.Thread(target=self._work, name=name, daemon=True)
                self.thread.start()
        self.wake()

    def drop(self, job_id: str) -> None:
        """Take a job that was cancelled out of the waiting ones."""
        with self.changed:
            self.pending.pop(job_id, None)
            self.changed.notify_all()
        self.wake()

    def wake(self) -> None:
        """Let the thread look for what has changed."""
        with self.changed, suppress(OSError):  # full: it is about to look anyhow
            if self._wake_write >= 0:
                os.write(self._wake_write, b"x")

    def states(self) -> dict[str, tuple[str, RawRecord]]:
        """Return state and record of the live jobs."""
        with self.changed:
            pending = {i: ("PENDING", job.record) for i, job in self.pending.items()}
            running = {i: ("RUNNING", job.record) for i, job in self.running.items()}
        # Another program may have cancelled a waiting one.
        waiting = {i: job for i, job in pending.items() if not self.store.is_claimed(i)}
        return waiting | running

    def send(self, job_id: str, number: int) -> bool:
        """Send a signal to the supervisor of a running job; whether there was one."""
        with self.changed:
            job = self.running.get(job_id)
            if job is None or job.process is None:
                return False
            if job.pidfd is None:
                job.process.send_signal(number)
            else:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(job.pidfd, number)
        return True

    def _work(self) -> None:
        # A supervisor inherits the mask, so a cancel can't hit it before it is ready.
        signal.pthread_sigmask(signal.SIG_BLOCK, local_supervisor.SIGNALS)
        while True:
            while (job := self._next_job()) is not None:
                self._start(job)
            with self.changed:
                if not self.pending and not self.running:
                    self.thread = None
                    os.close(self._wake_write)
                    os.close(self._wake_read)
                    self._wake_read, self._wake_write = -1, -1
                    return
                running = list(self.running.values())
            self._sleep(running)
            for job in running:
                self._settle(job)

    def _next_job(self) -> Job | None:
        with self.changed:
            while self.pending:
                job_id, job = next(iter(self.pending.items()))
                if not self._fits(job):
                    return None
                del self.pending[job_id]
                if self.store.claim(job_id):
                    self.running[job_id] = job
                    return job
                self.changed.notify_all()
        return None

    def _fits(self, job: Job) -> bool:
        cores = sum(other.cores for other in self.running.values())
        if cores + job.cores > self.cores:
            return False
        memory = sum(other.memory_bytes for other in self.running.values())
        return self.memory_bytes is None or memory + job.memory_bytes <= self.memory_bytes

    def _start(self, job: Job) -> None:
        try:
            process = subprocess.Popen(
                [sys.executable, "-E", "-P", "-s", "-S", "-X", "utf8", local_supervisor.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={"PATH": os.defpath, tree.TAG_VARIABLE: job.record["tag"]},
            )
        except OSError as exc:
            reason = f"can't start the supervisor of the job: {exc.strerror}"
            self._finish(job, self.store.end(job.record, "FAILED", reason))
            return
        with self.changed:
            job.process = process
            with suppress(OSError):
                job.pidfd = os.pidfd_open(process.pid)
        assert process.stdin is not None
        with suppress(OSError), process.stdin as pipe:
            pipe.write(job.spec)

    def _sleep(self, running: list[Job]) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        timeout: int | None = None
        for job in running:
            if job.pidfd is None or job.orphaned_at is not None:
                timeout = int(1000 * POLL_S)
            else:
                poller.register(job.pidfd, select.POLLIN)
        for fd, _ in poller.poll(timeout):
            if fd == self._wake_read:
                os.read(fd, 65536)

    def _settle(self, job: Job) -> None:
        if job.process is None or job.process.poll() is None:
            return
        record = self.store.read(job.record["job_id"]) or job.record
        if is_live(record):
            now = time.monotonic()
            job.orphaned_at = job.orphaned_at or now
            # Before the job was started nobody but the tag tells which its processes are.
            started = "processes" in record
            left = has_processes(record) if started else tree.pids_with_tag(record["tag"])
            if left and now - job.orphaned_at < ORPHAN_LIMIT_S:
                return
            record = self.store.read(record["job_id"]) or record
        if is_live(record):
            tree.kill_all(tree.pids_with_tag(record["tag"]))
            record = self.store.end(record, "NODE_FAIL", "SupervisorDied")
        self._finish(job, record)

    def _finish(self, job: Job, record: RawRecord) -> None:
        with self.changed:
            if job.pidfd is not None:
                os.close(job.pidfd)
                job.pidfd = None
            self.running.pop(record["job_id"], None)
            self.changed.notify_all()
