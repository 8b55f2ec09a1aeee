"""Scripts in files, and the command that serves one."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import ScriptedModel
from llm_scheduler.testing.scripted_model_files import parse_script, parse_step


def ask(port: int, text: str, **more: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        messages = [{"role": "user", "content": text}]
        body = json.dumps({"model": "m", "messages": messages, **more})
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def load(model: ScriptedModel, script: Any) -> None:
    for when, steps in parse_script(script):
        model.script(*steps, when=when)


def test_all_kinds_of_steps_are_read() -> None:
    call = {"call": [{"tool": "read_file", "args": {"path": "x"}}], "say": "I look."}
    script = [
        {"say": "It failed.", "reasoning": "hmm"},
        call,
        {"answer": {"cause": "oom"}},
        {"fault": 429, "message": "slow down", "retry_after": 0},
        {"empty": True},
        {"huge": 50},
    ]
    with ScriptedModel() as model:
        load(model, script)
        messages = [ask(model.port, "why?")[1] for _ in script]
    first, second, third, fourth, fifth, sixth = messages
    assert first["choices"][0]["message"]["reasoning_content"] == "hmm"
    function = second["choices"][0]["message"]["tool_calls"][0]["function"]
    assert function == {"name": "read_file", "arguments": '{"path": "x"}'}
    assert third["choices"][0]["message"]["content"] == '{"cause": "oom"}'
    assert fourth["error"]["message"] == "slow down"
    assert fifth["choices"][0]["message"]["content"] == ""
    assert len(sixth["choices"][0]["message"]["content"]) == 50


def test_queues_are_chosen_and_texts_taken_from_the_request() -> None:
    script = {
        "queues": [
            {
                "contains": "job",
                "steps": [{"say": "${job} in ${x}", "take": {"job": "job (\\d+)"}}],
            },
            {"steps": [{"say": "always", "repeat": True}]},
        ],
    }
    with ScriptedModel() as model:
        load(model, script)
        told = ask(model.port, "not job 6 but job 7")[1]["choices"][0]["message"]["content"]
        assert told == "7 in ${x}"
        for _ in range(2):
            assert ask(model.port, "hi")[1]["choices"][0]["message"]["content"] == "always"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"steps": []}, "list of steps"),
        ([{"sya": "x"}], "'sya' is unknown"),
        (["x"], "no JSON object"),
        ([{"reasoning": "x"}], "says nothing to do"),
        ([{"say": "x", "take": {"a": "no group"}}], "has no group"),
        ({"queues": [{"who": "x", "steps": []}]}, "'who' is unknown"),
    ],
)
def test_what_is_no_script_is_refused(script: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_script(script)


def test_faults_of_the_wire_are_read() -> None:
    assert parse_step({"stall": "abc", "after_chars": 1}).then == "stall"
    assert parse_step({"cut": "abc"}).then == "cut"
    assert parse_step({"hang": True}).before_answer
    assert parse_step({"say": "x", "pause_s": 0.5}).pause_s == 0.5


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps([{"say": "ok"}, {"say": "left"}]))
    argv = [sys.executable, "-m", "llm_scheduler.testing.scripted_model", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline().rpartition(":")[2].partition("/")[0])
        assert ask(port, "why?")[0] == 200
        program.send_signal(signal.SIGINT)
        rest = program.stdout.read()
    assert program.returncode == 0
    assert rest == "1 requests, 1 steps left, 0 after the end of the script.\n"


def test_the_command_refuses_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text("[{}]")
    argv = [sys.executable, "-m", "llm_scheduler.testing.scripted_model", str(path)]
    program = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert program.returncode == 2
    assert "says nothing to do" in program.stderr
