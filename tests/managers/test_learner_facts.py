"""Learners as objects: where their functions stand, and what their data are."""

from __future__ import annotations

import functools
import json
import math
import sys
import types

import adaptive
import cloudpickle
import pytest

from llm_scheduler.managers.learner_facts import (
    count_not_finite,
    describe_learner,
    is_by_value,
    read_last_status,
)
from llm_scheduler.managers.run_description import RunDescription, describe_run

SOURCE = """\
import functools


def keep(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args)

    return inner


def plain(x):
    return x


@keep
def decorated(x):
    return 2 * x


class Model:
    def __call__(self, x):
        return x

    def method(self, x):
        return x


def make():
    def local(x):
        return x

    return local
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a module with functions, imported from a file."""
    (tmp_path / "facts_model.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import facts_model

    yield facts_model
    del sys.modules["facts_model"]


def learner(function):
    return adaptive.Learner1D(function, bounds=(-1, 1))


@pytest.mark.parametrize(
    ("get", "name", "line", "by_value"),
    [
        (lambda m: m.plain, "plain", 12, False),
        (lambda m: m.decorated, "decorated", 16, False),
        (lambda m: functools.partial(m.plain), "plain", 12, False),
        (lambda m: m.Model(), "Model", 21, False),
        (lambda m: m.Model().method, "Model.method", 25, False),
        (lambda m: m.make(), "make.<locals>.local", 30, True),
    ],
)
def test_functions_of_a_module(module, get, name, line, by_value):
    info = describe_learner(learner(get(module)), "a.pickle")
    assert (info.function, info.line, info.by_value) == (name, line, by_value)
    assert info.file == module.__file__
    assert info.source.splitlines()[0] == SOURCE.splitlines()[line - 1]


def test_what_is_told_is_what_cloudpickle_does(module):
    for function in (module.plain, module.decorated, module.make(), lambda x: x):
        content = cloudpickle.dumps(function)
        assert is_by_value(function) is (b"_make_function" in content), function
    cloudpickle.register_pickle_by_value(module)
    try:
        assert is_by_value(module.plain)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_the_source_is_as_the_file_has_it_now(module, tmp_path):
    path = tmp_path / "facts_model.py"
    path.write_text("# one line more\n" + SOURCE.replace("return x", "return x + 1"))
    info = describe_learner(learner(module.plain), "a.pickle")
    assert (info.line, info.source) == (13, "def plain(x):\n    return x + 1\n")
    path.write_text("def broken(:\n")
    assert describe_learner(learner(module.plain), "a.pickle").function == "plain"


def test_a_function_of_a_notebook():
    notebook = types.ModuleType("__main__")
    exec("def cell(x):\n    return x\n", vars(notebook))  # as a cell does
    info = describe_learner(learner(notebook.cell), "a.pickle")
    assert info.by_value
    assert info.file == ""
    assert "not in any file" in info.problem


def test_data():
    made = learner(lambda x: x)
    for x in (-1, 0, 1):
        made.tell(x, math.nan if x == 0 else x)
    info = describe_learner(made, "a.pickle")
    assert (info.kind, info.bounds, info.n_points, info.n_nan) == ("Learner1D", "(-1.0, 1.0)", 3, 1)
    assert describe_learner(learner(abs), "a.pickle").loss is None


def test_learners_of_learners():
    inner = [learner(abs) for _ in range(2)]
    info = describe_learner(adaptive.BalancingLearner(inner), "a.pickle")
    assert (info.kind, info.module, info.bounds) == ("BalancingLearner", "builtins", "(-1.0, 1.0)")
    saver = adaptive.DataSaver(learner(abs), arg_picker=lambda x: x)
    assert describe_learner(saver, "a.pickle").module == "builtins"
    sequence = adaptive.SequenceLearner(abs, sequence=range(7))
    assert describe_learner(sequence, "a.pickle").bounds == "a sequence of 7 values"


def test_a_learner_of_any_class():
    class Odd:
        @property
        def npoints(self):
            raise RuntimeError

    class Slotted:
        __slots__ = ()

        @property
        def function(self):
            raise RuntimeError

    info = describe_learner(Odd(), "a.pickle")
    assert (info.kind, info.n_points, info.source) == ("Odd", None, "")
    assert describe_learner(Slotted(), "a.pickle").problem == "It can't be described."
    description = describe_run(object(), [Slotted(), Odd()], [("a",), ("b",)])
    assert RunDescription(description).info("a").kind == "Slotted"


@pytest.mark.parametrize(
    ("data", "n"),
    [
        ({}, 0),
        ({0: 1.0, 1: math.inf, 2: math.nan}, 2),
        ({0: (1.0, math.nan), 1: [1, 2], 2: complex(0, math.inf)}, 2),
        ({0: {"y": math.nan}, 1: "text", 2: None}, 1),
        (None, None),
    ],
)
def test_counting_what_is_not_finite(data, n):
    assert count_not_finite(data) == n


def test_the_last_status_of_a_job(tmp_path):
    log = tmp_path / "job.log"
    lines = [
        {"event": "current status", "npoints": 3, "latest_loss": 0.5},
        {"event": "current status", "npoints": 9, "secret": "x"},
        {"event": "goal reached"},
    ]
    log.write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"event": "current status"'
    )
    assert read_last_status(str(log)) == {"npoints": "9"}
    assert read_last_status(str(tmp_path / "none.log")) == {}
    (tmp_path / "link.log").symlink_to(log)
    assert read_last_status(str(tmp_path / "link.log")) == {}


def test_a_description_for_other_shells(module, tmp_path):
    from llm_scheduler.engine.local_scheduler import LocalScheduler

    learners = [learner(module.plain) for _ in range(500)]
    files = [(f"l{i}.pickle",) for i in range(500)]
    description = describe_run(LocalScheduler(cores=1, memory="1GB"), learners, files)
    text = json.dumps(description)
    assert len(text) < 20_000  # what learners share is written once
    read = RunDescription(json.loads(text))
    assert read.files == [name for (name,) in files]
    assert read.given("l499.pickle")["memory"] == "1GB"
    (tmp_path / "facts_model.py").write_text("\n" + SOURCE)
    info = read.info("l7.pickle")
    assert (info.function, info.line, info.by_value) == ("plain", 13, False)
    assert read.info("other.pickle").kind == ""
    assert read.given("other.pickle") == {}
