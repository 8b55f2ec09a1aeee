"""What a learner's next job should ask for, as far as rules can say it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from llm_scheduler.agent.rule_texts import code, plain
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Remedy
from llm_scheduler.engine.quantities import (
    format_duration,
    format_memory,
    parse_duration,
    parse_memory,
)
from llm_scheduler.errors import UsageError
from llm_scheduler.tools.run_view import RESOURCES, ResourceLimits, RunView

MIN_CONFIDENCE = 0.4
"""Below it the cause is no more than a guess, and more memory would be another."""

_PARSERS: dict[str, Callable[[str], float]] = {"memory": parse_memory, "time": parse_duration}


@dataclass(frozen=True, slots=True)
class NewResources:
    """What to ask for, or why nothing is proposed."""

    values: dict[str, str] = field(default_factory=dict)
    """By the names that the tool `set_resources` takes."""
    reason: str = ""
    problem: str = ""
    """A sentence of Markdown."""
    is_settled: bool = False
    """Whether the next job asks for that much already."""


class LimitsOnce:
    """The limits of a run, asked for once for each wish: a scheduler takes its time.

    Learners with other limits are found when the change is planned, learner by learner.
    """

    def __init__(self, run: RunView) -> None:
        self.run = run
        self._known: dict[tuple[tuple[str, str], ...], str] = {}

    def problem_of(self, values: Mapping[str, str], learner: str) -> str:
        """Say what of the values can't be had; "" when all can."""
        key = tuple(sorted(values.items()))
        if key not in self._known:
            self._known[key] = _beyond(values, self.run.limits(learner))
        return self._known[key]


def new_resources(
    failure: Failure,
    learner: str,
    limits: LimitsOnce,
    *,
    bad_node: str = "",
    names: Collection[str] = RESOURCES,
) -> NewResources:
    """Return what the next job of a learner should ask for.

    Parameters
    ----------
    failure
        With the rules' diagnosis, whose first remedy that names an amount or a node counts.
        What a model wants is not proposed here: it has the tools to ask for it.
    learner
        Whose job it is.
    limits
        Of the run.
    bad_node
        A node on which the whole group of this failure happened.
    names
        Nothing else is asked for.

    """
    diagnosis, run = failure.by_rules, limits.run
    if diagnosis is None or diagnosis.confidence < MIN_CONFIDENCE:
        return NewResources()
    remedy = next((x for x in diagnosis.remedies if x.resources), None)
    if bad_node:
        wanted = {"exclude": bad_node}
        reason = f"All failures of this kind happened on node {bad_node}, and jobs ran elsewhere."
    elif remedy is not None:
        wanted = _wanted(remedy)
        reason = f"{diagnosis.title}. {remedy.summary}."
    else:
        return NewResources()
    wanted = {name: text for name, text in wanted.items() if name in names}
    present = run.resources(learner)
    values = {name: _raise(name, text, present) for name, text in wanted.items()}
    values = {name: text for name, text in values.items() if text}
    if not values:
        return NewResources(is_settled=bool(wanted), problem=_settled(wanted, present))
    problem = limits.problem_of(values, learner)
    return NewResources(problem=problem) if problem else NewResources(values, reason)


def _beyond(values: Mapping[str, str], limits: ResourceLimits) -> str:
    """Say what of the values can't be had; "" when all can."""
    unknown = sorted(set(values) - set(limits.settable))
    if unknown:
        return f"This scheduler does not let one set {', '.join(unknown)} for one learner."
    most = {"memory": limits.memory_bytes, "time": limits.time_s}
    for name, text in values.items():
        limit = most.get(name)
        if limit is not None and _PARSERS[name](text) > limit:
            says = format_memory(limit) if name == "memory" else format_duration(limit)
            where = limits.where or "the machine"
            return f"It would need {name} {code(text)}, and {plain(where)} has at most {says}."
    return ""


def _wanted(remedy: Remedy) -> dict[str, str]:
    """Return the values of a remedy that can be set for one learner."""
    wanted: dict[str, str] = {
        name: str(remedy.resources[name]) for name in ("memory", "time") if name in remedy.resources
    }
    nodes = str(remedy.resources.get("exclude", ""))
    # Of many nodes of one job nobody knows which one is bad.
    if nodes and "," not in nodes:
        wanted["exclude"] = nodes
    return wanted


def _raise(name: str, text: str, present: Mapping[str, str]) -> str:
    """Return the value to set; "" when the present one is enough."""
    now = present.get(name, "")
    if name == "exclude":
        nodes = [node for node in now.split(",") if node]
        return "" if text in nodes else ",".join([*nodes, text])
    try:
        enough = bool(now) and _PARSERS[name](now) >= _PARSERS[name](text)
    except UsageError:  # written in a way that only its scheduler knows
        enough = False
    return "" if enough else text


def _settled(wanted: Mapping[str, str], present: Mapping[str, str]) -> str:
    if not wanted:
        return ""
    asked = ", ".join(f"{name} {code(present[name])}" for name in wanted)
    return f"The next job asks for enough already: {asked}."
