"""The folder of the local scheduler: one folder per job, with its accounting record.

Several programs may use one folder at the same time, and later ones read what earlier
ones left. Job ids are allocated by making a folder; who makes the file ``claim`` first
decides whether a waiting job is started or cancelled. A record whose processes are gone
is corrected by whoever reads it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_scheduler.engine import process_tree as tree
from llm_scheduler.engine.local_supervisor import now_text, write_record
from llm_scheduler.engine.records import LIVE_STATES, JobRecord
from llm_scheduler.errors import SchedulerError

RECORD_FILE = "record.json"
CLAIM_FILE = "claim"
SCRIPT_FILE = "script"

MANAGER_DIED_REASON = "ManagerDied"

RawRecord = dict[str, Any]


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return what tells one boot of this machine from the next; pids mean nothing across."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def is_here(record: RawRecord) -> bool:
    """Whether the job is one of this machine; on others nothing can be seen or done."""
    return bool(record["host"] == socket.gethostname())


def is_live(record: RawRecord) -> bool:
    """Whether the job still waits or runs."""
    return record["state"] in LIVE_STATES


class JobStore:
    """Records of jobs in a folder.

    Parameters
    ----------
    root
        The folder; it is made when it doesn't exist.

    Raises
    ------
    SchedulerError
        If nothing can be written there.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.jobs = self.root / "jobs"
        try:
            # Scripts of jobs may hold things that are nobody else's business.
            self.jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.jobs / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()
        except OSError as exc:
            msg = (
                f"Can't write to the folder {str(self.root)!r} of the local scheduler: "
                f"{exc.strerror}. Choose another one with `root=`."
            )
            raise SchedulerError(msg) from exc
        self._ended: dict[str, RawRecord] = {}
        self._last = 0

    def allocate(self) -> str:
        """Return a job id that no other program using the folder gets."""
        number = (self._last or max(map(int, self.job_ids()), default=0)) + 1
        while True:
            try:
                (self.jobs / str(number)).mkdir()
            except FileExistsError:
                number += 1
            except OSError as exc:
                msg = f"Can't make a folder for a job in {str(self.jobs)!r}: {exc.strerror}."
                raise SchedulerError(msg) from exc
            else:
                self._last = number
                return str(number)

    def job_ids(self) -> list[str]:
        """Return the ids of all jobs, oldest first."""
        names = os.listdir(self.jobs)  # noqa: PTH208 - names only
        return sorted((name for name in names if name.isdigit()), key=int)

    def path(self, job_id: str, name: str) -> Path:
        """Return the path of a file of a job."""
        return self.jobs / job_id / name

    def new_record(self, job_id: str, **fields: Any) -> RawRecord:
        """Write the record of a job that waits."""
        record: RawRecord = {
            "job_id": job_id,
            "state": "PENDING",
            "submitted_at": now_text(),
            "host": socket.gethostname(),
            "boot": boot_id(),
            "tag": secrets.token_hex(12),
            "owner": [os.getpid(), tree.start_ticks(os.getpid())],
            **fields,
        }
        self.write(record)
        return record

    def write(self, record: RawRecord) -> None:
        """Write a record."""
        try:
            write_record(str(self.path(record["job_id"], RECORD_FILE)), record)
        except OSError as exc:
            msg = f"Can't write the record of job {record['job_id']}: {exc.strerror}."
            raise SchedulerError(msg) from exc

    def claim(self, job_id: str) -> bool:
        """Whether this call gets the right to start or to cancel a waiting job."""
        try:
            self.path(job_id, CLAIM_FILE).touch(exist_ok=False)
        except OSError:
            return False
        return True

    def is_claimed(self, job_id: str) -> bool:
        """Whether a waiting job was started or cancelled by anyone."""
        return self.path(job_id, CLAIM_FILE).exists()

    def read(self, job_id: str) -> RawRecord | None:
        """Return the record as it is on disk; ``None`` for an unknown job."""
        if job_id in self._ended:
            return self._ended[job_id]
        if not job_id.isdigit():  # also keeps paths like ".." out
            return None
        try:
            text = self.path(job_id, RECORD_FILE).read_text(encoding="utf-8")
            record: RawRecord = json.loads(text)
        except (OSError, ValueError):
            return None
        if not is_live(record):
            self._ended[job_id] = record
        return record

    def ended(self, job_id: str) -> bool:
        """Whether the job is known to have ended, without reading its record again."""
        return job_id in self._ended

    def current(self, job_id: str) -> RawRecord | None:
        """Return the record, corrected when the job's processes are gone."""
        record = self.read(job_id)
        if record is None or not is_live(record) or not is_here(record):
            return record
        if record["boot"] != boot_id():
            return self.end(record, "NODE_FAIL", "the machine was restarted")
        if has_processes(record):
            return record
        # It may have ended between the two looks.
        record = self.read(job_id) or record
        if not is_live(record):
            return record
        if record["state"] == "RUNNING":
            tree.kill_all(tree.pids_with_tag(record["tag"]))
            return self.end(record, "NODE_FAIL", "SupervisorDied")
        if tree.is_same_process(*record["owner"]) or tree.pids_with_tag(record["tag"]):
            return record
        return self.end(record, "CANCELLED", MANAGER_DIED_REASON)

    def end(self, record: RawRecord, state: str, reason: str) -> RawRecord:
        """Write the last record of a job that has no supervisor to do it."""
        record = {**record, "state": state, "reason": reason, "ended_at": now_text()}
        with suppress(SchedulerError):  # a full disk must not keep the job alive
            self.write(record)
        self._ended[record["job_id"]] = record
        return record


def has_processes(record: RawRecord) -> bool:
    """Whether the guard or the monitor of a job runs."""
    processes = record.get("processes", {})
    return any(
        tree.is_same_process(*processes[role]) for role in ("guard", "monitor") if role in processes
    )


def make_job_record(record: RawRecord) -> JobRecord:
    """Return a stored record in the form that is common to all schedulers."""
    known = {key: record[key] for key in JobRecord.model_fields if key in record}
    return JobRecord(**known, source="local")
