"""What the jobs of single learners ask for, kept with the run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from llm_scheduler.engine.resource_overrides import PARSERS, ResourceOverride
from llm_scheduler.engine.resource_requests import read_request
from llm_scheduler.errors import StoreError
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.run_description import read_override

log = logging.getLogger(__name__)


class LearnerResources:
    """The overrides of one run; may be used from any thread.

    Parameters
    ----------
    scheduler
        Says what the run gives to its jobs.
    store
        Where overrides are kept, for the next session of the run, too.

    """

    def __init__(self, scheduler: Any, store: FailureStore) -> None:
        self._scheduler = scheduler
        self._store = store
        self._lock = threading.Lock()
        self._overrides: dict[str, ResourceOverride] | None = None

    def given(self, index: int) -> dict[str, str]:
        """Return what the run gives to the jobs of a learner; "" where it is not known."""
        return read_request(self._scheduler, index)

    def override(self, index: int, learner: str) -> ResourceOverride:
        """Return what the next job of a learner asks for instead."""
        with self._lock:
            return self._load().get(learner, ResourceOverride()).against(self.given(index))

    def set(self, index: int, learner: str, resources: Mapping[str, str]) -> None:
        """Let the next jobs of a learner ask for these, "" for what the run gives.

        Raises
        ------
        UsageError
            A value makes no sense.
        StoreError
            It can't be kept; nothing was changed.
        """
        base = self.given(index)
        wanted = {
            name: value
            for name in PARSERS
            if (value := resources.get(name, "")) and value != base[name]
        }
        override = ResourceOverride(**wanted, base={name: base[name] for name in PARSERS})
        with self._lock:
            overrides = self._load()
            kept = {**wanted, "base": dict(override.base)} if wanted else {}
            self._store.write_resources(learner, kept)
            overrides.pop(learner, None)
            if wanted:
                overrides[learner] = override

    def _load(self) -> dict[str, ResourceOverride]:
        if self._overrides is None:
            try:
                kept = self._store.resources()
            except StoreError as exc:  # jobs start all the same, and it is read again
                log.warning("resources of single learners can't be read: %s", exc)
                return {}
            self._overrides = {name: read_override(values, {}) for name, values in kept.items()}
        return self._overrides
