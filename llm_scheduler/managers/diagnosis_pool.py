"""Worker processes that diagnose, each with a time limit."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.engine.records import JobRecord

MAX_ANSWER_BYTES = 4 * 1024**2
WORKER_COMMAND = (sys.executable, "-m", "llm_scheduler.managers.diagnosis_worker")


class DiagnosisFailed(Exception):
    """A worker could not diagnose; the text says why. Never leaves the managers."""


@dataclass(frozen=True)
class DiagnosisRequest:
    """What a worker needs to know."""

    job_id: str | None
    job_name: str
    log_files: tuple[str, ...]
    record: JobRecord | None
    refusal: str | None = None
    """The scheduler's words when it refused the submission."""
    compare_with: tuple[str, ...] = ()
    """Logs of a job of the same run that reached its goal."""

    def to_json(self, catalog_dirs: tuple[Path, ...]) -> str:
        """Return the line that `diagnosis_worker` reads."""
        values: dict[str, Any] = {
            "job_id": self.job_id,
            "job_name": self.job_name,
            "paths": list(self.log_files),
            "record": None if self.record is None else self.record.model_dump(mode="json"),
            "refusal": self.refusal,
            "compare_with": list(self.compare_with),
            "catalog_dirs": [str(folder) for folder in catalog_dirs],
        }
        return json.dumps(values)


class _Worker:
    """One worker process; used by one thread at a time."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for the manager
            env={**os.environ, "PYTHONPATH": _own_path()},
            bufsize=0,
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """Send a request and wait for the line that answers it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        self._process.stdin.write(line)
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise DiagnosisFailed(f"it took longer than {timeout_s:g} s")
                chunk = self._process.stdout.read(65536)
                if not chunk:
                    raise DiagnosisFailed(f"the worker ended with {self._process.wait()}")
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise DiagnosisFailed("the worker's answer is too long")
        return bytes(answer)

    def kill(self) -> None:
        """End the process and free its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


class DiagnosisPool:
    """A few worker processes, started when first needed and kept warm.

    Parameters
    ----------
    n_workers
        How many diagnoses are made at once.
    timeout_s
        A diagnosis that takes longer is ended with its worker.
    catalog_dirs
        Folders with further causes.
    command
        The worker's program and arguments.

    """

    def __init__(
        self,
        *,
        n_workers: int = 2,
        timeout_s: float = 60.0,
        catalog_dirs: tuple[Path, ...] = (),
        command: tuple[str, ...] = WORKER_COMMAND,
    ) -> None:
        self.n_workers = n_workers
        self.timeout_s = timeout_s
        self.catalog_dirs = catalog_dirs
        self._command = (*command, *map(str, catalog_dirs))
        self._threads = self._make_threads()
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    def _make_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.n_workers, thread_name_prefix="diagnosis")

    def open(self) -> None:
        """Make the pool usable again after `close`."""
        with self._lock:
            if self._closed:
                self._closed = False
                self._threads = self._make_threads()

    def warm_up(self) -> None:
        """Start a worker now, so that the first failures need not wait for it."""
        with suppress(OSError, DiagnosisFailed):
            worker = self._take()
            with self._lock:
                self._idle.append(worker)

    async def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        """Diagnose in a worker.

        Raises
        ------
        DiagnosisFailed
            It took too long, or the worker died or raised.

        """
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, self._diagnose, request)
        except RuntimeError as exc:  # closed since
            raise DiagnosisFailed("the manager has ended") from exc
        return await future

    def close(self) -> None:
        """End all workers; a diagnosis under way fails."""
        with self._lock:
            self._closed = True
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        line = request.to_json(self.catalog_dirs).encode() + b"\n"
        try:
            worker = self._take()
        except OSError as exc:
            raise DiagnosisFailed(f"no worker could be started: {exc}") from exc
        try:
            answer = json.loads(worker.ask(line, self.timeout_s))
        except (OSError, ValueError, DiagnosisFailed) as exc:
            self._discard(worker)
            if isinstance(exc, DiagnosisFailed):
                raise
            raise DiagnosisFailed(f"the worker failed: {exc}") from exc
        with self._lock:
            self._idle.append(worker)
        if "error" in answer:
            raise DiagnosisFailed(answer["error"])
        return Diagnosis.model_validate(answer["ok"])

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise DiagnosisFailed("the manager has ended")
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    return worker
                self._all.discard(worker)
                worker.kill()
            worker = _Worker(self._command)
            self._all.add(worker)
            return worker

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.kill()


def _own_path() -> str:
    """Return PYTHONPATH with the folder of this package, wherever it was loaded from."""
    folder = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
