"""Groups: failures with the same cause and fingerprint, and nodes that stand out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis

MIN_FOR_BAD_NODE = 5
"""So many failures on one node are no chance when other nodes ran jobs too."""


def group_failures(
    failures: Sequence[Failure],
    *,
    nodes_used: Mapping[str, int] | None = None,
) -> list[FailureGroup]:
    """Return the failures grouped by cause, the largest group first.

    Parameters
    ----------
    failures
        Those without a diagnosis yet are left out.
    nodes_used
        How many jobs of the run were on each node, failed or not; without it
        the nodes of all failures are taken.
    """
    by_key: dict[str, list[Failure]] = {}
    for failure in failures:
        if failure.diagnosis is not None:
            by_key.setdefault(group_key(failure.diagnosis), []).append(failure)
    if nodes_used is None:
        nodes_used = _count_nodes(failures)
    groups = [_make_group(key, members, nodes_used) for key, members in by_key.items()]
    return sorted(groups, key=lambda group: (-group.count, group.first_seen, group.key))


def group_key(diagnosis: Diagnosis) -> str:
    """Return the identifier of the group that a diagnosis belongs to."""
    return f"{diagnosis.cause}:{diagnosis.fingerprint}"


def _count_nodes(failures: Sequence[Failure]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for failure in failures:
        for node in set(failure.nodes):
            counts[node] = counts.get(node, 0) + 1
    return counts


def _make_group(key: str, members: list[Failure], nodes_used: Mapping[str, int]) -> FailureGroup:
    representative = max(
        (member.diagnosis for member in members if member.diagnosis is not None),
        key=lambda diagnosis: (diagnosis.confidence, len(diagnosis.evidence)),
    )
    times = [member.failed_at for member in members]
    return FailureGroup(
        key=key,
        category=representative.category,
        title=representative.title,
        count=len(members),
        n_known=sum(member.known for member in members),
        learners=_unique(name for member in members for name in member.learners),
        job_ids=_unique(member.job_id for member in members if member.job_id),
        job_names=_unique(member.job_name for member in members),
        first_seen=min(times),
        last_seen=max(times),
        nodes=_unique(node for member in members for node in member.nodes),
        bad_node=_find_bad_node(members, nodes_used),
        representative=representative,
        notes=_unique(member.note for member in members if member.note),
    )


def _find_bad_node(members: list[Failure], nodes_used: Mapping[str, int]) -> str | None:
    """Return the node that all failures of a group share while others ran jobs."""
    if len(members) < MIN_FOR_BAD_NODE:
        return None
    shared = set(members[0].nodes).intersection(*(member.nodes for member in members))
    if len(shared) != 1:
        return None
    node = next(iter(shared))
    elsewhere = any(count for name, count in nodes_used.items() if name != node)
    return node if elsewhere else None


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
