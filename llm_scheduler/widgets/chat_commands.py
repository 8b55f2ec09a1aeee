"""Commands that are typed in the panel: ``/fix JOB``, ``/undo`` and so on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from llm_scheduler.errors import UsageError
from llm_scheduler.widgets.thread_reading import say_aside

if TYPE_CHECKING:
    from llm_scheduler.widgets.chat_requests import Requests
    from llm_scheduler.widgets.chat_session import ChatSession

COMMANDS = {
    "help": "list the commands",
    "jobs": "count the jobs by what they do",
    "diagnose": "JOB: why a job failed",
    "fix": "JOB: propose what makes it pass",
    "undo": "undo the last change",
    "mode": "read-only or approve; YOLO has its own switch",
    "cost": "what this conversation used, and what is left",
}
"""Names and what each does."""


async def run_command(
    session: ChatSession,
    requests: Requests,
    thread_id: str,
    line: str,
    make_room: Callable[[], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """Carry out a typed command; what it says is kept in the thread, beside what the model knows.

    Parameters
    ----------
    session, requests
        Of the panel.
    thread_id, line
        Where it was typed, and what.
    make_room
        Takes back what the command stands in the place of; called when nothing can be
        refused any more.

    Raises
    ------
    UsageError
        There is no such command, or its argument makes no sense.

    """
    name, _, rest = line[1:].strip().partition(" ")
    rest = rest.strip()
    if name not in COMMANDS:
        raise UsageError(f"There is no command /{name}; /help lists them.")
    if name in ("diagnose", "fix") and not rest:
        raise UsageError(f"Name a job: /{name} JOB.")
    if name == "fix":
        assistant = await session.assistant()
        await asyncio.to_thread(assistant.thread_for, rest.removeprefix("@"))
        if make_room is not None:
            await make_room()
        return await requests.fix(rest.removeprefix("@"))
    text = await _answer(session, thread_id, name, rest.removeprefix("@"))
    if make_room is not None:
        await make_room()
    await say_aside(session, thread_id, ("user", line.strip()), ("notice", text))
    return {"thread_id": thread_id}


async def _answer(session: ChatSession, thread_id: str, name: str, rest: str) -> str:
    assistant = await session.assistant()
    if name == "help":
        return "\n".join(f"/{command}  {about}" for command, about in COMMANDS.items())
    if name == "jobs":
        await session.refresh.now()
        counts: dict[str, int] = session.refresh.count_jobs()
        return ", ".join(f"{n} {state}" for state, n in counts.items()) or "There are no jobs."
    if name == "diagnose":
        found = await asyncio.to_thread(assistant.diagnosis, rest)
        if found is None:
            return f"Why job {rest} failed is still being found out."
        lines = [found.title, found.explanation]
        lines += [f"{line.file}:{line.line}: {line.text}" for line in found.evidence[:5]]
        return "\n".join(line for line in lines if line)
    if name == "mode":
        return await _mode(session, rest)
    if name == "undo":
        return await _undo(session)
    threads = await asyncio.to_thread(assistant.threads)
    used = next((t.input_tokens + t.output_tokens for t in threads if t.id == thread_id), 0)
    return " ".join(filter(None, [f"{used:,} tokens in this thread.", assistant.budget_left()]))


async def _mode(session: ChatSession, rest: str) -> str:
    if rest == "yolo":
        # Pasted text must not switch it on; the switch asks for confirmation.
        raise UsageError("YOLO mode is switched on with the switch above, which asks first.")
    if rest:
        if rest not in ("read-only", "approve"):
            raise UsageError(f"Mode {rest!r} is unknown; available: read-only, approve.")
        session.manager.mode = "read-only" if rest == "read-only" else "approve"
        await session.refresh.now()
    return f"Mode: {session.manager.mode}."


async def _undo(session: ChatSession) -> str:
    changes = await asyncio.to_thread(session.manager.changes)
    made = [c for c in changes if c.by != "undo" and not c.undone_by]
    if not made:
        raise UsageError("There is no change to undo.")
    change = await asyncio.to_thread(session.manager.undo, made[-1].id)
    await session.refresh.now()
    return f"{change.summary}: done."
