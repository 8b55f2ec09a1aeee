"""A run that people talk to: real jobs fail, are mended by approved changes, and pass."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adaptive
import pytest

from llm_scheduler.config import LLMSettings, Settings
from llm_scheduler.errors import UsageError
from llm_scheduler.managers import run_manager
from llm_scheduler.managers.assistant import open_assistant
from llm_scheduler.managers.local_run import local_run
from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    answer,
    call_tools,
    fault,
    hang,
    repeat,
    say,
    tool,
)
from tests.managers.script_jobs import KEY_ERROR, LIMIT_S, NAME_ERROR, make_run, stop, until

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")

MISSPELT = """\
def gap(x):
    width = 1 + x * x
    return 1 / widht
"""
NO_NORM = """\
def gap(x):
    weights = [0.0, 0.0]
    return x / sum(weights)
"""


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LLM_SCHEDULER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


@pytest.fixture
def module(tmp_path, monkeypatch) -> Iterator[Any]:
    """Make the user's module, from a text."""
    name = "physics_of_the_chat_tests"
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text: str) -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    sys.modules.pop(name, None)


@pytest.fixture
async def real_run(tmp_path, module):
    """Make runs of one real learner that evaluates the user's module."""
    made = []

    def make(text: str, n: int = 1, **kwargs: Any):
        function = module(text).gap
        run = local_run(
            [adaptive.Learner1D(function, bounds=(-1, 1)) for _ in range(n)],
            [str(tmp_path / f"learner-{i}.pickle") for i in range(n)],
            name="talk",
            folder=tmp_path,
            goal=lambda learner: learner.npoints >= 3,
            extra_env_vars=[f"PYTHONPATH={tmp_path}"],
            max_restarts=0,
            job_manager_interval=0.5,
            cleanup_first=False,
            quiet=True,
            **kwargs,
        )
        made.append(run)
        if run.task is None:
            run.start()
        return run

    yield make
    for run in made:
        await stop(run)


def settings_of(model: ScriptedModel, **values: Any) -> LLMSettings:
    return LLMSettings(model="scripted", base_url=model.base_url, api_key="none", **values)


async def test_an_exact_fix_is_proposed_approved_made_and_undone_and_the_job_passes(
    real_run, tmp_path
):
    run = real_run(MISSPELT, llm="offline")
    assert await run.finished(LIMIT_S) == "failed"
    llm = run.llm_manager
    (job_id,) = llm.groups()[0].job_ids
    edit, restart = llm.pending_approvals(llm.thread_for(job_id))
    assert "-    return 1 / widht\n+    return 1 / width\n" in edit.diff
    source = Path(edit.targets[0])
    assert source.read_text() == MISSPELT
    done = await llm.decide(edit.id, "approve")
    assert done.status == "done"
    assert source.read_text() == MISSPELT.replace("widht", "width")
    assert (await llm.decide(restart.id, "approve")).status == "done"
    await until(lambda: run.snapshot()[0].state == "done")
    assert (await llm.decide(edit.id, "approve")).change_id == done.change_id  # a double click
    assert [change.by for change in llm.changes()] == ["approval", "approval"]
    llm.undo(done.change_id)
    assert source.read_text() == MISSPELT


async def test_in_yolo_mode_an_exact_fix_is_made_at_once_and_the_job_passes(real_run, tmp_path):
    run = real_run(MISSPELT, llm=LLMSettings(mode="yolo"))
    await until(lambda: run.snapshot()[0].state == "done")
    llm = run.llm_manager
    # The thread that restarted the learner may note it after the job has ended.
    await until(lambda: len(llm.changes()) >= 2)
    assert [(c.tool, c.by) for c in llm.changes()] == [
        ("replace_text", "yolo"),
        ("restart_learners", "yolo"),
    ]
    assert llm.pending_approvals() == []


async def test_in_read_only_mode_nothing_is_proposed(real_run, tmp_path):
    run = real_run(MISSPELT, llm=LLMSettings(mode="read-only"))
    assert await run.finished(LIMIT_S) == "failed"
    assert run.llm_manager.pending_approvals() == []
    result = await run.llm_manager.chat("fix it")
    assert run.llm_manager.pending_approvals() == []
    assert "read-only" in result.text


async def test_the_model_proposes_the_fix_and_goes_on_after_the_decision(real_run, tmp_path):
    with ScriptedModel() as model:
        model.script(
            answer(
                {
                    "category": "code_error",
                    "title": "The norm of the weights is zero",
                    "explanation": "All weights are 0.0, so their sum is zero.",
                    "evidence": [{"file": "", "line": 0, "text": "division by zero"}],
                    "confidence": 0.9,
                    "doubts": [],
                    "remedies": [],
                }
            ),
            when=lambda request: "response_format" in request.body,
        )
        run = real_run(NO_NORM, llm=settings_of(model))
        assert await run.finished(LIMIT_S) == "failed"
        llm = run.llm_manager
        source = tmp_path / "physics_of_the_chat_tests.py"
        model.script(
            call_tools(tool("read_file", path=str(source))),
            call_tools(
                tool(
                    "replace_text",
                    path=str(source),
                    old_text="weights = [0.0, 0.0]",
                    new_text="weights = [0.5, 0.5]",
                    reason="The sum of the weights must not be zero.",
                )
            ),
            say("I changed the weights."),
            when=lambda request: "response_format" not in request.body,
        )
        (failure,) = llm.failures()
        result = await llm.fix(failure.job_id)
        assert result.status == "waiting"
        (approval,) = result.approvals
        assert "+    weights = [0.5, 0.5]" in approval.diff
        assert (await llm.decide(approval.id, "approve")).status == "done"
        events = [event async for event in llm.stream(None, result.thread_id)]
        assert events[-1].type == "done"
        assert events[-1].text == "I changed the weights."
        run.release()
        await until(lambda: run.snapshot()[0].state == "done")
        history = await llm.get_history(result.thread_id)
        assert history[0].role == "user"


async def test_each_group_is_asked_about_once_and_a_later_session_asks_no_more(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(run_manager, "_FOLLOW_UP_S", LIMIT_S)

    def diagnose(request):
        title = "A misspelt name" if "spectrun" in request.text else "A missing key"
        quotation = "NameError" if "spectrun" in request.text else "KeyError: 'mu'"
        return answer(
            {
                "category": "code_error",
                "title": title,
                "explanation": "See the last line.",
                "evidence": [{"file": "", "line": 0, "text": quotation}],
                "confidence": 0.9,
                "doubts": [],
                "remedies": [],
            }
        )

    with ScriptedModel() as model:
        model.script(diagnose, diagnose)
        for session in range(2):
            scripts = [NAME_ERROR, KEY_ERROR, NAME_ERROR, KEY_ERROR]
            run = make_run(tmp_path, scripts, llm=settings_of(model), cleanup_first=session == 0)
            run.start()
            await run.finished(LIMIT_S)
            titles = {f.diagnosis.title for f in run.llm_manager.failures()}
            sources = {f.diagnosis.source for f in run.llm_manager.failures()}
            await stop(run)
            assert sources == {"model"}
            assert titles == {"A misspelt name", "A missing key"}


@pytest.mark.parametrize("step", [fault(500), hang()], ids=["fails", "hangs"])
async def test_a_run_with_a_model_that_hangs_or_fails_explains_by_rules(tmp_path, step):
    model = ScriptedModel()
    model.script(repeat(step))
    settings = settings_of(model, max_retries=0, timeout_s=0.5)
    try:
        run = make_run(tmp_path, [KEY_ERROR], llm=settings)
        run.start()
        assert await run.finished(LIMIT_S) == "failed"
        (failure,) = run.llm_manager.failures()
        assert failure.diagnosis.source == "rules"
        assert "The rules go on alone" in run.llm_manager.problem
        await stop(run)
    finally:
        model.close()


async def test_another_shell_decides_and_the_run_carries_it_out(real_run, tmp_path):
    run = real_run(MISSPELT, n=2, llm="offline")
    held_open = tmp_path / "go-on"  # a second learner keeps the run going
    assert await run.finished(LIMIT_S) == "failed"
    llm = run.llm_manager
    # The second failure may be seen later; then the restart of both replaces that of one.
    await until(lambda: len(llm.pending_approvals()[-1].arguments["learners"]) == 2)
    edit, restart = llm.pending_approvals()
    with pytest.raises(UsageError, match="is not there"):
        open_assistant(held_open, Settings.load())
    other = open_assistant(llm.store.path, Settings.load())
    try:
        assert [a.id for a in other.pending()] == [edit.id, restart.id]
        assert (await other.decide(edit.id, "approve")).status == "done"
        assert (await other.decide(restart.id, "approve")).status == "approved"
        assert [row.state for row in run.snapshot()] == ["held", "held"]
        assert {a.status for a in await llm.carry_out_decisions()} == {"done"}
        await until(lambda: {row.state for row in run.snapshot()} == {"done"})
    finally:
        other.close()
    lines = [json.loads(line) for line in other.folder.audit_file.read_text().splitlines()]
    assert [line["event"] for line in lines].count("approve") == 2
