"""``llm-scheduler diagnose`` on logs of programs that really ran."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from llm_scheduler.cli.diagnose import make_record, parse_exit_code, parse_state
from llm_scheduler.cli.main import main
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import UsageError
from tests.cli.complaints import without_progress


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_log_is_explained_with_proof(cli, make_log) -> None:
    log = make_log("name_error", "slurm-1234.out")
    done = cli("diagnose", "slurm-1234.out")
    assert done.returncode == 0
    assert without_progress(done.stderr) == ""
    number = next(
        i for i, line in enumerate(log.read_text().splitlines(), 1) if "NameError:" in line
    )
    assert "code error" in done.stdout
    assert "job 1234" in done.stdout
    assert f"slurm-1234.out:{number}" in done.stdout
    assert "NameError: name 'temprature' is not defined" in flat(done.stdout)
    assert "What to do" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_has_the_fields_of_a_diagnosis(cli, make_log) -> None:
    logs = [make_log("name_error", "a-1.out"), make_log("missing_module", "b-2.out")]
    done = cli("diagnose", "--json", *map(str, logs))
    assert done.returncode == 0
    assert without_progress(done.stderr) == ""
    found = objects(done.stdout)
    assert [item["log"] for item in found] == [str(log) for log in logs]
    assert [item["category"] for item in found] == ["code_error", "missing_module"]
    assert [item["job_id"] for item in found] == ["1", "2"]
    for item in found:
        assert set(item) == {*Diagnosis.model_fields, "digest", "log"}
        assert item["digest"]
        assert item["evidence"]
        fields = {key: value for key, value in item.items() if key in Diagnosis.model_fields}
        assert Diagnosis.model_validate_json(json.dumps(fields)).source == "rules"


def test_state_and_exit_code_are_used(cli, make_log) -> None:
    log = str(make_log("fine", "slurm-5.out"))

    def category(*options: str) -> object:
        return objects(cli("diagnose", "--json", log, *options).stdout)[0]["category"]

    assert category("--state", "TIMEOUT") == "time_limit"
    assert category("--state", "OUT_OF_ME+", "--exit-code", "0:125") == "out_of_memory"
    assert category("--exit-code", "0:11") == "crash"
    assert category("--state", "completed", "--exit-code", "0:0") == "success"


def test_gz_folder_fifo_and_junk(cli, make_log, tmp_path: Path) -> None:
    plain = make_log("missing_file", "logs/deep/x-7.out")
    with gzip.open(tmp_path / "logs" / "slurm-8.out.gz", "wb") as packed:
        packed.write(plain.read_bytes())
    (tmp_path / "logs" / "junk.log").write_bytes(random.Random(1).randbytes(200_000))
    (tmp_path / "logs" / "empty.err").touch()
    (tmp_path / "logs" / "bad.out.gz").write_bytes(b"\x1f\x8b\x08 not really")
    os.mkfifo(tmp_path / "logs" / "pipe.out")
    done = cli("diagnose", "-r", "--json", "logs")
    assert "Traceback" not in done.stderr
    assert "Skipped logs/pipe.out: it is a FIFO, not a log." in done.stderr
    found = {str(item["log"]): item["category"] for item in objects(done.stdout)}
    assert found["logs/deep/x-7.out"] == "file_not_found"
    assert found["logs/slurm-8.out.gz"] == "file_not_found"
    assert found["logs/junk.log"] == "unknown"
    assert found["logs/empty.err"] == "unknown"


def test_missing_logs_are_1_and_the_others_are_read(cli, make_log) -> None:
    log = make_log("name_error", "a.out")
    done = cli("diagnose", "missing.out", str(log))
    assert done.returncode == 1
    assert without_progress(done.stderr) == "Cannot read missing.out: there is no such file.\n"
    assert "temprature" in done.stdout


def test_an_empty_folder_is_said(cli, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = cli("diagnose", "-r", "nothing")
    assert done.returncode == 1
    assert "no logs" in done.stderr


def test_standard_input(cli, make_log) -> None:
    text = make_log("missing_module", "a.out").read_text()
    done = cli("diagnose", "--json", "-", input=text)
    assert done.returncode == 0
    (found,) = objects(done.stdout)
    assert found["category"] == "missing_module"
    assert found["log"] == "-"
    assert {item["file"] for item in found["evidence"]} <= {"-", ""}  # type: ignore[attr-defined]


def test_a_few_failures_end_with_their_causes(cli, make_log) -> None:
    logs = [make_log("missing_module", f"a-{i}.out") for i in (1, 2)]
    logs.append(make_log("missing_file", "b-3.out"))
    logs.append(make_log("fine", "c-4.out"))
    done = cli("diagnose", *map(str, logs), "--exit-code", "1:0")
    assert done.returncode == 0
    assert "failures of" in done.stdout
    done = cli("diagnose", *map(str, logs[:3]))
    assert "3 failures of 2 causes" in done.stdout
    assert "2 x" in done.stdout
    assert done.stdout.count("Proof") == 3


def test_many_failures_are_shown_by_cause(cli, make_log, tmp_path: Path) -> None:
    text = make_log("missing_module", "logs/a-0.out").read_text()
    for i in range(1, 30):
        (tmp_path / f"logs/a-{i}.out").write_text(text)
    make_log("name_error", "logs/b-50.out")
    done = cli("diagnose", "-r", "logs")
    assert done.returncode == 0
    assert "31 failures of 2 causes" in done.stdout
    assert done.stdout.count("Proof") == 2
    assert done.stdout.count("logs/a-7.out") == 1


def test_hostile_log_is_harmless(cli, tmp_path: Path) -> None:
    log = tmp_path / "[bold]evil[-1\nforged.out"
    log.write_bytes(
        b"\x1b]0;owned\x07[red]Traceback (most recent call last):\n"
        b"Traceback (most recent call last):\n"
        b'  File "[link=http://evil]\x1b[2J", line 3, in <module>\n'
        b"ValueError: [/red] \x1b[31m\xe2\x80\xae\x9b \xff :smile: [link=http://evil]x\n",
    )
    for env in ({}, {"FORCE_COLOR": "1", "NO_COLOR": "", "TERM": "xterm-256color"}):
        done = cli("diagnose", str(log), env=env)
        assert done.returncode == 0
        assert "\x1b[2J" not in done.stdout
        assert "\x1b]" not in done.stdout
        assert "\x07" not in done.stdout
        assert "\u202e" not in done.stdout
        assert "[bold]evil[-1\\x0aforged.out" in done.stdout.replace("\n", "")
    done = cli("diagnose", "--json", str(log))
    assert done.stdout.isascii()


def test_in_process(make_log, capsys: pytest.CaptureFixture[str]) -> None:
    log = make_log("missing_file", "slurm-1.out")
    assert main(["diagnose", "--json", str(log)]) == 0
    shown = capsys.readouterr()
    assert objects(shown.out)[0]["category"] == "file_not_found"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("timeout", "TIMEOUT"),
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("OUT_OF_ME+", "OUT_OF_MEMORY"),
        (" NODE_FAIL ", "NODE_FAIL"),
    ],
)
def test_states_as_slurm_shows_them(text: str, state: str) -> None:
    assert parse_state(text) == state


@pytest.mark.parametrize("text", ["", "FINE", "RE+", "+"])
def test_unknown_states_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown; known: .*TIMEOUT"):
        parse_state(text)


def test_exit_codes_as_sacct_shows_them() -> None:
    assert parse_exit_code("1") == (1, None)
    assert parse_exit_code("0:9") == (0, 9)
    assert parse_exit_code("1:0") == (1, None)
    for text in ("", "x", "1:", ":9", "-1", "1:2:3"):
        with pytest.raises(UsageError, match="for example 1 or 0:9"):
            parse_exit_code(text)


def test_exit_codes_that_do_not_exist_are_refused() -> None:
    assert parse_exit_code("255:64") == (255, 64)
    # As sacct shows a job that ran out of memory.
    assert parse_exit_code("0:125") == (0, 125)
    for text in ("999:1", "256", "1:65"):
        with pytest.raises(UsageError, match="codes end at 255 and signals at 64"):
            parse_exit_code(text)
    with pytest.raises(UsageError, match="Where PBS shows 271, give 0:15"):
        parse_exit_code("271")


def test_jobs_that_have_not_ended(cli, make_log, tmp_path: Path) -> None:
    for name in ("a.out", "b.out"):
        (tmp_path / name).touch()
    done = cli("diagnose", "--state", "RUNNING", "a.out", "b.out")
    assert done.returncode == 0
    assert "the job is still running" in done.stdout
    assert "failed" not in done.stdout
    assert "failures of" not in done.stdout
    make_log("name_error", "c.out")
    done = cli("diagnose", "--state", "RUNNING", "c.out")
    assert "NameError: name 'temprature' is not defined" in flat(done.stdout)
    assert "the job is still running" in flat(done.stdout)


def test_the_record_is_what_the_person_knows() -> None:
    assert make_record("a.out", None, None) is None
    record = make_record("slurm-4.out", None, (0, 9))
    assert record is not None
    assert (record.job_id, record.state, record.exit_code, record.signal) == ("4", "FAILED", 0, 9)
    record = make_record("a.out", None, (0, None))
    assert record is not None
    assert record.state == "COMPLETED"
    record = make_record("a.out", "TIMEOUT", None)
    assert record is not None
    assert (record.state, record.exit_code, record.signal) == ("TIMEOUT", None, None)
