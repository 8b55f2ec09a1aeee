"""Submitting with programs that stand for the schedulers' own."""

from __future__ import annotations

import threading

import pytest
from adaptive_scheduler._scheduler import common, pbs, slurm
from adaptive_scheduler.scheduler import PBS, SLURM

from llm_scheduler.engine import submission
from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.engine.submission import is_transient_refusal, submit_job
from llm_scheduler.errors import CommandMissing, SchedulerError, SubmissionRefused

FAILED = "sbatch: error: Batch job submission failed:"
POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)"
)


@pytest.fixture
def scheduler(tmp_path, programs) -> SLURM:
    """Return the engine's scheduler, whose ``sbatch`` is whatever the test adds."""
    folders = {"log_folder": tmp_path / "logs", "batch_folder": tmp_path / "batch"}
    return SLURM(cores=1, **folders)


def submit(scheduler, name: str = "run-0") -> str | None:
    return submit_job(scheduler, name, index=None)


@pytest.mark.parametrize(
    ("printed", "job_id"),
    [
        ("Submitted batch job 42", "42"),
        ("Submitted batch job 5 on cluster x", "5"),
        ("Submitted batch job 5 on cluster c7", "5"),
        ("Welcome to the cluster\n\nSubmitted batch job 43\n\n", "43"),
        ("Submitted batch job 44\nCore hours left: 1200", "44"),
        ("Core hours left: 1200\nSubmitted batch job 45", "45"),
        ("42", "42"),
        ("nothing that is known", None),
        ("", None),
    ],
)
def test_the_job_id_is_read(scheduler, programs, printed, job_id):
    programs.add("sbatch", f"printf '%s\\n' '{printed}'")
    assert submit(scheduler) == job_id
    assert len(programs.calls("sbatch")) == 1


@pytest.mark.parametrize("job_id", ["123.server", "123.pbs-1.example.org", "7[].server"])
def test_the_job_id_of_pbs_is_read(tmp_path, programs, job_id):
    programs.add("qsub", f"echo '{job_id}'")
    scheduler = PBS(
        cores=1,
        cores_per_node=1,
        log_folder=tmp_path / "logs",
        batch_folder=tmp_path / "batch",
    )
    assert submit(scheduler) == job_id
    assert "-N run-0" in programs.calls("qsub")[0]


def test_a_refused_job_is_asked_for_once_and_quoted(scheduler, programs):
    programs.add("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(SubmissionRefused, match="invalid partition specified: x") as caught:
        submit(scheduler)
    assert caught.value.stderr == "sbatch: error: invalid partition specified: x"
    assert caught.value.returncode == 1
    assert len(programs.calls("sbatch")) == 1


def test_a_refusal_on_the_standard_output_or_without_words(scheduler, programs):
    programs.add("sbatch", "echo 'no more hours'; exit 3")
    with pytest.raises(SubmissionRefused, match="no more hours"):
        submit(scheduler)
    programs.add("sbatch", "exit 3")
    with pytest.raises(SubmissionRefused, match="exit status 3"):
        submit(scheduler)


def test_a_missing_sbatch_is_named(scheduler):
    with pytest.raises(CommandMissing, match="'sbatch'"):
        submit(scheduler)


def test_an_sbatch_that_hangs_is_ended(scheduler, programs, monkeypatch):
    programs.add("sbatch", "exec /bin/sleep 1000")
    monkeypatch.setattr(submission, "SUBMIT_TIMEOUT_S", 0.2)
    with pytest.raises(SchedulerError, match="did not answer"):
        submit(scheduler)


def test_a_job_script_that_can_not_be_written(tmp_path, programs):
    programs.add("sbatch", "echo 1")
    scheduler = SLURM(cores=(1,), batch_folder=tmp_path / "file" / "batch")
    scheduler._command_line_options = {}
    (tmp_path / "file").touch()
    with pytest.raises(SchedulerError, match="'run-0' can't be written"):
        submit_job(scheduler, "run-0", index=0)
    assert programs.calls() == []


def test_the_job_gets_its_name_and_says_where_it_crashed(scheduler, programs, monkeypatch):
    monkeypatch.delenv("PYTHONFAULTHANDLER", raising=False)
    program = 'echo "$NAME,$PYTHONFAULTHANDLER" >&2; exit 1'
    programs.add("sbatch", program)
    with pytest.raises(SubmissionRefused, match=r": run-7,1$"):
        submit(scheduler, "run-7")
    monkeypatch.setenv("PYTHONFAULTHANDLER", "")
    with pytest.raises(SubmissionRefused, match=r": run-7,$"):
        submit(scheduler, "run-7")


def test_our_own_scheduler_tells_the_id_itself(tmp_path):
    scheduler = LocalScheduler(cores=(1,), root=tmp_path, batch_folder=tmp_path / "batch")
    scheduler.start_job = lambda name, *, index: f"{name}/{index}"
    assert submit_job(scheduler, "run-0", index=0) == "run-0/0"


def test_elsewhere_the_engine_submits_as_it_always_did(scheduler, programs, tmp_path):
    programs.add("sbatch", "echo Submitted batch job 1")
    assert submit(scheduler) == "1"
    count = tmp_path / "count"
    # Accepted at the second try, so that the engine waits only once.
    programs.add("sbatch", f'[ -e "{count}" ] && exit 0; : >"{count}"; exit 1')
    before = len(programs.calls("sbatch"))
    for module in (common, slurm, pbs):
        count.unlink(missing_ok=True)
        module.run_submit("sbatch script", "run-0")
    assert len(programs.calls("sbatch")) - before == 6


def test_two_threads_do_not_mix_their_answers(scheduler, programs):
    # Each waits for the other's call, so that both are under way at once.
    folder = programs.folder
    programs.add(
        "sbatch",
        f': >"{folder}/$NAME.up"\n'
        f'until [ -e "{folder}/run-0.up" ] && [ -e "{folder}/run-1.up" ]; do :; done\n'
        'case "$NAME" in run-0) echo "Submitted batch job 100";;\n'
        '*) echo "refused $NAME" >&2; exit 1;; esac',
    )
    found: dict[str, object] = {}

    def ask(name: str) -> None:
        try:
            found[name] = submit(scheduler, name)
        except SubmissionRefused as exc:
            found[name] = exc.stderr

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("run-0", "run-1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert found == {"run-0": "100", "run-1": "refused run-1"}


def test_a_thread_outside_is_not_caught_by_a_submission(scheduler, programs):
    programs.add("sbatch", "exit 0")
    original = scheduler.start_job

    def start_job(name: str, *, index: int | None) -> None:
        other = threading.Thread(target=common.run_submit, args=("sbatch other", "other"))
        other.start()
        other.join(240)
        programs.add("sbatch", "echo Submitted batch job 9")
        original(name, index=index)

    scheduler.start_job = start_job
    assert submit(scheduler) == "9"
    assert len(programs.calls("sbatch")) == 2


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        f"{FAILED} Unable to contact slurm controller (connect failure)",
        "sbatch: error: slurm_receive_msg: Zero Bytes were transmitted or received",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying.",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: Munge encode failed: Failed to connect to '/run/munge/munge.socket.2'",
        f"sbatch: error: AssocMaxSubmitJobLimit\n{POLICY}",
        f"sbatch: error: AssocGrpSubmitJobsLimit\n{POLICY}",
        f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{POLICY}",
        POLICY,
        "qsub: cannot connect to server pbs01 (errno=111)",
        "Connection refused\nqsub: cannot connect to server pbs01 (errno=15010)",
        "pbs_iff: cannot read reply from pbs_server\nNo Permission.",
        "qsub: would exceed queue generic's per-user limit of jobs in 'Q' state",
        "qsub: would exceed complex's per-user limit on number of jobs",
        "qsub: submit error (Maximum number of jobs already in queue MSG=total number of jobs)",
    ],
)
def test_refusals_that_pass(words):
    assert is_transient_refusal(words)


@pytest.mark.parametrize(
    "words",
    [
        f"sbatch: error: invalid partition specified: x\n{FAILED} Invalid partition name …",
        f"{FAILED} Invalid account or account/partition combination specified",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        f"{FAILED} Requested time limit is invalid (missing or exceeds some limit)",
        f"sbatch: error: Memory specification can not be satisfied\n{FAILED} Requested node …",
        "sbatch: error: Batch job submission failed: Invalid feature specification",
        "sbatch: error: Unable to open file run-0.sbatch",
        f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}",
        f"sbatch: error: QOSMaxCpuPerUserLimit\n{POLICY}",
        f"sbatch: error: AssocMaxNodePerJobLimit\n{POLICY}",
        "qsub: Unknown queue",
        "qsub: Unauthorized Request",
        "qsub: Job exceeds queue and/or server resource limits",
        "qsub: would exceed queue generic's per-user limit on resource walltime",
        "exit status 1",
        "",
    ],
)
def test_refusals_that_stay(words):
    assert not is_transient_refusal(words)
