"""Runs programs as jobs on this machine: a queue in order of submission, bounded by cores.

Nothing has to poll: a thread (`local_worker`) starts jobs when cores become free and
notices their end. Each job is run by `local_supervisor`, which enforces its limits and
ends it when this process ends, unless it is to be kept running.
"""

from __future__ import annotations

import atexit
import getpass
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_scheduler.engine import process_tree as tree
from llm_scheduler.engine.local_store import (
    MANAGER_DIED_REASON,
    RECORD_FILE,
    SCRIPT_FILE,
    JobStore,
    RawRecord,
    is_here,
    is_live,
    make_job_record,
)
from llm_scheduler.engine.local_supervisor import MANAGER_DIED
from llm_scheduler.engine.local_worker import Job, JobWorker
from llm_scheduler.engine.quantities import format_memory
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandTimedOut, SchedulerError, SubmissionRefused, UsageError

JOB_ID_VARIABLE = "${JOB_ID}"
POLL_S = 0.1
"""For jobs of other programs."""
KILL_MARGIN_S = 10.0
"""How long after the last SIGKILL a job may take to vanish."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class LocalRunner:
    """A queue of jobs on this machine.

    Parameters
    ----------
    root
        Folder of the records; several runners may share it and see each other's jobs.
    cores
        Number of cores that all running jobs together may ask for; by default those
        that this process may use.
    memory_bytes
        Memory that all running jobs together may ask for; by default no bound.
    keep_running
        Whether started jobs go on when this process ends.
    grace_s
        Time between SIGTERM and SIGKILL for a job that is to end.

    Raises
    ------
    SchedulerError
        If the folder can't be written to, or this isn't Linux.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        cores: int | None = None,
        memory_bytes: int | None = None,
        keep_running: bool = False,
        grace_s: float = 3.0,
    ) -> None:
        if not sys.platform.startswith("linux"):
            msg = f"Jobs on the local machine need Linux; this is {sys.platform!r}."
            raise SchedulerError(msg)
        self.store = JobStore(root)
        self.cores = available_cores() if cores is None else cores
        self.memory_bytes = memory_bytes
        self.keep_running = keep_running
        self.grace_s = grace_s
        self._worker = self._make_worker()
        atexit.register(self._at_exit)

    def _make_worker(self) -> JobWorker:
        return JobWorker(self.store, self.cores, self.memory_bytes)

    def _own(self) -> JobWorker:
        worker = self._worker
        if worker.pid != os.getpid():
            # After a fork the jobs and the thread are the parent's; its lock may be held.
            for job in worker.running.values():
                job.forget()
            worker = self._worker = self._make_worker()
        return worker

    def submit(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        log_file: str | Path,
        memory_bytes: int | None = None,
        time_limit_s: float | None = None,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        cores: int = 1,
        script: str | None = None,
    ) -> str:
        """Queue a job and return its id.

        Parameters
        ----------
        argv
            Program and arguments; no shell is involved.
        name
            Name of the job; not necessarily unique.
        log_file
            Where standard output and error go; ``${JOB_ID}`` in it becomes the id.
        memory_bytes
            Limit for the whole process tree.
        time_limit_s
            Limit of the wall time.
        cwd
            Working folder, by default the present one.
        env
            The environment, by default a copy of this process's. ``JOB_ID`` and
            ``NAME`` are added.
        cores
            How much of the runner's cores the job takes.
        script
            Text of a script; it is stored with the job, and its path follows `argv`.

        Raises
        ------
        SubmissionRefused
            If the job can never run here.
        """
        worker = self._own()
        self._check_request(cores, memory_bytes)
        variables = dict(os.environ if env is None else env)
        if not all(isinstance(text, str) for pair in variables.items() for text in pair):
            msg = "Names and values of environment variables must be texts."
            raise UsageError(msg)
        job_id = self.store.allocate()
        log = Path(str(log_file).replace(JOB_ID_VARIABLE, job_id)).expanduser().absolute()
        arguments = [os.fspath(argument) for argument in argv]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            if script is not None:
                path = self.store.path(job_id, SCRIPT_FILE)
                path.write_text(script, encoding="utf-8")
                arguments.append(str(path))
        except OSError as exc:
            msg = f"Can't write {exc.filename!r}: {exc.strerror}."
            raise SubmissionRefused(msg, stderr=str(exc)) from exc
        record = self.store.new_record(
            job_id,
            name=name,
            user=_user(),
            time_limit_s=time_limit_s,
            requested_memory_bytes=memory_bytes,
            cores=cores,
            keep_running=self.keep_running,
            log_files=[str(log)],
        )
        spec = self._make_spec(record, arguments, cwd, variables)
        worker.add(Job(record, spec, cores, memory_bytes or 0))
        return job_id

    def _make_spec(
        self,
        record: RawRecord,
        argv: list[str],
        cwd: str | Path | None,
        env: dict[str, str],
    ) -> bytes:
        job_id = record["job_id"]
        added = {"JOB_ID": job_id, "NAME": record["name"], tree.TAG_VARIABLE: record["tag"]}
        spec = {
            "argv": argv,
            "cwd": str(Path(cwd or Path.cwd()).absolute()),
            "env": {**env, **added},
            "log_file": record["log_files"][0],
            "record_file": str(self.store.path(job_id, RECORD_FILE)),
            "memory_bytes": record["requested_memory_bytes"],
            "time_limit_s": record["time_limit_s"],
            "grace_s": self.grace_s,
            "keep_running": self.keep_running,
            "manager": os.getpid(),
            "record": record,
        }
        return json.dumps(spec).encode()

    def _check_request(self, cores: int, memory_bytes: int | None) -> None:
        if self._worker.closed:
            msg = "The local scheduler was closed; it takes no more jobs."
            raise SubmissionRefused(msg)
        if not 1 <= cores <= self.cores:
            msg = f"A job asks for {cores!r} cores; the local scheduler has {self.cores}."
            raise SubmissionRefused(msg, stderr=msg)
        if memory_bytes and self.memory_bytes is not None and memory_bytes > self.memory_bytes:
            msg = (
                f"A job asks for {format_memory(memory_bytes)} of memory; the local scheduler "
                f"has {format_memory(self.memory_bytes)}."
            )
            raise SubmissionRefused(msg, stderr=msg)

    def queue(self) -> dict[str, dict[str, Any]]:
        """Return the waiting and running jobs of the folder, also those of other programs."""
        own = self._own().states()
        found = {}
        for job_id in self.store.job_ids():
            if job_id in own:
                state, record = own[job_id]
            elif self.store.ended(job_id):
                continue
            else:
                foreign = self.store.current(job_id)
                if foreign is None or not is_live(foreign):
                    continue
                state, record = foreign["state"], foreign
            found[job_id] = {
                "job_name": record["name"],
                "state": state,
                "user": record["user"],
                "cores": record["cores"],
                "submitted_at": record["submitted_at"],
            }
        return found

    def record(self, job_id: str) -> JobRecord:
        """Return what is known about a job; `SchedulerError` for an unknown one."""
        found = self.records([job_id])
        if job_id not in found:
            msg = f"Job {job_id!r} is unknown in {str(self.store.root)!r}."
            raise SchedulerError(msg)
        return found[job_id]

    def records(self, job_ids: Iterable[str] | None = None) -> dict[str, JobRecord]:
        """Return the records of these jobs, or of all in the folder; unknown ids are left out."""
        wanted = self.store.job_ids() if job_ids is None else list(job_ids)
        own = self._own().states()
        # The thread settles our own jobs; only those of others may need a correction.
        found = {i: (self.store.read if i in own else self.store.current)(i) for i in wanted}
        return {i: make_job_record(record) for i, record in found.items() if record is not None}

    def wait(
        self, job_ids: str | Iterable[str], timeout_s: float | None = None
    ) -> dict[str, JobRecord]:
        """Wait until these jobs have ended and return their records.

        Raises
        ------
        CommandTimedOut
            If `timeout_s` is over before.
        """
        wanted = _as_list(job_ids)
        left = self._wait(wanted, timeout_s)
        if left:
            msg = f"{len(left)} of {len(wanted)} jobs still live after {timeout_s:g} s."
            raise CommandTimedOut(msg)
        return self.records(wanted)

    def _wait(self, job_ids: list[str], timeout_s: float | None) -> list[str]:
        worker = self._own()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while live := [job_id for job_id in job_ids if self._is_live(job_id)]:
            left = 1.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            with worker.changed:
                own = worker.running.keys() | worker.pending.keys()
                if any(job_id in own for job_id in live):
                    foreign = not own.issuperset(live)
                    worker.changed.wait(min(left, POLL_S if foreign else 1.0))
                    continue
            time.sleep(min(left, POLL_S))
        return live

    def _is_live(self, job_id: str) -> bool:
        worker = self._own()
        with worker.changed:
            if job_id in worker.running:
                return True
            waiting = job_id in worker.pending
        if waiting and not self.store.is_claimed(job_id):
            return True
        record = self.store.current(job_id)
        return record is not None and is_live(record)

    def cancel(self, job_ids: str | Iterable[str], *, timeout_s: float | None = None) -> list[str]:
        """End waiting and running jobs, whoever started them, and wait until they are gone.

        Parameters
        ----------
        job_ids
            One id or several; jobs that have ended are passed over.
        timeout_s
            How long to wait; by default a little more than the time that a job has
            between SIGTERM and SIGKILL, and 0 doesn't wait.

        Returns
        -------
        list of str
            Ids of the jobs that still live.
        """
        return self._stop(_as_list(job_ids), signal.SIGTERM, timeout_s)

    def _stop(self, job_ids: list[str], number: int, timeout_s: float | None) -> list[str]:
        limit = self.grace_s + KILL_MARGIN_S if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit
        told = {job_id for job_id in job_ids if self._end_pending(job_id, number)}
        while True:
            told |= {i for i in job_ids if i not in told and self._signal(i, number)}
            left = deadline - time.monotonic()
            # A job that is just being started can be told a moment later only.
            live = self._wait(job_ids, max(0.0, left if told.issuperset(job_ids) else 0.02))
            if not live or left <= 0:
                return live

    def _end_pending(self, job_id: str, number: int) -> bool:
        record = self.store.read(job_id)
        if record is None or not is_live(record):
            return True
        if record["state"] != "PENDING" or not self.store.claim(job_id):
            return False
        if number == MANAGER_DIED:
            self.store.end(record, "CANCELLED", MANAGER_DIED_REASON)
        else:
            self.store.end({**record, "cancelled_by": _user()}, "CANCELLED", "")
        self._own().drop(job_id)
        return True

    def _signal(self, job_id: str, number: int) -> bool:
        if self._own().send(job_id, number):
            return True
        record = self.store.read(job_id)
        if record is None or not is_live(record) or not is_here(record):
            return True
        for role in ("guard", "monitor"):
            pid, ticks = record.get("processes", {}).get(role, (0, None))
            if tree.is_same_process(pid, ticks):
                tree.send_signal(pid, number)
                return True
        return False

    def close(self) -> None:
        """Take no more jobs and, unless they are to be kept running, end those that live."""
        worker = self._own()
        atexit.unregister(self._at_exit)
        with worker.changed:
            worker.closed = True
            live = [*worker.pending, *(() if self.keep_running else worker.running)]
        self._stop(live, MANAGER_DIED, None)
        with worker.changed:
            thread = worker.thread
        if thread is not None and not self.keep_running:
            thread.join(KILL_MARGIN_S)

    def _at_exit(self) -> None:
        worker = self._worker
        if worker.pid == os.getpid():
            with suppress(SchedulerError):
                self.close()
            for job in worker.running.values():
                job.forget()


def _as_list(job_ids: str | Iterable[str]) -> list[str]:
    return [job_ids] if isinstance(job_ids, str) else list(job_ids)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for our uid
        return str(os.getuid())
