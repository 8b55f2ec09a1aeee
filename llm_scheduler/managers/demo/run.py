"""Starting the demo, waiting for it, and judging whether it did what it should."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import UsageError
from llm_scheduler.managers.demo.jobs import SMALL_DISK, DemoJob, demo_jobs, write_modules

if TYPE_CHECKING:
    from llm_scheduler.managers.run_manager import RunManager
    from llm_scheduler.managers.snapshot import JobRow

_GOAL_LOSS = 0.01
_SETTLE_S = 30.0
_CLOSE_S = 10.0
_AGAIN_S = 120.0


@dataclass(frozen=True)
class DemoResult:
    """What the demo's jobs did."""

    rows: tuple[JobRow, ...]
    """The rows of `RunManager.snapshot` at the end."""
    groups: tuple[FailureGroup, ...]
    surprises: tuple[str, ...] = ()
    """Jobs that ended in another way than they should, a sentence each."""

    @property
    def ok(self) -> bool:
        """Whether every job ended as it should and was understood."""
        return not self.surprises


@dataclass
class DemoRun:
    """A demo that runs: its jobs, its folder, its run manager."""

    folder: Path
    jobs: list[DemoJob]
    manager: RunManager
    small_disk: bool
    """Whether a small file system could be mounted."""
    _closed: bool = field(default=False, repr=False)
    _last: dict[int, JobRow] = field(default_factory=dict, repr=False)

    def wait(self, timeout_s: float) -> bool:
        """Let the jobs go on for up to `timeout_s`.

        Returns
        -------
        Whether all jobs have ended and all failures are explained.

        """
        loop = self.manager.ioloop
        assert loop is not None
        status = loop.run_until_complete(self.manager.finished(timeout_s))
        return status != "running" and not self.manager.llm_manager.n_pending

    def rows(self) -> list[JobRow]:
        """Tell the present state of each job, with what was last known of ended ones."""
        rows = [self._complete(row) for row in self.manager.snapshot()]
        self._last = {row.index: row for row in rows}
        return rows

    def _complete(self, row: JobRow) -> JobRow:
        last = self._last.get(row.index, row)
        changes: dict[str, Any] = {}
        if row.job_id is None:
            changes = {"job_id": last.job_id, "elapsed_s": last.elapsed_s}
        if row.state == "done":
            changes["note"] = "reached its goal"
        elif row.state in ("failed", "held"):
            # Every failed job of the demo is held back, as it can't succeed.
            changes |= {"state": "failed", "note": row.note or "reading its log ..."}
        return dataclasses.replace(row, **changes)

    def result(self) -> DemoResult:
        """Judge the jobs; call this when all have ended."""
        self.manager.wait(_SETTLE_S)
        rows = tuple(self.rows())
        llm = self.manager.llm_manager
        surprises = find_surprises(self.jobs, rows, llm.failures())
        return DemoResult(rows, tuple(llm.groups()), tuple(surprises))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the run's loop go on in a thread, for what is decided meanwhile."""
        loop = self.manager.ioloop
        assert loop is not None
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def start_again(self, name: str, limit_s: float = _AGAIN_S) -> bool:
        """Start one job again while the loop is `running`; tell whether it now passes."""
        loop = self.manager.ioloop
        assert loop is not None
        index = next(i for i, job in enumerate(self.jobs) if job.name == name)

        async def go() -> bool:
            self.manager.release([index])  # unless the model has started it itself
            await self.manager.finished(limit_s)
            return self.manager.database_manager.is_learner_done(index)

        return asyncio.run_coroutine_threadsafe(go(), loop).result()

    def close(self) -> None:
        """End all jobs that still run and free everything; can be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            self.manager.cancel()
            self.manager.wait(_CLOSE_S)
            self.manager.scheduler.close()
        finally:
            if self.small_disk:
                _unmount(self.folder / SMALL_DISK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def start_demo(folder: str | Path, *, cores: int | None = None, llm: object = "offline") -> DemoRun:
    """Write the demo's files into `folder` and start its jobs on this machine.

    Parameters
    ----------
    folder
        A new or empty folder.
    cores
        How many jobs run at once; by default as many as the machine has cores,
        and at least two.
    llm
        The model, as for `local_run`; by default none.

    Raises
    ------
    UsageError
        The folder has files in it or can't be made, or `cores` is not positive.

    """
    folder = Path(folder).absolute()
    check_demo_options(folder, cores)
    make_demo_folder(folder)
    from llm_scheduler.managers.local_run import local_run

    module = write_modules(folder)
    small_disk = _mount_small_disk(folder / SMALL_DISK)
    jobs = demo_jobs(small_disk=small_disk)
    try:
        manager = local_run(
            [job.make_learner(module) for job in jobs],
            [str(folder / "results" / f"{job.name}.pickle") for job in jobs],
            name="demo",
            goal=_GOAL_LOSS,
            folder=folder,
            max_cores=cores or max(2, _usable_cores()),
            memory=tuple(job.memory for job in jobs),
            time=tuple(job.time for job in jobs),
            # The second lets a worker that crashes say so before it is gone.
            extra_env_vars=[f"PYTHONPATH={_python_path(folder)}", "PYTHONFAULTHANDLER=1"],
            max_restarts=0,
            llm=llm,
            job_manager_interval=1,
            cleanup_first=False,
            quiet=True,
        )
        if manager.task is None:
            manager.start()
    except BaseException:
        if small_disk:
            _unmount(folder / SMALL_DISK)
        raise
    return DemoRun(folder, jobs, manager, small_disk)


def check_demo_options(folder: Path, cores: int | None) -> None:
    """Raise `UsageError` where the demo can't run with these values."""
    if cores is not None and cores < 1:
        msg = f"cores={cores!r} makes no sense; give 1 or more."
        raise UsageError(msg)
    try:
        blocking = next(p for p in (folder, *folder.parents) if p.exists() or p.is_symlink())
        if not blocking.is_dir():
            which = "it" if blocking == folder else repr(str(blocking))
            msg = f"{str(folder)!r} can't be used: {which} is not a folder; name a new one."
            raise UsageError(msg)
        if blocking == folder and any(folder.iterdir()):
            msg = f"Folder {str(folder)!r} is not empty; name a new one."
            raise UsageError(msg)
    except OSError as exc:
        msg = f"Folder {str(folder)!r} can't be used ({exc.strerror}); name a new one."
        raise UsageError(msg) from exc


def make_demo_folder(folder: Path) -> None:
    """Make the folder; raise `UsageError` where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        # Without its reason: in /proc it would be that there is no such file.
        msg = f"Folder {str(folder)!r} can't be made or written; name one where you may write."
        raise UsageError(msg) from exc


def find_surprises(
    jobs: Sequence[DemoJob],
    rows: Sequence[JobRow],
    failures: Sequence[Failure],
) -> list[str]:
    """Say which jobs ended in another way than they should."""
    found: dict[str, list[Failure]] = {}
    for failure in failures:
        for learner in failure.learners:
            found.setdefault(Path(learner).stem, []).append(failure)
    states = {Path(row.fname).stem: row.state for row in rows}
    surprises = []
    for job in jobs:
        categories = {f.diagnosis.category for f in found.get(job.name, []) if f.diagnosis}
        if job.succeeds:
            if states.get(job.name) != "done" or job.name in found:
                surprises.append(f"{job.name} should have reached its goal.")
        elif not categories:
            surprises.append(f"{job.name} should have failed with {_either(job.expected)}.")
        elif not categories <= set(job.expected):
            got = ", ".join(sorted(categories))
            surprises.append(
                f"{job.name} was taken for {got}, but it failed with {_either(job.expected)}.",
            )
    return surprises


def _either(categories: Sequence[str]) -> str:
    return " or ".join(categories)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _python_path(folder: Path) -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    return shlex.quote(f"{folder}{os.pathsep}{inherited}" if inherited else str(folder))


def _mount_small_disk(folder: Path) -> bool:
    """Mount a file system of 1 MB, which only root may; tell whether it worked."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        return False
    folder.mkdir()
    argv = [mount, "-t", "tmpfs", "-o", "size=1m,mode=0700", "llm-scheduler-demo", str(folder)]
    try:
        # A session of its own: Ctrl-C in the terminal must not reach it.
        done = subprocess.run(
            argv,
            capture_output=True,
            check=False,
            timeout=10,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        _unmount(folder)  # it may have been mounted at the last moment
        return False
    if done.returncode != 0:
        folder.rmdir()
        return False
    return True


def _unmount(folder: Path) -> None:
    # Lazily: a process that still dies must not keep the file system mounted.
    umount = shutil.which("umount") or "umount"
    try:
        subprocess.run(
            [umount, "-l", str(folder)],
            capture_output=True,
            check=False,
            timeout=10,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    if not folder.is_mount():
        shutil.rmtree(folder, ignore_errors=True)
