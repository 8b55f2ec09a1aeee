"""`ChatPanel`: the widget in which people talk to a run; see `messages` for its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from llm_scheduler.errors import UsageError
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.widgets.chat_requests import Requests
from llm_scheduler.widgets.chat_session import ChatSession
from llm_scheduler.widgets.fallback_html import with_fallback
from llm_scheduler.widgets.messages import Overview

if TYPE_CHECKING:
    from pydantic import BaseModel

_STATIC = Path(__file__).parent / "static"
_panels: weakref.WeakKeyDictionary[LLMManager, ChatPanel] = weakref.WeakKeyDictionary()


def chat_widget(run_manager: Any) -> ChatPanel:
    """Return the panel in which one talks to a run; the same one each time.

    Parameters
    ----------
    run_manager
        A run manager, or its ``llm_manager``.

    Raises
    ------
    UsageError
        It is neither.

    """
    manager = getattr(run_manager, "llm_manager", run_manager)
    if not isinstance(manager, LLMManager):
        raise UsageError(
            f"{type(run_manager).__name__} can't be talked to; give a run manager of "
            "llm_scheduler or its `llm_manager`."
        )
    return open_panel(manager)[0]


def open_panel(
    manager: LLMManager, loop: asyncio.AbstractEventLoop | None = None
) -> tuple[ChatPanel, bool]:
    """Return the panel of a manager, and whether it was made by this call.

    Parameters
    ----------
    manager
        The manager that is talked to.
    loop
        The loop on which the run lives; by default the one that is running now.

    """
    panel = _panels.get(manager)
    if panel is not None and not panel.is_closed:
        return panel, False
    panel = _panels[manager] = ChatPanel(manager, loop=loop)
    return panel, True


class ChatPanel(anywidget.AnyWidget):
    """The chat with a run; ``close()`` ends it, and conversations stay.

    Parameters
    ----------
    manager
        The manager that is talked to.
    loop
        The loop on which the run lives; by default the one that is running now.

    """

    _esm = _STATIC / "chat.js"
    _css = _STATIC / "chat.css"

    overview = traitlets.Dict().tag(sync=True)
    groups: traitlets.List[Any] = traitlets.List().tag(sync=True)
    threads: traitlets.List[Any] = traitlets.List().tag(sync=True)
    changes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    conversations = traitlets.Dict().tag(sync=True)
    active = traitlets.Unicode("").tag(sync=True)
    session = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, manager: LLMManager, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        # One send at a time: a message is several frames, and the notebook's thread
        # answers requests for the state while the session's thread sends.
        self._sending = threading.RLock()
        self.is_closed = False
        self.manager = manager
        super().__init__(overview=Overview().model_dump(), session=uuid.uuid4().hex)
        _stay_free(self.comm)
        self._chat = ChatSession(manager, _Stage(self), loop or _running_loop())
        self._requests = Requests(self._chat)
        self.on_msg(self._receive)
        self._chat.start()

    def __repr__(self) -> str:
        return f"ChatPanel({self.manager.store.path.name.removesuffix('.failures.sqlite')!r})"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        found: Any = {} if self.is_closed else super()._repr_mimebundle_()
        return with_fallback(found, repr(self), self.manager)

    def show_thread(self, thread_id: str) -> None:
        """Show a thread in every view; see ``thread_for`` of the manager for failures."""
        with self._sending:  # not in the middle of `suggest`
            self.active = thread_id

    def export_html(self, path: Path | str, thread_id: str = "") -> Path:
        """Write a conversation to a file that needs nothing else to be read.

        Parameters
        ----------
        path
            The file; what is there is replaced.
        thread_id
            The conversation; the one that is shown by default.

        """
        name = thread_id or self.active or "chat"
        text = self._chat.loop.submit(self._requests.export(name)).result()
        target = Path(path)
        target.write_text(text, encoding="utf-8")
        return target

    def close(self) -> None:
        """Take the panel off the notebook and stop following the run."""
        if self.is_closed:
            return
        self.is_closed = True
        self._chat.close()
        super().close()
        # Widgets hide it then; a notebook that displays this is shown the text.
        self.__dict__.pop("_repr_mimebundle_", None)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        # On the notebook's thread, or on a subshell's: only hand it over.
        self._chat.loop.call_soon(self._requests.take, content)

    def set_state(self, sync_data: Any) -> None:
        """Take what a browser has set; not in the middle of what the session sets."""
        with self._sending:
            super().set_state(sync_data)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        with self._sending:
            if self.comm is None:
                return
            super()._send(msg, buffers)
            _stay_free(self.comm)


class _Stage:
    """Sends from the session's thread; does nothing when the panel is closed."""

    def __init__(self, panel: ChatPanel) -> None:
        self._panel = weakref.ref(panel)

    def publish(self, message: BaseModel) -> None:
        panel = self._panel()
        if panel is not None and not panel.is_closed:
            panel.send(_sendable(message.model_dump()))

    def show(self, **traits: Any) -> None:
        panel = self._panel()
        if panel is None or panel.is_closed:
            return
        for name, given in traits.items():
            value = _sendable(given)
            with panel._sending:
                if getattr(panel, name) != value:
                    setattr(panel, name, value)

    def suggest(self, thread_id: str) -> None:
        panel = self._panel()
        if panel is None:
            return
        with panel._sending:  # what somebody chooses at this moment must not be undone
            if not panel.active:
                self.show(active=thread_id)


def _sendable(value: Any) -> Any:
    """Return a value without the halves of characters that names of files can hold."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def _stay_free(comm: Any) -> None:
    """Let requests come on the way that the browser has chosen, also after a send.

    ipykernel 7.4 hands what a browser says to the shell that sent last. For us that
    would be the one in which a cell is busy, and the chat would stand still until it
    ends; the browser asks for a shell of its own, which is free. Other versions have no
    such note.
    """
    with contextlib.suppress(AttributeError):
        del comm._reply_subshell_id


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a script
        return None
