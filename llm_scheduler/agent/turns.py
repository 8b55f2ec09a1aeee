"""`Turn`: one turn of a thread and those who watch it; `TurnLocks`: one at a time.

A turn is written by the agent's loop and may be followed from any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from llm_scheduler.agent.events import Done, Event, Failed, Notice, TextDelta, TurnStarted

log = logging.getLogger(__name__)

WAKE_S = 0.005
"""Between two wakings of those who follow: going to another thread and its loop takes as
long as making ten events, and a quick model sends one after another."""

TurnStatus = Literal["finished", "waiting", "cancelled", "failed"]


class TurnEnded(Exception):
    """The turn is over, for a reason that the user is told."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Turn:
    """What happens in one turn, as events in their order.

    Parameters
    ----------
    thread_id, turn_id
        Of the conversation, and of this turn; what goes on after a decision has the
        same `turn_id`.
    message
        The user's words; empty when a turn goes on.
    publish
        Called with each event, on the agent's loop.

    """

    def __init__(
        self, thread_id: str, turn_id: str, message: str, publish: Callable[[Event], None]
    ) -> None:
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.message = message
        self.text = ""
        """The last answer, as far as it has come."""
        self.text_id = ""
        self.is_followed = False
        """Whether somebody has seen it, or is seeing it."""
        self.known_approvals: frozenset[str] = frozenset()
        """What waited for a decision when the message came; nobody decides about the rest."""
        self.is_stopped = False
        """Whether somebody stopped it; the end of the process is something else."""
        self.has_rules_answer = False
        """Whether the rules answered it, as no model may be asked."""
        self.inputs: list[Any] = []
        """Messages that the turn adds to the thread."""
        self.proposals = asyncio.Lock()
        """Held while a change is proposed: calls side by side are made in their order."""
        self.task: asyncio.Task[None] | None = None
        self._publish = publish
        self._events: list[Event] = []
        self._done: Done | None = None
        self._is_started = False
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], None]] = []
        self._waking: asyncio.TimerHandle | None = None
        self._woken_s = float("-inf")

    @property
    def done(self) -> Done | None:
        """The last event; ``None`` while the turn goes on."""
        return self._done

    def publish(self, event: Event) -> None:
        """Tell everybody who watches."""
        if self._done is not None:  # set on this thread only
            return
        # First, as those who follow may be through before watchers had been told.
        self._publish(event)
        with self._lock:
            self._events.append(event)
            if isinstance(event, Done):
                self._done = event
        self._wake(at_once=isinstance(event, Done))

    def _wake(self, *, at_once: bool) -> None:
        """Wake those who follow, now or a moment after the last time."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._wake_now()
            return
        pause_s = 0.0 if at_once else self._woken_s + WAKE_S - loop.time()
        if pause_s <= 0:
            self._woken_s = loop.time()
            self._wake_now()
        elif self._waking is None:
            self._waking = loop.call_at(self._woken_s + WAKE_S, self._wake_later)

    def _wake_later(self) -> None:
        self._waking = None
        self._wake(at_once=True)

    def _wake_now(self) -> None:
        with self._lock:
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def start(self) -> None:
        """Say that the turn begins; only the first time counts."""
        if self._is_started:
            return
        self._is_started = True
        self.publish(self.event(TurnStarted, message=self.message))

    def say(self, message_id: str, text: str) -> None:
        """Publish a piece of the answer."""
        if message_id != self.text_id:
            self.text_id, self.text = message_id, ""
        self.text += text
        self.publish(self.event(TextDelta, message_id=message_id, text=text))

    def notice(self, text: str) -> None:
        """Publish something that the user should know."""
        self.publish(self.event(Notice, text=text))

    def fail(self, kind: str, text: str) -> None:
        """Publish why the turn can't go on."""
        self.publish(self.event(Failed, kind=kind, text=text))

    def finish(self, status: TurnStatus, text: str | None = None) -> None:
        """Publish the last event."""
        self.publish(self.event(Done, status=status, text=self.text if text is None else text))

    def event(self, make: type[Any], /, **fields: Any) -> Any:
        """Make an event of this turn."""
        return make(thread_id=self.thread_id, turn_id=self.turn_id, **fields)

    async def follow(self) -> AsyncGenerator[Event, None]:
        """Yield all events of the turn, from its first to `Done`, on any loop."""
        self.is_followed = True
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the follower's loop has ended
                loop.call_soon_threadsafe(changed.set)

        with self._lock:
            self._wakers.append(wake)
        try:
            seen = 0
            while True:
                changed.clear()
                with self._lock:
                    new = self._events[seen:]
                seen += len(new)
                for event in new:
                    yield event
                    if isinstance(event, Done):
                        return
                if not new:
                    await changed.wait()
        finally:
            with self._lock:
                self._wakers.remove(wake)
                if self._done is not None and not self._wakers:
                    self._events = [self._done]  # a thread keeps its last turn for long


class TurnLocks:
    """Lets one turn of a thread run at a time, in this process and on this machine.

    Parameters
    ----------
    folder
        For the lock files; must be on a local file system.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def hold(self, thread_id: str) -> AsyncIterator[None]:
        """Wait for earlier turns of this process, then lock out other processes.

        Raises
        ------
        TurnEnded
            Another process is in the middle of a turn of this thread, or the disk is full.

        """
        async with self._locks.setdefault(thread_id, asyncio.Lock()):
            with self._hold_file(thread_id):
                yield

    def _open(self, thread_id: str) -> int:
        # A thread's name may be anything; a file's may not.
        path = self._folder / f"{sha256(thread_id.encode()).hexdigest()[:16]}.lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(path, flags, 0o600)
        except OSError as exc:
            text = f"The lock of this conversation can't be used: {path}: {exc.strerror}."
            raise TurnEnded("internal", text) from exc

    @contextmanager
    def _hold_file(self, thread_id: str) -> Iterator[None]:
        descriptor = self._open(thread_id)
        try:
            try:
                # Freed by the kernel when the process dies.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TurnEnded(
                    "busy",
                    "Another notebook or terminal is in the middle of this conversation. "
                    "Try again when it has answered, or use another thread.",
                ) from None
            try:
                yield
            finally:
                # A process forked meanwhile has the file open, too, and would keep the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)
