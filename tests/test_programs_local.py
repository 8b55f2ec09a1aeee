"""The same failing programs, as jobs of the local scheduler."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.engine.local_runner import LocalRunner
from llm_scheduler.engine.records import JobRecord
from tests.programs.case import LOCAL, ProgramCase
from tests.programs.catalogue import select
from tests.programs.judgement import check_diagnosis, check_lines
from tests.programs.workshop import BuiltCase, build_all, find_missing_part, small_disks
from tests.slurm_daemons import wait_until

CASES = select(LOCAL)
N_AT_ONCE = 12
"""More than there are cores: many of the programs only wait."""


def _named(case: ProgramCase) -> str:
    return case.name


class Finished:
    """All jobs after their end: folders and records by name of the case."""

    def __init__(self, built: dict[str, BuiltCase], records: dict[str, JobRecord]) -> None:
        self.built = built
        self.records = records


def _submit(runner: LocalRunner, built: BuiltCase) -> str:
    case = built.case
    return runner.submit(
        [str(built.script)],
        name=case.name,
        log_file=built.log,
        memory_bytes=case.memory_mb << 20,
        time_limit_s=case.time_limit_s,
        cwd=built.folder,
    )


def _cancel_when_ready(runner: LocalRunner, built: BuiltCase, job_id: str) -> None:
    wait_until(
        lambda: built.log.exists() and built.case.ready in built.log.read_text(),
        f"{built.case.name} was not ready",
    )
    runner.cancel(job_id)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root = tmp_path_factory.mktemp("programs")
    can_run = [case for case in CASES if not find_missing_part(case)]
    with small_disks(root) as env:
        built = build_all(can_run, root, env)
        runner = LocalRunner(root / "runner", cores=N_AT_ONCE)
        try:
            job_ids = {name: _submit(runner, each) for name, each in built.items()}
            for name, each in built.items():
                if each.case.event == "cancel":
                    _cancel_when_ready(runner, each, job_ids[name])
            records = runner.wait(job_ids.values(), timeout_s=600)
        finally:
            runner.close()
        yield Finished(built, {name: records[job_id] for name, job_id in job_ids.items()})


@pytest.mark.parametrize("case", CASES, ids=_named)
def test_program(case: ProgramCase, finished: Finished) -> None:
    if missing := find_missing_part(case):
        pytest.skip(missing)
    built, record = finished.built[case.name], finished.records[case.name]
    assert record.state == case.expected_state(LOCAL), record
    diagnosis = diagnose_log([built.log], record=record)
    check_diagnosis(case, diagnosis, LOCAL)
    check_lines(built, diagnosis)


def test_enough_programs_ran(finished: Finished) -> None:
    needed = 40 if os.geteuid() == 0 else 30
    assert len([built for built in finished.built.values() if built.case.state != "COMPLETED"]) >= (
        needed
    )
