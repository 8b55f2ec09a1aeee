"""`ChatSession`: joins the panel to its manager, on a thread and event loop of its own.

A notebook's loop stands still while a cell is busy, and widget callbacks come on
another thread with another loop in some versions of ipykernel. So everything the
panel does happens on one loop that belongs to it: what comes from the agent, from the
manager or from a browser is put on it, and all that is sent is sent from it, in one
order. The notebook's loop is used only for what must happen there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from llm_scheduler.agent.events import ApprovalSettled, ApprovalWanted, Done, Event
from llm_scheduler.agent.loop import AgentLoop
from llm_scheduler.agent.threads import check_thread_id
from llm_scheduler.errors import LLMSchedulerError, UsageError
from llm_scheduler.widgets.chat_refresh import Refresh
from llm_scheduler.widgets.chat_views import make_approval
from llm_scheduler.widgets.conversation_log import TRAIT_CHARS, ConversationLog
from llm_scheduler.widgets.messages import ApprovalView, Conversation, Notification
from llm_scheduler.widgets.notebook_loop import NotebookLoop
from llm_scheduler.widgets.thread_reading import read_thread

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_scheduler.agent.approval import Approval
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.managers.llm_manager import LLMManager

GATHER_S = 0.05
"""Pieces of text are sent together this often: Jupyter drops messages of a faster stream."""
MAX_OPEN = 4
"""Threads that are kept up to date in the browser."""
OTHERS_CHARS = 3_000
"""Of each open thread but the one opened last; all go over the wire when a turn ends."""
LOOK_S = 2.0
"""How often it is looked for what another shell has proposed or decided."""

_log = logging.getLogger(__name__)


class Stage(Protocol):
    """Where the session shows things; each call may come from the session's thread."""

    def publish(self, message: BaseModel) -> None:
        """Send a message to every view."""

    def show(self, **traits: Any) -> None:
        """Set traits; those that are equal already are not sent."""

    def suggest(self, thread_id: str) -> None:
        """Show a thread where none is shown."""


class ChatSession:
    """What one panel knows and does.

    Parameters
    ----------
    manager
        The manager that people talk to.
    stage
        Where it is shown.
    notebook_loop
        The loop on which the run lives; ``None`` in a script.

    """

    def __init__(
        self,
        manager: LLMManager,
        stage: Stage,
        notebook_loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.manager = manager
        self.stage = stage
        self.loop = AgentLoop("llm-scheduler-panel")
        self.logs: dict[str, ConversationLog] = {}
        self.undone: set[str] = set()
        """Changes that do not hold any more."""
        self.opened: OrderedDict[str, None] = OrderedDict()
        """Threads that views show, the latest last."""
        self.seen: set[str] = set()
        """Threads that were opened at any time."""
        self.notebook = NotebookLoop(notebook_loop)
        self._assistant: Assistant | None = None
        self._unsubscribe: list[Callable[[], Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loading: dict[str, asyncio.Lock] = {}
        self._known_pending: dict[str, Approval] = {}
        self._last_flush_s = float("-inf")
        self._flush_asked = False
        self._is_closed = False
        self._opening = threading.Lock()
        self._is_warm = False
        self.refresh = Refresh(self)

    def start(self) -> None:
        """Begin to follow the manager."""
        self._unsubscribe.append(
            self.manager.subscribe(lambda: self.loop.call_soon(self.refresh.ask))
        )
        self.loop.submit(self._begin())

    def close(self) -> None:
        """End following; turns go on."""
        self._is_closed = True
        with self._opening:  # else the agent is opened when nobody is left to close it
            pass
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        self._assistant = None
        self.loop.close()

    # -- tasks ------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something on the session's loop, kept until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        # What was refused is told to whoever asked, and is no fault of the program.
        if problem is not None and not isinstance(problem, LLMSchedulerError):
            _log.error("a task of the chat panel failed", exc_info=problem)

    # -- the agent ----------------------------------------------------------------------------

    async def assistant(self) -> Assistant:
        """Return the agent of the run, listened to; opening it reads and writes files.

        Raises
        ------
        LLMSchedulerError
            There is none.

        """
        found = await asyncio.to_thread(self._open)
        self._listen(found)
        return found

    async def assistant_if_open(self) -> Assistant | None:
        """Return the agent of the run, listened to; ``None`` where the run was closed.

        Only the first time it is opened: who looks at a closed run must not open it again.

        Raises
        ------
        LLMSchedulerError
            There is none.

        """
        if self._assistant is None:
            return await self.assistant()
        found = self.manager.opened_assistant
        if found is not None:
            self._listen(found)
        return found

    def _open(self) -> Assistant:
        with self._opening:
            if self._is_closed:
                raise UsageError("The panel is closed; make a new one.")
            return self.manager.assistant

    def _listen(self, found: Assistant) -> None:
        if found is not self._assistant and not self._is_closed:
            # The run was closed and somebody goes on talking: it is another one then.
            self._assistant = found
            leave = found.subscribe(lambda event: self.loop.call_soon(self._take, event))
            self._unsubscribe.append(leave)

    @property
    def is_run_closed(self) -> bool:
        """Whether the agent was closed with the run; whoever says something opens it again."""
        return self._assistant is not None and not self.manager.has_assistant

    async def last_assistant(self) -> Assistant:
        """Return the agent to look at the run with, closed or not; see `assistant`."""
        return self._assistant if self._assistant is not None else await self.assistant()

    @property
    def is_joined(self) -> bool:
        """Whether there is an agent that is listened to."""
        return self._assistant is not None

    async def _begin(self) -> None:
        with suppress(LLMSchedulerError):  # shown by the overview
            assistant = await self.assistant()
            threads = await asyncio.to_thread(assistant.threads)
            if threads:  # after a restart of the kernel one goes on where one was
                self.stage.suggest(threads[0].id)
                # Before anything is loaded for turns, which would keep it waiting.
                await self.open_thread(threads[0].id)
            if assistant.model_name:
                self._warm_up()
        self.refresh.ask()
        while True:
            await asyncio.sleep(LOOK_S)
            # Jobs start and end, and the mode may be set in a cell, without a word.
            self.refresh.ask()
            try:
                await self.look_at_approvals()
            except LLMSchedulerError:
                continue  # shown by the overview
            except Exception:  # noqa: BLE001 - the next look may do
                _log.exception("the chat panel can't look at the approvals")

    def _take(self, event: Event) -> None:
        log = self.log(event.thread_id)
        log.take(event)
        self.refresh.foreign.note_own(log.thread_id)
        if isinstance(event, ApprovalWanted | ApprovalSettled):
            self._note(event.approval)
            self.refresh.ask()
        elif isinstance(event, Done):
            self._tell_end(event, log)
            if log.is_partial:
                self.spawn(self.reload(log.thread_id))
            self.refresh.ask()
        elif event.type == "turn_started":
            self.refresh.ask()
        self.ask_flush()

    def _note(self, approval: Approval) -> None:
        if approval.status == "pending":
            self._known_pending[approval.id] = approval
        else:
            self._known_pending.pop(approval.id, None)

    def _tell_end(self, event: Done, log: ConversationLog) -> None:
        if event.status == "waiting":
            n = sum(view.status == "pending" for view in log.approvals.values())
            what = "A change waits" if n == 1 else f"{n} changes wait"
            self.notify(f"{what} for your decision", "", log.thread_id)
        elif event.status == "finished":
            self.notify("The answer is ready", event.text[:200], log.thread_id)
        elif event.status == "failed":
            self.notify("The answer could not be finished", event.text[:200], log.thread_id)

    def notify(self, title: str, text: str, thread_id: str = "") -> None:
        """Tell a user who may be elsewhere."""
        self.stage.publish(Notification(title=title, text=text, thread_id=thread_id))

    async def look_at_approvals(self) -> None:
        """Show what was proposed or decided where no event tells of it.

        The rules propose without a turn, and other shells use the same files.
        """
        if self._assistant is None or self.is_run_closed:
            return
        desk = self._assistant.desk
        now = {a.id: a for a in await asyncio.to_thread(desk.pending)}
        fresh = [a for name, a in now.items() if name not in self._known_pending]
        gone = [name for name in self._known_pending if name not in now]
        settled = [await asyncio.to_thread(desk.get, name) for name in gone]
        if not fresh and not settled:
            return
        self._known_pending = now
        for approval in (*fresh, *settled):
            log = self.logs.get(approval.thread_id)
            if log is not None:
                log.show_approval(approval)
        silent = [a for a in fresh if not self._is_busy(a.thread_id)]
        if silent:
            text = silent[0].summary if len(silent) == 1 else f"{len(silent)} changes"
            self.notify("A fix is proposed", text, silent[0].thread_id)
        self.ask_flush()
        self.refresh.ask()

    def _is_busy(self, thread_id: str) -> bool:
        log = self.logs.get(thread_id)
        return log is not None and log.is_busy

    @property
    def busy(self) -> set[str]:
        """Threads in which a turn is under way."""
        return {name for name, log in self.logs.items() if log.is_busy}

    # -- threads ------------------------------------------------------------------------------

    def log(self, thread_id: str) -> ConversationLog:
        """Return the log of a thread; it may not be loaded yet."""
        if thread_id not in self.logs:
            self.logs[thread_id] = ConversationLog(thread_id, self._view)
        return self.logs[thread_id]

    def _view(self, approval: Approval) -> ApprovalView:
        return make_approval(approval, undone=approval.change_id in self.undone)

    async def open_thread(self, thread_id: str, before: str = "") -> Conversation:
        """Load a thread, keep it up to date from now on, and return its newest part."""
        check_thread_id(thread_id)
        log = await self.load(thread_id)
        self._warm_up()
        self.opened[thread_id] = None
        self.opened.move_to_end(thread_id)
        while len(self.opened) > MAX_OPEN:
            self.opened.popitem(last=False)
        if thread_id not in self.seen:
            self.seen.add(thread_id)
            self.refresh.ask()
        self.flush()
        self._show_conversations()
        return log.whole(before)

    def _warm_up(self) -> None:
        """Load LangGraph while the user is still writing; it takes seconds."""
        if self._is_warm or self._assistant is None or self.is_run_closed:
            return
        self._is_warm = True
        agent = self._assistant.agent

        async def load() -> None:
            with suppress(LLMSchedulerError):  # whoever says something is told
                await agent.warm_up()

        self.spawn(load())

    async def load(self, thread_id: str) -> ConversationLog:
        """Return the log of a thread with all that is kept of it.

        Raises
        ------
        LLMSchedulerError
            It can't be read.

        """
        log = self.log(thread_id)
        async with self._loading.setdefault(thread_id, asyncio.Lock()):
            while not log.is_loaded:
                assistant, n_resets = await self.assistant(), log.n_resets
                items, approvals, late = await read_thread(assistant, thread_id, self._view)
                if log.n_resets != n_resets:
                    continue  # a turn ended meanwhile, and its end is not in what was read
                log.load(items, approvals)
                # What the rules have proposed is in no message.
                for approval in (*late, *await asyncio.to_thread(assistant.pending, thread_id)):
                    log.show_approval(approval)
        return log

    async def reload(self, thread_id: str) -> None:
        """Load a thread anew; its views ask for the whole."""
        self.log(thread_id).reset()
        await self.load(thread_id)
        self.ask_flush()

    def forget(self, thread_id: str) -> None:
        """Drop a thread that was deleted."""
        self.logs.pop(thread_id, None)
        self.opened.pop(thread_id, None)
        self.seen.discard(thread_id)
        self._show_conversations()

    # -- sending ------------------------------------------------------------------------------

    def ask_flush(self) -> None:
        """Send soon what has happened; the first piece at once, the next ones together."""
        if self._flush_asked or self._is_closed:
            return
        self._flush_asked = True
        delay_s = self._last_flush_s + GATHER_S - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, delay_s), self.flush)

    def flush(self) -> None:
        """Send what has happened in the threads that views show."""
        self._flush_asked = False
        self._last_flush_s = time.monotonic()
        is_to_be_kept = False
        for thread_id, log in self.logs.items():
            events = log.flush()
            if events is None or thread_id not in self.opened:
                continue
            self.stage.publish(events)
            # Not in the middle of a turn: a page that is loaded then sees in the list of
            # threads that one is going on, and asks for all of it.
            is_to_be_kept |= not log.is_busy
        if is_to_be_kept:
            self._show_conversations()

    def _show_conversations(self) -> None:
        opened = [name for name in self.opened if name in self.logs]
        room = {name: TRAIT_CHARS if name == opened[-1] else OTHERS_CHARS for name in opened}
        self.stage.show(
            conversations={x: self.logs[x].finished(room[x]).model_dump() for x in opened}
        )
