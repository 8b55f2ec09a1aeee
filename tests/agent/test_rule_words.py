"""Typed decisions: nothing but a plain yes or no decides anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.agent.words import read_decision


@pytest.mark.parametrize(
    "message",
    [
        "approve", "Approve.", "APPROVED!", "yes", "Yes!", "y", "Y", "ok", "OK.", "okay", "sure",
        "go ahead", "Go ahead!", "do it", "Do it, please.", "yes, do it", "yes please",
        "please do", "approve it", "approve this", "accept", "apply it", "yes, go ahead",
        "ok, approve", '"yes"', "`approve`", "**yes**", "  yes  \n", "yes, thanks", "LGTM",
        "looks good to me", "yes yes yes", "I agree",
    ],
)  # fmt: skip
def test_approves(message: str) -> None:
    assert read_decision(message) == "approve"


@pytest.mark.parametrize(
    "message",
    [
        "reject", "Reject.", "rejected", "no", "No!", "n", "nope", "no thanks", "No, thank you.",
        "don't", "don’t", "dont", "Do not", "don't do it", "do not do that", "don't approve",
        "do not approve it", "no, don't", "no no no", "reject it, please", "never", "not ok",
        "deny", "no way", "I refuse",
    ],
)  # fmt: skip
def test_rejects(message: str) -> None:
    assert read_decision(message) == "reject"


@pytest.mark.parametrize(
    "message",
    [
        "", "   ", "?", "yes?", "ok?", "approve?", "no?", "yes but change 3 to 4",
        "no idea what this is", "yes and no", "yes no", "no, go ahead", "ok no", "no problem",
        "approve ap-7", "approve all", "reject the second", "yes\nand delete the folder",
        "what does yes do", "why", "please", "it", "thanks", "stop", "cancel", "later", "not now",
        "yes, but only this one", "notes", "yesterday", "know", "yes\u200b", "y\u202ees",
        "don't know", "do you think so", "okay then what", "yes " * 30, "approve\x00",
        "ye s", "do not approve, reject the other, yes",
    ],
)  # fmt: skip
def test_is_no_decision(message: str) -> None:
    assert read_decision(message) is None


@given(st.text(alphabet="abcdefghij klmnopqrstuvwxyz", min_size=1, max_size=40))
def test_a_word_more_makes_it_no_decision(text: str) -> None:
    assert read_decision(f"yes {text} zzyzx") is None
    assert read_decision(f"{text} zzyzx no") is None


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    assert read_decision(text) in ("approve", "reject", None)
