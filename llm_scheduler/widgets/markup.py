"""From Markdown to HTML that is safe to put into a notebook.

Titles, explanations and remedies quote logs, and a log can hold anything. Only a
fixed set of tags without attributes leaves this module: no links, no pictures, no
styles, so nothing is fetched and nothing runs, whatever the text says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

MAX_CHARS = 8000
"""Texts are cut here: a panel is no place for a megabyte."""

# Control characters, and the marks that turn the direction of writing: with those a
# log line can be made to read as something that it is not.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]",
)
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_BULLET = re.compile(r"^\s{0,6}[-*+]\s+(.*)$")
_NUMBER = re.compile(r"^\s{0,6}\d{1,3}[.)]\s+(.*)$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*$")
_CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_BOLD = re.compile(r"\*\*(?=\S)([^*]{1,500}?)(?<=\S)\*\*")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]{1,500}?)(?<=[^\s*])\*(?![\w*])")


def escape(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text as HTML that shows exactly its characters."""
    if len(text) > max_chars:
        text = text[: max_chars - 1] + "…"
    return html.escape(_UNSEEN.sub("\ufffd", text), quote=True)


def render_markdown(text: str) -> str:
    """Turn simple Markdown into safe HTML.

    Known are paragraphs, lists, fenced code, headings (shown bold), code spans,
    bold and italic text. Everything else is shown as it stands.
    """
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS - 1] + "…"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    return "".join(_blocks(lines))


def _blocks(lines: list[str]) -> Iterator[str]:
    index = 0
    while index < len(lines):
        line = lines[index]
        if not line.strip():
            index += 1
        elif fence := _FENCE.match(line):
            index, block = _code_block(lines, index + 1, fence[1])
            yield block
        elif _BULLET.match(line):
            index, block = _list(lines, index, _BULLET, "ul")
            yield block
        elif _NUMBER.match(line):
            index, block = _list(lines, index, _NUMBER, "ol")
            yield block
        elif heading := _HEADING.match(line):
            yield f"<p><strong>{_inline(heading[1])}</strong></p>"
            index += 1
        else:
            index, block = _paragraph(lines, index)
            yield block


def _code_block(lines: list[str], index: int, fence: str) -> tuple[int, str]:
    taken = []
    while index < len(lines):
        line = lines[index]
        index += 1
        if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            break
        taken.append(line)
    return index, f"<pre><code>{escape(chr(10).join(taken))}</code></pre>"


def _list(lines: list[str], index: int, marker: re.Pattern[str], tag: str) -> tuple[int, str]:
    items: list[list[str]] = []
    while index < len(lines):
        line = lines[index]
        if found := marker.match(line):
            items.append([found[1]])
        elif line.strip() and line[:1] == " " and not _FENCE.match(line):
            items[-1].append(line.strip())
        else:
            break
        index += 1
    body = "".join(f"<li>{_inline(' '.join(item))}</li>" for item in items)
    return index, f"<{tag}>{body}</{tag}>"


def _paragraph(lines: list[str], index: int) -> tuple[int, str]:
    taken = [lines[index].strip()]
    index += 1
    while index < len(lines) and lines[index].strip() and not _starts_block(lines[index]):
        taken.append(lines[index].strip())
        index += 1
    return index, f"<p>{_inline(' '.join(taken))}</p>"


def _starts_block(line: str) -> bool:
    return any(mark.match(line) for mark in (_FENCE, _BULLET, _NUMBER, _HEADING))


def _inline(text: str) -> str:
    parts = []
    end = 0
    for span in _CODE_SPAN.finditer(text):
        parts.append(_emphasis(text[end : span.start()]))
        parts.append(f"<code>{escape(_unpadded(span[2]))}</code>")
        end = span.end()
    parts.append(_emphasis(text[end:]))
    return "".join(parts)


def _unpadded(code: str) -> str:
    # One blank on each side is how Markdown writes code that begins with a backtick.
    padded = len(code) > 2 and code[0] == code[-1] == " " and code.strip()
    return code[1:-1] if padded else code


def _emphasis(text: str) -> str:
    # Escaped first: the tags that are added afterwards are the only ones.
    bold = _BOLD.sub(r"<strong>\1</strong>", escape(text))
    return _ITALIC.sub(r"<em>\1</em>", bold)
