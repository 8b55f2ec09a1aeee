"""A conversation read from its file, without what a turn needs.

Loading the graph, its tools and the model's client takes seconds in a kernel that has
just started; people who come back want to see what was said at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from llm_scheduler.agent.threads import HistoryItem, connect

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval

_MESSAGES = "messages"


def read_kept_history(
    file: Path, thread_id: str, find: Callable[[str], Approval | None]
) -> list[HistoryItem]:
    """Return the messages of a thread as they are kept, for people.

    Parameters
    ----------
    file
        The file of conversations.
    thread_id
        Whose messages to read.
    find
        Returns the approval of a tool call, if it has one.

    Raises
    ------
    StoreError
        The file can't be used.

    """
    from langgraph.checkpoint.sqlite import SqliteSaver

    from llm_scheduler.agent.history_items import make_items

    with closing(connect(file)) as connection:
        saver = SqliteSaver(connection)
        kept = saver.get_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
    if kept is None:
        return []
    messages = list(kept.checkpoint["channel_values"].get(_MESSAGES) or ())
    # Answers of tools whose step has not ended are kept beside the checkpoint.
    late = [
        message
        for _, channel, value in kept.pending_writes or ()
        if channel == _MESSAGES
        for message in (value if isinstance(value, list) else [value])
    ]
    ids = {message.id for message in late}
    return make_items([*(m for m in messages if m.id not in ids), *late], find)
