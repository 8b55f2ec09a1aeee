"""The button that opens the chat panel, and the place where it then stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import ipywidgets

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.widgets.markup import escape

if TYPE_CHECKING:
    from llm_scheduler.widgets.chat import ChatPanel

OPEN, HIDE = "Chat with LLM", "Hide the chat"


class ChatButton(ipywidgets.VBox):
    """Opens the chat with a run below itself; ``close()`` ends it.

    Parameters
    ----------
    manager
        The manager that is talked to.

    """

    def __init__(self, manager: LLMManager) -> None:
        self._manager = manager
        self._panel: ChatPanel | None = None
        self._is_own = False
        # A click may come on another thread, whose loop does not stay.
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._button = ipywidgets.Button(description=OPEN, icon="comments")
        self._button.add_class("llms-chat")
        self._button.layout.width = "max-content"
        self._button.on_click(self._clicked)
        self._problem = ipywidgets.HTML()
        super().__init__([self._button])

    def __repr__(self) -> str:
        return f"ChatButton({'open' if self.is_open else 'closed'})"

    @property
    def is_open(self) -> bool:
        """Whether the chat is shown."""
        return len(self.children) > 1

    def show(self, group_key: str = "") -> None:
        """Show the chat, in the thread of a group where one is named."""
        try:
            # Here, as it reads the front end's files; most panels are never opened.
            from llm_scheduler.widgets.chat import open_panel
        except ImportError as exc:
            self._problem.value = escape(f"The chat panel needs {exc.name}: pip install {exc.name}")
            self._place(self._button, self._problem)
            return
        if self._panel is None or self._panel.is_closed:
            self._panel, self._is_own = open_panel(self._manager, self._loop)
        if group_key:
            self._panel.show_thread(thread_for_group(group_key))
        if not self.is_open:
            self._place(self._button, self._panel)
        self._button.description = HIDE

    def hide(self) -> None:
        """Take the chat away; conversations and what goes on in them stay."""
        self._place(self._button)
        self._button.description = OPEN

    def close(self) -> None:
        """Free the widgets, the panel too when it was first opened here."""
        if self._panel is not None and self._is_own:
            self._panel.close()
        self._panel = None
        self._button.close()
        self._problem.close()
        super().close()

    def _place(self, *widgets: Any) -> None:
        self.children = widgets

    def _clicked(self, _button: Any) -> None:
        if self.is_open:
            self.hide()
        else:
            self.show()
