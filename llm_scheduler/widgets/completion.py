"""Completion of ``@job``, ``@file`` and ``/command`` in the box where people write."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.tools.file_reading import TEMPORARY
from llm_scheduler.tools.visible import is_plain_name
from llm_scheduler.tools.walk import Place
from llm_scheduler.widgets.chat_commands import COMMANDS

if TYPE_CHECKING:
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.tools.workspace import Workspace

MAX_CHOICES = 20
MAX_NAMES = 2000
"""Looked at in one folder."""
LIMIT_S = 0.5
_SPECIAL = frozenset({"__pycache__", "node_modules"})


def complete(text: str, assistant: Assistant) -> list[str]:
    """Return what the last word of a text can become, whole words with their sign.

    Parameters
    ----------
    text
        What stands before the cursor.
    assistant
        Of the run whose jobs and files are meant.

    """
    if text.startswith("/"):
        name, _, rest = text[1:].partition(" ")
        if " " not in text:
            return [f"/{command}" for command in COMMANDS if command.startswith(name.lower())]
        if name in ("diagnose", "fix") and " " not in rest:
            return list(_jobs(rest.removeprefix("@"), assistant, only_failed=True))
    word = text.rpartition(" ")[2].rpartition("\n")[2]
    if not word.startswith("@"):
        return []
    wanted = word[1:]
    found = [*_jobs(wanted, assistant), *_files(wanted, assistant.toolbox.workspace)]
    return list(dict.fromkeys(found))[:MAX_CHOICES]


def describe(choices: Sequence[str]) -> dict[str, str]:
    """Return what the commands among the choices do; jobs and files speak for themselves."""
    return {
        choice: COMMANDS[choice[1:]]
        for choice in choices
        if choice.startswith("/") and choice[1:] in COMMANDS
    }


def _jobs(wanted: str, assistant: Assistant, *, only_failed: bool = False) -> Iterator[str]:
    """Yield jobs by id, name or learner, those that failed first."""
    failed = {failure.job_id for failure in assistant.failures() if failure.job_id}
    failed |= {failure.job_name for failure in assistant.failures()}
    n_left = MAX_CHOICES // 2
    jobs = sorted(
        assistant.run.jobs(),
        key=lambda job: job.job_id not in failed and job.state not in ("failed", "held"),
    )
    for job in jobs:
        name = job.job_id or job.job_name
        has_failed = name in failed or job.state in ("failed", "held")
        if only_failed and not has_failed:
            continue
        if wanted.lower() in f"{name} {job.job_name} {job.fname}".lower():
            yield f"@{name}"
            n_left -= 1
            if n_left == 0:
                return


def _files(wanted: str, workspace: Workspace) -> Iterator[str]:
    """Yield paths under the roots that begin like this; folders end in a slash."""
    folder, _, start = wanted.rpartition("/")
    folder = folder or ("/" if wanted.startswith("/") else "")
    deadline = time.monotonic() + LIMIT_S
    tops = [folder] if folder.startswith("/") else [f"{root}/{folder}" for root in workspace.roots]
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    for top in tops:
        for name in _names(top.rstrip("/") or "/", start, workspace):
            yield f"@{prefix}{name}"
        if time.monotonic() > deadline:
            return


def _names(top: str, start: str, workspace: Workspace) -> list[str]:
    def look(place: Place) -> list[str]:
        found = []
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, dir_fd=place.folder)
        try:
            with os.scandir(descriptor) as entries:
                for n_seen, entry in enumerate(entries):
                    if n_seen >= MAX_NAMES:
                        break
                    if _fits(entry.name, start, f"{place.path.rstrip('/')}/{entry.name}"):
                        is_folder = entry.is_dir(follow_symlinks=False)
                        found.append(entry.name + ("/" if is_folder else ""))
        finally:
            os.close(descriptor)
        return sorted(found)[:MAX_CHOICES]

    def _fits(name: str, start: str, path: str) -> bool:
        return (
            name.lower().startswith(start.lower())
            and (not name.startswith(".") or start.startswith("."))
            and not name.startswith(TEMPORARY)
            and name not in _SPECIAL
            and is_plain_name(name)
            and " " not in name
            and not workspace.why_secret(path)
        )

    try:
        return workspace.visit(top, look)
    except (LLMSchedulerError, OSError):
        return []  # no such folder, or none that may be looked into
