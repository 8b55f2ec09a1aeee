"""Taking up the attempts that an earlier session of the same run left open."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.job_search import find_jobs
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.errors import SchedulerError
from llm_scheduler.managers.failure_report import log_files
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.job_queue import JobQueue


def keep_logs(store: FailureStore, keeper: LogKeeper, queue: JobQueue) -> None:
    """Link the logs of open attempts, before a clean-up moves or deletes them."""
    attempts = store.open_attempts()
    # A scheduler that does not answer is asked again when the run has started.
    with suppress(SchedulerError):
        _find_lost_ids(attempts, queue)
    store.write_attempts(attempts)
    keeper.follow(attempts)


def drop_open(store: FailureStore) -> None:
    """Note that this manager is about to cancel all jobs of earlier sessions.

    Those that had failed by themselves before are still reported: the scheduler
    knows how each ended.
    """
    attempts = store.open_attempts()
    for attempt in attempts:
        attempt.dropped = True
    store.write_attempts(attempts)


def recover(store: FailureStore, queue: JobQueue) -> list[Attempt]:
    """Return the open attempts, each to be watched until it is clear how it ended.

    Attempts whose job still lives are taken over; the others are leftovers, which
    are judged and reported but whose learner may start again at once.
    """
    attempts = store.open_attempts()
    if not attempts:
        return []
    live = queue.read()
    _find_lost_ids(attempts, queue)
    kept = []
    for attempt in attempts:
        if attempt.job_id is None:
            store.close_attempts([(attempt, "not submitted")])
            continue
        attempt.leftover = attempt.job_id not in live
        if not attempt.leftover:
            attempt.state = live[attempt.job_id].state
        kept.append(attempt)
    store.write_attempts(kept)
    return kept


def _find_lost_ids(attempts: list[Attempt], queue: JobQueue) -> None:
    """Find jobs whose manager was killed between submitting them and noting their id."""
    lost = [attempt for attempt in attempts if attempt.job_id is None]
    if not lost:
        return
    known = {attempt.job_id for attempt in attempts}
    since = min(attempt.submitted_at for attempt in lost) - timedelta(seconds=5)
    names = {attempt.job_name for attempt in lost}
    found = find_jobs(queue.scheduler, queue.kind, names, since)
    for attempt in sorted(lost, key=lambda a: a.submitted_at, reverse=True):
        for job_id, name in found:
            if name == attempt.job_name and job_id not in known:
                attempt.job_id = job_id
                attempt.log_files = log_files(queue.scheduler, name, job_id)
                known.add(job_id)
                break
