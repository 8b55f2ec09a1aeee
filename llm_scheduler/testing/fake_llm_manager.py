"""A manager of failures that a test feeds: `FakeLLMManager`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis


class FakeLLMManager:
    """Shows what a test added, and groups it by cause and fingerprint."""

    def __init__(self) -> None:
        self.n_pending = 0
        self.problem = ""
        self.released: list[tuple[str, ...]] = []
        self._failures: list[Failure] = []
        self._callbacks: list[Callable[[], Any]] = []

    @property
    def n_subscribers(self) -> int:
        """How many callbacks would be called now."""
        return len(self._callbacks)

    def add(self, *failures: Failure) -> None:
        """Let failures happen."""
        self._failures.extend(failures)
        self.notify()

    def fail(self, diagnosis: Diagnosis, learner: str = "learner.pickle", **values: Any) -> Failure:
        """Let one failure with this diagnosis happen, and return it."""
        number = len(self._failures) + 1
        failure = Failure(
            **{
                "attempt": f"attempt-{number}",
                "job_id": str(number),
                "job_name": f"job-{number}",
                "learners": (learner,),
                "failed_at": datetime.now(tz=UTC),
                "diagnosis": diagnosis,
                **values,
            },
        )
        self.add(failure)
        return failure

    def notify(self) -> None:
        """Tell every subscriber that something changed."""
        for callback in list(self._callbacks):
            callback()

    def failures(self) -> list[Failure]:
        """Return every failure that was added."""
        return list(self._failures)

    def groups(self) -> list[FailureGroup]:
        """Return the failures grouped by cause and fingerprint, first seen first."""
        members: dict[str, list[Failure]] = {}
        for failure in self._failures:
            found = failure.diagnosis
            if found is not None:
                members.setdefault(f"{found.cause}:{found.fingerprint}", []).append(failure)
        return [_group(key, failures) for key, failures in members.items()]

    def subscribe(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Call back after each change, until the returned function is called."""
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    def release(self, learners: Sequence[str]) -> None:
        """Let held learners be started again, and remember that it was asked."""
        self.released.append(tuple(learners))
        freed = frozenset(learners)
        self._failures = [
            failure.model_copy(update={"held": False}) if freed & set(failure.learners) else failure
            for failure in self._failures
        ]
        self.notify()


def _group(key: str, failures: list[Failure]) -> FailureGroup:
    first = failures[0].diagnosis
    assert first is not None
    nodes = _unique(node for failure in failures for node in failure.nodes)
    return FailureGroup(
        key=key,
        category=first.category,
        title=first.title,
        count=len(failures),
        n_known=sum(failure.known for failure in failures),
        learners=_unique(name for failure in failures for name in failure.learners),
        job_ids=_unique(failure.job_id for failure in failures if failure.job_id),
        job_names=_unique(failure.job_name for failure in failures),
        first_seen=min(failure.failed_at for failure in failures),
        last_seen=max(failure.failed_at for failure in failures),
        nodes=nodes,
        bad_node=nodes[0] if len(nodes) == 1 and len(failures) >= 20 else None,
        representative=first,
        notes=_unique(failure.note for failure in failures if failure.note),
    )


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
