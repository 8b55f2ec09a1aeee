"""Test doubles that other packages may use too; nothing else here imports them.

`ScriptedModel` is a model server whose answers a test writes down (its steps are in
`llm_scheduler.testing.scripted_model`), `serve_script` one that follows a file,
`FakeLLMManager` a manager of failures that a test feeds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "FakeLLMManager": "llm_scheduler.testing.fake_llm_manager",
    "ScriptedModel": "llm_scheduler.testing.scripted_model",
    "serve_script": "llm_scheduler.testing.scripted_model_files",
}
__all__ = ["FakeLLMManager", "ScriptedModel", "serve_script"]

if TYPE_CHECKING:
    from llm_scheduler.testing.fake_llm_manager import FakeLLMManager
    from llm_scheduler.testing.scripted_model import ScriptedModel
    from llm_scheduler.testing.scripted_model_files import serve_script


def __getattr__(name: str) -> Any:
    # When first used: `python -m llm_scheduler.testing.scripted_model` is a program, too.
    if name not in _HOME:
        raise AttributeError(f"module 'llm_scheduler.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
