"""A conversation is read from its file before anything is loaded for turns."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import EDIT, MODEL

READ = """
import sys
from pathlib import Path
from llm_scheduler.agent.kept_history import read_kept_history
items = read_kept_history(Path(sys.argv[1]), "chat", lambda _: None)
assert [item.role for item in items][0] == "user", items
print(sorted({"langchain.agents", "langgraph.pregel", "openai"} & sys.modules.keys()))
"""


async def test_what_is_kept_is_what_a_turn_knows(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(
        call_tools(tool("read_file", path=MODEL), text="I look."),
        say("It divides by zero."),
        # One tool answers, the other waits for a decision: its step has not ended.
        call_tools(tool("read_file", path=MODEL), tool("replace_text", **EDIT)),
    )
    talk = talk_with(model)
    talk.write()
    await talk.agent.chat("Why?", "chat")
    await talk.agent.chat("Mend it.", "chat")
    talk.close()

    again = talk_with(model)
    kept = await again.agent.history("chat")
    assert await again.agent.history("another") == []
    await again.agent.warm_up()
    assert kept == await again.agent.history("chat")
    calls = [call for item in kept for call in item.tool_calls]
    assert [call.ok for call in calls] == [True, True, None]
    assert calls[-1].approval is not None
    assert calls[-1].approval.status == "pending"

    file = again.folder.threads_file
    command = [sys.executable, "-c", READ, file]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
