"""The keys that are in use, hidden in what tools read before anything of it is cut.

A part of a key is not known as one any more, so it is too late when the answer is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import AnyStr, Generic

from llm_scheduler.logs.redaction import REDACTED

_keys: ContextVar[tuple[str, ...]] = ContextVar("_keys", default=())


@contextmanager
def hiding_keys(keys: Collection[str]) -> Iterator[None]:
    """Hide these keys in what tools read in the block, and in the threads begun there."""
    token = _keys.set(tuple(keys))
    try:
        yield
    finally:
        _keys.reset(token)


def hide_keys(text: str) -> str:
    """Take the keys in use out of a text."""
    for key in _keys.get():
        text = text.replace(key, REDACTED)
    return text


def hide_in_tail(tail: bytes, *, is_whole: bool) -> bytes:
    """Take the keys in use out of the end of a log, also the end of one at its beginning."""
    keys = [key.encode(errors="replace") for key in _keys.get()]
    for key in keys:
        tail = tail.replace(key, REDACTED.encode())
    return tail if is_whole else tail[max(map(len, keys), default=0) :]


def hide_in_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a log without the keys in use, also where one goes over two."""
    keys = [key.encode(errors="replace") for key in _keys.get()]
    if not keys:
        yield from chunks
        return
    held = HeldBack(keys, REDACTED.encode())
    for chunk in chunks:
        if piece := held.push(chunk):
            yield piece
    if rest := held.rest():
        yield rest


class HeldBack(Generic[AnyStr]):
    """Hides keys in what comes in pieces: what may be the beginning of one is held back.

    Parameters
    ----------
    keys
        The longest first, none of them empty.
    mark
        Put in their places.

    """

    def __init__(self, keys: Iterable[AnyStr], mark: AnyStr) -> None:
        self._keys: tuple[AnyStr, ...] = tuple(keys)
        self._mark: AnyStr = mark
        self._held: AnyStr = mark[:0]

    def push(self, piece: AnyStr) -> AnyStr:
        """Take a piece; returns what can be told without it being a part of a key."""
        text = self._held + piece
        end = self._find_end(text)
        self._held = text[end:]
        return self._hide(text[:end])

    def rest(self) -> AnyStr:
        """Return what was held back, once no more comes."""
        held, self._held = self._held, self._mark[:0]
        return self._hide(held)

    def _hide(self, text: AnyStr) -> AnyStr:
        for key in self._keys:
            text = text.replace(key, self._mark)
        return text

    def _find_end(self, text: AnyStr) -> int:
        """Return where the first key begins that may go on in the next piece."""
        end = len(text)
        for key in self._keys:
            at = text.find(key[:1], max(0, len(text) - len(key) + 1))
            while 0 <= at < end and not key.startswith(text[at:]):
                at = text.find(key[:1], at + 1)
            end = at if 0 <= at < end else end
        return self._before_whole(text, end)

    def _before_whole(self, text: AnyStr, end: int) -> int:
        """Move a cut that goes through a whole key to its beginning."""
        for key in self._keys:
            at = text.find(key, max(0, end - len(key) + 1))
            if 0 <= at < end < at + len(key):
                return self._before_whole(text, at)
        return end
