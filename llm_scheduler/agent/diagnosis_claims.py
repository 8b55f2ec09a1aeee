"""Who asks the model about a group: of several kernels and terminals with one run, only one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.errors import StoreError

LEASE_S = 60.0
"""After so long without a sign of life a claim is void: its process was killed."""
_RENEWALS = 4
"""In one lease: one that comes late, on a busy machine, costs nothing."""

_SCHEMA = """CREATE TABLE IF NOT EXISTS diagnosis_claims (
    topic TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    expires_at REAL NOT NULL
)"""


class DiagnosisClaims:
    """The claims of one process, in the database of the run.

    Parameters
    ----------
    database
        Of the run.
    model
        Name of the model: another one may be asked at the same time.
    now
        Returns the time in seconds, the same in all processes.

    """

    def __init__(
        self, database: AgentDatabase, model: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.now = now
        self._model = model
        database.add_schema(_SCHEMA)

    def make(self, group_key: str) -> Claim:
        """Make a claim on a group, for one who wants to ask about it; `take` it then."""
        return Claim(self, f"{self._model} {group_key}")


class Claim:
    """One claim, which is somebody else's until `take` says that it is ours."""

    def __init__(self, claims: DiagnosisClaims, topic: str) -> None:
        self._database = claims.database
        self._now = claims.now
        self._topic = topic
        self._owner = uuid4().hex
        self._lock = threading.Lock()
        self._is_over = False

    def take(self) -> bool:
        """Take it where it is free, or keep it alive; says whether it is ours now."""
        now = self._now()
        # A renewal that comes late must not take anew what was given up.
        with self._lock, self._database.transaction() as db:
            if self._is_over:
                return False
            db.execute(
                "INSERT INTO diagnosis_claims VALUES (?1, ?2, ?3) ON CONFLICT (topic) DO UPDATE"
                " SET owner = ?2, expires_at = ?3 WHERE owner = ?2 OR expires_at <= ?4"
                # Of a clock that was put back since.
                " OR expires_at > ?3",
                (self._topic, self._owner, now + LEASE_S, now),
            )
            return bool(db.execute("SELECT changes()").fetchone()[0])

    def release(self) -> None:
        """Give it up; one of somebody else stays."""
        with self._lock, self._database.transaction() as db:
            self._is_over = True
            db.execute(
                "DELETE FROM diagnosis_claims WHERE topic = ? AND owner = ?",
                (self._topic, self._owner),
            )

    @asynccontextmanager
    async def held(self, poll_s: float) -> AsyncIterator[None]:
        """Wait until it is ours, keep it alive, however long the model takes, and release it."""
        renewing: asyncio.Future[None] | None = None
        try:
            while not await asyncio.to_thread(self.take):  # noqa: ASYNC110 - another process
                await asyncio.sleep(poll_s)
            renewing = asyncio.ensure_future(self._renew())
            yield
        finally:
            # Also of one who was cancelled: the thread may take it all the same.
            if renewing is not None:
                renewing.cancel()
            with suppress(StoreError):  # it expires by itself
                await asyncio.to_thread(self.release)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / _RENEWALS)
            with suppress(StoreError):
                await asyncio.to_thread(self.take)
