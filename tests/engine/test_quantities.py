from __future__ import annotations

from datetime import timedelta

import pytest

from llm_scheduler.engine.quantities import (
    format_duration,
    format_memory,
    parse_duration,
    parse_memory,
)
from llm_scheduler.errors import UsageError

MB = 1024**2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("4GB", 4 * 1024 * MB),
        ("800M", 800 * MB),
        ("500MiB", 500 * MB),
        ("2G", 2048 * MB),
        ("2g", 2048 * MB),
        (" 1.5 GB ", 1536 * MB),
        ("64K", 64 * 1024),
        ("1T", 1024**4),
        ("800", 800 * MB),
        ("1000B", 1000),
        (123456, 123456),
    ],
)
def test_memory_is_read_as_slurm_reads_it(value: str | int, expected: int) -> None:
    assert parse_memory(value) == expected


@pytest.mark.parametrize("value", ["", "GB", "4 potatoes", "-1G", "0", 0, -5, True, None, 1.5])
def test_memory_that_makes_no_sense_is_shown(value: object) -> None:
    with pytest.raises(UsageError, match="is not an amount of memory") as caught:
        parse_memory(value)  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("01:30:00", 5400),
        ("2-00:00:00", 172800),
        ("2-12", 216000),
        ("1-02:30", 95400),
        ("90", 5400),
        ("90:30", 5430),
        ("1h", 3600),
        ("1h30min", 5400),
        ("1 h 30 m", 5400),
        ("2 days", 172800),
        ("45s", 45),
        ("0.5s", 0.5),
        (timedelta(minutes=2), 120),
        (12, 12),
        (0.25, 0.25),
    ],
)
def test_durations(value: str | float | timedelta, expected: float) -> None:
    assert parse_duration(value) == expected


@pytest.mark.parametrize(
    "value", ["", "soon", "1:2:3:4", "1h and a bit", "0", 0, -1, float("inf"), True, None]
)
def test_duration_that_makes_no_sense_is_shown(value: object) -> None:
    with pytest.raises(UsageError, match="is not a duration") as caught:
        parse_duration(value)  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (512, "512 B"), (2048, "2.0 KB"), (800 * MB, "800.0 MB"), (1024**3, "1.0 GB")],
)
def test_memory_for_people(n_bytes: int, text: str) -> None:
    assert format_memory(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (2.54, "2.5 s"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (180000, "2 d 2 h"),
    ],
)
def test_time_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
