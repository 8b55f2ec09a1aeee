"""A process that talks to a model until it is killed: ``agent_child.py FOLDER URL``."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

from langchain_core.tools import tool
from pydantic import SecretStr

from llm_scheduler.config import LLMSettings
from tests.agent.talking import Talk


def tell(text: str) -> None:
    """Print a line at once; two threads do."""
    os.write(1, f"{text}\n".encode())


@tool
def wait() -> str:
    """Wait for the end."""
    tell("in a tool")
    threading.Event().wait()
    return "never"


async def main(folder: Path, url: str) -> None:
    settings = LLMSettings(
        model="openai:scripted",
        base_url=url,
        api_key=SecretStr("sk-child"),
        threads_dir=folder / "threads",
        max_retries=0,
    )
    talk = Talk(folder, settings, read_tools=[wait])
    async for event in talk.agent.stream("Mend it.", "chat-1"):
        tell(event.type)
    threading.Event().wait()  # until the parent kills this


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
