"""Resources of single learners: what is accepted, and what reaches a command line."""

from __future__ import annotations

import re

import pytest
from adaptive_scheduler.scheduler import PBS, SLURM
from hypothesis import example, given
from hypothesis import strategies as st

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.engine.resource_overrides import (
    PARSERS,
    ResourceOverride,
    command_options,
    parse_memory_request,
    parse_nodes_request,
    parse_time_request,
    scheduler_kind,
)
from llm_scheduler.engine.submission import submit_job
from llm_scheduler.errors import UsageError

OVERRIDE = ResourceOverride(memory="8GB", time="02:30:00", exclude="node7,node9")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("8GB", "8GB"),
        ("8G", "8GB"),
        ("8192M", "8GB"),
        ("8gib", "8GB"),
        ("1.5GB", "1536MB"),
        ("1600", "1600MB"),
        ("100K", "1MB"),
        ("2T", "2048GB"),
    ],
)
def test_memory_has_one_way_of_writing(text, same):
    assert parse_memory_request(text) == same
    assert parse_memory_request(same) == same


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("90", "01:30:00"),
        ("02:00:00", "02:00:00"),
        ("2h", "02:00:00"),
        ("1h30min", "01:30:00"),
        ("2-00:00:00", "48:00:00"),
        ("1-12", "36:00:00"),
        ("45s", "00:00:45"),
        ("30:30", "00:30:30"),
    ],
)
def test_time_has_one_way_of_writing(text, same):
    assert parse_time_request(text) == same
    assert parse_time_request(same) == same


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("node7", "node7"),
        ("node9,node7,node9", "node7,node9"),
        ("t[1-3,7]", "t1,t2,t3,t7"),
        ("gpu-a.example.org", "gpu-a.example.org"),
    ],
)
def test_nodes_have_one_way_of_writing(text, same):
    assert parse_nodes_request(text) == same
    assert parse_nodes_request(same) == same


ATTACKS = [
    "--wrap=evil",
    "-w node1",
    "8GB --wrap=evil",
    "8GB\n--wrap=evil",
    "8GB;reboot",
    "$(reboot)",
    "`id`",
    "8GB\x00",
    "8GB\u202e",
    "\uff18GB",
    "=8GB",
    " ",
    "0",
    "0GB",
    "-1",
    "1e9",
    "nan",
    "inf",
    "9" * 40,
    "9999999999T",
    "node7 --wrap=evil",
    "node7\tnode9",
    "node[1-100000]",
    "[",
    "node[1-",
    ",-w,node1",
    "../../etc",
    "all",
    "unlimited",
]


NAMES = ("all", "unlimited", "0", "0GB", "1e9", "nan", "inf", "9" * 40, "9999999999T")


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_but_a_value_is_accepted(name, text):
    if name == "exclude" and text in NAMES:  # a node may be called so
        assert parse_nodes_request(text) == text
        return
    with pytest.raises(UsageError, match=f"{name}="):
        PARSERS[name](text)
    with pytest.raises(UsageError):
        ResourceOverride(**{name: text})


@given(st.text(max_size=40))
@example("1-1:1:1")
@example("0.0000001M")
def test_what_is_accepted_is_one_harmless_word(text):
    for parse in PARSERS.values():
        try:
            value = parse(text)
        except UsageError:
            continue
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:.,_-]*", value, re.ASCII)
        assert parse(value) == value


def test_values_that_are_not_written_anew_are_refused():
    with pytest.raises(UsageError, match="must be written as '8GB'"):
        ResourceOverride(memory="8G")


def test_options_of_the_schedulers():
    slurm = command_options("slurm", OVERRIDE)
    assert slurm == ["--mem=8192M", "--time=02:30:00", "--exclude=node7,node9"]
    assert command_options("pbs", OVERRIDE) == ["-l", "mem=8192mb", "-l", "walltime=02:30:00"]
    assert command_options("local", OVERRIDE) == []
    assert command_options("slurm", ResourceOverride()) == []


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("#SBATCH --mem=1G\n", "--mem=8192M"),
        ("#SBATCH --ntasks 4\n#SBATCH --mem-per-cpu=1G\n", "--mem-per-cpu=2048M"),
        ("#SBATCH --mem-per-cpu 1G\n", "--mem-per-cpu=8192M"),
        ("#SBATCH --cpus-per-task=2\n#SBATCH --mem-per-cpu=1G\n", "--mem-per-cpu=4096M"),
        ("#SBATCH --ntasks=3\n#SBATCH --mem-per-cpu=1G\n", "--mem-per-cpu=2731M"),
        (
            "#SBATCH --nodes=2\n#SBATCH --ntasks 16\n#SBATCH --mem-per-cpu=1G\n",
            "--mem-per-cpu=1024M",
        ),
        ("echo '#SBATCH --mem-per-cpu=1G'\n", "--mem=8192M"),
    ],
)
def test_memory_is_asked_for_as_the_script_does(script, option):
    assert command_options("slurm", ResourceOverride(memory="8GB"), script) == [option]


def test_kinds_of_schedulers(tmp_path, programs):
    folders = {"log_folder": tmp_path / "logs", "batch_folder": tmp_path / "batch"}
    assert scheduler_kind(SLURM(cores=1, **folders)) == "slurm"
    assert scheduler_kind(PBS(cores=1, cores_per_node=1, **folders)) == "pbs"
    assert scheduler_kind(LocalScheduler(cores=1)) == "local"
    assert scheduler_kind(object()) == ""


def test_options_come_before_the_script_of_sbatch(tmp_path, programs):
    programs.add("sbatch", "echo Submitted batch job 42")
    scheduler = SLURM(cores=1, log_folder=tmp_path / "logs", batch_folder=tmp_path / "batch")
    assert submit_job(scheduler, "run-0", index=None, override=OVERRIDE) == "42"
    submit_job(scheduler, "run-1", index=None)
    first, second = programs.calls("sbatch")
    assert first.startswith(
        "sbatch --mem=8192M --time=02:30:00 --exclude=node7,node9 --job-name run-0 "
    )
    assert first.endswith("run.sbatch")
    assert second.startswith("sbatch --job-name run-1 ")  # it held for one job only


def test_options_come_before_the_script_of_qsub(tmp_path, programs):
    programs.add("qsub", "echo 42.server")
    folders = {"log_folder": tmp_path / "logs", "batch_folder": tmp_path / "batch"}
    scheduler = PBS(cores=1, cores_per_node=1, **folders)
    assert submit_job(scheduler, "run-0", index=None, override=OVERRIDE) == "42.server"
    (call,) = programs.calls("qsub")
    assert call.startswith("qsub -l mem=8192mb -l walltime=02:30:00 -k oe -N run-0 ")


def test_the_local_scheduler_enforces_them(tmp_path):
    folders = {"log_folder": tmp_path / "logs", "batch_folder": tmp_path / "batch"}
    scheduler = LocalScheduler(cores=1, memory="100MB", root=tmp_path / "jobs", **folders)
    script = scheduler.batch_fname("run")
    script.write_text("exit 0\n")
    override = ResourceOverride(memory="300MB", time="00:05:00")
    try:
        ids = [
            submit_job(scheduler, "run-0", index=None, override=override),
            submit_job(scheduler, "run-1", index=None),
        ]
        records = scheduler.runner.wait(ids, 240)
    finally:
        scheduler.close()
    first, second = (records[job_id] for job_id in ids)
    assert (first.requested_memory_bytes, first.time_limit_s) == (300 << 20, 300)
    assert (second.requested_memory_bytes, second.time_limit_s) == (100 << 20, None)


def test_an_override_ends_when_the_run_is_given_something_else():
    override = ResourceOverride(memory="2GB", time="02:00:00", base={"memory": "1GB", "time": ""})
    assert override.against({"memory": "1GB", "time": ""}) == override
    changed = override.against({"memory": "32GB", "time": ""})
    assert (changed.memory, changed.time) == ("", "02:00:00")
    assert override.against({"memory": "", "time": "04:00:00"}).time == ""
