"""Only one process at a time is in a thread; what comes meanwhile is told so."""

from __future__ import annotations

import pytest

from llm_scheduler.agent.turns import TurnLocks
from llm_scheduler.errors import UsageError
from llm_scheduler.testing.scripted_model import ScriptedModel, say
from tests.agent.conftest import MakeTalk
from tests.agent.talking import EDITING, end_of, problem_of


async def test_another_process_is_in_the_thread(model: ScriptedModel, talk_with: MakeTalk) -> None:
    talk = talk_with(model)
    # Locks of two open files exclude each other, in one process as in two.
    async with TurnLocks(talk.folder.path / "locks").hold("chat-1"):
        failed = problem_of(await talk.say("Why?"))
    assert failed.kind == "busy"
    model.script(say("Now."))
    assert end_of(await talk.say("Why?")).text == "Now."


async def test_what_another_process_is_in_the_middle_of_is_neither_taken_back_nor_deleted(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(EDITING)
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    before = await talk.agent.history("chat-1")
    async with TurnLocks(talk.folder.path / "locks").hold("chat-1"):
        with pytest.raises(UsageError, match="Another notebook or terminal"):
            await talk.agent.take_back("chat-1", before[0].message_id)
        with pytest.raises(UsageError, match="Another notebook or terminal"):
            await talk.agent.delete("chat-1")
    assert await talk.agent.history("chat-1") == before
    assert len(talk.desk.pending("chat-1")) == 1


async def test_a_lock_that_can_t_be_made_is_said(
    talk_with: MakeTalk, model: ScriptedModel, caplog: pytest.LogCaptureFixture
) -> None:
    talk = talk_with(model)
    (talk.folder.path / "locks").write_text("no folder")
    problem = problem_of(await talk.say("Why?"))
    assert "lock of this conversation can't be used" in problem.text
    assert "Traceback" not in caplog.text
