"""Limits on calls, tokens and money, for a run and for a day, that hold over processes.

What a call is expected to take is counted before it is made, and put right after it, in
one transaction each: however many processes ask at once, none starts a call that is not
within the limits. A process that dies in between leaves the expectation counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import BudgetSpent

_SCHEMA = """CREATE TABLE IF NOT EXISTS spending (
    period TEXT PRIMARY KEY,
    calls INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    money REAL NOT NULL DEFAULT 0
)"""
_ADD = """INSERT INTO spending VALUES (?, ?, ?, ?, ?) ON CONFLICT (period) DO UPDATE SET
    calls = calls + excluded.calls,
    input_tokens = max(0, input_tokens + excluded.input_tokens),
    output_tokens = max(0, output_tokens + excluded.output_tokens),
    money = max(0, money + excluded.money)"""
KEPT_DAYS = 40
_PER = 1_000_000
_UNBOUNDED = 1 << 60


@dataclass(frozen=True)
class Totals:
    """What was used in one period."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float = 0.0
    """In the currency of the prices; 0 without them."""

    @property
    def tokens(self) -> int:
        """What was read and written, together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Spent:
    """What was used in this run and today."""

    run: Totals
    day: Totals


@dataclass(frozen=True)
class _Limit:
    """One limit: ``calls_per_run`` and the like."""

    setting: str
    unit: str
    period: str
    size: float


@dataclass
class Reservation:
    """One call that was counted before it is made."""

    periods: tuple[str, str]
    input_tokens: int
    output_tokens: int
    room: int | None = None
    """How many tokens more may be written; ``None`` without a limit on them."""
    is_open: bool = True


class Budget:
    """Counts what the model is asked, and refuses what is over a limit.

    Parameters
    ----------
    database
        Of the run.
    settings
        The limits, and the prices of a million tokens.
    run_id
        Names the run among all that share the database, or returns its name: one that is open
        for long may see the next run begin.
    day_database
        One that all runs of this user share; the limits of a day hold over those that
        are counted in the same file.
    now
        Returns the present time in UTC.

    """

    def __init__(
        self,
        database: AgentDatabase,
        settings: LLMSettings,
        *,
        run_id: str | Callable[[], str],
        day_database: AgentDatabase | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        # Both periods in one file: one transaction, and no half of it is ever counted.
        self._database = day_database or database
        self._run_id = run_id
        self._run = ""
        self._now = now
        self._tidied = ""
        """The day on which old ones were forgotten last."""
        self._seen: Spent | None = None
        """What was used, as of the last transaction."""
        self._database.add_schema(_SCHEMA)
        self._look_which_run()

    def _look_which_run(self) -> None:
        """Find the run that counts now; outside of transactions, as it may read a file."""
        run_id = self._run_id if isinstance(self._run_id, str) else self._run_id()
        self._run = f"run {run_id}"

    def check(self, expected_tokens: int = 0) -> None:
        """Raise `BudgetSpent` when a call with so many tokens would be over a limit.

        Looks only; `reserve` is what holds when several ask at once.
        """
        self._check(self.spent(), expected_tokens, self._price(expected_tokens, 0))

    def reserve(self, input_tokens: int = 0, output_tokens: int = 0) -> Reservation:
        """Count one call that is about to be made, with what it is expected to take.

        Raises
        ------
        BudgetSpent
            It would be over a limit; nothing is counted.

        """
        self._look_which_run()
        held = Reservation((self._run, self._day()), input_tokens, output_tokens)
        money = self._price(input_tokens, output_tokens)
        with self._database.transaction() as db:
            self._check(self._read(db), input_tokens + output_tokens, money)
            self._add(db, held.periods, 1, input_tokens, output_tokens, money)
            self._drop_old(db)
            self._seen = spent = self._read(db)
        rooms = [self._room(limit, used) for limit, used in self._used(spent)]
        bounded = [room for room in rooms if room < _UNBOUNDED]
        held.room = max(0, min(bounded)) if bounded else None
        return held

    def extend(self, held: Reservation, output_tokens: int) -> int:
        """Count more output of a call that goes on; returns how much of it is within the limits.

        Raises
        ------
        BudgetSpent
            Nothing is left.

        """
        with self._database.transaction() as db:
            granted = output_tokens
            for limit, used in self._used(self._read(db)):
                granted = min(granted, self._room(limit, used))
                if granted <= 0:
                    raise BudgetSpent(_say_spent(limit, used))
            self._add(db, held.periods, 0, 0, granted, self._price(0, granted))
        held.output_tokens += granted
        return granted

    def _room(self, limit: _Limit, used: float) -> int:
        """Return how many tokens of output fit under one limit."""
        if limit.unit == "tokens":
            return int(limit.size - used)
        price = self.settings.output_price or 0.0
        if limit.unit == "money" and price > 0:
            return int((limit.size - used) / price * _PER)
        return _UNBOUNDED

    def _used(self, spent: Spent) -> Iterator[tuple[_Limit, float]]:
        for limit in self._limits():
            yield limit, getattr(getattr(spent, limit.period), limit.unit)

    def settle(self, held: Reservation, input_tokens: int, output_tokens: int) -> None:
        """Put right what a call was expected to take; only the first time counts."""
        if not held.is_open:
            return
        held.is_open = False
        more_in, more_out = input_tokens - held.input_tokens, output_tokens - held.output_tokens
        money = self._price(input_tokens, output_tokens)
        money -= self._price(held.input_tokens, held.output_tokens)
        if not (more_in or more_out):
            return
        with self._database.transaction() as db:
            self._add(db, held.periods, 0, more_in, more_out, money)
            self._seen = self._read(db)

    def count(self, input_tokens: int, output_tokens: int) -> None:
        """Count a call that was made without a reservation, whatever the limits."""
        self._look_which_run()
        money = self._price(input_tokens, output_tokens)
        with self._database.transaction() as db:
            self._add(db, (self._run, self._day()), 1, input_tokens, output_tokens, money)

    def spent(self) -> Spent:
        """Return what was used in this run and today, of all processes."""
        self._look_which_run()
        with self._database.transaction() as db:
            return self._read(db)

    def left(self, *, as_seen: bool = False) -> str:
        """Say what is left of each limit, for people; empty without limits.

        Parameters
        ----------
        as_seen
            Whether what the last call found will do; else it is read now.

        """
        spent = self._seen if as_seen and self._seen is not None else self.spent()
        parts = []
        for limit, used in self._used(spent):
            rest = max(0, limit.size - used)
            amount = f"{rest:,.2f}" if limit.unit == "money" else f"{rest:,}"
            when = "this run" if limit.period == "run" else "today"
            parts.append(
                (rest / limit.size if limit.size else 0.0, f"{amount} {limit.unit} {when}")
            )
        parts.sort(key=lambda part: part[0])
        return "left: " + ", ".join(text for _, text in parts) if parts else ""

    @property
    def has_prices(self) -> bool:
        """Whether money can be counted."""
        return self.money_of(0, 0) is not None

    def money_of(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return what so many tokens cost; ``None`` without prices."""
        if self.settings.input_price is None and self.settings.output_price is None:
            return None
        return self._price(input_tokens, output_tokens)

    def _price(self, input_tokens: int, output_tokens: int) -> float:
        cost = input_tokens * (self.settings.input_price or 0.0)
        return (cost + output_tokens * (self.settings.output_price or 0.0)) / _PER

    def _day(self) -> str:
        return f"day {self._now().astimezone(UTC):%Y-%m-%d}"

    def _limits(self) -> Iterator[_Limit]:
        for unit in ("calls", "tokens", "money"):
            for period in ("run", "day"):
                setting = f"{unit}_per_{period}"
                size = getattr(self.settings, setting)
                if size is not None:
                    yield _Limit(setting, unit, period, size)

    def _check(self, spent: Spent, tokens: int, money: float) -> None:
        for limit, used in self._used(spent):
            if limit.unit == "money" and self.money_of(0, 0) is None:
                # Nothing could be counted, and the limit would hold nothing.
                raise BudgetSpent(
                    f"{limit.setting} is set, but no prices are: set input_price and output_price, "
                    "of a million tokens."
                )
            more = {"calls": 1, "tokens": max(1, tokens), "money": money}[limit.unit]
            if used + more > limit.size * (1 + 1e-9) or used >= limit.size:
                raise BudgetSpent(_say_spent(limit, used))

    def _add(
        self,
        db: sqlite3.Connection,
        periods: tuple[str, str],
        calls: int,
        input_tokens: int,
        output_tokens: int,
        money: float,
    ) -> None:
        more = (calls, input_tokens, output_tokens, money)
        db.executemany(_ADD, [(period, *more) for period in periods])

    def _read(self, db: sqlite3.Connection) -> Spent:
        names = (self._run, self._day())
        rows = db.execute(
            "SELECT period, calls, input_tokens, output_tokens, money FROM spending "
            "WHERE period IN (?, ?)",
            names,
        )
        totals = {period: Totals(*values) for period, *values in rows}
        return Spent(*(totals.get(name, Totals()) for name in names))

    def _drop_old(self, db: sqlite3.Connection) -> None:
        """Forget days long past, so that the file stays small; once a day is enough."""
        day = self._day()
        if day == self._tidied:
            return
        oldest = self._now().astimezone(UTC) - timedelta(days=KEPT_DAYS)
        db.execute(
            "DELETE FROM spending WHERE period LIKE 'day %' AND period < ?",
            (f"day {oldest:%Y-%m-%d}",),
        )
        self._tidied = day


def describe_spent(spent: Spent, *, has_prices: bool) -> str:
    """Say what was used, for people; money only where there are prices."""
    parts = []
    for when, totals in (("this run", spent.run), ("today, in all runs", spent.day)):
        money = f", {totals.money:,.4f} at the configured prices" if has_prices else ""
        parts.append(
            f"{when}: {_count(totals.calls, 'call')}, {_count(totals.tokens, 'token')}{money}"
        )
    return f"used {'; '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _say_spent(limit: _Limit, used: float) -> str:
    when = "of this run" if limit.period == "run" else "of today (UTC)"
    amounts = (
        f"{used:,.2f} of {limit.size:,.2f}"
        if limit.unit == "money"
        else f"{used:,} of {limit.size:,}"
    )
    next_step = f"raise {limit.setting}"
    if limit.period == "day":
        next_step += ", or wait for tomorrow"
    state = "is used up" if used >= limit.size else "has no room for this question"
    return (
        f"The model's budget {when} {state}: {amounts} {limit.unit} are used. "
        f"The rules go on alone; to ask the model again {next_step}."
    )
