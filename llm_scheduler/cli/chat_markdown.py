"""A model's Markdown in a terminal: nothing in it can steer the terminal or hide.

The text is cut into blocks at blank lines, so that finished ones are printed for good
while the last one still grows.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from rich.console import RenderableType
from rich.markdown import Markdown
from rich.text import Text

from llm_scheduler.cli.render import printable

_MAX_BLOCK_CHARS = 8000
"""Longer blocks are shown as they are: parsing Markdown is not linear."""
_LEXERS = frozenset({"bash", "console", "diff", "ini", "json", "python", "sh", "toml", "yaml"})
"""Languages that are coloured; some other lexers take seconds for a hostile text."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class _SafeMarkdown(Markdown):
    """Markdown whose every character is shown: no tags that vanish, no hidden addresses."""

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.markup = text
        parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        # Entities could spell what `printable` has made visible (&#x202e;), and an image
        # shows its title but not its address.
        parser.disable(["entity", "image"])
        self.parsed = parser.parse(text)
        for token in self.parsed:
            if token.type == "fence":
                language = token.info.strip().lower().removesuffix("3")
                token.info = language if language in _LEXERS else ""


def markdown_view(text: str) -> RenderableType:
    """Show Markdown from a model."""
    clean = printable(text.strip("\n"))
    if len(clean) > _MAX_BLOCK_CHARS:
        return Text(clean)
    return _SafeMarkdown(clean)


class BlockBuffer:
    """Cuts a text that arrives in pieces into blocks of Markdown."""

    def __init__(self) -> None:
        self.rest = ""
        """What is not finished yet."""
        self._checked = 0
        self._fence = ""

    def feed(self, text: str) -> list[str]:
        """Add a piece and return the blocks that are finished now."""
        self.rest += text
        blocks = []
        while (end := self.rest.find("\n", self._checked)) >= 0:
            line = self.rest[self._checked : end]
            self._checked = end + 1
            if self._is_end(line):
                if self.rest[:end].strip():
                    blocks.append(self.rest[:end].strip("\n"))
                self.rest = self.rest[self._checked :]
                self._checked = 0
        return blocks

    def finish(self) -> str:
        """Return what is left, and begin anew."""
        rest = self.rest.strip("\n")
        self.rest, self._checked, self._fence = "", 0, ""
        return rest if rest.strip() else ""

    def _is_end(self, line: str) -> bool:
        """Whether a block ends with this line: a blank one that is not in a code block."""
        fence = _FENCE.match(line)
        if not self._fence:
            self._fence = fence[1] if fence else ""
        elif fence and fence[1].startswith(self._fence) and not line.strip(" `~"):
            self._fence = ""
        return not self._fence and not line.strip()
