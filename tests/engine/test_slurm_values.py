"""The values that Slurm's programs print."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llm_scheduler.engine import slurm_values as values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        ("3", 3),
        (None, None),
        ("", None),
        ("x", None),
        (True, None),
        ({"set": True, "infinite": False, "number": 7}, 7),
        ({"set": False, "infinite": False, "number": 0}, None),
        ({"set": True, "infinite": True, "number": 0}, None),
        ([], None),
        (float("inf"), None),
    ],
)
def test_numbers(value: object, expected: int | None) -> None:
    assert values.parse_number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("FAILED", ("FAILED", "")),
        (["OUT_OF_MEMORY"], ("OUT_OF_MEMORY", "")),
        ("CANCELLED by 1000", ("CANCELLED", "1000")),
        ("CANCELLED+", ("CANCELLED", "")),
        (["RUNNING", "COMPLETING"], ("COMPLETING", "")),
        (["PENDING", "REQUEUED"], ("PENDING", "")),
        ([], ("UNKNOWN", "")),
        (None, ("UNKNOWN", "")),
    ],
)
def test_states(value: object, expected: tuple[str, str]) -> None:
    assert values.parse_state(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, (0, None)),
        (256, (1, None)),
        (35072, (137, None)),
        (11, (0, 11)),
        (139, (0, 11)),  # with a core file
        (253, (0, 125)),  # out of memory
        ("768", (3, None)),
        ("", (None, None)),
        (-2, (None, None)),
        (4294967294, (None, None)),
        (
            {"status": "SIGNALED", "return_code": None, "signal": {"signal_id": 9}},
            (0, 9),
        ),
        (
            {
                "status": ["ERROR"],
                "return_code": {"set": True, "infinite": False, "number": 3},
                "signal": {"id": {"set": False, "infinite": False, "number": 0}, "name": ""},
            },
            (3, None),
        ),
    ],
)
def test_exit_codes(value: object, expected: tuple[int | None, int | None]) -> None:
    assert values.parse_exit_code(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1:0", (1, None)), ("0:125", (0, 125)), ("", (None, None)), ("x:y", (None, None))],
)
def test_exit_texts(text: str, expected: tuple[int | None, int | None]) -> None:
    assert values.parse_exit_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:00", 600),
        ("1:00:00", 3600),
        ("1-02:03:04", 93784),
        ("2-00", 172800),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("N/A", None),
        ("", None),
        ("5", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    assert values.parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("800M", 800 * 1024**2),
        ("4G", 4 * 1024**3),
        ("1.5G", 3 * 1024**3 // 2),
        ("4Gn", 4 * 1024**3),
        ("2Gc", 8 * 1024**3),
        ("512", 512 * 1024**2),
        ("0", None),
        ("?", None),
    ],
)
def test_sizes(text: str, expected: int | None) -> None:
    assert values.parse_size(text, cpus=4) == expected


def test_memory_for_each_processor_needs_their_number() -> None:
    assert values.parse_size("2Gc") is None


def test_memory_on_one_node() -> None:
    tres = values.parse_tres_text("cpu=2,mem=400M,node=2,billing=2,gres/gpu=1")
    assert values.node_memory(tres) == 200 * 1024**2
    assert values.node_memory({}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n1", ("n1",)),
        ("t[1-3,7]", ("t1", "t2", "t3", "t7")),
        ("t[08-10],gpu01", ("t08", "t09", "t10", "gpu01")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("n[1-2]-ib", ("n1-ib", "n2-ib")),
        ("None assigned", ()),
        ("(null)", ()),
        ("", ()),
        (None, ()),
        ("n[1-", ("n[1-",)),
        ("n[a-b]", ()),
    ],
)
def test_node_lists(text: str | None, expected: tuple[str, ...]) -> None:
    assert values.expand_nodes(text) == expected


def test_a_hostile_node_list_is_bounded() -> None:
    assert len(values.expand_nodes("n[1-999999999999]")) <= 20_001
    assert len(values.expand_nodes("a[1-99999]b[1-99999]c[1-99999]")) <= 20_001


def test_times_are_in_utc() -> None:
    assert values.parse_time("1795260781") == datetime.fromtimestamp(1795260781, UTC)
    assert values.parse_time({"set": True, "infinite": False, "number": 5}) is not None
    assert values.parse_time(0) is None
    assert values.parse_time("Unknown") is None
    assert values.parse_time(4294967295) is None
    found = values.parse_time("2026-11-20T19:28:54")
    assert found is not None
    assert found.tzinfo == UTC


def test_log_paths_are_absolute_and_filled_in() -> None:
    names = {"j": "12", "x": "learn"}
    paths = ["%x-%j.out", "/var/%j.err", "/dev/null", "%N.out", "", None, "a\nb"]
    assert values.log_paths(paths, "/run", names) == ("/run/learn-12.out", "/var/12.err")
    assert values.log_paths(["x.out"], "", names) == ()
