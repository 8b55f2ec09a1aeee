"""What is loaded when: a quick import is one that leaves heavy packages alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "IPython",
    "adaptive",
    "adaptive_scheduler",
    "ipywidgets",
    "langchain",
    "langchain_core",
    "langgraph",
    "matplotlib",
    "numpy",
    "pandas",
    "re2",
    "rich",
    "scipy",
    "zmq",
)
ENGINE = ("adaptive", "adaptive_scheduler", "ipywidgets", "pandas", "scipy", "zmq", "IPython")


def loaded(program: str, *arguments: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after a program."""
    ending = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + ending, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "program",
    [
        "import llm_scheduler",
        "import llm_scheduler; dir(llm_scheduler); llm_scheduler.__version__",
        "import llm_scheduler.errors",
    ],
)
def test_importing_the_package_loads_nothing_heavy(program):
    assert loaded(program) & {*HEAVY, "pydantic"} == set()


def test_settings_and_values_do_not_load_the_engine():
    program = "from llm_scheduler import JobRecord, LLMSettings, Diagnosis, FailureGroup"
    assert loaded(program) & set(ENGINE) == set()


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "run-0-7.out"
    path.write_text(
        "Traceback (most recent call last):\n"
        '  File "/home/ann/model.py", line 12, in energy\n'
        "    return spectrun(x)\n"
        "NameError: name 'spectrun' is not defined\n",
    )
    return str(path)


@pytest.mark.parametrize(
    "program",
    [
        "assert ls.diagnose_log(sys.argv[1]).category == 'code_error'",
        "assert 'NameError' in ls.digest_log(sys.argv[1]).text",
    ],
    ids=["diagnose_log", "digest_log"],
)
def test_reading_a_log_does_not_load_the_engine(program, log):
    assert loaded(f"import sys, llm_scheduler as ls\n{program}", log) & set(ENGINE) == set()


def test_a_diagnosis_worker_does_not_load_the_engine():
    assert loaded("import llm_scheduler.managers.diagnosis_worker") & set(ENGINE) == set()
