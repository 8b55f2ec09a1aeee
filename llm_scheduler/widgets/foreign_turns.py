"""`ForeignTurns`: notices what another shell has said in the threads that are shown here.

No event tells of it; the list of threads does, which every shell writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_scheduler.agent.threads import ThreadInfo
    from llm_scheduler.widgets.conversation_log import ConversationLog

_Mark = tuple[str, str, int, int]


class ForeignTurns:
    """Compares the list of threads with what it was before."""

    def __init__(self) -> None:
        self._marks: dict[str, _Mark] = {}
        self._own: set[str] = set()
        """Threads that an event has told of since the last reading of the list began."""
        self._own_before: set[str] = set()
        """Those of which one told before: what it tells is in the list that is read."""
        self._again: set[str] = set()

    def note_own(self, thread_id: str) -> None:
        """Note that an event tells of a thread: what changes in its list is known here."""
        self._own.add(thread_id)

    def begin(self) -> None:
        """Note that the list of threads is about to be read, for `find`."""
        self._own_before |= self._own
        self._own.clear()

    def find(self, threads: Iterable[ThreadInfo], logs: Mapping[str, ConversationLog]) -> list[str]:
        """Return the threads that have to be read anew."""
        found = []
        for thread in threads:
            log = logs.get(thread.id)
            if log is None or not log.is_loaded:
                self._marks.pop(thread.id, None)
                continue
            # An event that came while the list was read counts for the next one, too: that
            # one may be the first to have what it tells.
            is_own = log.is_busy or thread.id in self._own | self._own_before
            self._own_before.discard(thread.id)
            mark = (
                thread.updated_at.isoformat(),
                thread.turn_id,
                thread.input_tokens,
                thread.output_tokens,
            )
            known, self._marks[thread.id] = self._marks.get(thread.id), mark
            if is_own or known is None:
                self._again.discard(thread.id)
            elif mark != known:
                found.append(thread.id)
                # What an answer costs is known a moment before it is in the thread.
                self._again.add(thread.id)
            elif thread.id in self._again:
                self._again.discard(thread.id)
                found.append(thread.id)
        return found
