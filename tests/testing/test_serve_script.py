"""The scripts that come with the package can be served by their names."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from llm_scheduler.testing import scripted_model_files, serve_script

SCRIPTS = sorted(Path(scripted_model_files.__file__).with_name("scripts").glob("*.json"))


@pytest.mark.parametrize("name", [path.stem for path in SCRIPTS])
def test_a_script_is_served_by_its_name(name: str) -> None:
    model = serve_script(name, models=["mine"])
    try:
        with urllib.request.urlopen(f"{model.base_url}/models", timeout=120) as answer:
            assert [entry["id"] for entry in json.load(answer)["data"]] == ["mine"]
        assert model.left_over
    finally:
        model.close()


def test_a_script_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        serve_script("nothing")
