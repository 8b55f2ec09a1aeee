"""What people keep secret is in no request, wherever it was lying about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.diagnosing import ModelDiagnoser
from llm_scheduler.testing.scripted_model import ScriptedModel, answer, say
from llm_scheduler.tools.run_view import AttemptInfo, JobInfo
from tests.agent.failed_jobs import LOG, TIME, KnownRun, make_answer, make_failure, quote
from tests.logs.secret_cases import SECRETS, draw

PLACED = [(line.replace("§", secret), secret) for line, secret in SECRETS if "\n" not in line]


def place(kind: str, number: int) -> tuple[str, str]:
    """Return a line with a secret, and the secret."""
    step = {"log": 0, "error": 1, "good": 2, "record": 3, "name": 4}[kind]
    return PLACED[(number * 5 + step) % len(PLACED)]


@pytest.mark.parametrize("number", range(20))
async def test_planted_secrets_reach_no_request(
    model: ScriptedModel,
    settings_for: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    in_log, in_error, in_good, in_record = (
        place(kind, number) for kind in ("log", "error", "good", "record")
    )
    token = f"ghp_{draw(36)}"
    in_script, in_file, in_environment = draw(40), draw(40), draw(40)
    monkeypatch.setenv("HF_TOKEN", in_environment)
    (tmp_path / "run.sbatch").write_text(f"#!/bin/sh\nexport DB_PASSWORD={in_script}\n")
    (tmp_path / "model.py").write_text(f"KEY = '{in_file}'\n")
    good = tmp_path / "good.out"
    good.write_text(f"step 1\nerror: {in_good[0]}\nsaved\n")
    failure = make_failure(
        tmp_path,
        log=f"{in_log[0]}\n{LOG}RuntimeError: request failed: {in_error[0]}\nerror: {in_log[0]}\n",
        record={"reason": in_record[0], "partition": f"cpu token={token}"},
        job_name=f"fit --token {token}",
        learners=(f"data/{token}/learner_{token}.pickle",),
        killed_because=f"found 'token {token}'",
    )
    learner = failure.learners[0]
    run = KnownRun(
        tmp_path,
        all_jobs=[JobInfo(1, "good.pickle", "g", "1", "done", 10.0, nodes=(f"n1 {token}",))],
        asked={learner: {"memory": f"2GB token={token}"}},
        tried=[AttemptInfo("9", "j", TIME, "failed", title=f"Authorization: token {token}")],
        good_logs=(str(good),),
    )
    model.script(say("no"), answer(make_answer(evidence=[quote(in_error[0])])))
    database = AgentDatabase(tmp_path / "agent.sqlite")
    diagnoser = ModelDiagnoser(settings_for(model), database, budget=None)
    diagnosis = await diagnoser.diagnose("k", failure, run)
    await diagnoser.close()
    database.close()
    planted = [token, in_script, in_file, in_environment]
    planted += [secret for _, secret in (in_log, in_error, in_good, in_record)]
    kept = diagnosis.model_dump_json() if diagnosis is not None else ""
    for request in model.requests:
        sent = json.dumps(request.body, ensure_ascii=False) + request.text + str(request.headers)
        assert [secret for secret in planted if secret in sent] == []
    assert [secret for secret in planted if secret in kept] == []
    assert "[redacted]" in model.requests[0].last_text


async def test_the_key_in_use_is_in_no_prompt_and_no_diagnosis(
    model: ScriptedModel, settings_for: Any, tmp_path: Path
) -> None:
    key = "corp own key 55 abc"  # of no known form
    good = tmp_path / "good.out"
    good.write_text(f"step 1\nasked with {key}\nsaved\n")
    cut = "x" * 290  # so that what is cut would leave half of it
    failure = make_failure(
        tmp_path,
        log=f"asked with {key}\n{LOG}RuntimeError: server refused {key} today\n",
        record={"reason": f"{cut}{key}", "partition": key},
        job_name=f"fit {key}",
        killed_because=f"{cut}{key}",
    )
    run = KnownRun(tmp_path, good_logs=(str(good),))
    echo = make_answer(
        title=f"The server refused {key}",
        evidence=[quote("RuntimeError: server refused [redacted] today")],
    )
    model.script(say(f"I know {key}"), answer(echo))
    database = AgentDatabase(tmp_path / "agent.sqlite")
    diagnoser = ModelDiagnoser(settings_for(model, api_key=key), database, budget=None)
    diagnosis = await diagnoser.diagnose("k", failure, run)
    again = await diagnoser.diagnose("k", failure, run)
    await diagnoser.close()
    database.close()
    for request in model.requests:
        assert "server refused [redacted] today" in request.text
        assert "corp own" not in request.text
    assert diagnosis is not None
    assert diagnosis.title == "The server refused [redacted]"
    assert diagnosis.evidence[0].text.endswith("RuntimeError: server refused [redacted] today")
    assert again == diagnosis
    assert "corp own" not in diagnosis.model_dump_json()
    assert b"corp own" not in (tmp_path / "agent.sqlite").read_bytes()
