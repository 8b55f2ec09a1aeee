"""What diagnoses, groups of failures and jobs look like in a terminal.

Everything shown may come from a log and is untrusted: texts go into ``rich`` as
`Text`, never as markup, and without control characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy

_MAX_EVIDENCE = 6
_MAX_LINE = 500
_MAX_NAMES = 4
_GOOD, _BAD, _BUSY = "green", "red", "cyan"

_UNSAFE = re.compile(
    # C0 and C1 controls, then characters that reorder or hide text (Trojan Source).
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]",
)


class Row(Protocol):
    """One learner and its job, as `RunManager.snapshot` tells it."""

    @property
    def fname(self) -> str | Path:
        """File of the learner."""
        ...

    @property
    def job_id(self) -> str | None:
        """Id of its present or last job."""
        ...

    @property
    def state(self) -> str:
        """State in a word."""
        ...

    @property
    def elapsed_s(self) -> float | None:
        """How long the job has run."""
        ...

    @property
    def note(self) -> str:
        """What happened."""
        ...


def printable(text: str, *, max_chars: int | None = None) -> str:
    """Replace what could steer a terminal or deceive a reader by its visible name."""
    if max_chars is not None and len(text) > max_chars:
        text = text[:max_chars] + " ..."
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return _UNSAFE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def category_name(category: str) -> str:
    """Say a category in words."""
    return category.replace("_", " ")


def short_path(path: str) -> str:
    """Shorten a path for one line: relative to the working folder when it lies below it."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        relative = path
    shown = path if relative.startswith("..") or len(relative) >= len(path) else relative
    # A name with a line break could write lines that look like ours.
    return shown.replace("\n", "\\x0a")


def diagnosis_panel(
    diagnosis: Diagnosis, *, log: str = "", more: Sequence[str] = ()
) -> RenderableType:
    """Show one diagnosis, with the log and more logs of the job: proof, what to do."""
    where = Text()
    if diagnosis.job_id:
        where.append(f"job {printable(diagnosis.job_id)}", style="bold")
    if log:
        where.append(" · " if where else "")
        where.append(printable(short_path(log)))
    if more:
        where.append(f", {_some([short_path(other) for other in more])}")
    return _panel(
        diagnosis.category,
        _finding(diagnosis.title, [where], diagnosis),
        right=_confidence(diagnosis),
    )


def group_panel(group: FailureGroup) -> RenderableType:
    """Show failures of one cause: how many, which, where, the proof, what to do."""
    facts = [_group_facts(group)]
    if group.bad_node:
        facts.append(
            Text(f"All on one node: {printable(group.bad_node)}. Look there first.", "bold yellow"),
        )
    facts += [Text(printable(note), style="dim") for note in group.notes]
    jobs = "1 job" if group.count == 1 else f"{group.count} jobs"
    return _panel(
        group.category,
        _finding(group.title, facts, group.representative),
        right=f"{jobs} · {_confidence(group.representative)}",
    )


def groups_view(groups: Sequence[FailureGroup], *, limit: int | None = None) -> RenderableType:
    """Show all groups, or the first `limit`, under a line that counts them."""
    shown = groups if limit is None else groups[:limit]
    rest = len(groups) - len(shown)
    more = [Text(f"... and {rest} more cause{'s' if rest > 1 else ''}", "dim")] if rest else []
    return Group(groups_line(groups), *(group_panel(group) for group in shown), *more)


def groups_line(groups: Sequence[FailureGroup]) -> Text:
    """Say how many failures there are, and of how many causes."""
    failures = sum(group.count for group in groups)
    if not failures:
        return Text("No failures.", style="bold")
    words = (
        f"{failures} failure{'s' if failures != 1 else ''} of "
        f"{len(groups)} cause{'s' if len(groups) != 1 else ''}"
    )
    return Text(words, style="bold")


def diagnosis_line(diagnosis: Diagnosis, log: str) -> Text:
    """Show one diagnosis in a line, for long lists of logs."""
    style = _GOOD if diagnosis.category == "success" else _BAD
    line = Text(overflow="ellipsis", no_wrap=True)
    line.append(f"{category_name(diagnosis.category):<18} ", style=style)
    line.append(printable(short_path(log)), style="bold")
    line.append(f"  {printable(diagnosis.title)}")
    return line


def groups_overview(groups: Sequence[FailureGroup]) -> RenderableType:
    """Show the groups in a line each, for where their proof stands already."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group in groups:
        jobs = _some(group.job_ids or group.job_names)
        text = Text(printable(group.title, max_chars=_MAX_LINE))
        text.append(f"\n{jobs}", style="dim")
        table.add_row(
            Text(f"  {group.count} x"),
            Text(category_name(group.category), style=_BAD),
            text,
        )
    return table


_STATES = {
    "waiting": ("·", "dim"),
    "pending": ("·", "dim"),
    "running": ("▸", _BUSY),
    "done": ("✓", _GOOD),
    "failed": ("✗", _BAD),
    "held": ("✗", _BAD),
}


def jobs_table(rows: Sequence[Row], *, title: str = "") -> RenderableType:
    """Show the jobs of a run, one line each."""
    table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, show_edge=False)
    table.add_column("Learner", no_wrap=True, overflow="ellipsis", ratio=2, min_width=16)
    table.add_column("Job", no_wrap=True, justify="right")
    table.add_column("State", no_wrap=True, min_width=9)
    table.add_column("Time", no_wrap=True, justify="right", min_width=6)
    table.add_column("What happened", no_wrap=True, overflow="ellipsis", ratio=5)
    for row in rows:
        sign, style = _STATES.get(row.state, ("?", "yellow"))
        elapsed = "" if not row.elapsed_s else f"{row.elapsed_s:.1f} s"
        table.add_row(
            Text(printable(Path(row.fname).stem)),
            Text(printable(row.job_id or "")),
            Text(f"{sign} {printable(row.state)}", style=style),
            Text(elapsed, style="dim"),
            Text(printable(row.note, max_chars=_MAX_LINE).replace("\n", " ")),
        )
    if not title:
        return table
    return Group(Text(printable(title), style="bold"), Text(), table)


class _Rule:
    """The upper edge of a panel with a text at each end; rich's panel has only one."""

    def __init__(self, left: Text, right: Text, style: str) -> None:
        self.left, self.right, self.style = left, right, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        dash = "-" if options.ascii_only else "─"
        room = options.max_width
        right = Text.assemble(" ", self.right, " ")
        if self.left.cell_len + right.cell_len + 8 > room:
            right = Text()
        line = Text(f"{dash * 2} ", style=self.style, no_wrap=True, overflow="ellipsis", end="")
        line.append_text(self.left)
        line.append(" ")
        line.append(dash * max(0, room - line.cell_len - right.cell_len - 2))
        line.append_text(right)
        line.append(dash * max(0, room - line.cell_len))
        line.truncate(room)
        yield from console.render(line, options)
        yield Segment.line()


class _Place:
    """``file:line``; a path that is too long is broken before the file's name only."""

    def __init__(self, path: str, line: int) -> None:
        self.folder, self.name = os.path.split(printable(short_path(path)))
        self.name = f"{self.name}:{line}" if path else "the scheduler's record"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = Text(f"  {os.path.join(self.folder, self.name)}", style="cyan")  # noqa: PTH118
        if whole.cell_len <= options.max_width:
            yield whole
        else:
            yield Text(f"  {self.folder}{os.sep}", style="cyan", overflow="fold")
            yield Text(f"    {self.name}", style="cyan", overflow="fold")


def _panel(category: str, parts: Sequence[RenderableType], *, right: str) -> RenderableType:
    style = _GOOD if category == "success" else "yellow" if category == "unknown" else _BAD
    head = _Rule(Text(category_name(category), f"bold {style}"), Text(right, "dim"), style)
    shown = [part for part in parts if not (isinstance(part, Text) and not part)]
    return Group(head, Padding(Group(*shown), (0, 1, 1, 2)))


def _finding(title: str, facts: Sequence[Text], diagnosis: Diagnosis) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text(printable(title, max_chars=_MAX_LINE), style="bold"),
        *facts,
    ]
    if diagnosis.explanation.strip():
        parts.append(_plain(diagnosis.explanation))
    if diagnosis.evidence:
        parts.append(_heading("Proof"))
        parts.append(_proof(diagnosis.evidence[:_MAX_EVIDENCE]))
    if diagnosis.doubts:
        parts.append(_heading("Why not surer"))
        parts += [_doubt(doubt) for doubt in diagnosis.doubts]
    if diagnosis.remedies:
        parts.append(_heading("What to do"))
        parts += [_remedy(i, remedy) for i, remedy in enumerate(diagnosis.remedies, start=1)]
    return parts


def _heading(words: str) -> Text:
    return Text(f"\n{words}", style="dim")


def _doubt(doubt: str) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=4, justify="right", style="dim")
    row.add_column(overflow="fold")
    row.add_row("-", _plain(printable(doubt, max_chars=_MAX_LINE)))
    return row


def _proof(evidence: Sequence[Evidence]) -> RenderableType:
    lines: list[RenderableType] = []
    place = None
    width = max(len(str(item.line)) for item in evidence)
    for rank, item in enumerate(evidence):
        if item.file != place:
            place = item.file
            lines.append(_Place(place, item.line))
        number = str(item.line) if item.line else ""
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True, justify="right", width=width + 4, style="dim")
        row.add_column(overflow="fold")
        text = Text(
            printable(item.text.rstrip(), max_chars=_MAX_LINE),
            style="bold" if rank == 0 else "",
        )
        row.add_row(f"{number} │", text)
        lines.append(row)
    return Group(*lines)


def _remedy(rank: int, remedy: Remedy) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, justify="right", width=4, style=_GOOD)
    table.add_column(overflow="fold")
    table.add_row(f"{rank}.", _plain(remedy.summary))
    if remedy.file:
        line = f":{remedy.line}" if remedy.line else ""
        table.add_row("", Text(f"{printable(short_path(remedy.file))}{line}", style="cyan"))
    if remedy.resources:
        values = ", ".join(f"{key}={value!r}" for key, value in remedy.resources.items())
        table.add_row("", Text(printable(values), style="cyan"))
    if remedy.details.strip():
        table.add_row("", _plain(remedy.details))
    return table


_INLINE = re.compile(r"\*\*(?P<bold>[^*\n]+)\*\*|`(?P<code>[^`\n]+)`")


def _plain(markdown: str) -> Text:
    """Show the little Markdown there is; rich's own renderer makes links of hostile text."""
    shown = Text()
    for number, line in enumerate(_unfenced(printable(markdown.strip()))):
        shown.append("\n" if number else "")
        at = 0
        for match in _INLINE.finditer(line):
            shown.append(line[at : match.start()])
            if match["bold"]:
                shown.append(match["bold"], style="bold")
            else:
                shown.append(match["code"], style="cyan")
            at = match.end()
        shown.append(line[at:])
    return shown


def _unfenced(text: str) -> list[str]:
    lines: list[str] = []
    in_code = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif in_code:
            lines.append(f"    {line}")
        elif not (line == "" and lines and lines[-1] == ""):
            lines.append(line)
    return lines


def _confidence(diagnosis: Diagnosis) -> str:
    source = "" if diagnosis.source == "rules" else f", by {diagnosis.source}"
    return f"{round(100 * diagnosis.confidence)} % sure{source}"


def _group_facts(group: FailureGroup) -> Text:
    facts = Text()
    learners = [Path(name).stem for name in group.learners]
    for label, names in (
        ("learners", learners),
        ("jobs", list(group.job_ids or group.job_names)),
        ("nodes", list(group.nodes)),
    ):
        if names:
            facts.append(" · " if facts else "")
            facts.append(label if len(names) > 1 else label[:-1], style="dim")
            facts.append(f" {_some(names)}")
    if group.n_known:
        facts.append(" · " if facts else "")
        facts.append(f"{group.n_known} known from before", style="dim")
    return facts


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name, max_chars=60) for name in names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
