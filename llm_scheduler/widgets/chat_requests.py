"""`Requests`: what a view asks for, carried out once each and answered."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext, suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.errors import LLMSchedulerError, UsageError
from llm_scheduler.widgets import messages as wire
from llm_scheduler.widgets.chat_commands import run_command
from llm_scheduler.widgets.chat_overview import JOBS_PER_PAGE, find_jobs, make_jobs
from llm_scheduler.widgets.chat_views import edited_arguments, last_redone
from llm_scheduler.widgets.completion import complete, describe
from llm_scheduler.widgets.export_html import export_html
from llm_scheduler.widgets.log_viewer import LogViewer, known_logs
from llm_scheduler.widgets.thread_reading import is_aside, say_aside

if TYPE_CHECKING:
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.widgets.chat_session import ChatSession

MAX_KEPT = 500
"""Replies that are kept for a request that comes twice."""
MAX_KEPT_CHARS = 10_000
MAX_COUNTS = 30
"""So many times a second of counting lines in one request; others come in between."""
START_S = 1.0
"""A turn that has not begun by then waits for another one of its thread."""

_REQUEST: TypeAdapter[wire.PanelRequest] = TypeAdapter(
    Annotated[wire.PanelRequest, Field(discriminator="type")]
)
_log = logging.getLogger(__name__)

Data = dict[str, Any]


class Requests:
    """Carries out requests on the session's loop.

    Parameters
    ----------
    session
        What they are about.

    """

    def __init__(self, session: ChatSession) -> None:
        self._session = session
        self._replies: OrderedDict[str, wire.Reply | None] = OrderedDict()
        """By request; ``None`` while it is being carried out."""
        self._viewer = LogViewer()
        self._handlers: dict[type[Any], Callable[[Any], Awaitable[Data]]] = {
            wire.Send: self._send,
            wire.Resend: self._resend,
            wire.Stop: self._stop,
            wire.Decide: self._decide,
            wire.Undo: self._undo,
            wire.SetMode: self._set_mode,
            wire.OpenThread: self._open_thread,
            wire.ChangeThread: self._change_thread,
            wire.Fix: self._fix,
            wire.Release: self._release,
            wire.ReadLog: self._read_log,
            wire.SearchLog: self._search_log,
            wire.Complete: self._complete,
            wire.FindJobs: self._find_jobs,
            wire.Export: self._export,
        }

    def take(self, content: object) -> None:
        """Take a message of a view; the reply is sent to all, and one of them wants it."""
        try:
            request = _REQUEST.validate_python(content)
        except ValidationError as exc:
            request_id = content.get("request_id") if isinstance(content, dict) else None
            if isinstance(request_id, str):
                problem = f"The panel and the kernel don't fit together; reload the page. ({exc})"
                self._reply(wire.Reply(request_id=request_id, ok=False, error=problem[:1000]))
            return
        if request.request_id in self._replies:
            reply = self._replies[request.request_id]
            if reply is not None:
                self._reply(reply)
            return
        self._replies[request.request_id] = None
        self._session.spawn(self._answer(request))

    async def _answer(self, request: wire.PanelRequest) -> None:
        request_id = request.request_id
        try:
            data = await self._handlers[type(request)](request)
            reply = wire.Reply(request_id=request_id, ok=True, data=data)
        except LLMSchedulerError as exc:
            reply = wire.Reply(request_id=request_id, ok=False, error=str(exc))
        except Exception as exc:  # noqa: BLE001 - whoever clicked is told
            _log.exception("a request of the chat panel failed")
            error = f"Something went wrong: {type(exc).__name__}: {exc}"
            reply = wire.Reply(request_id=request_id, ok=False, error=error)
        # What only reads may be asked again; keeping its pages would fill the memory.
        if len(str(reply.data)) < MAX_KEPT_CHARS:
            self._replies[request_id] = reply
        else:
            del self._replies[request_id]
        while len(self._replies) > MAX_KEPT:
            self._replies.popitem(last=False)
        # What happened comes before the answer that says it has.
        self._session.flush()
        self._reply(reply)

    def _reply(self, reply: wire.Reply) -> None:
        self._session.stage.publish(reply)

    async def _assistant(self) -> Assistant:
        return await self._session.assistant()

    # -- talking ------------------------------------------------------------------------

    async def _send(self, request: wire.Send) -> Data:
        await self._session.open_thread(request.thread_id)
        return await self._say(request.thread_id, request.text)

    async def _say(self, thread_id: str, text: str) -> Data:
        if text.startswith("/"):
            await self._name(thread_id)
            return await run_command(self._session, self, thread_id, text)
        return await self.say(thread_id, text)

    async def say(self, thread_id: str, text: str) -> Data:
        """Say something in a thread, and come back when its turn has begun."""
        manager = self._session.manager
        await self._name(thread_id)

        async def begin() -> None:
            # Only the first event: the turn goes on without this.
            async with aclosing(manager.stream(text, thread_id)) as events:  # type: ignore[type-var]
                async for _ in events:
                    return

        await self._wait_for_start(self._session.spawn(begin()))
        return {"thread_id": thread_id}

    async def _name(self, thread_id: str) -> None:
        """Give a thread in which something will be said the name it got when it was made.

        Before the first message, which would name it otherwise: nobody knows when that is
        written, nor whether the list is read, and the draft forgotten, in between.
        """
        agent = (await self._assistant()).agent  # be there when the first event comes
        title = self._session.refresh.drafts.get(thread_id, "")
        if title:
            await asyncio.to_thread(agent.rename, thread_id, title, may_make=True)

    async def _wait_for_start(self, task: asyncio.Task[Any]) -> bool:
        """Wait a moment for a task; says whether it is done, and raises what it raised."""
        done, _ = await asyncio.wait([task], timeout=START_S)
        if done:
            await task
        else:  # whoever asked has got an answer by then
            task.add_done_callback(self._tell_refused)
        return bool(done)

    def _tell_refused(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and isinstance(task.exception(), LLMSchedulerError):
            self._session.notify("That could not be done", str(task.exception()))

    async def _resend(self, request: wire.Resend) -> Data:
        session = self._session
        log = await session.load(request.thread_id)
        if log.is_busy:
            raise UsageError("The answer is still being written; stop it first.")
        places = [i for i, item in enumerate(log.items) if item.id == request.item_id]
        if not places or log.items[places[0]].role != "user":
            raise UsageError("This message is not in the conversation any more.")

        async def make_room(instead: str = "") -> None:
            await self._take_back(request.thread_id, log.items[places[0] :], instead)
            log.remove_from(request.item_id)

        # What is refused must be refused before anything is taken back.
        if request.text.startswith("/"):
            return await run_command(session, self, request.thread_id, request.text, make_room)
        (await self._assistant()).agent.check_message(request.text)
        await make_room(request.text)
        return await self.say(request.thread_id, request.text)

    async def _take_back(self, thread_id: str, items: Sequence[wire.Item], instead: str) -> None:
        """Take the last entries of a thread out of what the model knows, and out of the rest."""
        assistant = await self._assistant()
        history = await assistant.history(thread_id)
        # Counted from the end: what was said just now has another id in the thread.
        n_said = sum(item.role == "user" and not is_aside(item) for item in items)
        said = [place for place, entry in enumerate(history) if entry.role == "user"]
        n_left = len(history)
        if n_said and len(said) >= n_said:
            n_left = said[-n_said]
            message_id = history[n_left].message_id
            await assistant.agent.take_back(thread_id, message_id, instead=instead)
        asides = [item.id for item in items if is_aside(item)]
        await asyncio.to_thread(assistant.asides.take_back, thread_id, n_left, asides)

    async def _stop(self, request: wire.Stop) -> Data:
        return {"was_busy": self._session.manager.cancel_turn(request.thread_id)}

    # -- changes --------------------------------------------------------------------------

    async def _decide(self, request: wire.Decide) -> Data:
        if request.decision == "edit" and len(request.approval_ids) != 1:
            raise UsageError("One change can be edited at a time.")
        desk = (await self._assistant()).desk
        problems, statuses = [], {}
        for approval_id in request.approval_ids:
            try:
                arguments = None
                if request.decision == "edit":
                    approval = await asyncio.to_thread(desk.get, approval_id)
                    arguments = edited_arguments(approval, request.text)
                    if arguments is None:
                        raise UsageError("There is no text to edit in this change.")
                settled = await self._session.manager.decide(
                    approval_id,
                    request.decision,
                    message=request.message,
                    arguments=arguments,
                    scope=request.scope,
                )
            except LLMSchedulerError as exc:
                problems.append(f"{approval_id}: {exc}")
            else:
                statuses[approval_id] = settled.status
        self._session.refresh.ask()
        if problems:
            raise UsageError(" ".join(problems))
        return {"statuses": statuses}

    async def _undo(self, request: wire.Undo) -> Data:
        assistant, manager = await self._assistant(), self._session.manager
        if request.turn_id:
            made = await asyncio.to_thread(manager.undo_turn, request.turn_id)
        else:
            changes = await asyncio.to_thread(assistant.changes)
            name = last_redone(changes, request.change_id)
            made = [await asyncio.to_thread(manager.undo, name)]
        await self._session.refresh.now()
        return {"changes": [change.id for change in made]}

    async def _set_mode(self, request: wire.SetMode) -> Data:
        self._session.manager.mode = request.mode
        await self._session.refresh.now()
        return {"mode": request.mode}

    async def _fix(self, request: wire.Fix) -> Data:
        return await self.fix(request.group)

    async def fix(self, job_or_group: str) -> Data:
        """Look for what makes a group pass, in its thread."""
        session, assistant = self._session, await self._assistant()
        thread_id = await asyncio.to_thread(assistant.thread_for, job_or_group)
        log = session.log(thread_id)
        await session.open_thread(thread_id)

        async def fix() -> None:
            result = await assistant.fix(job_or_group)
            await session.look_at_approvals()
            if result.approvals or not result.text or result.status == "cancelled":
                return
            if log.items and log.items[-1].role in ("assistant", "error"):
                return  # it was said in the thread
            await say_aside(session, thread_id, ("notice", result.text))

        await self._wait_for_start(session.spawn(fix()))
        return {"thread_id": thread_id}

    async def _release(self, request: wire.Release) -> Data:
        return await self.release(request.group)

    async def release(self, group: str) -> Data:
        """Start the held learners of a group again."""
        manager = self._session.manager
        held = [
            learner
            for failure in manager.failures()
            if failure.held and failure.diagnosis and group_key(failure.diagnosis) == group
            for learner in failure.learners
        ]
        learners = list(dict.fromkeys(held))
        if not learners:
            raise UsageError("No learner of this group is held back.")
        is_done = await self._session.notebook.run(lambda: manager.release(learners))
        self._session.refresh.ask()
        return {"learners": learners, "is_done": is_done}

    # -- threads ----------------------------------------------------------------------------

    async def _open_thread(self, request: wire.OpenThread) -> Data:
        found = await self._session.open_thread(request.thread_id, request.before)
        return found.model_dump()

    async def _change_thread(self, request: wire.ChangeThread) -> Data:
        session, thread_id = self._session, request.thread_id
        if request.action == "new":
            thread_id = f"chat-{token_hex(4)}"
            session.refresh.drafts[thread_id] = request.title.strip()
            session.log(thread_id).is_loaded = True
        elif request.action == "rename":
            is_draft = thread_id in session.refresh.drafts
            if is_draft:
                session.refresh.drafts[thread_id] = request.title.strip()
            # A draft may have become a thread since the list was read.
            with suppress(UsageError) if is_draft else nullcontext():
                await self._rename(thread_id, request.title)
        else:
            if session.refresh.drafts.pop(thread_id, None) is None:
                assistant = await self._assistant()
                await assistant.agent.delete(thread_id)
                await asyncio.to_thread(assistant.asides.clear, thread_id)
            session.flush()  # views learn what became of its changes
            session.forget(thread_id)
        await session.refresh.now()
        return {"thread_id": thread_id}

    async def _rename(self, thread_id: str, title: str) -> None:
        agent = (await self._assistant()).agent
        await asyncio.to_thread(agent.rename, thread_id, title)

    async def _export(self, request: wire.Export) -> Data:
        return {"html": await self.export(request.thread_id)}

    async def export(self, thread_id: str) -> str:
        """Return a whole conversation as a page."""
        log = await self._session.load(thread_id)
        assistant = await self._assistant()
        titles = {t.id: t.title for t in await asyncio.to_thread(assistant.threads)}
        return await asyncio.to_thread(
            export_html,
            titles.get(thread_id) or thread_id,
            assistant.run.name,
            [item.model_copy(deep=True) for item in log.items],
            dict(log.approvals),
        )

    # -- looking ----------------------------------------------------------------------------

    async def _read_log(self, request: wire.ReadLog) -> Data:
        assistant = await self._session.last_assistant()

        def read() -> wire.LogPage:
            path = known_logs(assistant).check(request.file)
            return self._viewer.read(
                path, line=request.line, offset=request.offset, backwards=request.backwards
            )

        page = await asyncio.to_thread(read)
        for _ in range(MAX_COUNTS):
            if not page.is_searching:
                break
            page = await asyncio.to_thread(read)
        else:
            page.problem = page.problem or f"Line {request.line:,} is not reached yet; ask again."
        return page.model_dump()

    async def _search_log(self, request: wire.SearchLog) -> Data:
        assistant = await self._session.last_assistant()

        def search() -> wire.LogPage:
            path = known_logs(assistant).check(request.file)
            return self._viewer.search(
                path, request.text, offset=request.offset, backwards=request.backwards
            )

        return (await asyncio.to_thread(search)).model_dump()

    async def _complete(self, request: wire.Complete) -> Data:
        assistant = await self._session.last_assistant()
        choices = await asyncio.to_thread(complete, request.text, assistant)
        return {"choices": choices, "about": describe(choices)}

    async def _find_jobs(self, request: wire.FindJobs) -> Data:
        assistant = await self._session.last_assistant()

        def find() -> list[wire.JobView]:
            jobs = make_jobs(assistant.run.jobs(), assistant.failures())
            return find_jobs(jobs, request.text, request.states)

        found = await asyncio.to_thread(find)
        start = max(0, request.start)
        page = [job.model_dump() for job in found[start : start + JOBS_PER_PAGE]]
        return {"jobs": page, "n": len(found)}
