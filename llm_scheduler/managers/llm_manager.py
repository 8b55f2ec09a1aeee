"""`LLMManager`: every failure of a run, its diagnosis, and the groups they form."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llm_scheduler.config import LLMSettings, Settings
from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import StoreError, UsageError
from llm_scheduler.managers.chat_manager import ChatManager
from llm_scheduler.managers.diagnosis_pool import DiagnosisPool
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.follow_up import FollowUp, with_diagnosis
from llm_scheduler.managers.rule_diagnoses import RuleDiagnoses

if TYPE_CHECKING:
    from llm_scheduler.tools.run_view import RunView

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S = 0.1
_OPINIONS = ("diagnosis", "rules_diagnosis")


class LLMManager(ChatManager):
    """Explains the failures of a run, beside its job loop, and talks about them.

    Parameters
    ----------
    store
        Where failures are kept; those in it are shown as known.
    settings
        The model, and what it may do; rules only by default.
    catalog_dirs
        Folders with further causes.
    problem
        A sentence about something that does not work, shown in the panel.
    pool
        The worker processes.
    state_dir
        Where conversations are kept; by default as the settings of this user say.

    """

    def __init__(
        self,
        store: FailureStore,
        *,
        settings: LLMSettings | None = None,
        catalog_dirs: tuple[Path, ...] = (),
        problem: str = "",
        pool: DiagnosisPool | None = None,
        state_dir: Path | None = None,
    ) -> None:
        super().__init__(
            settings or LLMSettings(),
            state_dir=state_dir or Settings.load().state_dir,
            run_file=store.path,
        )
        self.store = store
        self._groups: list[FailureGroup] | None = None
        self._rules = RuleDiagnoses(
            pool or DiagnosisPool(catalog_dirs=catalog_dirs),
            self._take_rules_diagnosis,
            self.notify,
        )
        if problem:
            self._problems["settings"] = problem
        self._failures: dict[str, Failure] = {}
        self._nodes_used: dict[str, int] = {}
        try:
            self._failures = {failure.attempt: failure for failure in store.failures()}
            self._nodes_used = store.nodes_used()
        except StoreError as exc:
            self._problems["store"] = f"Earlier failures can't be shown: {exc}."
        self._unsaved: dict[str, Failure] = {}
        self._release: Callable[[Sequence[str]], None] | None = None
        self._follow_up = FollowUp(self)
        self._has_ended = False
        self._is_checked = False
        self._checking: asyncio.Task[None] | None = None
        self._rules.add(self._failures.values())

    # -- what people and panels read ---------------------------------------------

    @property
    def n_pending(self) -> int:
        """Number of failures that wait for their diagnosis."""
        return self._rules.n_pending

    @property
    def looked_at(self) -> frozenset[str]:
        """Attempts whose failures the model is being asked about."""
        return self._follow_up.asking

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first, those of earlier sessions included."""
        return sorted(self._failures.values(), key=lambda f: (f.failed_at, f.attempt))

    def groups(self) -> list[FailureGroup]:
        """Return the failures grouped by cause, the largest group first.

        Failures whose diagnosis is under way are in no group yet; `n_pending` counts
        them.
        """
        if self._groups is None:
            self._groups = group_failures(self.failures(), nodes_used=self._nodes_used)
        return list(self._groups)

    async def diagnose_failed_job(self, job_id: str, *, again: bool = False) -> Diagnosis:
        """Return the diagnosis of a failed job; it is made once and kept.

        Parameters
        ----------
        job_id
            The job's id.
        again
            Whether to ask the model anew about its group; without a model, to read its
            logs anew.

        Raises
        ------
        UsageError
            No failure of a job with this id is known.
        ModelError
            The model was to be asked again and could not be.

        """
        found = [f for f in self.failures() if f.job_id == str(job_id)]
        if not found:
            known = ", ".join(sorted({f.job_id for f in self.failures() if f.job_id})[:10])
            raise UsageError(
                f"Job {job_id!r} is not known to have failed; failed jobs: {known or 'none'}.",
            )
        failure = found[-1]
        if failure.diagnosis is None or (again and not self.settings.has_model):
            return await self._rules.ask(failure)
        if again:
            await self._follow_up.ask_again(failure)
        return self._failures.get(failure.attempt, failure).diagnosis or failure.diagnosis

    async def settled(self, timeout_s: float | None = None) -> bool:
        """Wait until every failure that was reported has its diagnosis.

        Parameters
        ----------
        timeout_s
            Longest time to wait in seconds; ``None`` for no limit.

        Returns
        -------
        Whether nothing is pending any more.

        """
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        unsubscribe = self.subscribe(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            async with asyncio.timeout(timeout_s):
                while self.n_pending:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            unsubscribe()
        return True

    async def followed_up(self, timeout_s: float | None = None) -> bool:
        """Wait until fixes are proposed and the model has been asked, where there is one.

        Parameters
        ----------
        timeout_s
            Longest time to wait in seconds; ``None`` for no limit.

        Returns
        -------
        Whether nothing is left to be asked.

        """
        try:
            async with asyncio.timeout(timeout_s):
                # It works on threads of its own, which tell nobody when they have ended.
                while self._follow_up.n_pending:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return False
        return True

    def release(self, learners: Sequence[str]) -> None:
        """Start learners again that are held back, named by their files."""
        if self._release is None:
            raise UsageError("This manager is not joined to a run; nothing can be started.")
        self._release(learners)

    def forget(self, attempts: Iterable[str] | None = None) -> None:
        """Remove failures from the list and the database; all of them by default."""
        chosen = list(self._failures) if attempts is None else list(attempts)
        for attempt in chosen:
            self._failures.pop(attempt, None)
            self._rules.discard(attempt)
        self.store.remove_failures(chosen)
        self.notify()

    # -- what the job manager reports ----------------------------------------------

    def join(
        self,
        release: Callable[[Sequence[str]], None],
        find_success: Callable[[], tuple[str, ...]] = tuple,
        run: RunView | None = None,
    ) -> None:
        """Connect to the run whose failures these are.

        Parameters
        ----------
        release
            Starts learners that are held back, named by their files.
        find_success
            Returns the logs of a job of the run that reached its goal, if there is one.
        run
            What the agent may see of the run, and do with its jobs.

        """
        self._release = release
        self._rules.find_success = find_success
        self._run = run
        self._begin_run()

    def _begin_run(self) -> None:
        with suppress(StoreError):  # else it counts with the last one: rather too little is left
            self._run_number = self.store.begin_run()

    def end_run(self) -> None:
        """Note that the run has ended: the next one of its name has a budget of its own."""
        with suppress(StoreError):
            if not self._has_ended:
                self.store.mark_run(has_ended=True, number=self._run_number)
                self._has_ended = True

    def count_nodes(self, nodes: Iterable[str]) -> None:
        """Note that one more job ran on these nodes, whether it failed or not.

        A bad node shows only against the nodes on which other jobs ran.
        """
        for node in nodes:
            self._nodes_used[node] = self._nodes_used.get(node, 0) + 1
        self._groups = None

    async def report(self, failures: Sequence[Failure]) -> list[Failure]:
        """Take in failed attempts; each is accepted once.

        Returns
        -------
        The failures that had not been reported before.

        """
        new = [f for f in failures if f.attempt not in self._failures]
        self._unsaved |= {failure.attempt: failure for failure in new}
        saved = await self.keep(self.store.add_failures, list(self._unsaved.values()))
        if saved is not None:
            # Another kernel with the same run may have been first.
            accepted = {failure.attempt for failure in saved}
            new = [failure for failure in new if failure.attempt in accepted]
            self._unsaved.clear()
        for failure in new:
            self._failures[failure.attempt] = failure
        self._rules.add(new)
        self.notify()
        return new

    async def keep(self, write: Callable[..., T], *arguments: Any) -> T | None:
        """Write to the database in a thread; when it fails say so and return ``None``.

        Whatever is the matter with the file, a full disk or a lock that somebody else
        holds: jobs go on, and failures are kept in memory.
        """
        try:
            result = await asyncio.to_thread(write, *arguments)
        except StoreError as exc:
            self.set_problem("store", f"Failures are kept in memory only: {exc}.")
            return None
        except Exception as exc:
            log.exception("failures can't be written")
            self.set_problem("store", f"Failures are kept in memory only: {exc!r}.")
            return None
        self.set_problem("store", "")
        return result

    def set_held(self, learners: set[str]) -> None:
        """Note which learners are held back, so that panels can offer to start them."""
        update = {"held": False, "note": ""}
        released = [
            attempt
            for attempt, failure in self._failures.items()
            if failure.held and not learners.intersection(failure.learners)
        ]
        for attempt in released:
            self._failures[attempt] = self._failures[attempt].model_copy(update=update)
        if released:
            with suppress(Exception):  # what is held is known anew in the next session
                # Another shell may have written a diagnosis that is not taken in yet.
                self.store.revise_failures(dict.fromkeys(released, update))
            self.notify()

    # -- the loop --------------------------------------------------------------------

    @property
    def pool(self) -> DiagnosisPool:
        """The worker processes."""
        return self._rules.pool

    @pool.setter
    def pool(self, pool: DiagnosisPool) -> None:
        self._rules.pool = pool

    def _setup(self) -> None:
        if self._has_ended:  # learners were released
            self._has_ended = False
            with suppress(StoreError):
                self.store.mark_run(has_ended=False, number=self._run_number)
        elif self._run is not None:
            self._begin_run()  # anew if its namesake ended since: the engine ends it at the start
        self._rules.open()
        self._rules.add(self._failures.values())

    def warm_up(self) -> None:
        """Start a worker, so that the first failures need not wait for it.

        It takes a second of a core, so the job manager calls it once the first jobs
        are on their way.
        """
        self._rules.warm_up()
        if not self._is_checked:
            self._is_checked = True
            self._checking = asyncio.get_running_loop().create_task(self._follow_up.check_model())

    async def _manage(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rules.run())
            tasks.create_task(self._follow_up.run())
            tasks.create_task(self._keep_house())

    def cancel(self) -> bool | None:
        """End the workers and the loop; what is pending is taken up at the next start."""
        self._rules.cancel()
        self._follow_up.cancel()
        if self._checking is not None:
            self._checking.cancel()
        return super().cancel()

    def close_assistant(self) -> None:
        """Stop all turns; what was said and decided stays."""
        self._follow_up.close()  # it uses the same files
        super().close_assistant()

    async def _take_rules_diagnosis(self, failure: Failure, diagnosis: Diagnosis) -> None:
        await self.take_diagnosis(failure, diagnosis)
        self._follow_up.note()

    async def take_diagnosis(self, failure: Failure, diagnosis: Diagnosis) -> None:
        """Note why a job failed, in the place of what was thought before."""
        current = self._failures.get(failure.attempt)
        if current is not None:
            done = with_diagnosis(current, diagnosis)
            if done == current:
                return
            self._failures[failure.attempt] = done
            if failure.attempt in self._unsaved:
                self._unsaved[failure.attempt] = done
            else:
                await self.keep(self.store.update_failures, [done])

    async def _look_elsewhere(self) -> None:
        """Take in diagnoses that were made anew in another shell."""
        with suppress(StoreError):  # said where something is to be written
            for theirs in await asyncio.to_thread(self.store.changed_elsewhere):
                ours = self._failures.get(theirs.attempt)
                if ours is None or theirs.diagnosis is None:
                    continue
                if theirs.diagnosis != ours.diagnosis and theirs.attempt not in self._unsaved:
                    update = {name: getattr(theirs, name) for name in _OPINIONS}
                    self._failures[theirs.attempt] = ours.model_copy(update=update)
                    self.notify()

    def notify(self) -> None:
        """Tell every subscriber that something has changed."""
        self._groups = None
        super().notify()
