"""`Assistant`: the agent of one run, joined to its desk, tools, budget and facts.

It works in the process of the run and, by the run's file alone, in any other shell.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from llm_scheduler.agent.approval import Approval, Change, Decision, DecisionOptions
from llm_scheduler.agent.asides import Asides
from llm_scheduler.agent.budget import Budget, describe_spent
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.events import ChatResult, Event
from llm_scheduler.agent.model_choice import describe_model
from llm_scheduler.agent.places import open_agent_folder
from llm_scheduler.agent.rule_chat import RuleChat
from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.config import LLMSettings, Mode, Settings, own_places
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import StoreError, UsageError
from llm_scheduler.managers.exact_fixes import ExactFixes, ProposedFixes
from llm_scheduler.tools.run_view import RunView
from llm_scheduler.tools.toolbox import Toolbox
from llm_scheduler.tools.workspace import Workspace

if TYPE_CHECKING:
    from llm_scheduler.agent.agent import Agent

RULES_PREFIX = "rules-"
"""How the ids of calls begin that the rules make."""
FIX_REQUEST = (
    "Find out what has to be changed so that these jobs succeed, and propose the smallest "
    "change that does it. If no change of files, resources or restarts can help, say what a "
    "person has to do."
)


class Assistant:
    """Talks about one run, and changes what it is allowed to.

    Parameters
    ----------
    settings
        The model and the limits.
    state_dir
        Where conversations are kept unless the settings name a folder.
    run
        The facts of the run.
    run_file
        The run's failures file; it names the run.
    run_number
        Returns which run of this name it is now: each has a budget of its own.

    Raises
    ------
    StoreError
        The folder for conversations can't be used.

    """

    def __init__(
        self,
        settings: LLMSettings,
        *,
        state_dir: Path,
        run: RunView,
        run_file: Path,
        run_number: Callable[[], int] = lambda: 1,
    ) -> None:
        self.settings = settings
        self.run = run
        self.run_file = run_file
        self.folder = open_agent_folder(settings, state_dir, run_file)
        roots = settings.roots or tuple(dict.fromkeys((run.folder, Path.cwd())))
        workspace = Workspace(
            roots,
            refused=(self.folder.path, state_dir, *_own_files(run_file, settings)),
            agent_folders=(self.folder.path.parent,),
            run_name=run.name,
            max_change_bytes=settings.max_change_bytes,
        )
        self.toolbox = Toolbox(workspace, run)
        self.desk = ApprovalDesk(self.folder, self.toolbox, settings)
        self.asides = Asides(self.folder.database)
        # The limits of a day are this user's: all runs count in one file.
        self._days = AgentDatabase(self.folder.path.parent / "budget.sqlite", is_durable=False)

        def run_id() -> str:
            number = run_number()
            return f"{run_file} {number}" if number > 1 else str(run_file)

        self.budget = Budget(self.folder.database, settings, run_id=run_id, day_database=self._days)
        self._fixes = ExactFixes(self.desk, run)
        self._agent: Agent | None = None
        self._lock = threading.Lock()
        self.desk.recover()

    # -- what it is ----------------------------------------------------------------

    @property
    def problem(self) -> str:
        """What does not work and what to do about it; empty when all is well."""
        return self.folder.problem

    @property
    def model_name(self) -> str:
        """The model, for people; empty without one."""
        return describe_model(self.settings) if self.settings.has_model else ""

    @property
    def mode(self) -> Mode:
        """What may be changed; effective at once when set, on running turns too."""
        return self.desk.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self.desk.mode = mode

    @property
    def agent(self) -> Agent:
        """The agent; made when it is first needed, as loading LangChain takes a second."""
        with self._lock:
            if self._agent is None:
                from llm_scheduler.agent.agent import Agent

                self._agent = Agent(
                    self.settings,
                    self.folder,
                    desk=self.desk,
                    run=self.run,
                    read_tools=self.toolbox.read_tools,
                    write_tools=self.toolbox.write_tools,
                    budget=self.budget,
                    rules=RuleChat(has_model=self.settings.has_model),
                )
            return self._agent

    def budget_left(self) -> str:
        """Say what is left of the budget; empty without limits."""
        return self.budget.left()

    def budget_used(self) -> str:
        """Say what the model has used in this run and today, whoever asked."""
        return describe_spent(self.budget.spent(), has_prices=self.budget.has_prices)

    # -- the run ---------------------------------------------------------------------

    def failures(self) -> list[Failure]:
        """Return the failures of the run, the earliest first."""
        return self.run.failures()

    def groups(self) -> list[FailureGroup]:
        """Return the failures grouped by cause."""
        return self.run.groups()

    def failure(self, job_id: str) -> Failure:
        """Return the last failure of a job.

        Raises
        ------
        UsageError
            No failure of a job with this id is known.

        """
        found = [f for f in self.failures() if job_id in (f.job_id, f.job_name)]
        if not found:
            known = ", ".join(sorted({f.job_id for f in self.failures() if f.job_id})[:10])
            raise UsageError(
                f"Job {job_id!r} is not known to have failed; failed jobs: {known or 'none'}."
            )
        return found[-1]

    def diagnosis(self, job_id: str) -> Diagnosis | None:
        """Return why a job failed; ``None`` while that is being found out."""
        return self.failure(job_id).diagnosis

    async def diagnose_again(self, job_id: str) -> Diagnosis:
        """Ask the model anew why a job failed, and all that failed like it.

        Without a model the rules read its logs anew.
        """
        from llm_scheduler.managers.second_opinions import diagnose_again

        return await diagnose_again(self, self.failure(job_id))

    def group_of(self, job_or_key: str) -> FailureGroup:
        """Return the group of a job, or the group with this key.

        Raises
        ------
        UsageError
            There is none.

        """
        groups = self.groups()
        for group in groups:
            if job_or_key in (group.key, thread_for_group(group.key)):
                return group
        failure = self.failure(job_or_key)
        for group in groups:
            if failure.job_name in group.job_names and (
                failure.job_id is None or failure.job_id in group.job_ids
            ):
                return group
        raise UsageError(f"The failure of job {job_or_key!r} is still being looked at.")

    def thread_for(self, job_or_key: str) -> str:
        """Return the thread of the group that a job belongs to."""
        return thread_for_group(self.group_of(job_or_key).key)

    # -- talking -----------------------------------------------------------------------

    def stream(self, message: str | None, thread_id: str) -> AsyncIterator[Event]:
        """Send a message and yield what happens; ``None`` follows the present turn."""
        return self.agent.stream(message, thread_id)

    async def chat(self, message: str, thread_id: str) -> ChatResult:
        """Send a message and return the answer."""
        return await self.agent.chat(message, thread_id)

    def cancel(self, thread_id: str) -> bool:
        """Stop the turn of a thread; says whether there was one."""
        return self.agent.cancel(thread_id)

    async def history(self, thread_id: str) -> Sequence[Any]:
        """Return what was said and done in a thread, the oldest first."""
        return await self.agent.history(thread_id)

    def threads(self) -> Sequence[Any]:
        """Return the threads of this run, the last used first."""
        return self.agent.threads()

    def subscribe(self, callback: Callable[[Event], Any]) -> Callable[[], None]:
        """Call back with each event of every thread; returns what ends that."""
        return self.agent.subscribe(callback)

    # -- changes ------------------------------------------------------------------------

    def pending(self, thread_id: str | None = None) -> list[Approval]:
        """Return the changes that wait for a decision, the oldest first."""
        return self.desk.pending(thread_id)

    def proposed_by_rules(self, thread_id: str) -> list[Approval]:
        """Return what the rules have proposed in a thread, decided or not, the oldest first."""
        return self.desk.with_call_prefix(thread_id, RULES_PREFIX)

    def approved(self, thread_id: str | None = None) -> list[Approval]:
        """Return the approved changes that the run's own process has still to carry out."""
        return self.desk.approved(thread_id)

    async def decide(
        self, approval_id: str, decision: Decision, **options: Unpack[DecisionOptions]
    ) -> Approval:
        """Decide a change; the turn that waits for it goes on by itself."""
        return await self.agent.decide(approval_id, decision, **options)

    async def carry_out_decisions(self) -> list[Approval]:
        """Carry out what was decided in another shell and only this process can do."""
        done = await asyncio.to_thread(self.desk.carry_out_approved)
        if done and self._agent is not None:
            await self._agent.go_on(done)
        return done

    def changes(self, thread_id: str | None = None, turn_id: str | None = None) -> list[Change]:
        """Return the changes that were made, the oldest first."""
        return self.desk.changes(thread_id=thread_id, turn_id=turn_id)

    def undo(self, change_id: str) -> Change:
        """Undo one change; an undo is a change too."""
        return self.desk.undo(change_id)

    def undo_turn(self, turn_id: str) -> list[Change]:
        """Undo all changes of a turn, the last first."""
        return self.desk.undo_turn(turn_id)

    async def fix(self, job_or_key: str) -> ChatResult:
        """Propose what makes the jobs of a group pass.

        What the rules can state exactly is proposed without asking the model.

        Raises
        ------
        UsageError
            No failure of a job with this id is known.

        """
        group = self.group_of(job_or_key)
        thread_id = thread_for_group(group.key)
        found = await asyncio.to_thread(self.propose_fixes, group, is_asked=True)
        if found.approvals:
            approvals = found.approvals
            text = "\n".join(f"- {a.summary}: {a.status}" for a in approvals)
            text += f"\n\n{found.problem}" if found.problem else ""
            waiting = tuple(a for a in approvals if a.status == "pending")
            return ChatResult(
                text=f"The rules know what to change:\n\n{text}",
                approvals=waiting,
                thread_id=thread_id,
                status="waiting" if waiting else "finished",
            )
        return await self.chat(FIX_REQUEST, thread_id)

    def propose_fixes(self, group: FailureGroup, *, is_asked: bool = False) -> ProposedFixes:
        """Propose what the rules can state exactly, once for its failures; say what stopped it.

        Where a person asks for it, it is proposed again.
        """
        return self._fixes.propose(group, self.failures(), is_asked=is_asked)

    def close(self) -> None:
        """Stop all turns and close the files."""
        with self._lock:
            if self._agent is not None:
                self._agent.close()
                self._agent = None
        self.folder.database.close()
        self._days.close()


def _own_files(run_file: Path, settings: LLMSettings) -> tuple[Path, ...]:
    """Files of a run and of the settings that the agent must not touch."""
    key_file = () if settings.api_key_file is None else (settings.api_key_file,)
    return (run_file, *own_places(), *key_file)


def open_assistant(run_file: Path, settings: Settings, **changes: Any) -> Assistant:
    """Open the assistant of a run by its failures file, from any shell.

    Parameters
    ----------
    run_file
        The file ``NAME.failures.sqlite`` beside the run.
    settings
        Of this user; `changes` win over them.

    Raises
    ------
    UsageError
        There is no such file, or it is something else.
    StoreError
        It can't be written: what is decided has to be kept there.

    """
    from llm_scheduler.managers.failure_store import FailureStore
    from llm_scheduler.managers.run_numbers import PresentRun
    from llm_scheduler.managers.store_facts import StoreFacts

    if not run_file.is_file():
        raise UsageError(
            f"{str(run_file)!r} is not there; name the file NAME.failures.sqlite of a run."
        )
    try:
        store = FailureStore(run_file)
    except StoreError as exc:
        cause = exc.__cause__
        if not isinstance(cause, sqlite3.DatabaseError) or isinstance(
            cause, sqlite3.OperationalError
        ):  # a full disk, one that only lets read, a file of a newer version
            raise
        raise UsageError(f"{str(run_file)!r} is not the failures file of a run: {exc}") from exc
    return Assistant(
        settings.llm(**changes),
        state_dir=settings.state_dir,
        run=StoreFacts(store),
        run_file=run_file.absolute(),
        run_number=PresentRun(store),
    )
