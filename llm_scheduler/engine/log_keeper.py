"""Keeping the logs of attempts readable, whatever happens to the originals.

The engine moves logs of killed jobs, deletes them on clean-up, and a requeued job
starts its log anew. While a job runs its log is hard-linked, which costs nothing
and survives a move or a delete; once the job has failed the log is copied, which
also survives being written over. Of the jobs that reached their goal the log of one
is kept: what stands there too does not explain why another job failed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from llm_scheduler.engine.attempts import Attempt

MAX_COPY_BYTES = 32 * 1024**2
"""Larger logs stay hard links: copying gigabytes would fill the user's quota."""
RENEW_S = 600.0
"""How long the log of one successful job is good for comparing: code changes."""
_PART_BYTES = 2 * 1024**2
_SUCCEEDED = "succeeded"


class LogKeeper:
    """Keeps logs in a folder of its own, one folder per attempt.

    All methods touch the disk: call them in a thread. None raises when the disk is
    full or a file is gone; the originals are used then.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._linked: set[tuple[str, str]] = set()
        self._clock = clock
        self._success_at = float("-inf")

    def follow(self, attempts: Iterable[Attempt]) -> None:
        """Hard-link the logs of running jobs that have appeared since the last call."""
        for attempt in attempts:
            for log in attempt.log_files:
                if (attempt.attempt, log) not in self._linked:
                    self._link(attempt, Path(log))

    def follows(self, attempts: Iterable[Attempt]) -> bool:
        """Say whether all logs of these attempts are linked; does not touch the disk."""
        return all((a.attempt, log) in self._linked for a in attempts for log in a.log_files)

    def keep(self, attempt: Attempt) -> tuple[str, ...]:
        """Return readable files with the logs of an attempt that has ended."""
        kept = []
        for log in attempt.log_files:
            path = self._keep_one(attempt, Path(log))
            if path is not None:
                kept.append(str(path))
        return tuple(kept)

    def keep_success(self, attempt: Attempt) -> None:
        """Keep the start and the end of the logs of a job that reached its goal.

        A later one takes its place, but only after a while: hundreds of jobs may
        finish at once, and their logs say the same.
        """
        if self._clock() - self._success_at < RENEW_S:
            return
        new = self.folder / f".{_SUCCEEDED}-{os.getpid()}"
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            n_kept = sum(self._keep_parts(attempt, Path(log), new) for log in attempt.log_files)
            if n_kept:
                shutil.rmtree(self.folder / _SUCCEEDED, ignore_errors=True)
                new.rename(self.folder / _SUCCEEDED)
                self._success_at = self._clock()
        except OSError:  # comparing helps, but nothing depends on it
            pass
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def success(self) -> tuple[str, ...]:
        """Return the logs of a job of this run that reached its goal, if any is kept."""
        with suppress(OSError):
            return tuple(sorted(str(path) for path in (self.folder / _SUCCEEDED).iterdir()))
        return ()

    def _keep_parts(self, attempt: Attempt, log: Path, folder: Path) -> bool:
        link = self._folder_of(attempt) / log.name
        source = link if link.is_file() else log
        if source.is_symlink() or not source.is_file():
            return False
        _copy_parts(source, folder / log.name)
        return True

    def forget(self, attempt: Attempt) -> None:
        """Remove what was kept of an attempt that did not fail."""
        shutil.rmtree(self._folder_of(attempt), ignore_errors=True)
        self._linked = {key for key in self._linked if key[0] != attempt.attempt}

    def _folder_of(self, attempt: Attempt) -> Path:
        """Return a folder with a short name: it stands before every line of proof."""
        return self.folder / attempt.attempt[:8]

    def _keep_one(self, attempt: Attempt, log: Path) -> Path | None:
        target = self._folder_of(attempt) / log.name
        # The link is the log of this attempt even when another file has its name now.
        source = target if target.is_file() else log
        try:
            # No device, no FIFO, no link that leads elsewhere: a log is a plain file.
            if source.is_symlink() or not source.is_file():
                return None
            status = source.stat()
            if status.st_size > MAX_COPY_BYTES:
                self._link(attempt, log)
                return target if target.is_file() else source
            if source is target and status.st_nlink == 1:
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target)
        except OSError:
            return source if source.is_file() else None
        return target

    def _link(self, attempt: Attempt, log: Path) -> None:
        target = self._folder_of(attempt) / log.name
        with suppress(OSError):
            if log.is_symlink() or not log.is_file():
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.link(log, target, follow_symlinks=False)
            self._linked.add((attempt.attempt, str(log)))


def _copy_parts(source: Path, target: Path) -> None:
    """Copy a file, of a large one the start and the end."""
    with source.open("rb") as old, target.open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        if size <= 2 * _PART_BYTES:
            new.write(old.read(size))
            return
        # Parts of lines tell nothing.
        new.write(old.read(_PART_BYTES).rpartition(b"\n")[0] + b"\n")
        old.seek(size - _PART_BYTES)
        new.write(old.read(_PART_BYTES).partition(b"\n")[2])


def _copy(source: Path, target: Path) -> None:
    """Copy a log, so that there is all of it under the target's name or nothing."""
    part = target.with_name(target.name + ".copy")
    try:
        shutil.copy2(source, part)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)  # the disk may be full of just this
        raise
