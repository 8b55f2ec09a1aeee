"""What is asked goes to the model's server only, also where LangSmith is switched on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import utils
from langsmith.run_trees import get_cached_client

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.diagnosing import ModelDiagnoser
from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    answer,
    call_tools,
    fault,
    repeat,
    say,
    tool,
)
from tests.agent.conftest import MakeTalk
from tests.agent.failed_jobs import KnownRun, make_answer, make_failure
from tests.agent.talking import BEFORE, EDIT, WAIT_S, end_of


class Listener(ThreadingHTTPServer):
    """Notes whether anything arrives."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_asked = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.is_asked.set()
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = True

    do_POST = do_PATCH = _answer  # noqa: N815 - the library's names

    def do_GET(self) -> None:
        # A client that is made asks what the server can do; nothing is told in that.
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(params=["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"])
def listener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Provide the server that LangSmith is told to send everything to."""
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv(request.param, "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_none")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    _forget_environment()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    monkeypatch.undo()
    _forget_environment()


def _forget_environment() -> None:
    utils.get_env_var.cache_clear()
    utils.get_tracer_project.cache_clear()
    from langsmith import run_trees

    run_trees._CLIENT = None


async def is_told(listener: Listener, *, begin: bool) -> bool:
    """Whether anything was sent, once LangSmith has sent what it had."""
    if begin:
        await RunnableLambda(lambda x: x).ainvoke(1)
    await asyncio.to_thread(wait_for_all_tracers)
    await asyncio.to_thread(get_cached_client().flush)
    if begin:  # what its thread has just taken up may still be on the way
        await asyncio.to_thread(listener.is_asked.wait, WAIT_S)
    return listener.is_asked.is_set()


async def test_turns_and_diagnoses_are_not_traced(
    listener: Listener,
    model: ScriptedModel,
    settings_for: Any,
    talk_with: MakeTalk,
    tmp_path: Path,
) -> None:
    talk = talk_with(model, context_tokens=4000)
    talk.write(text=BEFORE)
    long = "word " * 300
    model.script(
        call_tools(tool("read_file", path="model.py"), tool("replace_text", **EDIT)),
        say("It is changed."),
        fault(500),
        *[say(long)] * 3,
        repeat(say(long)),
    )
    assert end_of(await talk.say("What is wrong?")).status == "waiting"
    (pending,) = talk.desk.pending("chat-1")
    await talk.agent.decide(pending.id, "approve")
    assert end_of(await talk.say(None)).status == "finished"
    assert end_of(await talk.say("More?")).status == "failed"
    for _ in range(5):
        assert end_of(await talk.say("And? " + "filler " * 300)).status == "finished"
    assert any("Summarise the conversation" in request.text for request in model.requests)
    await talk.agent.history("chat-1")
    with ScriptedModel() as other:
        other.script(answer(make_answer()))
        database = AgentDatabase(tmp_path / "diagnoses.sqlite")
        diagnoser = ModelDiagnoser(settings_for(other), database, budget=None)
        assert await diagnoser.diagnose("k", make_failure(tmp_path), KnownRun(tmp_path))
        await diagnoser.close()
        database.close()
    assert not await is_told(listener, begin=False)
    assert await is_told(listener, begin=True), "it is switched on for all others"
