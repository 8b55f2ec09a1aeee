"""The tools that read files for a model: list, read a page, search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from llm_scheduler.errors import ToolError
from llm_scheduler.logs.redaction import redact
from llm_scheduler.tools.file_reading import kind_of
from llm_scheduler.tools.file_search import (
    MAX_ENTRIES,
    Entry,
    Hit,
    Tally,
    compile_glob,
    compile_regex,
    describe_kind,
    search_tree,
    walk_tree,
)
from llm_scheduler.tools.hidden_keys import hide_keys
from llm_scheduler.tools.making_tools import make_tool
from llm_scheduler.tools.text_files import read_text, redact_text
from llm_scheduler.tools.visible import show_name, show_text
from llm_scheduler.tools.walk import Place
from llm_scheduler.tools.workspace import Workspace

MAX_LINE_CHARS = 1000
"""A longer line is cut."""
_MAX_HITS = 500
_HEAD_CHARS = 400
"""Room for the lines above and below a list."""


class ListFiles(BaseModel):
    """List a folder: names, sizes, times of change."""

    path: str = Field(default=".", description="Folder, relative to the run folder or absolute.")
    glob: str = Field(
        default="", description="Only what matches, for example *.py or src/**/*.txt; looks deeper."
    )
    recursive: bool = Field(default=False, description="Also list what lies in its folders.")
    first_entry: int = Field(default=1, description="Where to go on in a long list.")


class ReadFile(BaseModel):
    """Read a text file, with line numbers. Long files come in pages."""

    path: str = Field(description="Path of the file, relative to the run folder or absolute.")
    first_line: int = Field(default=1, description="Where to begin; negative from the end.")
    n_lines: int = Field(default=0, description="How many lines at most; 0 for what fits.")


class SearchFiles(BaseModel):
    """Find lines in the files of a folder, or in one file."""

    text: str = Field(description="What to search for in each line.")
    path: str = Field(default=".", description="Folder or file to search.")
    glob: str = Field(default="", description="Only in files that match, for example *.py.")
    regex: bool = Field(default=False, description="Whether text is a regular expression (RE2).")
    ignore_case: bool = Field(default=False, description="Whether case does not matter.")
    first_result: int = Field(default=1, description="Where to go on in a long list.")


def file_tools(workspace: Workspace, max_chars: int) -> list[BaseTool]:
    """Return the tools that read the files of a workspace.

    Parameters
    ----------
    max_chars
        Longest answer.

    """

    def list_files(
        path: str = ".", glob: str = "", recursive: bool = False, first_entry: int = 1
    ) -> str:
        return list_folder(workspace, max_chars, path, glob, recursive, first_entry)

    def read_file(path: str, first_line: int = 1, n_lines: int = 0) -> str:
        return read_page(workspace, max_chars, path, first_line, n_lines)

    def search_files(
        text: str,
        path: str = ".",
        glob: str = "",
        regex: bool = False,
        ignore_case: bool = False,
        first_result: int = 1,
    ) -> str:
        compiled = compile_regex(text, is_regex=regex, ignore_case=ignore_case)
        return search_page(workspace, max_chars, path, compiled, glob, first_result)

    tools: list[tuple[Callable[..., str], type[BaseModel]]] = [
        (list_files, ListFiles),
        (read_file, ReadFile),
        (search_files, SearchFiles),
    ]
    return [make_tool(func, schema) for func, schema in tools]


# -- reading ---------------------------------------------------------------------------


def read_page(
    workspace: Workspace, max_chars: int, path: str, first_line: int, n_lines: int
) -> str:
    """Return a page of a text file with line numbers, without secrets."""
    resolved, content = workspace.read(path)
    name = workspace.shorten(resolved)
    file = read_text(content)
    # Secrets that go over several lines are only seen in the whole.
    lines = redact_text(hide_keys(file.text))
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        return f"{name} is empty."
    n_total = len(lines)
    first = n_total + first_line + 1 if first_line < 0 else first_line
    if first > n_total:
        raise ToolError(f"{name} has {n_total:,} lines only; ask for first_line=1 to {n_total}.")
    first = max(1, first)
    notes = _notes(file.encoding, n_crlf=len(file.carriage_returns), ends=content.endswith(b"\n"))
    body, last = _number(lines, first, n_lines, max(200, max_chars - _HEAD_CHARS))
    head = f"{name}, lines {first:,}-{last:,} of {n_total:,}{notes}"
    if last < n_total:
        head += f"; ask for first_line={last + 1} to go on"
    return f"{head}\n{body}"


def _notes(encoding: str, *, n_crlf: int, ends: bool) -> str:
    notes = [] if encoding == "utf-8" else [encoding]
    if n_crlf:
        notes.append("CRLF line ends")
    if not ends:
        notes.append("no newline at the end")
    return f" ({', '.join(notes)})" if notes else ""


def _number(lines: list[str], first: int, n_lines: int, room: int) -> tuple[str, int]:
    """Return numbered lines as far as they fit, and the number of the last."""
    out: list[str] = []
    last = first - 1
    max_line_chars = min(MAX_LINE_CHARS, room - 60)
    while last < len(lines) and (n_lines <= 0 or len(out) < n_lines):
        line = _cut(lines[last], max_line_chars)
        numbered = f"{last + 1:>5}| {line}"
        if out and len(numbered) + 1 > room:
            break
        room -= len(numbered) + 1
        out.append(numbered)
        last += 1
    return "\n".join(out), last


def _cut(line: str, max_chars: int) -> str:
    if len(line) > max_chars:
        rest = len(line) - max_chars
        return f"{show_text(line[:max_chars])[:max_chars]} ... [{rest:,} characters cut]"
    shown = show_text(line)
    return shown if len(shown) <= max_chars else f"{shown[:max_chars]} ... [cut]"


# -- listing ---------------------------------------------------------------------------


def list_folder(
    workspace: Workspace, max_chars: int, path: str, glob: str, recursive: bool, first_entry: int
) -> str:
    """Return a page of the list of a folder."""
    matches = compile_glob(glob)
    tally = Tally()

    def look(top: Place) -> tuple[str, list[str]]:
        if top.info is None:
            raise workspace.missing(top)
        if not top.is_folder:
            raise ToolError(
                f"{workspace.shorten(top.path)} is {_kind(top)}, not a folder; use read_file."
            )
        entries = walk_tree(workspace, top, tally, is_deep=recursive or bool(glob))
        shown = [
            _describe(workspace, entry)
            for entry in entries
            if matches(entry.relative) and entry.place.info is not None
        ]
        return workspace.shorten(top.path), shown

    name, rows = workspace.visit(path, look)
    is_told = recursive or bool(glob) or tally.is_late
    rest = tally.describe(workspace.max_read_bytes) if is_told else ""
    if tally.is_cut and not rest:
        rest = f"Only the first {MAX_ENTRIES:,} entries were looked at."
    if not rows:
        what = f"Nothing in {name} matches {glob!r}." if glob else f"{name} is empty."
        return f"{what} {rest}".rstrip()
    return _page(f"{name}", "entries", "first_entry", rows, first_entry, max_chars, rest)


def _kind(place: Place) -> str:
    assert place.info is not None
    return "a file" if place.is_file else kind_of(place.info)


def _describe(workspace: Workspace, entry: Entry) -> str:
    info = entry.place.info
    assert info is not None
    name = show_name(redact(entry.relative))
    if workspace.is_secret_place(entry.place):
        return f"{name}  (refused: may hold secrets)"
    if not entry.place.is_file:
        return f"{name}{describe_kind(info)}"
    changed = datetime.fromtimestamp(info.st_mtime, UTC)
    return f"{name}  {info.st_size:,} bytes  {changed:%Y-%m-%d %H:%M}Z"


# -- searching -------------------------------------------------------------------------


def search_page(
    workspace: Workspace, max_chars: int, path: str, regex: object, glob: str, first_result: int
) -> str:
    """Return a page of the lines that were found."""
    matches = compile_glob(glob)
    tally = Tally()

    def look(top: Place) -> tuple[str, list[Hit]]:
        if top.info is None:
            raise workspace.missing(top)
        if not top.is_file and not top.is_folder:
            raise ToolError(f"{workspace.shorten(top.path)} is {_kind(top)}; it is not searched.")
        hits = _first_hits(search_tree(workspace, top, regex, matches, tally), tally)
        return workspace.shorten(top.path), hits

    name, hits = workspace.visit(path, look)
    rest = tally.describe(workspace.max_read_bytes)
    if not hits:
        return f"Nothing found in {name}. {rest}".rstrip()
    rows = [f"{workspace.shorten(hit.path)}:{hit.line}: {hit.text}" for hit in hits]
    return _page(name, "lines found", "first_result", rows, first_result, max_chars, rest)


def _first_hits(found: Iterable[Hit], tally: Tally) -> list[Hit]:
    hits: list[Hit] = []
    for hit in found:
        if len(hits) >= _MAX_HITS:
            tally.is_cut = True
            break
        hits.append(hit)
    return hits


def _page(
    name: str,
    what: str,
    argument: str,
    rows: list[str],
    first: int,
    max_chars: int,
    rest: str,
) -> str:
    """Return rows from one on, as many as fit, and how to get the others."""
    first = max(1, first)
    if first > len(rows):
        raise ToolError(f"There are {len(rows):,} {what} only; {argument}={first} is too much.")
    room = max(200, max_chars - _HEAD_CHARS - len(rest))
    out: list[str] = []
    max_row_chars = min(MAX_LINE_CHARS, room - 60)
    for row in map(hide_keys, rows[first - 1 :]):
        if out and len(row) + 1 > room:
            break
        out.append(_cut(row, max_row_chars))
        room -= len(row) + 1
    last = first + len(out) - 1
    head = f"{name}: {what} {first:,}-{last:,} of {len(rows):,}"
    if last < len(rows):
        head += f"; ask for {argument}={last + 1} to go on"
    return "\n".join([head, *out, *([rest] if rest else [])])
