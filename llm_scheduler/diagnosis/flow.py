"""The lines of one log, each counted as life of the program or as noise."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.causes import Role
from llm_scheduler.diagnosis.going_on import find_warned, is_calm, is_logged_error
from llm_scheduler.diagnosis.messages import find_message_lines
from llm_scheduler.diagnosis.noise import without_prefix
from llm_scheduler.diagnosis.outcomes import find_skipped_tests
from llm_scheduler.logs.models import LogText, Traceback

_PROGRESS_WEIGHT = 3
_ANSWER_LINES = 2
_MAX_BLOCK = 12
_PREFIXED = 20
_NUMBERS = re.compile(r"[\d.:]+")
_SHAPE_CHARS = 32
_TELLING_CHARS = 12


class Flow:
    """The lines of one log, each counted as life of the program or as noise."""

    def __init__(
        self,
        log: LogText,
        roles: dict[int, Role],
        prints: Sequence[Traceback] = (),
    ) -> None:
        self._log = log
        self._numbers = [line.number for line in log.lines]
        self._spans = self._find_spans(prints or log.tracebacks)
        texts = [line.text for line in log.lines]
        self._spans |= find_skipped_tests(texts)
        told = find_message_lines(texts)
        # Of several processes one may go on where another one died.
        weight = 1 if noise.is_parallel([log]) else _PROGRESS_WEIGHT
        loose, strict = [], []
        for index, line in enumerate(log.lines):
            noisy = index in self._spans or index in told or noise.is_noise(line.text)
            role = roles.get(index)
            alarm = noise.ALARM.search(line.text) is not None
            value = weight if noise.PROGRESS.search(line.text) else 1
            loose.append(0 if noisy or role is not None or alarm else value)
            # A message of another command after a traceback: the script had moved on.
            strict.append(value if role == "hint" or not (noisy or role or alarm) else 0)
        self._loose = self._sum(loose)
        self._strict = self._sum(strict)

    def _find_spans(self, tracebacks: Sequence[Traceback]) -> set[int]:
        """Return the indices of lines that belong to tracebacks."""
        inside: set[int] = set()
        for traceback in tracebacks:
            link: Traceback | None = traceback
            while link is not None:
                inside.update(self._lines_of(link))
                link = link.cause
        return inside

    def _lines_of(self, link: Traceback) -> Iterator[int]:
        first, last = self.index_of(link.first_line), self.index_of(link.last_line)
        for index in range(first, min(last + 1, len(self._numbers))):
            text = without_prefix(self._log.lines[index].text)
            if text[:1] in {" ", "\t"} or self._numbers[index] == link.message_line:
                yield index
        yield from (self.index_of(frame.log_line) for frame in link.frames if frame.log_line)

    def _sum(self, alive: list[int]) -> list[int]:
        """Add up living lines, with those that the scan left out between them."""
        weights = []
        for index, lives in enumerate(alive):
            gap = self._numbers[index] - self._numbers[index - 1] - 1 if index else 0
            # Thinned-out repeats of an error leave a gap between two lines of noise.
            counts = gap > 0 and (lives > 0 or alive[index - 1] > 0)
            weights.append(lives + (gap if counts else 0))
        return list(accumulate(weights))

    def after(self, index: int) -> tuple[int, int]:
        """Return how many living lines follow a line, counted loosely and strictly."""
        if not self._loose:
            return 0, 0
        index = min(max(index, 0), len(self._loose) - 1)
        return self._loose[-1] - self._loose[index], self._strict[-1] - self._strict[index]

    def resumes(self, index: int) -> bool:
        """Tell whether lines like those before a place come again after it.

        A script's own last words look unlike the output of the program before.
        """
        shapes = self._living_shapes
        before = {shape for at, shape in shapes if at < index}
        return any(at > index and shape in before for at, shape in shapes)

    @cached_property
    def _living_shapes(self) -> list[tuple[int, str]]:
        return [
            (i, _shape(self._log.lines[i].text))
            for i in range(1, len(self._numbers))
            if self._loose[i] > self._loose[i - 1]
        ]

    def index_of(self, number: int) -> int:
        """Return where the line of a number stands among the kept lines."""
        return bisect_left(self._numbers, number) if number else len(self._numbers)

    def after_traceback(self, traceback: Traceback) -> tuple[int, int]:
        """Return how many living lines follow a traceback, loosely and strictly.

        What stands at the margin below the message may be a note or the next
        output of the program; it counts as output, unless it reads like a part
        of the message.
        """
        last = traceback.last_line
        if traceback.notes and not _has_parts(traceback):
            last = traceback.message_line
        return self.after(self.index_of(max(last, traceback.message_line)))

    def is_of_thread(self, traceback: Traceback) -> bool:
        """Tell whether the line before a traceback says that one thread ended by it."""
        return "Exception in thread" in self._line_before(traceback)

    def is_ignored(self, traceback: Traceback) -> bool:
        """Tell whether Python itself says that it ignores an exception, as at its end."""
        return "Exception ignored in" in self._line_before(traceback)

    def _line_before(self, traceback: Traceback) -> str:
        before = self.index_of(_outermost(traceback).first_line) - 1
        return self._log.lines[before].text if 0 <= before < len(self._numbers) else ""

    def text_of(self, exception: Traceback) -> str:
        """Return the log's own line with the exception's name."""
        index = self.index_of(exception.message_line)
        if index < len(self._numbers) and self._numbers[index] == exception.message_line:
            return self._log.lines[index].text
        return ""

    def block_of(self, exception: Traceback) -> list[str]:
        """Return the lines that were printed with an exception."""
        first, last = self.index_of(exception.first_line), self.index_of(exception.last_line)
        return [line.text for line in self._log.lines[first : min(last + 1, first + _MAX_BLOCK)]]

    def line_of(self, exception: Traceback, text: str) -> tuple[int, str]:
        """Return number and text of the line that says what an exception means.

        Python puts the name and the message on one line; other languages begin
        with a line that says only where it was.
        """
        head = self.text_of(exception)
        if exception.language != "python" and text != head:
            first = self.index_of(exception.first_line)
            shown = self._log.lines[first : self.index_of(exception.last_line) + 1]
            for line in shown:
                if line.text == text:
                    return line.number, line.text
            message = exception.message
            if message and message not in head:
                for line in shown:
                    if message in line.text:
                        return line.number, line.text
        return exception.message_line, head

    def is_answered(self, index: int) -> bool:
        """Tell whether the program says below an error how it goes on, and does."""
        below = self._log.lines[index + 1 : index + 1 + _ANSWER_LINES]
        at = next((i for i, x in enumerate(below, index + 1) if noise.is_answer(x.text)), None)
        return at is not None and self.after(at)[0] > 0

    def lives_on(self, index: int, *, is_general: bool) -> bool:
        """Tell whether the lines around an error say that the program goes on.

        Lines of a logging library say it of errors that only general words tell of.
        """
        if self.is_answered(index):
            return True
        if not (is_general and is_logged_error(self._log.lines[index].text)):
            return False
        return index < self._last_calm

    def is_warned(self, index: int) -> bool:
        """Tell whether a line stands under the heading of a warning."""
        return index in self._warned

    @cached_property
    def _warned(self) -> set[int]:
        return find_warned([line.text for line in self._log.lines])

    @cached_property
    def _last_calm(self) -> int:
        lines = self._log.lines
        return next((i for i in reversed(range(len(lines))) if is_calm(lines[i].text)), -1)

    def inside_traceback(self, index: int) -> bool:
        """Tell whether a line is part of a traceback."""
        return index in self._spans

    def is_survivable(self, traceback: Traceback) -> bool:
        """Tell whether the words around a traceback say that it was caught.

        Also for tracebacks of the cluster's own scripts, which some sites print
        at the start of every job.
        """
        first = self.index_of(_outermost(traceback).first_line)
        if 0 < first <= len(self._numbers) and first - 1 not in self._spans:
            text = self._log.lines[first - 1].text
            if noise.says_it_lives(text) and "Warning:" not in text:
                return True
            # Who logs an error with its traceback writes the message before it, too.
            if len(traceback.message) > _TELLING_CHARS and traceback.message in text:
                return True
        if 0 <= first < len(self._numbers):
            # A logging program writes its own words before "Traceback".
            words, _, rest = self._log.lines[first].text.partition("Traceback (most")
            if rest and len(words) > _PREFIXED and noise.says_it_lives(words):
                return True
        after = self.index_of(traceback.message_line) + 1
        if after < len(self._numbers) and _says_so(self._log.lines[after].text):
            return True
        frames = traceback.root.frames
        is_site = bool(frames) and all(noise.SITE.search(frame.file) for frame in frames)
        is_code = any("-packages/" in frame.file for frame in frames)
        return is_site and not is_code and after < len(self._numbers)


def _shape(text: str) -> str:
    """Return the beginning of a line without its numbers."""
    return _NUMBERS.sub("0", text[:_SHAPE_CHARS])


def _outermost(traceback: Traceback) -> Traceback:
    """Return the exception of a chain that was printed first."""
    while traceback.cause is not None and traceback.cause.first_line < traceback.first_line:
        traceback = traceback.cause
    return traceback


def _has_parts(traceback: Traceback) -> bool:
    """Tell whether a message announces the lines that follow it."""
    message = traceback.message.rstrip()
    return not message or message[-1] in ":,([{" or any(map(noise.ALARM.search, traceback.notes))


def _says_so(text: str) -> bool:
    return noise.says_it_lives(text) and not noise.MILD.search(text)
