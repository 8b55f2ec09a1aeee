"""`Refresh`: brings the panel's overview, groups, threads and changes up to date."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from llm_scheduler.agent.threads import ThreadInfo
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.managers.assistant import FIX_REQUEST
from llm_scheduler.widgets.chat_overview import (
    UNTITLED,
    make_groups,
    make_overview,
    make_threads,
)
from llm_scheduler.widgets.chat_views import make_change, undone_changes
from llm_scheduler.widgets.foreign_turns import ForeignTurns
from llm_scheduler.widgets.messages import GroupView, Overview, ThreadView

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Change
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.tools.run_view import JobInfo
    from llm_scheduler.widgets.chat_session import ChatSession

INTERVAL_S = 0.25
"""Shortest time between two."""
GROUPS_PER_S = 200
"""Groups take some kilobytes each; so many are sent in a second at most."""
MAX_CHANGES = 100
MAX_THREADS = 200
_TRIES = 4

T = TypeVar("T")


@dataclass
class Facts:
    """What is known of a run at one moment."""

    groups: Sequence[FailureGroup] = ()
    failures: Sequence[Failure] = ()
    jobs: Sequence[JobInfo] = ()
    pending: Sequence[Approval] = ()
    changes: Sequence[Change] = ()
    threads: Sequence[ThreadInfo] = ()
    problems: list[str] = field(default_factory=list)


class Refresh:
    """Reads the state of the run and shows what is new in it.

    Parameters
    ----------
    session
        Whose panel it is; everything here happens on its loop.

    """

    def __init__(self, session: ChatSession) -> None:
        self._session = session
        self._asked = False
        self._running = False
        self._lock = asyncio.Lock()
        self._last_s = float("-inf")
        self._interval_s = INTERVAL_S
        self._known_groups: set[str] | None = None
        self._shown: Overview | None = None
        self.drafts: dict[str, str] = {}
        """Threads in which nothing was said yet, with their titles."""
        self.facts = Facts()
        self.foreign = ForeignTurns()

    def count_jobs(self) -> dict[str, int]:
        """Return how many jobs there are by state."""
        return dict(Counter(job.state for job in self.facts.jobs))

    def ask(self) -> None:
        """Do it soon, however often it is asked for."""
        if self._asked:
            return
        self._asked = True
        if not self._running:
            delay_s = max(0.0, self._last_s + self._interval_s - time.monotonic())
            asyncio.get_running_loop().call_later(delay_s, self._begin)

    def _begin(self) -> None:
        self._asked = False
        self._running = True
        self._session.spawn(self._run())

    async def _run(self) -> None:
        try:
            await self.now()
        finally:
            self._running = False
            self._last_s = time.monotonic()
            if self._asked:
                self._asked = False
                self.ask()

    async def now(self) -> None:
        """Bring all up to date at once."""
        async with self._lock:  # else what was read first could be shown last
            await self._update()

    async def _update(self) -> None:
        session = self._session
        assistant, problem = None, ""
        try:
            assistant = await session.assistant_if_open()
        except LLMSchedulerError as exc:
            problem = str(exc)
        else:
            if assistant is None:
                self._show_closed()
                return
        self.foreign.begin()
        facts = await asyncio.to_thread(self._read, assistant, self.facts)
        self.facts = facts
        problems = [session.manager.problem, problem, *facts.problems]
        self._note_undone(facts)
        for thread_id in self.foreign.find(facts.threads, session.logs):
            session.spawn(session.reload(thread_id))
        groups = self._groups(facts)
        self._interval_s = max(INTERVAL_S, len(groups) / GROUPS_PER_S)
        overview = self._overview(assistant, facts, groups, " ".join(filter(None, problems)))
        self._shown = overview
        session.stage.show(
            groups=[group.model_dump() for group in groups],
            overview=overview.model_dump(),
            threads=[view.model_dump() for view in self._threads(assistant, facts, groups)],
            changes=[make_change(c).model_dump() for c in facts.changes[: -MAX_CHANGES - 1 : -1]],
        )
        self._tell_new_groups(groups)

    def _show_closed(self) -> None:
        """Leave all as it was when the run was closed, and say so."""
        session = self._session
        if self._shown is not None:
            mode = session.manager.mode
            changes = {"is_closed": True, "mode": mode, "n_pending": 0}
            closed = self._shown.model_copy(update=changes)
            session.stage.show(overview=closed.model_dump())

    def _read(self, assistant: Assistant | None, known: Facts) -> Facts:
        """Read what there is; what can't be read is said, and stays as it was known."""
        manager = self._session.manager
        facts = replace(known, problems=[])
        reads: list[tuple[str, Callable[[], object]]] = [
            ("groups", lambda: _read_again(manager.groups)),
            ("failures", lambda: _read_again(manager.failures)),
        ]
        if assistant is not None:
            reads = [
                *reads,
                ("jobs", assistant.run.jobs),
                ("pending", assistant.pending),
                ("changes", assistant.changes),
                ("threads", assistant.threads),
            ]
        for name, read in reads:
            try:
                setattr(facts, name, read())
            except Exception as exc:  # noqa: BLE001 - the rest of the panel is worth showing
                facts.problems.append(f"The {name} can't be read: {exc}")
        return facts

    def _note_undone(self, facts: Facts) -> None:
        """Show on the cards of changes whether they still hold."""
        session = self._session
        undone = undone_changes(facts.changes)
        differ = undone ^ session.undone
        session.undone = undone
        approvals = {change.approval_id for change in facts.changes if change.id in differ}
        if not approvals or not session.is_joined:
            return
        session.spawn(self._show_again(approvals))

    async def _show_again(self, approval_ids: set[str]) -> None:
        session = self._session
        desk = (await session.last_assistant()).desk
        for log in list(session.logs.values()):
            for name in approval_ids & log.approvals.keys():
                log.show_approval(await asyncio.to_thread(desk.get, name))
        session.ask_flush()

    def _groups(self, facts: Facts) -> list[GroupView]:
        return make_groups(
            facts.groups,
            jobs=facts.jobs,
            failures=facts.failures,
            pending=facts.pending,
            changes=facts.changes,
            busy=self._session.busy,
            seen=self._session.seen | {thread.id for thread in facts.threads},
            looked_at=self._session.manager.looked_at,
        )

    def _overview(
        self,
        assistant: Assistant | None,
        facts: Facts,
        groups: Sequence[GroupView],
        problem: str,
    ) -> Overview:
        manager = self._session.manager
        if assistant is None:
            return Overview(
                n_failures=len(facts.failures),
                n_groups=len(facts.groups),
                n_pending=manager.n_pending,
                problem=problem,
                mode=manager.mode,
            )
        since = manager.yolo_since
        made = [c for c in facts.changes if c.by == "yolo" and assistant.mode == "yolo"]
        if since is not None:
            made = [change for change in made if change.made_at >= since]
        return make_overview(
            assistant,
            groups=groups,
            jobs=facts.jobs,
            n_failures=len(facts.failures),
            n_groups=len(facts.groups),
            n_pending=manager.n_pending,
            problem=problem,
            yolo_changes=len(made),
            yolo_since=since.isoformat() if since is not None else "",
        )

    def _threads(
        self, assistant: Assistant | None, facts: Facts, groups: Sequence[GroupView]
    ) -> list[ThreadView]:
        if assistant is None:
            return []
        real = {thread.id for thread in facts.threads}
        for name in real & self.drafts.keys():
            del self.drafts[name]
        drafts = [
            ThreadView(id=name, title=title or UNTITLED, kind="chat", updated="")
            for name, title in reversed(self.drafts.items())
        ]
        titles = {group.thread_id: group.title for group in groups}
        made = make_threads(
            facts.threads[:MAX_THREADS],
            assistant,
            pending=facts.pending,
            busy=self._session.busy,
            titles={t.id: titles[t.id] for t in facts.threads if _is_unnamed(t) and t.id in titles},
        )
        return [*drafts, *made]

    def _tell_new_groups(self, groups: Sequence[GroupView]) -> None:
        keys = {group.key for group in groups}
        known, self._known_groups = self._known_groups, keys
        if known is None:
            return
        fresh = [group for group in groups if group.key not in known]
        if len(fresh) == 1:
            self._session.notify(
                f"{fresh[0].count} failed: the reason is known", fresh[0].title, fresh[0].thread_id
            )
        elif fresh:
            self._session.notify(f"{len(fresh)} new reasons for failures", fresh[0].title)


def _is_unnamed(thread: ThreadInfo) -> bool:
    """Whether nobody has said anything in it that could name it; the button says the same."""
    return not thread.title or " ".join(FIX_REQUEST.split()).startswith(thread.title)


def _read_again(read: Callable[[], T]) -> T:
    """Read what the notebook's thread may be changing; again when it did so meanwhile."""
    for _ in range(_TRIES):
        try:
            return read()
        except RuntimeError as exc:
            if "changed" not in str(exc):
                raise
    return read()
