"""Scripts of a `ScriptedModel` as JSON files, and the command that serves one.

A file holds a list of steps, or an object with ``queues``, each an object with ``steps``
and what chooses it: ``model`` (its name), ``contains`` (a text anywhere in the request),
``format`` (name of the ``response_format``'s schema), ``tools`` (whether tools are
offered). A queue without any takes what is left.

One step is an object with one of

- ``"say": TEXT``, ``"answer": VALUE`` (sent as JSON),
- ``"call": [{"tool": NAME, "args": {...}}, ...]``, with ``"say"`` for a text before,
- ``"fault": STATUS``, with ``"message"`` and ``"retry_after"`` if wanted,
- ``"hang": true``, ``"stall": TEXT``, ``"cut": TEXT`` (with ``"after_chars"``),
  ``"empty": true``, ``"huge": N``,

and of ``"reasoning": TEXT`` (beside it), ``"pause_s": SECONDS`` (between pieces of the
stream), ``"repeat": true`` (never used up) and ``"take": {NAME: REGEX}``: the first group
of the last match in the request's messages stands for ``${NAME}`` in the texts and
arguments of the step, for what is known only when the model is asked, such as a path.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.testing import scripted_model_steps as steps_of
from llm_scheduler.testing.scripted_model_requests import ModelRequest, text_of
from llm_scheduler.testing.scripted_model_steps import Reply, Step

if TYPE_CHECKING:
    from llm_scheduler.testing.scripted_model import ScriptedModel

_KINDS = ("say", "answer", "call", "fault", "hang", "stall", "cut", "empty", "huge")
_MORE = ("message", "retry_after", "after_chars", "reasoning", "pause_s", "repeat", "take")
Queue = tuple[Callable[[ModelRequest], bool] | None, list[Step]]
"""What chooses a queue of steps, and the steps."""
_CHOICES = ("model", "contains", "format", "tools")


def find_script(path: Path) -> Path:
    """Return a file as it is, or the one of this package that has the name."""
    own = Path(__file__).parent / "scripts" / f"{path.name}.json"
    return own if not path.exists() and path.parent == Path() and own.is_file() else path


def read_script(path: Path) -> list[Queue]:
    """Read a file: queues, each with what chooses it and its steps.

    Raises
    ------
    ValueError
        The file holds no script.

    """
    return parse_script(json.loads(path.read_text(encoding="utf-8")))


def parse_script(value: Any) -> list[Queue]:
    """Turn the JSON of a script into queues, each with what chooses it and its steps.

    Raises
    ------
    ValueError
        It is no script.

    """
    if isinstance(value, list):
        value = {"queues": [{"steps": value}]}
    if not isinstance(value, dict) or not isinstance(value.get("queues"), list):
        raise ValueError("A script is a list of steps or an object with queues.")  # noqa: TRY004 - the file's fault
    queues: list[Queue] = []
    for queue in value["queues"]:
        _check_names(queue, (*_CHOICES, "steps"))
        chosen = {name: queue[name] for name in _CHOICES if name in queue}
        steps = [parse_step(step) for step in queue.get("steps", ())]
        queues.append((_Chooser(chosen) if chosen else None, steps))
    return queues


def parse_step(value: Mapping[str, Any]) -> Step:
    """Turn the JSON of one step into the step.

    Raises
    ------
    ValueError
        It is no step.

    """
    _check_names(value, (*_KINDS, *_MORE))
    if not any(name in value for name in _KINDS):
        raise ValueError(f"Step {value!r} says nothing to do; one of {', '.join(_KINDS)}.")
    for pattern in value.get("take", {}).values():
        if re.compile(pattern).groups < 1:
            raise ValueError(f"The pattern {pattern!r} has no group.")
    step = _Taker(value) if "take" in value else _make_step(value)
    return steps_of.repeat(step) if value.get("repeat") else step


def serve_script(script: Path | str, *, models: Sequence[str] = (), port: int = 0) -> ScriptedModel:
    """Return a running model that follows a script.

    Parameters
    ----------
    script
        A file, or the name of a script that comes with this package.
    models
        As for `ScriptedModel`.
    port
        On loopback; a free one when 0.

    Raises
    ------
    ValueError
        The file holds no script.

    """
    from llm_scheduler.testing.scripted_model import ScriptedModel

    queues = read_script(find_script(Path(script)))
    server = ScriptedModel(models=models, port=port)
    for when, steps in queues:
        server.script(*steps, when=when)
    return server


def main(argv: list[str] | None = None) -> None:
    """Serve a script until the program is interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m llm_scheduler.testing.scripted_model",
        description="Serve the answers of a script as an OpenAI-compatible model.",
    )
    parser.add_argument(
        "script",
        type=Path,
        metavar="SCRIPT.json",
        help="a file, or the name of a script that comes with this package: demo, quickstart",
    )
    parser.add_argument("--port", type=int, default=0, help="on loopback (default: a free one)")
    parser.add_argument("--model", action="append", default=[], help="the only model's name")
    args = parser.parse_args(argv)
    try:
        read_script(find_script(args.script))
    except (OSError, ValueError, re.error) as error:
        parser.error(f"{args.script}: {error}")
    try:
        server = serve_script(args.script, models=args.model, port=args.port)
    except OSError as error:
        parser.error(f"port {args.port}: {error.strerror}")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    print(f"Serving {args.script} at {server.base_url}", flush=True)
    done.wait()
    server.close()
    print(
        f"{len(server.requests)} requests, {len(server.left_over)} steps left, "
        f"{len(server.unexpected)} after the end of the script."
    )


class _Chooser:
    """Tells whether a queue is for a request."""

    def __init__(self, chosen: Mapping[str, Any]) -> None:
        self._chosen = chosen

    def __call__(self, request: ModelRequest) -> bool:
        found = {
            "model": request.model,
            "format": request.format_name,
            "tools": bool(request.tool_names),
        }
        return all(
            str(value) in _whole_text(request) if name == "contains" else found[name] == value
            for name, value in self._chosen.items()
        )


class _Taker:
    """A step whose texts are completed from the request."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    def __call__(self, request: ModelRequest) -> Step:
        text = _whole_text(request)
        taken = {}
        for name, pattern in self._value["take"].items():
            matches = list(re.finditer(pattern, text))
            taken[name] = matches[-1][1] if matches else ""
        return _make_step(_complete(self._value, taken))


def _make_step(value: Mapping[str, Any]) -> Step:
    if "fault" in value:
        return steps_of.fault(
            int(value["fault"]), value.get("message", ""), retry_after=value.get("retry_after")
        )
    if value.get("hang"):
        return steps_of.hang()
    reply = _make_reply(value)
    reply = replace(reply, thoughts=value.get("reasoning", ""))
    return replace(reply, pause_s=float(value.get("pause_s", 0)))


def _make_reply(value: Mapping[str, Any]) -> Reply:
    after_chars = {"after_chars": value["after_chars"]} if "after_chars" in value else {}
    if "stall" in value:
        return steps_of.stall(value["stall"], **after_chars)
    if "cut" in value:
        return steps_of.cut(value["cut"], **after_chars)
    if "huge" in value:
        return steps_of.huge(int(value["huge"]))
    if "answer" in value:
        return steps_of.answer(value["answer"])
    calls = [steps_of.tool(call["tool"], **call.get("args", {})) for call in value.get("call", ())]
    return steps_of.call_tools(*calls, text=value.get("say", "")) if calls else _say(value)


def _say(value: Mapping[str, Any]) -> Reply:
    return steps_of.say(value.get("say", ""))


def _complete(value: Any, taken: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: taken.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [_complete(entry, taken) for entry in value]
    if isinstance(value, dict):
        return {name: _complete(entry, taken) for name, entry in value.items()}
    return value


def _whole_text(request: ModelRequest) -> str:
    return "\n".join(text_of(message) for message in request.messages)


def _check_names(value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no JSON object.")  # noqa: TRY004 - the file's fault
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown; known: {', '.join(known)}.")
