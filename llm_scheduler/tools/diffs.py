"""Unified diffs that show all of a change and can't show another one.

Nothing is left out, however long. Characters that don't show, or that turn the text
around, stand as escapes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_scheduler.tools.text_files import read_text
from llm_scheduler.tools.visible import show_name, show_text

CONTEXT_LINES = 3
_NO_NEWLINE = "\\ No newline at end of file"
_MAX_COMPARED = 1_000_000
"""Finding the shortest diff of n and m lines takes n times m steps in bad cases, and who
writes the lines may want it to. Above, everything between the first and the last line that
differ is shown as replaced."""

Code = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Side:
    """One side of a diff: a file, or that there is none."""

    path: str
    content: bytes | None

    @property
    def label(self) -> str:
        """How it is called in the head of the diff."""
        return "/dev/null" if self.content is None else show_name(self.path)

    @property
    def is_binary(self) -> bool:
        """Whether its lines can't be shown."""
        return self.content is not None and is_binary(self.content)


def is_binary(content: bytes) -> bool:
    """Tell whether content is no text."""
    return b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff"))


def diff_files(before: Side, after: Side) -> str:
    """Return the unified diff of two versions of a file, whole."""
    head = [f"--- {before.label}", f"+++ {after.label}"]
    if before.is_binary or after.is_binary:
        sizes = " and ".join(
            f"{len(side.content):,} bytes" for side in (before, after) if side.content is not None
        )
        return "\n".join([*head, f"Binary content differs ({sizes})."]) + "\n"
    old, old_notes = _lines(before.content or b"")
    new, new_notes = _lines(after.content or b"")
    if before.content is not None and after.content is not None and old_notes != new_notes:
        head.append(f"# {', '.join(old_notes) or 'plain'} -> {', '.join(new_notes) or 'plain'}")
    elif notes := new_notes or old_notes:
        head.append(f"# {', '.join(notes)}")
    return "\n".join([*head, *_hunks(old, new)]) + "\n"


def diff_lines(label: str, old: Sequence[str], new: Sequence[str]) -> str:
    """Return the unified diff of lines that are in no file, such as resources."""
    shown = show_name(label)
    old_lines = [f"{show_name(line)}\n" for line in old]
    new_lines = [f"{show_name(line)}\n" for line in new]
    return "\n".join([f"--- {shown}", f"+++ {shown}", *_hunks(old_lines, new_lines)]) + "\n"


def count_changed(before: bytes, after: bytes) -> int:
    """Return how many lines differ, for a summary."""
    old, new = _lines(before)[0], _lines(after)[0]
    changed = 0
    for tag, i1, i2, j1, j2 in _codes(old, new):
        changed += 0 if tag == "equal" else max(i2 - i1, j2 - j1)
    return changed


def _lines(content: bytes) -> tuple[list[str], list[str]]:
    """Return the lines to show, with their newlines, and what they don't show."""
    file = read_text(content)
    notes = []
    if file.encoding != "utf-8" or file.bom:
        notes.append(file.encoding + (" with byte order mark" if file.bom else ""))
    n_newlines = file.text.count("\n")
    text = file.text
    if n_newlines and len(file.carriage_returns) == n_newlines:
        notes.append("lines end with CRLF")
    elif file.carriage_returns:  # some only: each is shown
        text = file.raw_text(0, len(text))
    lines = text.split("\n")
    ended = [f"{line}\n" for line in lines[:-1]]
    return [*ended, *([lines[-1]] if lines[-1] else [])], notes


def _codes(old: Sequence[str], new: Sequence[str]) -> list[Code]:
    """Return what differs, as `difflib` says it."""
    n_old, n_new = len(old), len(new)
    start = 0
    while start < min(n_old, n_new) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(n_old, n_new) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    last_old, last_new = n_old - end, n_new - end
    codes: list[Code] = [("equal", 0, start, 0, start)] if start else []
    if (last_old - start) * (last_new - start) <= _MAX_COMPARED:
        matcher = difflib.SequenceMatcher(
            None, old[start:last_old], new[start:last_new], autojunk=False
        )
        codes += [
            (tag, i1 + start, i2 + start, j1 + start, j2 + start)
            for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        ]
    else:
        codes.append(("replace", start, last_old, start, last_new))
    if end:
        codes.append(("equal", last_old, n_old, last_new, n_new))
    return codes


def _groups(codes: Sequence[Code]) -> Iterator[list[Code]]:
    """Cut where more lines are the same than are shown around changes."""
    group: list[Code] = []
    for i, (tag, i1, i2, j1, j2) in enumerate(codes):
        if tag != "equal":
            group.append((tag, i1, i2, j1, j2))
            continue
        is_first, is_last = i == 0, i == len(codes) - 1
        n_lines = i2 - i1
        if group:
            n_after = min(n_lines, CONTEXT_LINES)
            if is_last or n_lines > 2 * CONTEXT_LINES:
                yield [*group, (tag, i1, i1 + n_after, j1, j1 + n_after)]
                group = []
            else:
                group.append((tag, i1, i2, j1, j2))
                continue
        if not is_last or is_first:
            n_before = min(n_lines, CONTEXT_LINES)
            group = [(tag, i2 - n_before, i2, j2 - n_before, j2)]
    if any(code[0] != "equal" for code in group):
        yield group


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for group in _groups(_codes(old, new)):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _marked(" ", old[i1:i2])
                continue
            yield from _marked("-", old[i1:i2])
            yield from _marked("+", new[j1:j2])


def _range(start: int, stop: int) -> str:
    n_lines = stop - start
    if n_lines == 1:
        return f"{start + 1}"
    return f"{start + 1 if n_lines else start},{n_lines}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    shown = show_text("".join(lines)).split("\n")
    is_ended = lines[-1].endswith("\n")
    for line in shown[:-1] if is_ended else shown:
        yield mark + line
    if not is_ended:
        yield _NO_NEWLINE
