"""The command line as a whole: help, version, exit status, streams."""

from __future__ import annotations

import subprocess
import sys

import pytest

import llm_scheduler.cli.diagnose
from llm_scheduler.cli.main import main
from llm_scheduler.errors import SchedulerError
from tests.cli.complaints import without_progress


def test_help_names_the_commands_and_imports_nothing_heavy(cli) -> None:
    done = cli("--help")
    assert done.returncode == 0
    assert not done.stderr
    for word in ("demo", "diagnose", "doctor", "examples:", "exit status:"):
        assert word in done.stdout
    code = (
        "import sys; from llm_scheduler.cli.main import make_parser; make_parser();"
        "heavy = {'rich', 'pydantic', 'adaptive', 'adaptive_scheduler', 'pandas', 'ipywidgets'};"
        "sys.exit(','.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["demo", "diagnose", "doctor"])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "usage: llm-scheduler " + command in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("llm-scheduler 0.")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["unknown"],
        ["diagnose"],
        ["diagnose", "--bad", "x"],
        ["diagnose", "/"],
        ["diagnose", "x.out", "--state", "FINE"],
        ["diagnose", "x.out", "--exit-code", "a:b"],
        ["diagnose", "x.out", "--exit-code", "99999"],
        ["demo", "--cores", "many"],
        ["demo", "--cores", "0"],
        ["demo", "--folder", "/"],
    ],
)
def test_wrong_usage_is_2_and_one_clear_line(
    argv: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert "Traceback" not in shown.err
    assert "usage:" in shown.err or shown.err.startswith("llm-scheduler: error: ")


def test_errors_of_the_package_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(args: object) -> int:
        raise SchedulerError("sbatch said\n \x1b[2J no")

    monkeypatch.setattr(llm_scheduler.cli.diagnose, "diagnose_command", fail)
    assert main(["diagnose", "x.out"]) == 1
    assert capsys.readouterr().err == "llm-scheduler: error: sbatch said \\x1b[2J no\n"


def test_errors_of_the_system_are_one_line(cli, tmp_path) -> None:
    (tmp_path / "file").touch()
    done = cli("demo", "--folder", "file/below")
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("llm-scheduler: error: ")
    assert "Traceback" not in done.stderr
    assert "below" in done.stderr


def test_interrupt_is_130(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(llm_scheduler.cli.diagnose, "diagnose_command", interrupt)
    assert main(["diagnose", "x.out"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_an_interrupt_in_executed_source_is_130(cli_argv, cli_env, tmp_path) -> None:
    """Python dies of SIGINT where a Ctrl-C meets source text, though it was handled."""
    (tmp_path / "sitecustomize.py").write_text(
        "import llm_scheduler.cli.main as module\n"
        "def interrupted():\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "module.main = interrupted\n"
    )
    done = subprocess.run(cli_argv, env=cli_env | {"PYTHONPATH": str(tmp_path)}, check=False)
    assert done.returncode == 130


def test_a_closed_pipe_is_quiet(cli_argv, cli_env, make_log) -> None:
    log = make_log("name_error", "a.out")
    process = subprocess.Popen(
        [*cli_argv, "diagnose", *([str(log)] * 40)],
        env=cli_env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 141
    assert without_progress(errors.decode()) == ""


def test_closed_streams_do_no_harm(cli_argv, cli_env, make_log) -> None:
    log = make_log("name_error", "a.out")
    command = 'exec "$@" <&- >&- 2>&-'
    argv = ["sh", "-c", command, "sh", *cli_argv, "diagnose", str(log)]
    assert subprocess.run(argv, env=cli_env, check=False, timeout=120).returncode == 0


@pytest.mark.parametrize(
    "env",
    [
        {"TERM": "", "NO_COLOR": "", "CI": "true"},
        {"HOME": "", "COLUMNS": "20"},
        {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        {"FORCE_COLOR": "1", "NO_COLOR": "", "TERM": "xterm"},
    ],
)
def test_any_environment_does(cli, make_log, env: dict[str, str]) -> None:
    log = make_log("name_error", "größe \udcff.out")
    done = cli("diagnose", str(log), env=env, errors="replace")
    assert done.returncode == 0, done.stderr
    assert "temprature" in done.stdout
