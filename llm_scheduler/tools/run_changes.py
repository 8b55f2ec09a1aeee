"""Changes of a run: what the next jobs of learners ask for, and which start again.

What reaches a scheduler's command line is written anew here from what was parsed; the
words of the model never do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any, Literal

from llm_scheduler.engine.quantities import (
    format_duration,
    format_memory,
    parse_duration,
    parse_memory,
)
from llm_scheduler.engine.resource_overrides import PARSERS
from llm_scheduler.errors import ChangedSince, ToolError, UsageError
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.learner_names import STUCK_STATES, find_learners
from llm_scheduler.tools.run_view import JobInfo, ResourceLimits, RunView
from llm_scheduler.tools.visible import show_name

TOOLS = ("set_resources", "restart_learners")
MAX_FACTOR = 16
"""So many times what a learner asks for now is the most that it may ask for next."""
MAX_LEARNERS = 5000
_TARGET = "learner:"
_START = "#start"
"""Ends the target of a restart: it is another thing than what the learner asks for."""
_UNKNOWN = "(as the run was given)"
_RISKS = {
    "resources": (
        "A job that asks for more waits longer in the queue and uses more of your share; it "
        "holds for the next jobs of these learners, not for jobs that run now."
    ),
    "restart": "The jobs use computing time again, and fail again if the cause is still there.",
}


def plan_run_change(run: RunView, tool: str, arguments: Mapping[str, Any]) -> PlannedChange:
    """Say what a call of one of the `TOOLS` would change.

    Raises
    ------
    ToolError
        It can't be done.
    """
    jobs = find_learners(run, _names(arguments.get("learners")))
    if len(jobs) > MAX_LEARNERS:
        raise ToolError(f"{len(jobs)} learners at once are too many; {MAX_LEARNERS} are the most.")
    if tool == "set_resources":
        return _plan_resources(run, jobs, arguments)
    if tool == "restart_learners":
        return _plan_restart(jobs)
    raise ToolError(f"There is no tool {tool!r}; there are: {', '.join(TOOLS)}.")


def states_now(run: RunView, change: PlannedChange) -> tuple[State, ...]:
    """Return what the learners of a change are like now."""
    if change.kind == "resources":
        return tuple(_resources_now(run, state) for state in change.before)
    by_file = {job.fname: job for job in run.jobs()}
    return tuple(_restart_now(by_file.get(_file(state)), state) for state in change.before)


def apply(run: RunView, change: PlannedChange) -> None:
    """Carry out a change.

    Raises
    ------
    ChangedSince
        A learner is not any more as it was shown; nothing was changed.
    ToolError
        This process can't change the run; nothing was changed.
    """
    _check_unchanged(change, states_now(run, change), (change.before,))
    _check_not_started(run, change)
    _carry_out(run, change, change.after)


def finish(run: RunView, change: PlannedChange) -> None:
    """Complete a change in the middle of which the process died.

    Raises
    ------
    ChangedSince
        A learner is neither as before the change nor as after it.
    """
    now = states_now(run, change)
    _check_unchanged(change, now, (change.before, change.after))
    _carry_out(run, change, [a for a, n in zip(change.after, now, strict=True) if a != n])


# -- resources ---------------------------------------------------------------------


def _plan_resources(
    run: RunView, jobs: Sequence[JobInfo], arguments: Mapping[str, Any]
) -> PlannedChange:
    wanted = _parse_wanted(arguments)
    before, after = [], []
    for job in jobs:
        present = {name: run.resources(job.fname).get(name, "") for name in PARSERS}
        then = present | _merge(present, wanted)
        if then == present:
            continue
        _check_limits(job, present, then, run.limits(job.fname))
        before.append(_state(job.fname, present))
        after.append(_state(job.fname, then))
    if not before:
        asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        raise ToolError(f"The learners ask for {asked} already; nothing to change.")
    asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
    summary = f"Ask for {asked} for {_count(before)}"
    return _make_change("set_resources", "resources", summary, before, after)


def _parse_wanted(arguments: Mapping[str, Any]) -> dict[str, str]:
    wanted = {}
    for name, parse in PARSERS.items():
        value = arguments.get(name) or ""
        if not isinstance(value, str | int):
            raise ToolError(f"{name}= must be a text, not {value!r}.")
        if value:
            try:
                wanted[name] = parse(str(value))
            except UsageError as exc:
                raise ToolError(str(exc)) from exc
    if not wanted:
        raise ToolError("Say what to ask for: memory=, time= or exclude=.")
    return wanted


def _merge(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Nodes to avoid are added to those that are avoided already."""
    merged = dict(wanted)
    if "exclude" in wanted and present["exclude"]:
        nodes = {*present["exclude"].split(","), *wanted["exclude"].split(",")}
        merged["exclude"] = ",".join(sorted(nodes))
    return merged


def _check_limits(
    job: JobInfo, present: Mapping[str, str], then: Mapping[str, str], limits: ResourceLimits
) -> None:
    changed = [name for name in PARSERS if then[name] != present[name]]
    for name in changed:
        if name not in limits.settable:
            can = ", ".join(limits.settable) or "nothing"
            raise ToolError(f"This scheduler can't set {name} for one learner; it can set: {can}.")
    checks = (
        ("memory", parse_memory, limits.memory_bytes, format_memory),
        ("time", parse_duration, limits.time_s, format_duration),
    )
    for name, parse, most, show in checks:
        if name not in changed:
            continue
        asked = float(parse(then[name]))
        if most is not None and asked > most:
            raise ToolError(f"{name}={then[name]} is more than {limits.where} has: {show(most)}.")
        now = float(parse(present[name])) if present[name] else None
        if now is not None and asked > MAX_FACTOR * now:
            raise ToolError(
                f"{name}={then[name]} is more than {MAX_FACTOR} times the {present[name]} that "
                f"learner {job.index} asks for now; go up in smaller steps."
            )


def _resources_now(run: RunView, state: State) -> State:
    try:
        present = run.resources(_file(state))
    except ToolError:
        return State(target=state.target, what="absent")
    return _state(_file(state), {name: present.get(name, "") for name in PARSERS})


# -- restarts ----------------------------------------------------------------------


def _plan_restart(jobs: Sequence[JobInfo]) -> PlannedChange:
    stuck = [job for job in jobs if job.state in STUCK_STATES]
    if not stuck:
        job = jobs[0]
        said = {
            "done": "has reached its goal",
            "running": f"runs now as job {job.job_id}",
            "pending": f"waits in the queue as job {job.job_id}",
        }.get(job.state, "is started by itself when there is room")
        others = f", and none of the other {len(jobs) - 1} is stuck" if len(jobs) > 1 else ""
        raise ToolError(f"Learner {job.index} {said}{others}; there is nothing to restart.")
    before = [_restart_state(job.fname, "held", job.job_id or "") for job in stuck]
    after = [_restart_state(job.fname, "released", job.job_id or "") for job in stuck]
    summary = f"Start {_count(before)} again"
    return _make_change("restart_learners", "restart", summary, before, after)


def _restart_state(fname: str, state: str, last_job: str) -> State:
    return _state(fname + _START, {"last_job": last_job, "state": state})


def _restart_now(job: JobInfo | None, state: State) -> State:
    """Return whether a learner still waits for its release after the same job."""
    if job is None:
        return State(target=state.target, what="absent")
    last_job = _values(state)["last_job"]
    is_stuck = job.state in STUCK_STATES and (job.job_id or "") == last_job
    return _restart_state(job.fname, "held" if is_stuck else "released", last_job)


def _check_not_started(run: RunView, change: PlannedChange) -> None:
    """Refuse to take back a restart whose job has been submitted."""
    if change.kind != "restart":
        return
    by_file = {job.fname: job for job in run.jobs()}
    for state in change.after:
        values, job = _values(state), by_file[_file(state)]
        if values["state"] != "held":
            continue
        if (job.job_id or "") != values["last_job"] or job.state not in ("waiting", "failed"):
            raise ChangedSince(
                f"Learner {job.index} has been started again as job {job.job_id}; a restart "
                "can't be undone once its job was submitted. Cancel the job instead.",
                path=state.target,
            )


# -- both --------------------------------------------------------------------------


def _carry_out(run: RunView, change: PlannedChange, after: Sequence[State]) -> None:
    if change.kind == "resources":
        for state in after:
            run.set_resources(_file(state), _values(state))
        return
    for wanted, act in (("released", run.restart), ("held", run.hold)):
        files = [_file(state) for state in after if _values(state)["state"] == wanted]
        if files:
            act(files)


def _check_unchanged(
    change: PlannedChange, now: Sequence[State], allowed: Sequence[Sequence[State]]
) -> None:
    for i, state in enumerate(now):
        if any(state == states[i] for states in allowed):
            continue
        name = show_name(_file(change.before[i]))
        if state.what == "absent":
            said = "is not one of this run any more"
        elif change.kind == "resources":
            said = f"asks for something else now ({', '.join(_lines(state))})"
        else:
            said = "has been started again, or is held for another job, since this was shown"
        raise ChangedSince(f"Learner {name} {said}.", path=state.target)


def _names(value: Any) -> list[str]:
    if isinstance(value, str | int):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(x, str | int) for x in value):
        raise ToolError("learners= must be a list of texts, for example learners=['learner 3'].")
    return [str(name) for name in value]


def _state(name: str, values: Mapping[str, str]) -> State:
    content = json.dumps(dict(values), sort_keys=True).encode()
    return State(target=_TARGET + name, what="learner", content=content)


def _file(state: State) -> str:
    return state.target.removeprefix(_TARGET).removesuffix(_START)


def _values(state: State) -> dict[str, str]:
    values: dict[str, str] = json.loads(state.content)
    return values


def _lines(state: State) -> list[str]:
    return [f"{name}: {value or _UNKNOWN}" for name, value in _values(state).items()]


def _make_change(
    tool: str,
    kind: Literal["resources", "restart"],
    summary: str,
    before: Sequence[State],
    after: Sequence[State],
) -> PlannedChange:
    return PlannedChange(
        tool=tool,
        kind=kind,
        summary=summary,
        diff=_make_diff(before, after),
        risk=_RISKS[kind],
        before=tuple(before),
        after=tuple(after),
    )


def _count(states: Sequence[State]) -> str:
    if len(states) == 1:
        return f"learner {show_name(_file(states[0]))}"
    return f"{len(states)} learners"


def _make_diff(before: Sequence[State], after: Sequence[State]) -> str:
    """Return the whole change; learners for which it is the same stand together."""
    same: dict[tuple[bytes, bytes], list[int]] = {}
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        same.setdefault((old.content, new.content), []).append(i)
    parts: list[str] = []
    for numbers in same.values():
        old, new = before[numbers[0]], after[numbers[0]]
        names = [show_name(before[i].target) for i in numbers]
        title = names[0] if len(names) == 1 else f"{len(names)} learners"
        old_lines, new_lines = _lines(old), _lines(new)
        if len(names) > 1:
            old_lines, new_lines = [*names, *old_lines], [*names, *new_lines]
        whole = len(old_lines)
        parts += unified_diff(old_lines, new_lines, title, title, n=whole, lineterm="")
    return "\n".join(parts) + "\n"
