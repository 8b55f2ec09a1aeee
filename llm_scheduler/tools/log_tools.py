"""Tools that read the logs of a run's jobs, and no other file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from langchain_core.tools import BaseTool

from llm_scheduler.errors import LogError, ToolError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.tools.answers import cut_answer
from llm_scheduler.tools.log_pages import LogPage, count_lines, read_page, read_tail
from llm_scheduler.tools.log_search import MAX_HITS, LogHits, search
from llm_scheduler.tools.making_tools import make_tool
from llm_scheduler.tools.run_view import RunView
from llm_scheduler.tools.visible import show_name, show_text

SUCCESS = "success"
_HEAD_CHARS = 700
_MAX_CONTEXT = 10
_N_NAMED = 8

_Job = Annotated[str, "Id of a job, or 'success' for one that reached its goal."]
_Path = Annotated[str, "A log of this run, by path or file name, instead of a job."]


def log_tools(run: RunView, max_chars: int) -> list[BaseTool]:
    """Return the tools that read and search logs."""
    logs = _Logs(run, max_chars)
    tools = (logs.read_log, logs.search_log)
    return [make_tool(tool) for tool in tools]


class _Logs:
    """Reads the logs of a run; each method is a tool."""

    def __init__(self, run: RunView, max_chars: int) -> None:
        self._run = run
        self._max_chars = max_chars

    def read_log(
        self,
        job: _Job = "",
        path: _Path = "",
        first_line: Annotated[int, "First line to show; below 0 counts from the end."] = -60,
    ) -> str:
        """Read lines of a job's log, by default the last ones."""
        file, others = find_log(self._run, job, path)
        with _open(file) as reader:
            room = self._max_chars - _HEAD_CHARS
            if first_line < 0:
                page = read_tail(reader, -first_line, room)
                page = _number(page, count_lines(reader))
            else:
                page = read_page(reader, max(1, first_line), room)
                if not page.lines:
                    total = count_lines(reader)
                    raise ToolError(f"{_say(reader)} has {_count(total)}; ask for one of them.")
            head = f"{_say(reader)}: {_range(page)}{_say_others(others)}"
        lines = [f"{number}| {show_text(text)}" for number, text in page.lines]
        return cut_answer("\n".join([head, *lines]), self._max_chars, more="ask for fewer lines")

    def search_log(
        self,
        pattern: Annotated[str, "Text to look for, or an RE2 expression with regex=true."],
        job: _Job = "",
        path: _Path = "",
        regex: bool = False,
        ignore_case: bool = True,
        context: Annotated[int, "Lines to show before and after each hit."] = 2,
        first_line: Annotated[int, "Where to begin."] = 1,
    ) -> str:
        """Find text in a job's log; hits are marked with '>'."""
        file, others = find_log(self._run, job, path)
        with _open(file) as reader:
            hits = search(
                reader,
                pattern,
                regex=regex,
                ignore_case=ignore_case,
                context=min(max(0, context), _MAX_CONTEXT),
                first_line=first_line,
                max_chars=self._max_chars - _HEAD_CHARS,
            )
            head = f"{_say(reader)}: {_say_hits(hits)}{_say_others(others)}"
        return cut_answer("\n".join([head, *_hit_lines(hits)]), self._max_chars)


def find_log(run: RunView, job: str, path: str) -> tuple[str, list[str]]:
    """Return the log that is meant, and other logs of the same job.

    Raises
    ------
    ToolError
        There is none, or it is not of this run.
    """
    job = job.strip().removeprefix("job").strip(" :#")
    if path:
        return _by_path(run, path.strip()), []
    if not job:
        raise ToolError("Say whose log: job='12', or path= with a log that job_details names.")
    files = run.success_logs() if job == SUCCESS else run.logs().get(job, ())
    if not files and job == SUCCESS:
        raise ToolError("No log of a job that reached its goal is kept.")
    if not files:
        raise ToolError(f"{_unknown(job)} has no log in this run; see list_jobs.")
    there = [file for file in files if _is_there(file)]
    if not there:
        names = ", ".join(show_name(file) for file in files[:_N_NAMED])
        raise ToolError(f"The logs of job {job} are gone: {names}.")
    # The engine's own status lines rarely say why a job failed.
    there.sort(key=lambda file: (file.endswith(".log"), not Path(file).stat().st_size))
    return there[0], there[1:]


def _by_path(run: RunView, path: str) -> str:
    """Return a log of the run with this path, or with this name if there is only one."""
    logs = run.logs()
    known = dict.fromkeys([*(f for files in logs.values() for f in files), *run.success_logs()])
    if path in known:
        found = [path]
    else:
        # Compared as text: nothing is resolved, so nothing outside can be meant.
        found = [file for file in known if Path(file).name == path or file.endswith(f"/{path}")]
    found = [file for file in found if _is_there(file)]
    if len(found) == 1:
        return found[0]
    shown = show_name(path)[:200]
    if found:
        names = ", ".join(map(show_name, found[:_N_NAMED]))
        raise ToolError(f"{len(found)} logs of this run are called {shown!r}: {names}.")
    raise ToolError(
        f"{shown!r} is no log of this run. job_details names the logs of a job; other files are "
        "read with read_file."
    )


def _is_there(file: str) -> bool:
    # A link in a log's place may lead to any file; a log is a plain one.
    path = Path(file)
    return not path.is_symlink() and path.is_file()


def _open(file: str) -> LogReader:
    try:
        return LogReader(file)
    except LogError as exc:
        raise ToolError(f"{show_name(file)} {exc.reason}.") from exc


def _number(page: LogPage, n_lines: int | None) -> LogPage:
    """Give the last lines their numbers from the start, if all lines could be counted."""
    if n_lines is None:
        return page
    lines = [(n_lines + 1 + number, text) for number, text in page.lines]
    return LogPage(lines, n_lines, page.note)


def _say(reader: LogReader) -> str:
    packed = f", {reader.compression}" if reader.compression else ""
    return f"{show_name(reader.path)} ({reader.size:,} bytes{packed})"


def _range(page: LogPage) -> str:
    if not page.lines:
        return f"no lines. {page.note}".strip()
    first, last = page.lines[0][0], page.lines[-1][0]
    total = f" of {page.n_lines:,}" if page.n_lines is not None else ""
    said = f"lines {first} to {last}{total}"
    if first < 0:
        said += " (counted from the end)"
    if first > 1 or first < 0:
        said += f"; for lines before: first_line={max(1, first - 60) if first > 0 else first - 60}"
    if last > 0 and last != page.n_lines:
        said += f"; for lines after: first_line={last + 1}"
    return said + (f" [{page.note}]" if page.note else "")


def _count(n_lines: int | None) -> str:
    return "fewer lines than that" if n_lines is None else f"{n_lines:,} lines"


def _say_hits(hits: LogHits) -> str:
    said = f"{hits.n_hits:,} {'hit' if hits.n_hits == 1 else 'hits'}"
    if hits.stopped_at:
        more = "at least " if hits.n_hits >= MAX_HITS else ""
        said = (
            f"{more}{said} before line {hits.stopped_at}; go on with first_line={hits.stopped_at}"
        )
    n_shown = sum(is_hit for _, _, is_hit in hits.lines)
    if n_shown < hits.n_hits:
        last = max(number for number, _, is_hit in hits.lines if is_hit)
        said += f", the first {n_shown} shown; for more: first_line={last + 1}"
    return said + (f" [{hits.note}]" if hits.note else "")


def _hit_lines(hits: LogHits) -> list[str]:
    lines: list[str] = []
    last = 0
    for number, text, is_hit in hits.lines:
        if last and number > last + 1:
            lines.append("--")
        lines.append(f"{'>' if is_hit else ' '}{number}| {show_text(text)}")
        last = number
    return lines


def _say_others(others: list[str]) -> str:
    if not others:
        return ""
    return f"\nother logs of the job: {', '.join(map(show_name, others[:_N_NAMED]))}"


def _unknown(job: str) -> str:
    return f"Job {show_name(job)[:80]!r}"


def known_logs(logs: Mapping[str, tuple[str, ...]], job: str) -> list[str]:
    """Return the logs of a job that are there."""
    return [file for file in logs.get(job, ()) if _is_there(file)]
