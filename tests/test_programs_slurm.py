"""Programs that really fail, as jobs of a real Slurm: state, category and proof of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_scheduler.diagnosis import diagnose_log, diagnose_submission
from llm_scheduler.engine.accounting import make_accounting
from llm_scheduler.engine.records import JobRecord
from tests.programs.case import SLURM, ProgramCase
from tests.programs.catalogue import select
from tests.programs.conductor import SlurmRun, run_on_slurm
from tests.programs.judgement import check_diagnosis, check_lines, describe
from tests.programs.workshop import BuiltCase, build_all, find_missing_part, small_disks
from tests.slurm_cluster import SlurmCluster
from tests.slurm_daemons import wait_until

pytestmark = pytest.mark.slurm

ACCEPTED = select(SLURM)
REFUSED = select(SLURM, refused=True)


def _named(case: ProgramCase) -> str:
    return case.name


class Finished:
    """All jobs after their end: folders, the run, records by name of the case."""

    def __init__(self, built: dict[str, BuiltCase], run: SlurmRun) -> None:
        self.built = built
        self.run = run
        self.records: dict[str, JobRecord] = {}

    def read_records(self) -> bool:
        """Read the records of all jobs in one call; tell whether all jobs have ended."""
        found = make_accounting("slurm").records(list(self.run.job_ids.values()))
        self.records = {
            name: found[job_id] for name, job_id in self.run.job_ids.items() if job_id in found
        }
        ended = [record for record in self.records.values() if not record.is_live]
        return len(ended) == len(self.run.job_ids)


@pytest.fixture(scope="module")
def finished(slurm: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root = tmp_path_factory.mktemp("programs")
    with small_disks(root) as env:
        can_run = [case for case in (*ACCEPTED, *REFUSED) if not find_missing_part(case)]
        built = build_all(can_run, root, env)
        done = Finished(built, run_on_slurm(slurm, built))
        # The controller hands records on to the database a moment later.
        wait_until(done.read_records, "records were not complete", timeout_s=240)
        yield done


@pytest.mark.parametrize("case", ACCEPTED, ids=_named)
def test_program(case: ProgramCase, finished: Finished, slurm: SlurmCluster) -> None:
    if missing := find_missing_part(case):
        pytest.skip(missing)
    assert case.name not in finished.run.refusals, finished.run.refusals.get(case.name)
    built, record = finished.built[case.name], finished.records[case.name]
    if not (slurm.mode == "linuxproc" and case.state == "OUT_OF_MEMORY"):
        assert record.state == case.expected_state(SLURM), record
    diagnosis = diagnose_log([built.log], record=record)
    check_diagnosis(case, diagnosis, SLURM)
    check_lines(built, diagnosis)


@pytest.mark.parametrize("case", REFUSED, ids=_named)
def test_refused(case: ProgramCase, finished: Finished) -> None:
    assert case.name in finished.run.refusals, "the job was accepted"
    diagnosis = diagnose_submission(finished.run.refusals[case.name], job_name=case.name)
    check_diagnosis(case, diagnosis, SLURM)


def test_step_is_counted(finished: Finished, slurm: SlurmCluster) -> None:
    if slurm.mode == "linuxproc":
        pytest.skip("without cgroups Slurm does not call it OUT_OF_MEMORY")
    record = finished.records["step-out-of-memory"]
    assert record.state == "COMPLETED"
    assert "OUT_OF_MEMORY" in [step.state for step in record.steps]


def test_a_person_is_named(finished: Finished) -> None:
    assert finished.records["cancelled-by-a-person"].cancelled_by


def test_every_program_has_a_title_and_a_way_out(finished: Finished) -> None:
    for name, built in finished.built.items():
        if built.case.refused:
            continue
        diagnosis = diagnose_log([built.log], record=finished.records[name])
        assert diagnosis.title, describe(diagnosis)
        assert diagnosis.category == "success" or diagnosis.remedies, describe(diagnosis)
