"""Fixtures for every test, and the rule for parts of the system that may be missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that tests find `tests.…` however pytest is started
    sys.path.insert(0, str(ROOT))

from tests import slurm_cluster  # noqa: E402 - after the path is set
from tests.slurm_daemons import make_path  # noqa: E402 - after the path is set

# Shells start commands in the background with Ctrl-C ignored, and programs pass that on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Conversations and journals of the runs that tests make belong to nobody. In the
# environment, not in a fixture: programs that tests start need it too.
_STATE = tempfile.TemporaryDirectory(prefix="llm-scheduler-state-")
os.environ["LLM_SCHEDULER_STATE_DIR"] = _STATE.name

# How long an example takes says nothing on a machine that may stand still for seconds.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Path of the browser that the tests drive."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def _why_no_browser() -> str:
    if find_chromium() is None:
        return "not installed: chromium; run .ci/system-packages"
    if importlib.util.find_spec("playwright") is None:
        return "not installed: playwright; pip install playwright"
    return ""


def _why_no_sshd() -> str:
    if shutil.which("sshd", path=make_path()) is None:
        return "not installed: sshd; run .ci/system-packages"
    return ""


PARTS = {
    "slurm": slurm_cluster.find_why_not,
    "browser": _why_no_browser,
    "ssh": _why_no_sshd,
}
"""Parts of the system that tests may need: what says why one is missing."""


@cache
def _find_problem(part: str) -> str:
    return PARTS[part]()


def _required_parts() -> set[str]:
    names = os.environ.get("LLM_SCHEDULER_REQUIRE", "").split(",")
    return {name.strip() for name in names if name.strip()}


def check_part(part: str) -> None:
    """Skip the test where `part` is missing, or fail it where the part is required."""
    problem = _find_problem(part)
    if not problem:
        return
    if part in _required_parts():
        pytest.fail(f"LLM_SCHEDULER_REQUIRE names {part!r}, but: {problem}", pytrace=False)
    pytest.skip(f"needs {part}: {problem}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that no process waits for them in the end."""
    items.sort(key=lambda item: not any(item.get_closest_marker(part) for part in PARTS))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for part in PARTS:
        if item.get_closest_marker(part) is not None:
            check_part(part)


@pytest.fixture(scope="session")
def slurm() -> Iterator[slurm_cluster.SlurmCluster]:
    """Provide a real Slurm with four nodes; its commands work as if it were the machine's own."""
    check_part("slurm")
    cluster = slurm_cluster.SlurmCluster.start()
    old = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(cluster.conf)
    try:
        yield cluster
    finally:
        if old is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = old
        cluster.stop()


@pytest.fixture(autouse=True)
def _slurm_only_where_asked_for(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without this a test's result would depend on whether one with Slurm ran before it.
    if "slurm" not in request.fixturenames:
        monkeypatch.delenv("SLURM_CONF", raising=False)
    if "adaptive_scheduler" in sys.modules:
        # The engine remembers the partitions of the first cluster it saw, or that there
        # was none.
        sys.modules["adaptive_scheduler"].scheduler.slurm_partitions.cache_clear()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Provide the path of the browser."""
    check_part("browser")
    path = find_chromium()
    assert path is not None
    return path


@pytest.fixture(scope="session")
def sshd_path() -> str:
    """Provide the path of the ssh server."""
    check_part("ssh")
    path = shutil.which("sshd", path=make_path())
    assert path is not None
    return path
