"""The scripted model in a process of its own, so that it takes nothing of the time measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llm_scheduler.testing.scripted_model import ScriptedModel, repeat


def serve(step: Callable[[Any], Any]) -> None:
    """Answer every request with what `step` makes of it, until standard input ends."""
    with ScriptedModel() as model:
        model.script(repeat(step))
        print(model.base_url, flush=True)
        sys.stdin.read()


@contextmanager
def running_model(script: str) -> Iterator[str]:
    """Run ``script --serve``, which calls `serve`, in a process of its own; gives its address."""
    command = [sys.executable, script, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate()
