"""Submitting one job, with the scheduler's answer kept.

The engine's ``run_submit`` prints the words of a refused ``sbatch``, tries ten
times and returns as if nothing had happened. Here the engine still writes the job
script and builds the command; only the last step, running it, is ours, and only
within `submit_job`: for everybody else ``run_submit`` is what it was.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.resource_overrides import (
    ResourceOverride,
    SchedulerKind,
    command_options,
    scheduler_kind,
    using,
)
from llm_scheduler.errors import SchedulerError, SubmissionRefused

SUBMIT_TIMEOUT_S = 120.0
_SCRIPT_CHARS = 100_000

# Slurm and PBS prove to be reachable again, or the user's own jobs end.
_TRANSIENT = re.compile(
    r"socket timed out|unable to contact|connection refused|connection timed out"
    r"|communications? (?:connection )?(?:failure|timed out)|resource temporarily unavailable"
    r"|temporarily unable|zero bytes were transmitted|slurm_receive_msg|munge.*(?:expired|connect)"
    r"|max ?submit|job submit limit|pbs_server|cannot connect to (?:specified )?server"
    r"|would exceed .*limit (?:on|of) (?:number of )?jobs|maximum number of jobs already"
    r"|try again",
    re.IGNORECASE,
)
# Slurm closes every refusal of an accounting limit with "(job submit limit, user's size
# and/or time limits)"; only the name before it tells which limit it was.
_LIMIT = re.compile(r"\b(?:Assoc|QOS|Partition)[A-Z]\w+")
_JOB_ID = re.compile(
    r"(?:submitted batch job\s+)?(\d+(?:\[\])?(?:\.[\w.-]+)?)\s*(?:on cluster.*)?$", re.IGNORECASE
)


@dataclass
class _Answer:
    kind: SchedulerKind = ""
    override: ResourceOverride = field(default_factory=ResourceOverride)
    stdout: str = ""
    stderr: str = ""
    returncode: int | None = None


_answer: ContextVar[_Answer | None] = ContextVar("llm_scheduler_submission", default=None)
_installed = threading.Lock()
_is_installed = False


def is_transient_refusal(words: str) -> bool:
    """Say whether the same submission may be accepted later without any change."""
    limits = _LIMIT.findall(words)
    if limits:
        # Other limits are for what one job asks for: it stays too large.
        return any("Submit" in limit for limit in limits)
    return _TRANSIENT.search(words) is not None


def submit_job(
    scheduler: Any,
    name: str,
    *,
    index: int | None,
    override: ResourceOverride | None = None,
) -> str | None:
    """Submit one job through the engine's scheduler and return its job id.

    Parameters
    ----------
    scheduler
        A scheduler of ``adaptive_scheduler``, or ours.
    name
        The job's name.
    index
        Index of the learner, for resources that differ between learners.
    override
        What this job asks for instead of what the run was given.

    Returns
    -------
    The job id, or ``None`` when a scheduler of another kind does not tell it.

    Raises
    ------
    SubmissionRefused
        The scheduler did not accept the job; ``stderr`` holds its words.
    SchedulerError
        The job script could not be written, or the command is missing.

    """
    _install()
    answer = _Answer(scheduler_kind(scheduler), override or ResourceOverride())
    token = _answer.set(answer)
    try:
        with using(override):
            returned = scheduler.start_job(name, index=index)
    except OSError as exc:
        raise SchedulerError(f"The job script of {name!r} can't be written: {exc}") from exc
    finally:
        _answer.reset(token)
    if isinstance(returned, str):
        return returned
    if answer.returncode:
        words = (answer.stderr or answer.stdout).strip() or f"exit status {answer.returncode}"
        raise SubmissionRefused(
            f"The scheduler refused job {name!r}: {words}",
            returncode=answer.returncode,
            stderr=words,
        )
    return _parse_job_id(answer.stdout)


def _parse_job_id(stdout: str) -> str | None:
    lines = [line.strip() for line in stdout.strip().splitlines()]
    # A site's own words around it may end in a number, too.
    named = [line for line in lines if "submitted batch job" in line.lower()]
    for line in reversed(named or lines):
        if found := _JOB_ID.search(line):
            return found.group(1)
    return None


def _install() -> None:
    """Put our step into the engine's modules, once."""
    global _is_installed
    with _installed:
        if _is_installed:
            return
        from adaptive_scheduler._scheduler import base_scheduler, common, local, pbs, slurm

        engine_run_submit = common.run_submit

        def run_submit(cmd: str, name: str | None = None) -> None:
            answer = _answer.get()
            if answer is None:
                engine_run_submit(cmd, name)
            else:
                _run_once(answer, cmd, name)

        for module in (base_scheduler, common, local, pbs, slurm):
            if hasattr(module, "run_submit"):
                module.run_submit = run_submit
        _is_installed = True


def _run_once(answer: _Answer, cmd: str, name: str | None) -> None:
    # sbatch hands its environment on: with this a crash in native code, which kills a
    # pool worker without a word, says where it was. The user's own value wins.
    env = {"PYTHONFAULTHANDLER": "1", **os.environ}
    if name is not None:
        env["NAME"] = name
    # The engine hands over a string that it would split itself.
    program, *arguments = cmd.split()
    options = []
    if answer.override:
        script = _read_script(arguments[-1]) if arguments else ""
        options = command_options(answer.kind, answer.override, script)
    result = run_command([program, *options, *arguments], timeout_s=SUBMIT_TIMEOUT_S, env=env)
    answer.stdout, answer.stderr = result.stdout, result.stderr
    answer.returncode = result.returncode


def _read_script(path: str) -> str:
    with suppress(OSError), Path(path).open(encoding="utf-8", errors="replace") as file:
        return file.read(_SCRIPT_CHARS)
    return ""
