"""A stream of the model can be cancelled at the moment in which a piece arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_scheduler.agent.model_choice import make_models
from llm_scheduler.testing.scripted_model import ScriptedModel, hold, say
from tests.agent.talking import reach


async def test_no_cancel_is_lost_when_the_answer_begins(
    model: ScriptedModel, settings_for: Any
) -> None:
    (chat,) = make_models(settings_for(model))
    for n_steps in range(12):
        gate = hold(say("It goes on and on."), after_chars=5)
        model.script(gate)
        asked = asyncio.ensure_future(_read(chat))
        await reach(gate.reached)
        for _ in range(n_steps):  # the loop takes in the first pieces step by step
            await asyncio.sleep(0)
        asked.cancel()
        # Where the cancel is lost, this lets the answer come to its end.
        asyncio.get_running_loop().call_later(2, gate.release)
        with pytest.raises(asyncio.CancelledError):
            await asked
    await chat.root_async_client.close()


async def _read(chat: Any) -> None:
    async for _ in chat.astream("why?"):
        pass
