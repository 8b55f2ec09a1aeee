"""The panel in a real kernel: it answers while a cell is busy."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

LIMIT_S = 120
ROOT = Path(__file__).resolve().parents[2]
MAKE = """
from pathlib import Path
from tests.widgets.chat_runs import make_manager
from llm_scheduler.widgets.chat import chat_widget
panel = chat_widget(make_manager(Path.cwd()))
panel
"""
BUSY = """
while not Path("go-on").exists():
    pass
"""


@pytest.fixture
def client(tmp_path) -> Iterator[Any]:
    manager = KernelManager(kernel_name="python3")
    # PYTHONPATH may lead to another ipykernel than the one that is installed.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    manager.start_kernel(env=environment, cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=LIMIT_S)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def messages(client) -> Iterator[dict[str, Any]]:
    while True:
        try:
            message = client.get_iopub_msg(timeout=LIMIT_S)
        except queue.Empty:
            pytest.fail("the kernel says nothing")
        assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
        yield message


def run_cell(client, code: str) -> list[dict[str, Any]]:
    """Run a cell and return what the kernel sent until it was idle again."""
    cell = client.execute(code)
    seen = []
    for message in messages(client):
        seen.append(message)
        is_idle = message["content"].get("execution_state") == "idle"
        if is_idle and message["parent_header"].get("msg_id") == cell:
            return seen
    raise AssertionError


def find_reply(client, request_id: str) -> dict[str, Any]:
    for message in messages(client):
        data = message["content"].get("data", {})
        content = data.get("content", {}) if isinstance(data, dict) else {}
        if content.get("request_id") == request_id:
            return content
    raise AssertionError


def test_the_panel_answers_while_a_cell_is_busy(client, tmp_path):
    seen = run_cell(client, MAKE)
    (opened,) = [
        m for m in seen if m["msg_type"] == "comm_open" and "_esm" in m["content"]["data"]["state"]
    ]
    shown = next(m for m in seen if m["msg_type"] == "execute_result")["content"]["data"]
    assert shown["text/plain"] == "ChatPanel('run')"

    client.kernel_info()
    features = client.get_shell_msg(timeout=LIMIT_S)["content"].get("supported_features", [])
    while "kernel subshells" not in features:
        reply = client.get_shell_msg(timeout=LIMIT_S)
        if reply["msg_type"] == "kernel_info_reply":
            features = reply["content"].get("supported_features", [])
            break
    if "kernel subshells" not in features:
        pytest.skip("this ipykernel has one shell, which a cell keeps busy")
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    subshell = client.control_channel.get_msg(timeout=LIMIT_S)["content"]["subshell_id"]

    cell = client.execute(BUSY)
    for message in messages(client):
        if message["msg_type"] == "execute_input" and message["parent_header"]["msg_id"] == cell:
            break  # the cell is running, not only sent
    content = {"type": "find_jobs", "request_id": "one"}
    request = client.session.msg(
        "comm_msg",
        {
            "comm_id": opened["content"]["comm_id"],
            "data": {"method": "custom", "content": content},
        },
    )
    request["header"]["subshell_id"] = subshell
    client.shell_channel.send(request)
    reply = find_reply(client, "one")
    assert reply["ok"]
    assert reply["data"]["n"] == 2
    assert not (tmp_path / "go-on").exists()  # the cell is still busy
    (tmp_path / "go-on").touch()
