"""What logs and record suggest: each match of the catalogue, with where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import re2

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.catalog_entries import quiet
from llm_scheduler.diagnosis.causes import Cause, Role
from llm_scheduler.diagnosis.flow import Flow
from llm_scheduler.diagnosis.going_on import has_calm_level
from llm_scheduler.diagnosis.hints import exception_values
from llm_scheduler.diagnosis.patterns import literals_of
from llm_scheduler.logs.models import LogLine, LogText, Traceback
from llm_scheduler.logs.tracebacks import find_tracebacks, traceback_key

GENERIC_LINE = "python-error-line"
"""The cause that takes any line naming an error; only when no other does."""

_ANY_PROGRAM = "any-program-"
"""Causes that know general words only; asked where a line speaks of an error and no
other cause takes it."""
SURVIVED_AFTER = 6
"""So many ordinary lines after an error say that the program, or its script, went on."""
UNREAD_LINE = "error-line"
"""The cause of lines that say that something failed, and that no rule knows."""
_VAGUE = frozenset({UNREAD_LINE, "step-failed"})
_MAX_MESSAGE = 160
_LOOKUPS = frozenset({"KeyError", "AttributeError", "IndexError", "StopIteration", "Empty"})
_HEADER = noise.compile_words(
    r"(?i)\b(?:error|fatal|exception|erreur|fehler)\b.*(?::(?: \([\w.-]+\))?|#\s*\d+)\s*$"
    r"|^\W*(?:(?:fatal|internal|input|user|run-?time) )*"
    r"(?:error|exception|e r r o r)s?(?:\W*| \d+(?: \(.*\))?\s*)$",
)
"""A line that announces an error; the next one says which."""
_BELOW = 3
_SUBMITTING = re.compile(r"\b(?:sbatch|srun|salloc|[qbe]sub|Job not submitted)\b|^Error in \w+ sec")
_DEMOTED: dict[Role, Role] = {"cause": "hint", "symptom": "harmless"}
"""What is left of a match where the line itself says that the program goes on."""
_MAX_FRAMES = 4
_Matches = tuple[tuple[Cause, dict[str, str]], ...]
_MAX_NOTES = 6
_PYTHON = "python"
_TANGIBLE = frozenset({"file_not_found", "permission_denied", "network_error", "out_of_memory"})
"""Kinds of errors that mean the same in every language."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reason that something in the logs or the record suggests."""

    cause: Cause
    role: Role
    """Weaker than the cause's own where the program said that it went on."""
    file: str = ""
    line: int = 0
    """Line number of the decisive line; 0 when the record says it."""
    text: str = ""
    values: dict[str, str] = field(default_factory=dict)
    traceback: Traceback | None = None
    """The whole chain that it was found in."""
    exception: Traceback | None = None
    """The exception of the chain that decides."""
    after: int = 0
    """Ordinary lines after it in its log: the program, or the script, went on."""
    strictly_after: int = 0
    """The same, counting also messages that a failed program does not write."""
    resumed: bool = True
    """Whether what the program wrote before it comes again after it."""
    in_thread: bool = False
    """Whether it ended one thread only, of which the process lives on."""
    last_order: int = 0
    """Place where it stands for the last time; later than `order` for repeats."""
    order: int = 0
    """Place among all lines of its log."""
    said_to_live: bool = False
    """Whether the line itself says that the program goes on."""
    known: bool = False
    """Whether a successful job of the same run wrote its line too."""

    @property
    def from_record(self) -> bool:
        """Whether the scheduler's record suggests it."""
        return not self.text


def find_candidates(log: LogText, catalog: Catalog) -> list[Candidate]:
    """Return what one log suggests, in order of its lines."""
    matched = _match_lines(log, catalog)
    prints = _find_prints(log)
    flow = Flow(log, {index: found.cause.role for index, found in matched.items()}, prints)
    candidates = list(_of_tracebacks(log, catalog, flow, prints))
    for index, found in matched.items():
        if found.role == "harmless" or flow.inside_traceback(index) or flow.is_warned(index):
            continue
        if announces(found.text) and _is_told_below(index, found, matched):
            continue
        after, strictly = flow.after(index)
        found = replace(found, after=after, strictly_after=strictly)
        if flow.lives_on(index, is_general=is_general(found.cause)):
            found = replace(found, role=_DEMOTED.get(found.role, found.role), said_to_live=True)
        candidates.append(replace(found, order=index, last_order=index))
    return sorted(candidates, key=lambda found: found.order)


def announces(text: str) -> bool:
    """Tell whether a line only says that an error follows."""
    return _HEADER.search(text) is not None


def find_place(cause: Cause, text: str) -> int:
    """Return where in a line the first of a cause's patterns is found, -1 for none."""
    hits = (re2.search(pattern, text, quiet()) for pattern in cause.patterns)
    return min((hit.start() for hit in hits if hit), default=-1)


def is_general(cause: Cause) -> bool:
    """Tell whether a cause knows general words only, which any program may write."""
    return cause.id.startswith(_ANY_PROGRAM) or cause.id == UNREAD_LINE


def _best_general(
    matches: _Matches,
    text: str,
    catalog: Catalog,
) -> tuple[Cause, dict[str, str]] | None:
    """Return what a line says by its general words, where no other cause takes it."""
    if any(not is_general(cause) and not cause.submission for cause, _ in matches):
        return None
    values = {"message": text.strip()[:_MAX_MESSAGE]}
    known = [cause for cause, _ in matches if cause.id != UNREAD_LINE]
    if known:
        return max(known, key=lambda cause: cause.priority), values
    if not (noise.says_error(text) or noise.gives_up(text)):
        return None
    told = next((groups for cause, groups in matches if cause.id == UNREAD_LINE), {})
    return catalog[UNREAD_LINE], {**values, **told}


def _is_told_below(index: int, header: Candidate, matched: dict[int, Candidate]) -> bool:
    """Tell whether a line only announces an error that a line below it names."""
    below = [matched[at] for at in range(index + 1, index + 1 + _BELOW) if at in matched]
    told = [x for x in below if x.role != "harmless" and x.cause.id not in _VAGUE]
    return any(header.cause.id in _VAGUE or x.role == header.role for x in told)


@lru_cache(maxsize=2048)
def _match(catalog: Catalog, text: str) -> _Matches:
    """Return what a line may mean; the jobs of a run mostly fail with the same lines."""
    return tuple(catalog.match(text))


def _match_lines(log: LogText, catalog: Catalog) -> dict[int, Candidate]:
    found: dict[int, Candidate] = {}
    unread: list[tuple[int, bool, _Matches | None]] = []
    header = -_BELOW - 1
    quiet = log.alarms is not None and not _takes_any_line(catalog)
    for index, line in enumerate(log.lines):
        if announces(line.text):
            header = index
        if quiet and log.alarms is not None and line.number and line.number not in log.alarms:
            # Nothing but general words can be found here; they are asked for below.
            unread.append((index, index - header <= _BELOW, None))
            continue
        matches = _match(catalog, line.text)
        best = _best([match for match in matches if not is_general(match[0])], line.text)
        bare = noise.without_prefix(line.text)
        if best is None and len(bare) < len(line.text):
            # Some patterns ask for the start of a line.
            matches = _match(catalog, bare)
            best = _best([match for match in matches if not is_general(match[0])], bare)
        if best is None:
            is_error = index - header <= _BELOW or noise.says_error(line.text)
            unread.append((index, is_error, matches))
        else:
            found[index] = _make_candidate(line, *best)
    last = noise.last_words(log, {i for i, x in found.items() if x.role in {"symptom", "verdict"}})
    for index, is_error, asked in unread:
        line = log.lines[index]
        # Some marks of loggers are too short to be searched in the whole of a log.
        is_error = is_error or (index in last and noise.says_error(line.text))
        if not (is_error or (index in last and noise.gives_up(line.text))):
            continue
        if not noise.is_of_launcher(line.text):
            known = _match(catalog, line.text) if asked is None else asked
            best = _best_general(known, line.text, catalog)
            if best is not None:
                made = _make_candidate(line, *best)
                # Without a word of error only its place at the end tells.
                weak = made.role == "cause" and not is_error
                found[index] = replace(made, role="hint") if weak else made
    return dict(sorted(found.items()))


@lru_cache(maxsize=8)
def _takes_any_line(catalog: Catalog) -> bool:
    """Tell whether a cause has a pattern that lines without a word of alarm may hold.

    Most lines of a log hold none, and asking all patterns about each of them takes
    most of the time.
    """
    return any(
        not literals_of(pattern)
        for cause in catalog
        if not (is_general(cause) or cause.role == "harmless" or cause.submission)
        for pattern in cause.patterns
    )


def _make_candidate(line: LogLine, cause: Cause, values: dict[str, str]) -> Candidate:
    lived = noise.went_on(line.text) or has_calm_level(line.text)
    role: Role = _DEMOTED.get(cause.role, cause.role) if lived else cause.role
    return Candidate(cause, role, line.file, line.number, line.text, values, said_to_live=lived)


def _best(
    matches: list[tuple[Cause, dict[str, str]]],
    text: str,
) -> tuple[Cause, dict[str, str]] | None:
    """Return the strongest cause of one line."""
    for match in matches:
        if match[0].wrapper:
            return match
    usable = [
        (cause, values)
        for cause, values in matches
        if not cause.frame_function
        and not cause.frame_file
        and cause.id != GENERIC_LINE
        # Words such as "exceeds the limit" mean a refusal only where a
        # submitting command says them.
        and (not cause.submission or _SUBMITTING.search(text))
    ]
    if not usable:
        usable = [match for match in matches if match[0].id == GENERIC_LINE]
    best = max(usable, key=lambda match: match[0].priority, default=None)
    if best is not None and best[0].role == "cause":
        # A hint of the same kind is the narrower one: it knows the command that
        # complains, and that scripts go on after it.
        for match in usable:
            is_same = match[0].role == "hint" and match[0].category == best[0].category
            if is_same and match[0].id not in best[0].beats:
                return match
    return best


def _of_tracebacks(
    log: LogText,
    catalog: Catalog,
    flow: Flow,
    prints: Sequence[Traceback],
) -> Iterator[Candidate]:
    last_prints = {traceback_key(printed): printed for printed in prints}
    for traceback in log.tracebacks:
        exception, cause, values, text = _explain_chain(traceback, catalog, flow)
        number, text = flow.line_of(exception, text)
        role: Role = cause.role
        ignored = flow.is_ignored(traceback)
        if role == "cause" and (ignored or flow.is_survivable(traceback)):
            role = "hint"
        after, strictly = flow.after_traceback(traceback)
        end = last_prints.get(traceback_key(traceback), traceback)
        if flow.after_traceback(end) == (0, 0):
            after = strictly = 0  # survived before, but not this time
        yield Candidate(
            cause=cause,
            role=role,
            file=log.file,
            line=number,
            text=text or _headline(exception),
            values=values,
            traceback=traceback,
            exception=exception,
            after=after,
            strictly_after=strictly,
            resumed=after >= SURVIVED_AFTER and flow.resumes(flow.index_of(end.message_line)),
            in_thread=flow.is_of_thread(traceback),
            said_to_live=ignored,
            order=flow.index_of(exception.message_line),
            last_order=flow.index_of(end.message_line),
        )


def _find_prints(log: LogText) -> list[Traceback]:
    """Return every print of tracebacks, where some were printed several times."""
    if all(traceback.count == 1 for traceback in log.tracebacks):
        return []
    return find_tracebacks(log.lines)


def _explain_chain(
    traceback: Traceback,
    catalog: Catalog,
    flow: Flow,
) -> tuple[Traceback, Cause, dict[str, str], str]:
    """Find the exception of a chain that decides, its cause, and the text that says so.

    What was raised first is the root. There are two exceptions from this: what
    is only ever a consequence (a broken pool, an interrupt), and a failed
    look-up that the code handled before something tangible went wrong, as in
    a cache that misses and then reads a file that is not there.
    """
    chain = []
    link: Traceback | None = traceback
    while link is not None:
        chain.append((link, *_explain(link, catalog, flow)))
        link = link.cause
    chain.reverse()
    causes = [item for item in chain if item[1].role == "cause"]
    if not causes:
        return chain[0]
    root = causes[0]
    if _short_name(root[0].exception) in _LOOKUPS and root[1].category == "code_error":
        for item in causes[1:]:
            if item[1].category != "code_error":
                return item
    return root


def _explain(
    exception: Traceback,
    catalog: Catalog,
    flow: Flow,
) -> tuple[Cause, dict[str, str], str]:
    values = exception_values(exception)
    found: list[tuple[Cause, dict[str, str], str]] = []
    texts = [flow.text_of(exception), _headline(exception), *exception.notes[:_MAX_NOTES]]
    if exception.language != _PYTHON:
        texts += flow.block_of(exception)
    for text in dict.fromkeys(texts):
        found += [
            (cause, groups, text)
            for cause, groups in _match(catalog, text)
            if cause.id != GENERIC_LINE
            and not is_general(cause)
            and cause.role != "harmless"
            and not cause.submission
            and _frames_agree(cause, exception)
            and _speaks(cause, exception)
        ]
    name = _short_name(exception.exception)
    found += [
        (cause, {}, texts[0])
        for cause in catalog.by_exception.get(name, ())
        # Other languages have exceptions of the same names, and of other meaning.
        if exception.language == _PYTHON or cause.category in _TANGIBLE
    ]
    if not found:
        found = [(cause, {}, "") for cause in _fallback(exception, catalog)]
    found = [item for item in found if item[0].wrapper] or found
    beaten = {name for item in found for name in item[0].beats}
    found = [item for item in found if item[0].id not in beaten] or found
    cause, groups, text = max(found, key=lambda item: (item[0].priority, len(item[1])))
    return cause, {**values, **groups}, text


def _speaks(cause: Cause, exception: Traceback) -> bool:
    """Tell whether a cause may explain an exception of its language.

    ``TypeError`` of JavaScript has other reasons and other remedies than Python's.
    """
    if exception.language == _PYTHON or cause.category in _TANGIBLE:
        return True
    return not cause.id.startswith(f"{_PYTHON}-")


def _fallback(exception: Traceback, catalog: Catalog) -> list[Cause]:
    language = exception.language
    own = [cause for cause in catalog if language and cause.exceptions_language == language]
    return own or list(catalog.by_exception.get("*", ())) or [catalog[GENERIC_LINE]]


def _frames_agree(cause: Cause, exception: Traceback) -> bool:
    frames = exception.frames[-_MAX_FRAMES:]
    if cause.frame_function and all(cause.frame_function != x.function for x in frames):
        return False
    if cause.frame_file:
        # Python 3.12 names its own modules <frozen os>.
        frozen = f"<frozen {cause.frame_file.removesuffix('.py')}>"
        return any(
            x.file.rsplit("/", 1)[-1] in {cause.frame_file, frozen} for x in frames[-1:]
        ) or any(cause.frame_source and cause.frame_source in x.source for x in frames[-1:])
    return True


def _headline(exception: Traceback) -> str:
    message = f": {exception.message}" if exception.message else ""
    return f"{exception.exception}{message}"


def _short_name(exception: str) -> str:
    return exception.rsplit(".", 1)[-1]
