"""Limits hold, over threads, processes and days, and say what to set."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.budget import Budget, Totals
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import BudgetSpent

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NONE = dict.fromkeys(
    f"{unit}_per_{period}" for unit in ("calls", "tokens", "money") for period in ("run", "day")
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AgentDatabase]:
    made = AgentDatabase(tmp_path / "agent.sqlite")
    yield made
    made.close()


def make(database: AgentDatabase, run_id: str = "a", now: Any = NOON, **limits: Any) -> Budget:
    settings = LLMSettings(model="x", **(NONE | limits))
    return Budget(database, settings, run_id=run_id, now=lambda: now)


@pytest.mark.parametrize("period", ["run", "day"])
def test_calls(database: AgentDatabase, period: str) -> None:
    budget = make(database, **{f"calls_per_{period}": 2})
    budget.reserve()
    budget.reserve()
    with pytest.raises(BudgetSpent, match=rf"2 of 2 calls.*calls_per_{period}") as caught:
        budget.reserve()
    assert not caught.value.may_pass
    with pytest.raises(BudgetSpent):
        budget.check()
    assert budget.spent().run.calls == 2  # what was refused is not counted


def test_tokens_are_held_back_before_the_call(database: AgentDatabase) -> None:
    budget = make(database, tokens_per_run=1000)
    first = budget.reserve(400, 300)
    with pytest.raises(BudgetSpent, match="tokens_per_run"):
        budget.reserve(400, 300)
    budget.settle(first, 100, 50)
    budget.reserve(400, 300)
    assert budget.spent().run == Totals(2, 500, 350, 0.0)


def test_only_the_first_settling_counts(database: AgentDatabase) -> None:
    budget = make(database)
    held = budget.reserve(10, 10)
    budget.settle(held, 5, 5)
    budget.settle(held, 500, 500)
    assert budget.spent().run.tokens == 10


def test_money(database: AgentDatabase) -> None:
    budget = make(database, money_per_run=1.0, input_price=2.0, output_price=10.0)
    budget.settle(budget.reserve(100_000), 200_000, 50_000)
    assert budget.spent().run.money == pytest.approx(0.9)
    assert budget.money_of(1_000_000, 0) == 2.0
    budget.reserve(10_000)
    with pytest.raises(BudgetSpent, match=r"0.92 of 1.00 money.*money_per_run"):
        budget.reserve(100_000)


def test_money_without_prices_is_refused(database: AgentDatabase) -> None:
    budget = make(database, money_per_day=1.0)
    with pytest.raises(BudgetSpent, match="input_price and output_price"):
        budget.reserve(1)
    assert budget.money_of(1, 1) is None


def test_nothing_may_be_spent(database: AgentDatabase) -> None:
    for limit in ("calls_per_run", "tokens_per_day"):
        with pytest.raises(BudgetSpent, match=limit):
            make(database, **{limit: 0}).check()


def test_days_are_those_of_utc_and_pass(database: AgentDatabase) -> None:
    evening = datetime(2026, 3, 2, 20, 0, tzinfo=timezone(timedelta(hours=-8)))  # 4 h in UTC
    make(database, calls_per_day=1, now=evening).reserve()
    make(database, calls_per_day=1, now=NOON).reserve()
    with pytest.raises(BudgetSpent, match="calls_per_day, or wait for tomorrow"):
        make(database, calls_per_day=1, now=NOON + timedelta(hours=17)).reserve()
    make(database, calls_per_day=1, now=NOON + timedelta(days=2)).reserve()


def test_a_call_over_midnight_belongs_to_the_day_it_began(database: AgentDatabase) -> None:
    late = make(database, now=NOON.replace(hour=23))
    held = late.reserve(10, 10)
    make(database, now=NOON + timedelta(days=1)).settle(held, 30, 30)
    assert late.spent().day.tokens == 60
    assert make(database, now=NOON + timedelta(days=1)).spent().day == Totals()


def test_runs_share_the_day_and_nothing_else(database: AgentDatabase) -> None:
    first = make(database, "a", calls_per_run=1, calls_per_day=2)
    second = make(database, "b", calls_per_run=1, calls_per_day=2)
    first.reserve()
    with pytest.raises(BudgetSpent, match="of this run"):
        first.reserve()
    second.reserve()
    with pytest.raises(BudgetSpent, match="of today"):
        make(database, "c", calls_per_run=1, calls_per_day=2).reserve()


def test_a_day_holds_over_the_databases_of_runs(database: AgentDatabase, tmp_path: Path) -> None:
    settings = LLMSettings(model="x", **(NONE | {"calls_per_day": 1}))
    other = AgentDatabase(tmp_path / "other.sqlite")
    made = [Budget(x, settings, run_id="r", day_database=database) for x in (database, other)]
    made[0].reserve()
    with pytest.raises(BudgetSpent):
        made[1].reserve()
    other.close()


def test_left(database: AgentDatabase) -> None:
    assert make(database).left() == ""
    budget = make(database, calls_per_run=10, tokens_per_day=50_000)
    budget.count(10_000, 15_000)
    assert budget.left() == "left: 25,000 tokens today, 9 calls this run"


def test_old_days_are_forgotten(database: AgentDatabase) -> None:
    make(database).reserve()
    make(database, now=NOON + timedelta(days=60)).reserve()
    with database.transaction() as db:
        days = db.execute("SELECT period FROM spending WHERE period LIKE 'day %'").fetchall()
    assert days == [("day 2026-05-01",)]


def test_threads_together_never_pass_a_limit(database: AgentDatabase) -> None:
    budget = make(database, calls_per_run=20, tokens_per_day=100_000)
    refused: list[BudgetSpent] = []

    def ask() -> None:
        for _ in range(10):
            try:
                budget.settle(budget.reserve(100, 100), 90, 30)
            except BudgetSpent as exc:
                refused.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent().run == Totals(20, 1800, 600, 0.0)
    assert len(refused) == 20


CHILD = """
import sys
from datetime import datetime
from pathlib import Path
from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import BudgetSpent
settings = LLMSettings(model="x", calls_per_day=30, tokens_per_day=6000)
noon = datetime.fromisoformat(sys.argv[3])  # midnight may come while they count
budget = Budget(AgentDatabase(Path(sys.argv[1])), settings, run_id=sys.argv[2], now=lambda: noon)
print("ready", flush=True)
sys.stdin.readline()
n = 0
for _ in range(40):
    try:
        budget.settle(budget.reserve(100, 100), 120, 60)
        n += 1
    except BudgetSpent:
        pass
print(n, flush=True)
"""


def test_processes_together_never_pass_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "day.sqlite"
    AgentDatabase(path).close()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), run, NOON.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for run in ("a", "b")
    ]
    for child in children:  # both count at the same time, not one after the other
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    made = [int(child.communicate()[0]) for child in children]
    assert sum(made) == 30
    database = AgentDatabase(path)
    day = make(database).spent().day
    database.close()
    assert (day.calls, day.tokens) == (30, 30 * 180)
