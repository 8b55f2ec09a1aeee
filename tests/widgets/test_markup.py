"""Markdown becomes HTML that can do nothing but be read."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from llm_scheduler.widgets.markup import MAX_CHARS, escape, render_markdown

ALLOWED = {"p", "ul", "ol", "li", "pre", "code", "strong", "em"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "`<img src=x onerror=alert(1)>`",
    "**<b onclick='x()'>bold</b>**",
    "```html\n<script>alert(1)</script>\n```",
    "- <iframe src='http://example.com'></iframe>",
    "1. </li></ol><style>*{display:none}</style>",
    "[click](javascript:alert(1))",
    "![picture](http://example.com/leak.png)",
    "<http://example.com>",
    "`code` ``</code><script>1</script>``",
    "*a **b* c**",
    '" onmouseover="alert(1)',
    "&lt;script&gt; &#60;script&#62;",
    "~~~\n</pre><script>1</script>",
    "# <svg/onload=alert(1)>",
    "**" * 3000,
    "`" * 3000 + "x",
    "*a" * 2000,
]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def parsed(html: str) -> str:
    """Return the text of an HTML; fails when it holds anything but plain tags."""
    parser = _Tags()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser.text


@pytest.mark.parametrize("text", HOSTILE)
def test_only_plain_tags_come_out(text: str) -> None:
    parsed(render_markdown(text))


def test_log_text_is_shown_as_it_stands() -> None:
    assert parsed(render_markdown("<script>alert(1)</script>")) == "<script>alert(1)</script>"
    assert parsed(render_markdown("[click](javascript:x)")) == "[click](javascript:x)"
    assert parsed(render_markdown("&lt;b&gt;")) == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        ("a `x < y` b", "<p>a <code>x &lt; y</code> b</p>"),
        ("**bold** and *soft*", "<p><strong>bold</strong> and <em>soft</em></p>"),
        ("`**not bold**`", "<p><code>**not bold**</code></p>"),
        ("2 * 3 * 4 and snake_case_name", "<p>2 * 3 * 4 and snake_case_name</p>"),
        ("- one\n- two\n  more", "<ul><li>one</li><li>two more</li></ul>"),
        ("1. one\n2. two", "<ol><li>one</li><li>two</li></ol>"),
        ("text:\n- item", "<p>text:</p><ul><li>item</li></ul>"),
        ("```bash\nls -l\n# x\n```\nend", "<pre><code>ls -l\n# x</code></pre><p>end</p>"),
        ("```\nnever closed", "<pre><code>never closed</code></pre>"),
        ("## What", "<p><strong>What</strong></p>"),
        ("line\r\nend", "<p>line end</p>"),
    ],
)
def test_markdown(text: str, html: str) -> None:
    assert render_markdown(text) == html


def test_unseen_characters_are_made_visible() -> None:
    assert escape("a\x00b\x1b[31m\u202ecod.exe\ud800") == "a\ufffdb\ufffd[31m\ufffdcod.exe\ufffd"
    assert escape("tab\tand\nline") == "tab\tand\nline"


def test_long_texts_are_cut() -> None:
    assert len(escape("x" * 10 * MAX_CHARS)) == MAX_CHARS
    assert len(render_markdown("word " * MAX_CHARS)) < 2 * MAX_CHARS
    assert escape("abcdef", 3) == "ab…"
