"""Tracebacks of two processes that are mixed line by line name no place."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

HEADER = "Traceback (most recent call last):"
LOAD = [
    '  File "/home/u/load.py", line 12, in <module>',
    "    main()",
    '  File "/home/u/load.py", line 7, in main',
    "    read(x)",
    "ValueError: bad column",
]
TRAIN = [
    '  File "/home/u/train.py", line 40, in <module>',
    "    run()",
    '  File "/home/u/train.py", line 33, in run',
    "    fit(y)",
    "KeyError: 'loss'",
]
FORK = [*LOAD[:2], *TRAIN[2:]]


def weave(one, two):
    return [line for pair in zip(one, two, strict=True) for line in pair]


def read(folder, lines):
    return diagnose_text(folder, "start\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "lines",
    [
        [HEADER, HEADER, *weave(LOAD, TRAIN)],
        [HEADER, LOAD[0], HEADER, TRAIN[0], *weave(LOAD[1:], TRAIN[1:])],
        # One program that failed at two places.
        [HEADER, HEADER, *weave(LOAD, FORK)],
    ],
    ids=["headers", "staggered", "fork"],
)
def test_no_frame_of_a_mixed_traceback(tmp_path, lines):
    found = read(tmp_path, lines)
    assert found.title == "ValueError: bad column"
    assert "train.py" not in found.explanation
    assert "load.py" not in found.explanation
    assert found.confidence <= 0.7
    assert any("mixed line by line" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([HEADER, *LOAD], "load.py:7"),
        ([HEADER, *LOAD, HEADER, *TRAIN], "train.py:33"),
        # The same program twice: whole, and cut off.
        ([HEADER, HEADER, *weave(LOAD, LOAD)], "load.py:7"),
        ([HEADER, *LOAD[:2], HEADER, *LOAD], "load.py:7"),
    ],
    ids=["one", "two", "same", "cut"],
)
def test_the_frame_of_a_whole_traceback(tmp_path, lines, place):
    found = read(tmp_path, lines)
    assert place in found.title
    assert found.confidence > 0.9
    assert not any("mixed" in doubt for doubt in found.doubts)
