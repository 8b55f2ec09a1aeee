"""``llm-scheduler catalog``: for people who extend the causes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_scheduler.cli.main import main
from tests.cli.complaints import without_progress

ENTRY = """\
[[cause]]
id = "acme-tokens"
category = "license_unavailable"
priority = 70
title = "No token of {feature} was free"
patterns = ['feature (?P<feature>\\w+): all \\d+ tokens in use']
explanation = "The license server had no token of {feature} left. Other jobs hold them."
example = "FATAL(17): feature SOLVER: all 40 tokens in use, queue is full"
near_misses = ["feature SOLVER: 3 of 40 tokens in use"]
source = "ACME solver 9.2, manual"

[[cause.remedies]]
kind = "resubmit"
summary = "Submit again with `-L {feature}:1`"
"""

PATTERN = "'feature (?P<feature>\\w+): all \\d+ tokens in use'"
BAD = """\
[[cause]]
id = "acme-mesh"
category = "crash"
titel = "The mesh is wrong"
explanation = "The mesh could not be used. It is of another version."
"""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the site's causes, of which there is one."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "site.toml").write_text(ENTRY)
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LLM_SCHEDULER_CATALOG", str(folder))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def call(site: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs a command and gives its status, output and messages."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["catalog", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def write_log(folder: Path, *lines: str) -> str:
    path = folder / "job.out"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_check_of_a_good_file(call, site):
    for path in (str(site), str(site / "site.toml")):
        status, out, err = call("check", path)
        assert (status, out) == (0, "1 cause checked: 0 errors, 0 warnings.\n")
        assert without_progress(err) == ""


def test_check_names_file_and_line_and_goes_on(call, site):
    (site / "bad.toml").write_text(BAD)
    status, out, _ = call("check", str(site))
    assert status == 1
    assert "bad.toml:4: error: cause 'acme-mesh': unknown key 'titel'; did you mean 'title'?" in out
    assert "1 cause checked: 3 errors, 0 warnings." in out


def test_check_tells_what_is_no_file(call, site):
    os.mkfifo(site / "pipe.toml")
    status, out, _ = call("check", str(site))
    assert status == 1
    assert "catalog/pipe.toml: error: is no ordinary file" in out


@pytest.mark.parametrize(
    ("old", "new", "level", "said"),
    [
        ("all 40 tokens", "no tokens", "error", "`example` is not found by it"),
        ("3 of 40 tokens", "all 40 tokens", "error", "takes its near miss"),
        (PATTERN, "'(?P<feature>[A-Z]{4,})'", "warning", "is too broad"),
        (PATTERN, "'all \\d+ tok'", "warning", "no plain text"),
        ("of {feature} left. Other", "of {feature} left, other", "warning", "not 1"),
        ("left. Other jobs hold them.", "left", "warning", "does not end with a full stop"),
        ("3 of 40 tokens in use", "a queue of SOLVER", "", ""),
        ("feature SOLVER: 3 of 40 tokens in use", "tokens: 0", "warning", "does not look like"),
        ("of {feature} was", "of {feature} for {user} was", "warning", "needs {user}"),
        ("of {feature} left", "of [[{feature} left", "error", "shows its template"),
        ('source = "ACME solver 9.2, manual"', "", "warning", "has no `source`"),
        ('near_misses = ["feature SOLVER: 3 of 40 tokens in use"]', "", "warning", "no `near_mi"),
        (ENTRY[ENTRY.index("\n[[cause.rem") :], "", "warning", "has no remedy"),
        ("in use, queue is full", "in use\\nKilled", "", ""),
        ("in use, queue is full", "in use\\nslurmstepd: error: Detected 1 oom-kill event(s)",
         "error", "is explained by `memory-limit"),
        ("priority = 70", "frame_function = 'solve'", "error", "does not count: its diagnosis"),
        ("priority = 70", "example_record = { state = 'FOO' }", "error", "'FOO' is unkno"),
        ("priority = 70", "example_record = { stat = 'FAILED' }", "error", "stat: "),
        ("priority = 70", "example_record = { exit_code = 1 }", "error", "`example_record` is"),
    ],
)  # fmt: skip
def test_check_tries_what_an_entry_says(call, site, old, new, level, said):
    assert old in ENTRY
    (site / "site.toml").write_text(ENTRY.replace(old, new))
    status, out, _ = call("check", "--json", str(site))
    told = json.loads(out)
    assert told["checked"] == 1
    found = told["errors"] + told["warnings"]
    assert status == (1 if told["errors"] else 0)
    if not said:
        assert found == []
        return
    [one] = [x for x in told[f"{level}s"] if said in x["message"]]
    assert (one["cause"], Path(one["file"]).name, one["line"]) == ("acme-tokens", "site.toml", 1)


def test_check_of_what_is_not_there_is_wrong_usage(call):
    status, _, err = call("check", "nowhere")
    assert status == 2
    assert "'nowhere' is not there" in err


def test_check_of_a_folder_without_entries_is_wrong_usage(call, tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "site.toml").write_text("")
    status, _, err = call("check", str(tmp_path))
    assert status == 2
    assert "holds no TOML file" in err
    assert call("check", str(tmp_path / "deeper"))[0] == 0


def test_check_without_paths_checks_everything(call, monkeypatch):
    from llm_scheduler.diagnosis import catalog_checks

    # All built-in causes are checked by other tests.
    checked = []
    monkeypatch.setattr(catalog_checks, "check_cause", lambda cause, _: checked.append(cause) or [])
    assert json.loads(call("check", "--json")[1])["checked"] == len(checked)
    assert {"acme-tokens", "disk-full"} <= {cause.id for cause in checked}


def test_list_by_word_and_category(call):
    status, out, _ = call("list", "--search", "SOLVER")
    assert status == 0
    assert "acme-tokens" in out
    status, out, _ = call("list", "--category", "license_unavailable", "--json")
    listed = [json.loads(line) for line in out.splitlines()]
    assert {"acme-tokens", "license-unavailable"} <= {cause["id"] for cause in listed}
    assert {cause["category"] for cause in listed} == {"license_unavailable"}
    assert call("list", "--search", "qqqzzz")[0] == 1


def test_the_list_has_a_line_for_each_cause(call):
    listed = [json.loads(line) for line in call("list", "--json")[1].splitlines()]
    lines = call("list")[1].splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [cause["id"] for cause in listed]
    assert all(line.endswith(x["shown_title"]) for line, x in zip(lines, listed, strict=False))
    assert lines[-1] == f"{len(listed)} causes."


def test_list_of_an_unknown_category_is_wrong_usage(call):
    status, _, err = call("list", "--category", "licence")
    assert status == 2
    assert "license_unavailable" in err


def test_explain_shows_everything(call, site):
    (site / "more.toml").write_text(
        ENTRY.replace("acme-tokens", "acme-server").replace(
            "priority = 70", 'beats = ["acme-tokens"]'
        ),
    )
    status, out, _ = call("explain", "acme-tokens")
    assert status == 0
    for part in (
        "No token of <feature> was free",
        "license unavailable",
        "feature (?P<feature>\\w+): all \\d+ tokens in use",
        "Other jobs hold them.",
        "Submit again with `-L <feature>:1`",
        "FATAL(17): feature SOLVER",
        "3 of 40 tokens",
        "It gives way to acme-server where both are found.",
        "ACME solver 9.2, manual",
        "catalog/site.toml:1",
    ):
        assert part in out
    # The page of all causes shows the built-in ones.
    assert "causes.html" not in out
    assert "reference/causes.html#cause-disk-full" in call("explain", "disk-full")[1]
    assert "It is the root of acme-tokens" in call("explain", "acme-server")[1]
    told = json.loads(call("explain", "acme-tokens", "--json")[1])
    assert (told["id"], told["line"]) == ("acme-tokens", 1)


@pytest.mark.parametrize("spelt", ["DISK-FULL", "disk_full", " disk full "])
def test_explain_takes_an_id_however_it_is_spelt(call, spelt):
    status, out, _ = call("explain", spelt)
    assert status == 0
    assert "disk-full · disk full" in out


def test_explain_of_an_unknown_id_names_the_nearest(call):
    for command in (["explain", "acme-token"], ["test", "acme-token", "x.out"]):
        status, _, err = call(*command)
        assert status == 2
        assert "nearest: acme-tokens" in err
    assert "catalog list" in call("explain", "qqqzzz")[2]


def test_test_of_a_cause_that_wins(call, tmp_path):
    log = write_log(tmp_path, "start", "feature SOLVER: all 40 tokens in use")
    status, out, _ = call("test", "acme-tokens", log)
    assert status == 0
    assert "acme-tokens explains this log" in out
    assert "2 │ feature SOLVER" in out
    assert "Why not" not in out


PROGRESS = [f"row {number} done" for number in range(30)]
TOKENS = "feature SOLVER: all 40 tokens in use"
OOM = (
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=1.batch. Some of your "
    "processes may have been killed by the cgroup out-of-memory handler."
)


@pytest.mark.parametrize(
    ("lines", "extra", "reason"),
    [
        (["start", "all is well"], "", "None of its patterns is found"),
        ([TOKENS, *PROGRESS, "job finished successfully"], "", "The program went on: 31 ordinary"),
        ([TOKENS, OOM], "", "the scheduler's own word"),
        ([TOKENS], "role = 'symptom'\n", ""),
        ([TOKENS, "NameError: name 'x' is not defined"], "role = 'symptom'\n", "is stronger than"),
        ([TOKENS], "frame_function = 'solve'\n", "innermost frames name `solve`"),
        ([TOKENS], "submission = true\n", ""),
    ],
)
def test_test_says_why_another_won(call, site, tmp_path, lines, extra, reason):
    (site / "site.toml").write_text(ENTRY.replace("title =", f"{extra}title ="))
    status, out, _ = call("test", "acme-tokens", write_log(tmp_path, *lines), "--json")
    told = json.loads(out)
    assert told["wins"] is (status == 0)
    assert (reason == "") is told["wins"], told["reasons"]
    assert reason in " ".join(told["reasons"])
    if "frame_function" in extra:
        # What the rest of the log says did not decide.
        assert len(told["reasons"]) == 1


def test_test_says_which_cause_took_the_line(call, site, tmp_path):
    other = ENTRY.replace("acme-tokens", "acme-server").replace("= 70", "= 90")
    (site / "more.toml").write_text(other)
    told = json.loads(call("test", "acme-tokens", write_log(tmp_path, TOKENS), "--json")[1])
    assert told["matches"][0]["others"] == ["acme-server"]
    assert "whose priority is 90, over 70" in told["reasons"][0]


def test_test_with_the_record(call, tmp_path):
    log = write_log(tmp_path, "start")
    status, out, _ = call("test", "time-limit", log)
    assert status == 1
    assert "give it with --state" in out
    assert call("test", "time-limit", log, "--state", "TIMEOUT")[0] == 0


def test_test_of_a_log_that_is_not_there(call):
    status, _, err = call("test", "acme-tokens", "nowhere.out")
    assert status == 1
    assert "nowhere.out" in err


def test_without_a_command_the_usage_is_told(call):
    status, _, err = call()
    assert status == 2
    assert "check, list, explain or test" in err


def test_every_command_says_once_what_is_left_out(call, site, capsys):
    (site / "bad.toml").write_text(BAD)
    log = write_log(site.parent, TOKENS)
    assert main(["diagnose", log, log]) == 0
    out, err = capsys.readouterr()
    assert "No token of SOLVER was free" in out
    assert err.count("bad.toml") == 1
    assert "Warning: The catalogue of causes has a mistake" in err
    assert "catalog check" in err


def test_as_a_program(cli, site):
    done = cli("catalog", "check", str(site))
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert done.stdout == "1 cause checked: 0 errors, 0 warnings.\n"
