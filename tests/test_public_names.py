"""The names that users rely on, and that our functions take what the engine's take."""

from __future__ import annotations

import importlib
import inspect

import adaptive_scheduler
import pytest

import llm_scheduler

PUBLIC = {
    "Diagnosis",
    "Evidence",
    "Failure",
    "FailureGroup",
    "JobManager",
    "JobRecord",
    "LLMManager",
    "LLMSchedulerError",
    "LLMSettings",
    "LocalScheduler",
    "LogDigest",
    "MultiRunManager",
    "Remedy",
    "RunManager",
    "__version__",
    "chat_widget",
    "diagnose_log",
    "digest_log",
    "fingerprint",
    "local_run",
    "slurm_run",
}
OURS = {"llm": "offline", "restart_cancelled": True, "max_restarts": 3}
DECIDED_BY_THE_MACHINE = {
    "exclusive",
    "extra_scheduler",
    "memory",
    "nodes",
    "cores_per_node",
    "partition",
}
"""Arguments of ``slurm_run`` that make no sense on one machine, or mean less there."""


def test_the_public_names():
    assert set(llm_scheduler.__all__) == PUBLIC
    assert len(llm_scheduler.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_there_and_documented(name):
    value = getattr(llm_scheduler, name)
    assert name in dir(llm_scheduler)
    if name != "__version__":
        assert inspect.getdoc(value)
        assert value.__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = llm_scheduler.nothing


def test_a_star_import_gives_all_names():
    names: dict[str, object] = {}
    exec("from llm_scheduler import *", names)
    assert set(names) >= PUBLIC


def test_the_version_is_the_packages():
    metadata = importlib.import_module("importlib.metadata")
    assert llm_scheduler.__version__ == metadata.version("llm-scheduler")


def engine_arguments(function) -> dict[str, object]:
    parameters = inspect.signature(function).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def check_accepts(function, arguments) -> None:
    inspect.signature(function).bind(**arguments)


def test_slurm_run_takes_all_that_the_engines_takes():
    engine = engine_arguments(adaptive_scheduler.slurm_run)
    assert list(engine)[:2] == ["learners", "fnames"]
    check_accepts(llm_scheduler.slurm_run, engine | OURS)
    inspect.signature(llm_scheduler.slurm_run).bind([], [])


def test_run_manager_takes_all_that_the_engines_takes():
    engine = engine_arguments(adaptive_scheduler.RunManager)
    assert list(engine)[:3] == ["scheduler", "learners", "fnames"]
    check_accepts(llm_scheduler.RunManager, engine | OURS)
    inspect.signature(llm_scheduler.RunManager).bind(None, [], [])


def test_local_run_takes_all_that_slurm_run_takes_where_it_makes_sense():
    engine = engine_arguments(adaptive_scheduler.slurm_run)
    shared = {name: value for name, value in engine.items() if name not in DECIDED_BY_THE_MACHINE}
    check_accepts(llm_scheduler.local_run, shared | OURS | {"cores": 1, "memory": "1GB"})


@pytest.mark.parametrize(
    ("ours", "engines"),
    [("RunManager", "RunManager"), ("MultiRunManager", "MultiRunManager")],
)
def test_our_managers_are_the_engines(ours, engines):
    assert issubclass(getattr(llm_scheduler, ours), getattr(adaptive_scheduler, engines))


def test_the_other_classes_are_the_engines():
    from adaptive_scheduler import server_support
    from adaptive_scheduler._server_support.base_manager import BaseManager
    from adaptive_scheduler.scheduler import BaseScheduler

    assert issubclass(llm_scheduler.JobManager, server_support.JobManager)
    assert issubclass(llm_scheduler.LLMManager, BaseManager)
    assert issubclass(llm_scheduler.LocalScheduler, BaseScheduler)
