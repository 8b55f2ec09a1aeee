"""What only the run's own process knows of its learners, written down for other shells.

A chat in a terminal can then say what a learner asks for and where its function
stands, without unpickling anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_scheduler.engine.resource_overrides import PARSERS, ResourceOverride, scheduler_kind
from llm_scheduler.engine.resource_requests import read_request
from llm_scheduler.errors import UsageError
from llm_scheduler.managers.learner_facts import Source, describe_function, present_source
from llm_scheduler.tools.run_view import LearnerInfo

MAX_SOURCE_CHARS = 20_000
_KEPT = ("kind", "function", "module", "source", "file", "line", "by_value", "bounds", "problem")
"""Of a learner, what does not change while the run goes on."""


def describe_run(
    scheduler: Any, learners: Sequence[Any], files: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """Return a description of a run for its failures file.

    Parameters
    ----------
    scheduler
        Says what the run gives to its jobs.
    learners, files
        The learners, and the files of each.
    """
    given: list[dict[str, str]] = []
    infos: list[dict[str, Any]] = []
    rows = []
    sources: dict[int, Source] = {}
    for index, (learner, names) in enumerate(zip(learners, files, strict=True)):
        found = describe_function(learner, names[0], sources)
        info = {name: getattr(found, name) for name in _KEPT}
        info["source"] = found.source[:MAX_SOURCE_CHARS]
        request = read_request(scheduler, index)
        rows.append([names[0], _place(request, given), _place(info, infos)])
    return {
        "scheduler": scheduler_kind(scheduler),
        "given": given,
        "infos": infos,
        "learners": rows,
    }


def _place(value: Any, known: list[Any]) -> int:
    """Return where a value stands in a list, which learners share; most are like the last."""
    for place in range(len(known) - 1, max(-1, len(known) - 20), -1):
        if known[place] == value:
            return place
    known.append(value)
    return len(known) - 1


class RunDescription:
    """A description as it was read; what is missing or odd in it counts as unknown."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.scheduler = str(data.get("scheduler", ""))
        self._rows: dict[str, tuple[int, int]] = {}
        for row in data.get("learners", ()):
            name, given, info = row
            self._rows[str(name)] = (int(given), int(info))

    @property
    def files(self) -> list[str]:
        """The first file of each learner, in order."""
        return list(self._rows)

    def given(self, learner: str) -> dict[str, str]:
        """Return what the run gives to the jobs of a learner."""
        if learner not in self._rows:
            return {}
        return dict(self._data["given"][self._rows[learner][0]])

    def info(self, learner: str) -> LearnerInfo:
        """Return what was known of a learner, its source as its file has it now."""
        if learner not in self._rows:
            return LearnerInfo(fname=learner)
        info = LearnerInfo(fname=learner, **self._data["infos"][self._rows[learner][1]])
        present = present_source(Path(info.file), info.function) if info.file else None
        return replace(info, line=present[0], source=present[1]) if present else info


def combine_requests(
    given: Mapping[str, str], override: ResourceOverride, recorded: Mapping[str, str]
) -> dict[str, str]:
    """Return what the next job of a learner asks for.

    Parameters
    ----------
    given
        What the run gives to its jobs.
    override
        What was set for the learner.
    recorded
        What its last job was given, by the scheduler's record.
    """
    combined = {"cores": given.get("cores", "")}
    for name in PARSERS:
        value = getattr(override, name) or given.get(name, "") or recorded.get(name, "")
        combined[name] = value
    return combined


def read_override(kept: Mapping[str, Any] | None, given: Mapping[str, str]) -> ResourceOverride:
    """Return what was set for a learner, as far as it still holds; nothing when it is odd."""
    try:
        return ResourceOverride(**(kept or {})).against(given)
    except (UsageError, TypeError):
        return ResourceOverride()
