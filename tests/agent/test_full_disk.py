"""A full disk in the middle of a conversation: it is said in words, and the thread goes on."""

from __future__ import annotations

import logging
import sqlite3
from hashlib import sha256

import pytest

from llm_scheduler.agent.checkpoints import PruningSaver
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import AFTER, BEFORE, EDIT, Talk, end_of, problem_of

LONG = EDIT | {"reason": " ".join(sha256(b"%d" % i).hexdigest()[:5] for i in range(1600))}
"""Takes more than what is free in the pages that are there."""


def connections_of(talk: Talk) -> list[sqlite3.Connection]:
    """Return all that write to the file of conversations."""
    conversations = talk.agent._conversations
    assert conversations is not None
    saver = conversations._saver
    assert isinstance(saver, PruningSaver)
    return [saver.conn, talk.agent._threads._connection]


def bound(connection: sqlite3.Connection, n_pages: int) -> None:
    """Let a file grow to so many pages; SQLite then says what it says of a full disk."""
    connection.execute(f"PRAGMA max_page_count={n_pages}").close()


async def test_a_question_that_can_t_be_kept(
    model: ScriptedModel, talk_with: MakeTalk, caplog: pytest.LogCaptureFixture
) -> None:
    model.script(say("Yes."), say("Yes again."))
    talk = talk_with(model)
    await talk.say("Is it there?")
    with caplog.at_level(logging.WARNING):
        for connection in connections_of(talk):
            bound(connection, 1)  # SQLite takes what it has for the least
        problem = problem_of(await talk.say("And " + "then " * 4000))
    assert "threads.sqlite can't be used: database or disk is full" in problem.text
    assert "Traceback" not in caplog.text
    for connection in connections_of(talk):
        bound(connection, 1_000_000)
    assert end_of(await talk.say("Is there room?")).text == "Yes again."
    told = [item.text for item in await talk.agent.history("chat-1")]
    assert told == ["Is it there?", "Yes.", "Is there room?", "Yes again."]


@pytest.mark.parametrize("mode", ["approve", "yolo"])
async def test_a_change_that_can_t_be_written_down_is_not_made(
    model: ScriptedModel, talk_with: MakeTalk, mode: str
) -> None:
    model.script(
        say("Yes."),
        call_tools(tool("replace_text", **LONG), tool("list_jobs")),
        say("Then not."),
        call_tools(tool("replace_text", **LONG)),
        say("Now it is."),
    )
    talk = talk_with(model, mode=mode, context_tokens=50_000)
    talk.write()
    await talk.say("Is it there?")
    connection = talk.folder.database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    talk.folder.database.add_schema("CREATE TABLE filler (x)")
    bound(connection, pages + 1)
    with pytest.raises(sqlite3.Error, match="full"):
        while True:  # the last free page and the rest of each table's own
            connection.execute("INSERT INTO filler VALUES (zeroblob(3000))")
    events = await talk.say("Mend it.")
    assert talk.read() == BEFORE
    assert "database or disk is full" in "".join(event.model_dump_json() for event in events)
    assert talk.desk.changes() == []
    bound(connection, 1_000_000)
    await talk.say("And now?")
    for approval in talk.desk.pending("chat-1"):
        await talk.agent.decide(approval.id, "approve")
        await talk.say(None)
    assert talk.read() == AFTER
