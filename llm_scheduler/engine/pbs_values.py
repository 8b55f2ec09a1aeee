"""Values of PBS, and how a PBS job's end is told in Slurm's states. All pure."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

LIVE_LETTERS = {
    "Q": ("PENDING", ""),
    "W": ("PENDING", "waits for its start time"),
    "T": ("PENDING", "is being moved to another server"),
    "M": ("PENDING", "was moved to another server"),
    "H": ("PENDING", "is held"),
    "R": ("RUNNING", ""),
    "B": ("RUNNING", ""),
    "S": ("SUSPENDED", "is suspended"),
    "U": ("SUSPENDED", "is suspended because the machine's owner uses it"),
    "E": ("COMPLETING", ""),
}
"""State and reason for PBS's letters of jobs that are not finished."""

# Exit codes below 0 are PBS's own (OpenPBS's job.h).
_PBS_CODES: dict[int, tuple[str, str]] = {
    -1: ("LAUNCH_FAILED", "the job could not be started (before its files were set up)"),
    -2: ("LAUNCH_FAILED", "the job could not be started (after its files were set up)"),
    -3: ("LAUNCH_FAILED", "the job could not be started and was to be tried again"),
    -4: ("NODE_FAIL", "the job was aborted when the node's PBS service started again"),
    -5: ("NODE_FAIL", "the node's PBS service started again; the checkpoint was not used"),
    -6: ("NODE_FAIL", "the node's PBS service started again; the checkpoint was not used"),
    -7: ("LAUNCH_FAILED", "the job could not be restarted from its checkpoint"),
    -10: ("LAUNCH_FAILED", "the user id or group is not valid on the node"),
    -11: ("LAUNCH_FAILED", "the job was to be run again"),
    -12: ("LAUNCH_FAILED", "the job was checkpointed and killed"),
    -13: ("LAUNCH_FAILED", "the password or credential was not accepted"),
    -14: ("NODE_FAIL", "another node of the job failed; it was to be run again"),
    -15: ("LAUNCH_FAILED", "the state of the job's restart is not known"),
    -16: ("LAUNCH_FAILED", "a hook of the cluster sent the job back"),
    -17: ("LAUNCH_FAILED", "a hook of the cluster failed and deleted the job"),
    -18: ("LAUNCH_FAILED", "a hook of the cluster sent the job back"),
    -19: ("LAUNCH_FAILED", "a hook of the cluster deleted the job"),
    -20: ("NODE_FAIL", "the job's main node failed; it was to be run again"),
    -21: ("LAUNCH_FAILED", "a security check on the node failed"),
    -22: ("LAUNCH_FAILED", "a hook of the cluster failed"),
    -23: ("LAUNCH_FAILED", "the Kerberos ticket was not accepted"),
    -24: ("FAILED", "more processors were used than requested (in a burst)"),
    -25: ("FAILED", "more processors were used than requested (on average)"),
    -26: ("OUT_OF_MEMORY", "more virtual memory was used than requested"),
    -27: ("OUT_OF_MEMORY", "more memory was used than requested"),
    -28: ("FAILED", "more CPU time was used than requested"),
    -29: ("TIMEOUT", "the walltime limit was exceeded"),
}
_WALLTIME = -29
_SIGTERM, _SIGKILL = 15, 9
_SUBSTATE_TERMINATED = 91
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgtp]?)([bw]?)$", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_WORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Ending:
    """What PBS tells about how a job stands."""

    letter: str
    exit_status: int | None
    comment: str
    substate: int | None
    walltime_s: float | None
    limit_s: float | None
    used_bytes: int | None
    asked_bytes: int | None

    @property
    def words(self) -> str:
        """What PBS says beyond where and when the job ran."""
        return "" if self.comment.startswith("Job run at ") else self.comment

    @property
    def ran_out_of_time(self) -> bool:
        """Whether the job ran as long as it was allowed to, or PBS says so."""
        if "walltime" in self.comment.lower() and "exceed" in self.comment.lower():
            return True
        return bool(self.limit_s and self.walltime_s and self.walltime_s >= self.limit_s)

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the job used as much memory as it was allowed to, or PBS says so."""
        if "exceed" in self.comment.lower() and "mem" in self.comment.lower():
            return True
        return bool(self.asked_bytes and self.used_bytes and self.used_bytes >= self.asked_bytes)


def judge(end: Ending) -> tuple[str, int | None, int | None, str]:
    """Return state, exit code, signal and reason, in Slurm's words."""
    if end.letter in LIVE_LETTERS:
        state, words = LIVE_LETTERS[end.letter]
        return state, None, None, end.words or words
    if end.letter not in {"F", "X", "C"}:
        return "UNKNOWN", None, None, end.words
    status = end.exit_status
    if status is None:
        # It never ran: deleted while it waited, or given up by PBS.
        failed = "fail" in end.words.lower()
        return ("FAILED" if failed else "CANCELLED"), None, None, end.words
    if status < 0:
        # Torque's -11 is the time limit; in OpenPBS it means something else.
        if end.ran_out_of_time:
            status = _WALLTIME
        state, words = _PBS_CODES.get(status, ("FAILED", f"PBS ended the job with code {status}"))
        return state, None, None, f"{words} ({end.words})" if end.words else words
    # Above 256 the rest is a signal that ended the job's shell.
    code, signal = (0, status - 256) if status > 256 else (status, None)
    state = _state_of_exit(end, code, signal)
    words = _PBS_CODES[_WALLTIME][1] if state == "TIMEOUT" else ""
    return state, code, signal, end.words or words


def _state_of_exit(end: Ending, code: int, signal: int | None) -> str:
    killed_by = signal or (code - 128 if code > 128 else None)
    if killed_by in {_SIGTERM, _SIGKILL}:
        if end.ran_out_of_time:
            return "TIMEOUT"
        if killed_by == _SIGKILL and end.ran_out_of_memory:
            return "OUT_OF_MEMORY"
        # qdel sends SIGTERM to the job's shell; PBS then marks the job as terminated.
        if end.substate == _SUBSTATE_TERMINATED or signal == _SIGTERM:
            return "CANCELLED"
    return "COMPLETED" if code == 0 and signal is None else "FAILED"


def as_group(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def parse_int(value: Any) -> int | None:
    """Read an integer given as such or as text."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return int(value)
    return None


def parse_size(value: Any) -> int | None:
    """Read ``3344kb``, ``4gb`` or a number of bytes."""
    found = _SIZE.match(str(value).strip())
    if not found:
        return None
    word = _WORD_BYTES if found[3].lower() == "w" else 1
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()] * word) or None


def parse_walltime(value: Any) -> float | None:
    """Read ``hours:minutes:seconds``, ``minutes:seconds`` or seconds."""
    total = 0.0
    try:
        for part in str(value).split(":"):
            total = total * 60 + float(part)
    except ValueError:
        return None
    return total


def parse_hosts(value: Any) -> tuple[str, ...]:
    """Read ``node1/0*4+node2/1*4``."""
    if not isinstance(value, str):
        return ()
    names = (item.partition("/")[0].strip("() ") for item in value.split("+"))
    return tuple(dict.fromkeys(name for name in names if name))
