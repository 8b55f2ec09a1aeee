"""The README shows both commands and a real picture, and names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.doc_examples import ROOT

README = (ROOT / "README.md").read_text()
LINKS = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|href)=\"([^\"#]+)\"", README)


def test_the_two_commands_are_there() -> None:
    assert "make demo" in README
    assert "llm-scheduler diagnose" in README


def test_the_picture_of_the_demo_is_real_svg() -> None:
    pictures = [a or b for a, b in LINKS if (a or b).endswith(".svg")]
    assert pictures
    for picture in pictures:
        # Hosts of packages show pictures by full address only.
        path = ROOT / re.sub(
            r"^https://raw\.githubusercontent\.com/[^/]+/[^/]+/[^/]+/", "", picture
        )
        text = path.read_text()
        assert "<svg" in text
        assert "<script" not in text


@pytest.mark.parametrize("link", sorted({a or b for a, b in LINKS}))
def test_links_inside_the_project_lead_somewhere(link: str) -> None:
    if not re.match(r"[a-z]+:", link):
        assert (ROOT / Path(link)).exists()
