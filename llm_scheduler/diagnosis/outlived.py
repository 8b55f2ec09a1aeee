"""Errors that a program outlived: it wrote on after them, and said that it ended well."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.candidates import Candidate, is_general
from llm_scheduler.diagnosis.event_logs import ran_again, was_started_anew
from llm_scheduler.diagnosis.unfinished import progress_of
from llm_scheduler.logs.models import Frame, LogText, Traceback

_WELL_AFTER = 4
"""Lines of life between an error and a program's own word that it ended well."""
_WORK_LINES = 2
"""The same, where the word is that of a result: a file written, a test passed."""
_NEAR_BAR = 20
"""So far above an error a bar of progress may stand that goes on after it."""
_FIRST_LINES = 5
"""So far down the words of a shell may be about the settings it reads at its start."""
_AT_START = frozenset({"command_not_found", "syntax_error"})
_DEADLY = frozenset({"crash", "killed", "out_of_memory", "disk_full", "missing_shared_library"})
"""Programs do not live on after these, or not unharmed: another one reached the result."""
_CATCHING = frozenset({"python", "r"})
"""Languages whose programs print errors that they caught in full, and go on."""
_DIED = noise.compile_words(
    r"\b(?:error|abnormal) termination\b|\bexecution halted\b|\baborted\b|\baborting\b"
    r"|\b(?:run|program|process|job) (?:is |was )?(?:stopped|terminated|failed)\b"
    r"|\bexit(?:ed)?(?: with)?(?: an?)? (?:code|status)[ :=]*[1-9]",
)
"""What stands between an error and the result of the next program of the script."""


_RECORD = noise.compile_words(
    r"^\W?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d.{0,80}\b(?:ERROR|WARNING|WARN|CRITICAL|EXCEPTION)\b",
    ignore_case=False,
)
"""A line of Python's `logging`, or of programs that write such lines: time, then level."""
_MODULE = re.compile(r"No module named ['\"]?([A-Za-z_]\w+)")
_PROBES = frozenset({"<string>", "<stdin>"})
"""Files of code that a script gives to Python on its command line, to try something."""


def without_refuted(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
) -> list[Candidate]:
    """Leave out what lines below belie.

    That is: modules that a one-line test did not find, and that wrote lines later, and what
    a scheduler's event log tells of a job that it then ran again, to a good end.
    """
    lines = {log.file: log.lines for log in logs}
    return [
        found
        for found in candidates
        if not _is_refuted(found, logs)
        and not (found.role == "verdict" and ran_again(lines.get(found.file, ()), found.order))
        and not was_started_anew(lines.get(found.file, ()), found.order)
    ]


def _is_refuted(found: Candidate, logs: Sequence[LogText]) -> bool:
    error = found.exception
    if error is None or found.cause.category != "missing_module":
        return False
    if not all(frame.file in _PROBES for frame in error.frames):
        return False
    module = _MODULE.search(error.message)
    log = next((log for log in logs if log.file == found.file), None)
    if module is None or log is None:
        return False
    used = re.compile(rf"(?:^|[\s/(]){re.escape(module[1])}/\w")
    return any(used.search(line.text) for line in log.lines[found.last_order + 1 :])


def is_outlived(
    error: Candidate,
    logs: Sequence[LogText],
    candidates: Sequence[Candidate],
) -> bool:
    """Tell whether a program wrote on after an error, and then said that it ended well."""
    if error.traceback is not None and any(x.function == "<module>" for x in _outer(error)):
        # What reached the top of a program was mostly not caught; a script went on.
        return False
    log = next((log for log in logs if log.file == error.file), None)
    end = noise.end_of(log) if log is not None else None
    if log is None or end is None or error.last_order >= end:
        return False
    if error.traceback is not None and (_is_logged(error.traceback, log) or _is_of_side(error)):
        return True
    return error.after >= _WELL_AFTER or _reached_result(error, log, candidates)


def _is_logged(traceback: Traceback, log: LogText) -> bool:
    """Tell whether a record of a logging program stands above a traceback: it was caught."""
    first = min(link.first_line for link in _chain(traceback))
    above = next((x.text for x in reversed(log.lines) if x.number == first - 1), "")
    return _RECORD.search(above) is not None


def _is_of_side(error: Candidate) -> bool:
    """Tell whether an exception ended a thread of Java beside the main one."""
    return 'Exception in thread "' in error.text and 'in thread "main"' not in error.text


def _chain(traceback: Traceback | None) -> Iterator[Traceback]:
    while traceback is not None:
        yield traceback
        traceback = traceback.cause


def is_overtaken(error: Candidate, logs: Sequence[LogText]) -> bool:
    """Tell whether a bar of progress ends the log at its end that was behind at an error.

    Only the last state of a bar that is written over stands in a log, but a message
    that breaks into it keeps the state before.
    """
    log = next((log for log in logs if log.file == error.file), None)
    if log is None:
        return False
    last = next((i for i in reversed(range(len(log.lines))) if log.lines[i].text.strip()), -1)
    bars = progress_of(log.lines[last].text) if last > error.last_order else []
    if not bars or any(done < total for done, total in bars):
        return False
    totals = {total for _, total in bars}
    return any(
        done < total and total in totals
        for line in log.lines[max(0, error.last_order - _NEAR_BAR) : last]
        for done, total in progress_of(line.text)
    )


def is_passed(weak: Candidate, logs: Sequence[LogText]) -> bool:
    """Tell whether bars of progress say that a program met an error that it may survive, and did.

    After an error that programs often survive any bar that reached its end tells so.
    """
    if is_general(weak.cause) and is_overtaken(weak, logs):
        return True
    log = next((log for log in logs if log.file == weak.file), None)
    if weak.role != "hint" or log is None:
        return False
    bars = (bar for x in log.lines[weak.last_order + 1 :] for bar in progress_of(x.text))
    return any(done == total for done, total in bars)


def _outer(error: Candidate) -> tuple[Frame, ...]:
    """Return the outermost frame of an exception."""
    return error.exception.frames[:1] if error.exception is not None else ()


def _reached_result(error: Candidate, log: LogText, candidates: Sequence[Candidate]) -> bool:
    """Tell whether a result of the program follows an error, with its work between them."""
    end = noise.result_of(log)
    if end is None or _ends_programs(error):
        return False
    between = range(error.last_order + 1, end)
    told = [x for x in candidates if x.order in between and x.file == error.file]
    if any(x.role in {"symptom", "verdict"} and not is_general(x.cause) for x in told):
        return False
    lines = [line.text for line in log.lines[between.start : between.stop]]
    if any(map(_DIED.search, [error.text, *lines])):
        return False
    return sum(map(noise.is_work, lines)) >= _WORK_LINES


def _ends_programs(error: Candidate) -> bool:
    """Tell whether an error is of a kind that no program goes on from."""
    if error.cause.category in _AT_START and error.order > _FIRST_LINES:
        return True
    language = error.exception.language if error.exception is not None else "python"
    return error.cause.category in _DEADLY or language not in _CATCHING
