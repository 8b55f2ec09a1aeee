"""The failures panel of a notebook: groups of failed jobs, why, and what to do.

Plain ipywidgets. The panel follows its manager by itself, sends only what changed,
and draws at most some times a second, however many jobs fail at once.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ipywidgets

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.widgets import failure_html
from llm_scheduler.widgets.chat_button import ChatButton
from llm_scheduler.widgets.failure_html import counted
from llm_scheduler.widgets.fallback_html import with_fallback

INTERVAL_S = 0.25
"""Shortest time between two drawings."""
PAGE = 50
"""Groups that are shown at first, and added by each "show more"."""
NEW_PER_DRAWING = 4
"""Making widgets takes the kernel's loop; so many entries at once stay unnoticed."""
MAX_TITLE_CHARS = 300

_log = logging.getLogger(__name__)


class FailureSource(Protocol):
    """What the panel asks of the manager of failures."""

    @property
    def n_pending(self) -> int:
        """Number of diagnoses under way."""

    @property
    def problem(self) -> str:
        """A sentence that says what does not work; empty when all does."""

    def groups(self) -> list[FailureGroup]:
        """Return the failures grouped by cause."""

    def failures(self) -> list[Failure]:
        """Return every failed attempt."""

    def subscribe(self, callback: Callable[[], Any]) -> Callable[[], Any]:
        """Call back after each change, until the returned function is called."""

    def release(self, learners: Sequence[str]) -> Any:
        """Let held learners be started again."""


def failures_panel(llm_manager: FailureSource) -> FailuresPanel:
    """Return a panel that shows why jobs failed and keeps itself up to date.

    Parameters
    ----------
    llm_manager
        The manager whose failures are shown, for example ``run_manager.llm_manager``.

    """
    return FailuresPanel(llm_manager)


class FailuresPanel(ipywidgets.VBox):
    """Groups of failures, each with its proof and what to do; ``close()`` ends it."""

    def __init__(self, llm_manager: FailureSource) -> None:
        self._manager = llm_manager
        self._entries: dict[str, _Entry] = {}
        self._limit = PAGE
        self._counts = (0, 0)
        self._closed = False
        self._release_problem = ""
        self._header = ipywidgets.HTML()
        self._header.add_class("llms-header")
        self._problem = ipywidgets.HTML()
        self._problem.add_class("llms-problem")
        self._list = ipywidgets.VBox()
        self._list.add_class("llms-list")
        self._more = ipywidgets.Button(description="Show more")
        self._more.add_class("llms-more")
        self._more.on_click(self._show_more)
        style = ipywidgets.HTML(failure_html.style_html())
        style.add_class("llms-style")
        # Another source of failures may have nothing to talk to.
        self.chat = ChatButton(llm_manager) if isinstance(llm_manager, LLMManager) else None
        chat = [self.chat] if self.chat is not None else []
        super().__init__([style, self._header, self._problem, *chat, self._list, self._more])
        self.add_class("llms-panel")
        self._redraw = _Redraw(self._draw_some)
        self._unsubscribe = llm_manager.subscribe(self._redraw.ask)
        self.refresh()

    def __repr__(self) -> str:
        n_groups, n_failures = self._counts
        return f"FailuresPanel({counted(n_groups, 'cause')}, {counted(n_failures, 'failure')})"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        found = {} if self._closed else super()._repr_mimebundle_()
        return with_fallback(found, repr(self), self._manager)

    def refresh(self) -> None:
        """Show the manager's present state at once."""
        self._draw(self._limit)

    def _draw_some(self) -> None:
        self._draw(NEW_PER_DRAWING)

    def _draw(self, max_new: int) -> None:
        if self._closed:
            return
        problem = self._release_problem or self._manager.problem
        try:
            groups = list(self._manager.groups())
            failures = list(self._manager.failures())
        except LLMSchedulerError as error:
            _show(self._problem, failure_html.problem_html(f"The failures can't be read: {error}"))
            return
        self._counts = (len(groups), sum(group.count for group in groups))
        shown = self._chosen(groups)
        n_hidden = len(groups) - len(shown)
        n_pending = self._manager.n_pending
        _set_value(self._header, failure_html.header_html(groups, n_pending, len(shown)))
        _show(self._problem, failure_html.problem_html(problem))
        drawn = shown[: len(self._entries) + max_new]
        self._update_entries(drawn, _held_learners(groups, failures))
        if len(drawn) < len(shown):
            self._redraw.ask()
        self._more.description = f"Show {min(PAGE, n_hidden)} more"
        self._more.layout.display = None if n_hidden else "none"

    def close(self) -> None:
        """Stop following the manager and take the panel off the notebook."""
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        for entry in self._entries.values():
            entry.close_all()
        self._entries.clear()
        for child in self.children:
            child.close()
        super().close()
        # Widgets hide it then; a notebook that displays this is shown the text.
        self.__dict__.pop("_repr_mimebundle_", None)

    def _chosen(self, groups: list[FailureGroup]) -> list[FailureGroup]:
        # What is shown keeps its place, so that nothing jumps away from under the mouse.
        by_key = {group.key: group for group in groups}
        kept = [by_key.pop(key) for key in self._entries if key in by_key]
        return [*kept, *by_key.values()][: self._limit]

    def _update_entries(self, groups: list[FailureGroup], held: dict[str, tuple[str, ...]]) -> None:
        keys = {group.key for group in groups}
        gone = [key for key in self._entries if key not in keys]
        closed = [self._entries.pop(key) for key in gone]
        for group in groups:
            entry = self._entries.get(group.key)
            if entry is None:
                chat = functools.partial(self.chat.show, group.key) if self.chat else None
                entry = self._entries[group.key] = _Entry(self._release, chat)
            entry.update(group, held.get(group.key, ()))
        boxes = tuple(entry.box for entry in self._entries.values())
        if boxes != self._list.children:
            self._list.children = boxes
        for entry in closed:
            entry.close_all()

    def _show_more(self, _button: Any) -> None:
        self._limit += PAGE
        self._redraw.ask()

    def _release(self, learners: Sequence[str]) -> None:
        self._redraw.run_soon(lambda: self._release_now(learners))

    def _release_now(self, learners: Sequence[str]) -> None:
        try:
            self._manager.release(learners)
        except Exception as error:  # noqa: BLE001 - a click must answer in the panel, not in a log
            _log.warning("learners could not be started again", exc_info=True)
            self._release_problem = f"Not started again: {error}"
            for entry in self._entries.values():
                entry.forget_click()
        else:
            self._release_problem = ""
        self._redraw.ask()


class _Entry:
    """One group in the list."""

    def __init__(
        self,
        release: Callable[[Sequence[str]], None],
        chat: Callable[[], None] | None,
    ) -> None:
        # Opened by CSS alone (`mod-active`): it works while the kernel is busy, by
        # keyboard too, and the state is a trait, so that it outlives redrawing.
        self.toggle = ipywidgets.ToggleButton()
        self.toggle.add_class("llms-toggle")
        self.meta = ipywidgets.HTML()
        self.meta.add_class("llms-meta")
        self.body = ipywidgets.HTML()
        self.body.add_class("llms-body")
        self.again = ipywidgets.Button(description="Start again", icon="play")
        self.again.add_class("llms-again")
        self.again.layout.display = "none"
        self.again.on_click(self._clicked)
        self.talk: list[ipywidgets.Button] = []
        if chat is not None:
            button = ipywidgets.Button(description="Chat about this", icon="comments")
            button.add_class("llms-talk")
            button.on_click(lambda _button: chat())
            self.talk.append(button)
        self.box = ipywidgets.VBox([self.toggle, self.meta, self.again, *self.talk, self.body])
        self.box.add_class("llms-entry")
        self._release = release
        self._shown: tuple[Any, ...] = ()
        self._held: tuple[str, ...] = ()
        self._asked: frozenset[str] = frozenset()

    def update(self, group: FailureGroup, held: tuple[str, ...]) -> None:
        """Show the group's present state; only what differs is sent."""
        state = (group, held, self._asked)
        if state == self._shown:
            return
        self.toggle.description = _plain(group.title)
        _set_value(self.meta, failure_html.meta_html(group, len(held)))
        _set_value(self.body, failure_html.body_html(group))
        self._held = held
        waiting = [name for name in held if name not in self._asked]
        self._asked &= frozenset(held)
        self.again.disabled = not waiting
        self.again.description = (
            f"Start {counted(len(held), 'learner')} again" if waiting else "Starting again …"
        )
        self.again.layout.display = None if held else "none"
        self._shown = (group, held, self._asked)

    def forget_click(self) -> None:
        """Let the button be clicked again, after what it asked for failed."""
        self._asked = frozenset()

    def close_all(self) -> None:
        """Close the entry's widgets."""
        for widget in (self.toggle, self.meta, self.again, *self.talk, self.body, self.box):
            widget.close()

    def _clicked(self, _button: Any) -> None:
        # The second click of a double click finds nothing left to ask for.
        learners = [name for name in self._held if name not in self._asked]
        if not learners:
            return
        self._asked |= frozenset(learners)
        self._shown = ()
        self.again.disabled = True
        self.again.description = "Starting again …"
        self._release(learners)


class _Redraw:
    """Gathers requests from any thread into few drawings on the notebook's loop.

    Widget callbacks and a manager's notices may come from another thread with
    another event loop, so the loop is the one of the construction.
    """

    def __init__(self, draw: Callable[[], None]) -> None:
        self._draw = draw
        self._lock = threading.RLock()
        self._asked = False
        self._last_s = float("-inf")
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # a script without a loop: nobody watches, so draw at once
            self._loop = None

    def ask(self, *_ignored: Any) -> None:
        """Draw soon; may be called from any thread and at any rate."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
        self.run_soon(self._schedule)

    def run_soon(self, function: Callable[[], None]) -> None:
        """Call a function on the notebook's loop."""
        if self._loop is None:
            with self._lock:
                function()
        elif not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:  # closed in between: the kernel is going down
                _log.debug("the event loop is closed; the panel is not drawn again")

    def _schedule(self) -> None:
        delay_s = self._last_s + INTERVAL_S - time.monotonic()
        if self._loop is None or delay_s <= 0:
            self._now()
        else:
            self._loop.call_later(delay_s, self._now)

    def _now(self) -> None:
        with self._lock:
            self._asked = False
        self._last_s = time.monotonic()
        self._draw()


def _held_learners(
    groups: Sequence[FailureGroup],
    failures: Sequence[Failure],
) -> dict[str, tuple[str, ...]]:
    """Return for each group the learners that are kept from being started again."""
    held = [failure for failure in failures if failure.held and failure.diagnosis is not None]
    by_cause: dict[str, dict[str, None]] = {}
    for failure in held:
        assert failure.diagnosis is not None
        by_cause.setdefault(failure.diagnosis.cause, {}).update(dict.fromkeys(failure.learners))
    found = {}
    for group in groups:
        names = by_cause.get(group.representative.cause)
        if names:
            members = frozenset(group.learners)
            found[group.key] = tuple(name for name in names if name in members)
    return found


def _plain(title: str) -> str:
    # A button's description is text and needs no escaping, only a bound and no surprises.
    line = " ".join(title.split())[:MAX_TITLE_CHARS]
    line = re.sub(r"`([^`]+)`", r"'\1'", line)
    return "".join(char if char.isprintable() else "\ufffd" for char in line) or "Unknown"


def _set_value(widget: ipywidgets.HTML, value: str) -> None:
    if widget.value != value:
        widget.value = value


def _show(widget: ipywidgets.HTML, value: str) -> None:
    _set_value(widget, value)
    widget.layout.display = None if value else "none"
