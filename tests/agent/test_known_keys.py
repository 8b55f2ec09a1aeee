"""The configured key never goes out in what a model is sent, wherever it was found."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, SecretStr

from llm_scheduler.agent.events import ToolFinished
from llm_scheduler.agent.known_keys import find_keys
from llm_scheduler.agent.model_choice import NO_KEY, close_models, describe_model, make_models
from llm_scheduler.agent.summaries import SHORT_OUTPUT, summary_request
from llm_scheduler.agent.untrusted import make_safe
from llm_scheduler.config import LLMSettings
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, repeat, say, tool
from tests.agent.conftest import MakeTalk, SettingsFor
from tests.agent.talking import Talk, end_of, of_kind

KEY = "corp own key 55 abc"
"""Of no known form."""
TOKEN = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"


async def test_the_key_is_hidden_in_files_messages_and_summaries(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(
        call_tools(tool("read_file", path="notes.txt")),
        say("It works. " + "word " * 300),
        repeat(say("It works. " + "word " * 300)),
    )
    talk = talk_with(model, api_key=KEY, context_tokens=4000)
    talk.write("notes.txt", f"the server takes \x1b[1m{KEY[:5]}\x1b[0m{KEY[5:]}\n")
    events = await talk.say(f"Is {KEY} right?")
    (finished,) = of_kind(events, ToolFinished)
    assert "the server takes [redacted]" in finished.output
    for _ in range(6):
        assert end_of(await talk.say(f"And {KEY}? " + "filler " * 300)).status == "finished"
    sent = [request.text for request in model.requests]
    assert any("Summarise the conversation" in text for text in sent)
    assert not [text for text in sent if KEY in text]


class Client(BaseModel):
    """Has its key from the environment, as a chat model may."""

    name: str = "m"
    openai_api_key: SecretStr | None = None


@pytest.mark.parametrize(
    ("of_settings", "of_client", "known"),
    [
        (None, None, ()),
        ("a key of settings", None, ("a key of settings",)),
        (None, "a key of the client", ("a key of the client",)),
        ("the same key", "the same key", ("the same key",)),
        ("its beginning", "its beginning and more", ("its beginning and more", "its beginning")),
        ("EMPTY", NO_KEY, ()),
    ],
)
def test_keys_in_use(
    of_settings: Any, of_client: Any, known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    client = Client(openai_api_key=SecretStr(of_client) if of_client else None)
    settings = LLMSettings(api_key=of_settings)
    assert find_keys(settings, [client, SimpleNamespace(name="x")]) == known


@pytest.mark.parametrize(
    "variable",
    ["OPENAI_API_KEY", "MISTRAL_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "openai_api_key"],
)
async def test_a_key_of_a_variable_is_in_no_title_from_the_first_message_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEY)
    talk = Talk(tmp_path, LLMSettings(threads_dir=tmp_path / "threads"))
    with closing(talk):
        events = await talk.say(f"Is {KEY} right?")
        talk.agent.rename("chat-2", f"With {KEY}", may_make=True)
        titles = {info.id: info.title for info in talk.agent.threads()}
        assert titles == {"chat-1": "Is [redacted] right?", "chat-2": "With [redacted]"}
        assert KEY not in "".join(event.model_dump_json() for event in events)
        assert (await talk.agent.history("chat-1"))[0].text == "Is [redacted] right?"
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]


async def test_the_key_of_a_chat_model_is_in_no_title(
    model: ScriptedModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    (made,) = make_models(settings_for(model, api_key=KEY))
    model.script(say("No."))
    talk = Talk(tmp_path, LLMSettings(threads_dir=tmp_path / "threads", chat_model=made))
    with closing(talk):
        await talk.say(f"Is {KEY} right?")
        assert talk.agent.threads()[0].title == "Is [redacted] right?"
    await close_models([made])


def test_a_key_is_hidden_before_anything_is_cut() -> None:
    text = "x" * 90 + KEY + "x" * 90
    for size in range(60, 200):
        shown = make_safe(text, size, keys=[KEY])
        assert KEY[:4] not in shown
        assert KEY[-4:] not in shown


@pytest.mark.parametrize("n_before", range(0, SHORT_OUTPUT, 7))
def test_a_secret_at_a_cut_is_hidden_in_what_is_summarised(n_before: int) -> None:
    text = "y" * n_before + f"\npassword = {TOKEN[4:]}\n" + "z " * SHORT_OUTPUT
    call = {"name": "f", "args": {"text": "y" * (n_before // 2) + f" {TOKEN}"}, "id": "a"}
    older = [
        HumanMessage("Why?", id="1"),
        AIMessage("", tool_calls=[call], id="2"),
        ToolMessage(text, tool_call_id="a", id="3"),
    ]
    asked = summary_request(older, None, 4000)[1].text
    assert TOKEN[4:12] not in asked
    assert TOKEN[-8:] not in asked


def test_a_chat_model_is_not_described_as_being_at_the_server_of_the_settings() -> None:
    class Mine:
        model_name = "mine"

        def bind_tools(self) -> None: ...

        async def ainvoke(self) -> None: ...

    settings = LLMSettings(chat_model=Mine(), base_url="http://gpu1:8000/v1")
    assert describe_model(settings) == "mine"
    assert describe_model(settings.model_copy(update={"fallback": "small"})) == "mine, else small"
