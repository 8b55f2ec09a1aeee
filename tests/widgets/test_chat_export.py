"""The exported conversation and the fallback run nothing and load nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from llm_scheduler.widgets.export_html import export_html, render_markdown
from llm_scheduler.widgets.messages import ApprovalView, Item, ToolCallView

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=http://evil.example/x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=http://evil.example></object>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<style>@import 'http://evil.example'</style>",
    "<base href=http://evil.example>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<form action=http://evil.example><button>x</button></form>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/x)",
    "![x](http://evil.example/x.png)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x][r]\n\n[r]: http://evil.example/x.png",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '`<script>`\n\n```html" onmouseover="alert(1)\n</code></pre><script>alert(1)</script>\n```',
    "| a |\n|---|\n| <script>alert(1)</script> |",
    '" autofocus onfocus=alert(1) x="',
    "</title><script>alert(1)</script>",
    "</pre></details><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "\u202e<script>alert(1)</script>\x00\x1b[31m",
]
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "section",
        "dl",
        "dt",
        "dd",
        "time",
        "details",
        "summary",
        "pre",
        "code",
        "span",
        "div",
        "strong",
        "em",
        "a",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
        "br",
        "s",
    ]
)
ATTRIBUTES = frozenset(
    ["class", "href", "rel", "target", "lang", "charset", "http-equiv", "content", "name", "start"]
)


class Checker(HTMLParser):
    """Fails at anything that could run or load something."""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES or (tag in ("td", "th") and name == "style"), (tag, name)
            if name == "href":
                assert value.startswith(("http://", "https://", "mailto:"))
                assert ("rel", "noopener noreferrer") in attrs
        if tag == "meta":
            assert dict(attrs).get("http-equiv") in (None, "Content-Security-Policy")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_gets_through(payload):
    approval = ApprovalView(
        id="ap-1", thread_id="t", tool=payload, kind="edit", targets=[payload], summary=payload,
        diff=f"--- {payload}\n+++ b\n@@ -1 +1 @@\n-{payload}\n+{payload}\n", reason=payload,
        risk=payload, status="pending", message=payload,
    )  # fmt: skip
    call = ToolCallView(
        call_id="c", tool=payload, arguments={payload: payload}, status="ok", summary=payload,
        output=payload,
    )  # fmt: skip
    items = [
        Item(id=payload, role=role, text=payload, calls=[call], approvals=["ap-1"], at=payload)
        for role in ("user", "assistant", "notice", "error")
    ]
    page = export_html(payload, payload, items, {"ap-1": approval})
    Checker().feed(page)
    assert "default-src 'none'" in page


def test_markdown_is_shown_as_such():
    shown = render_markdown("# Why\n\n| a | b |\n|---|---|\n| 1 | `x` |\n\n[see](https://a.b)\n")
    for part in ("<h1>Why</h1>", "<td>1</td>", "<code>x</code>", 'href="https://a.b"'):
        assert part in shown


def test_a_line_of_a_diff_is_what_it_is():
    diff = "--- a\n+++ b\n@@ -1,3 +1,3 @@\n--- old comment\n+++ new\n same\x0c\u2028+fake\n\n"
    view = ApprovalView(
        id="ap-1", thread_id="t", tool="edit", kind="edit", targets=["a"], summary="Edit",
        diff=diff, reason="", risk="", status="void",
    )  # fmt: skip
    page = export_html(
        "t", "r", [Item(id="1", role="assistant", approvals=["ap-1"])], {"ap-1": view}
    )
    assert [kind for kind, _ in re.findall(r'<span class="(\w+)">([^<]*)', page)] == [
        "file", "file", "hunk", "del", "add", "same", "same",
    ]  # fmt: skip
    assert "same\\x0c\\u2028+fake" in page
    assert "void: the file had changed" in page
