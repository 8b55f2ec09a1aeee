"""Answers from rules: exact counts, proof, fixes as data, and untrusted text that stays text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llm_scheduler.agent.questions import kind_of
from llm_scheduler.agent.rule_chat import NO_MODEL, RuleChat
from llm_scheduler.agent.rule_proposals import RuleAnswer
from llm_scheduler.agent.rule_texts import code, fenced, plain
from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandMissing, StoreError
from llm_scheduler.tools.run_view import LearnerInfo, QueueRow
from tests.agent.failed_programs import ListedRun, failed_program, failure_from

NAME_ERROR = "length = 3\ndef f(x):\n    return x / lenght\nf(1)\n"
OOM = JobRecord(
    job_id="13", state="OUT_OF_MEMORY", exit_code=0, signal=9, requested_memory_bytes=2 << 30,
    max_rss_bytes=2 << 30, nodes=("n2",),
)  # fmt: skip


def named(failure: Failure, job_id: str, learner: str) -> Failure:
    return failure.model_copy(
        update={
            "job_id": job_id, "attempt": f"attempt-{job_id}", "job_name": f"run-{job_id}",
            "learners": (learner,),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def failures(folder: Path) -> list[Failure]:
    log = folder / "silent.out"
    log.write_text("step 1 of 10\n")
    first = failed_program(folder / "a", NAME_ERROR)
    return [
        named(first, "12", "run/energy.pickle"),
        named(first, "15", "run/gap.pickle"),
        failure_from(log, "run/band.pickle", job_id="13", record=OOM),
        named(failed_program(folder / "c", "print(1 / 0)\n"), "14", "run/zero.pickle"),
    ]


@pytest.fixture
def run(folder: Path, failures: list[Failure]) -> ListedRun:
    return ListedRun(folder, failures, states={"run/fine.pickle": "done"})


def ask(run: ListedRun, *messages: str, thread_key: str = "chat-1") -> RuleAnswer:
    """Send messages one after the other and return the last answer."""
    chat = RuleChat(has_model=True)
    for message in messages:
        answer = chat.answer(message, run, thread_key=thread_key)
    return answer


@pytest.mark.parametrize(
    "message",
    ["what failed?", "Why?", "hello", "summary", "which errors are there", "what is wrong"],
)
def test_what_failed(run: ListedRun, message: str) -> None:
    text = ask(run, message).text
    assert text.startswith("**4 failures of 3 causes.** Learners: 4 held, 1 done.")
    assert "did you mean length? (model.py:3)** (code error, 2 failures, jobs `12`, `15`)" in text
    assert "Write length instead of lenght" in text
    assert ask(run, message).fixes == []


def test_nothing_failed(folder: Path) -> None:
    run = ListedRun(folder, states={"a": "running", "b": "running", "c": "done"})
    answer = ask(run, "what failed?")
    assert answer.text == "**No job has failed so far.** Learners: 2 running, 1 done."
    assert ask(run, "fix it").text == "There is nothing to fix: no failure of these jobs is known."
    assert ask(run, "log").fixes == []


@pytest.mark.parametrize(
    "message",
    ["why did job 12 fail?", "12", "job 12", "#12", "learner 0", "run/energy.pickle", "energy",
     "energy.pickle?", "what about run-0?"],
)  # fmt: skip
def test_one_job(run: ListedRun, message: str) -> None:
    text = ask(run, message).text
    assert "**Learner 0** (`run/energy.pickle`) is held. Last job: `12`" in text
    assert "NameError: name 'lenght' is not defined." in text
    assert "1. Write length instead of lenght" in text
    assert "Say `fix it`." in text


@pytest.mark.parametrize("message", ["job 999", "why did job 999 fail?", "cause 9", "learner 77"])
def test_what_is_not_there_is_said(run: ListedRun, message: str) -> None:
    answer = ask(run, message)
    assert answer.text.startswith("There is no ")
    assert "failed jobs: `12`, `15`, `13`, `14`." in answer.text
    assert ask(run, f"fix {message}").fixes == []


def tools(answer: RuleAnswer) -> list[str]:
    return [fix.fix.tool for fix in answer.fixes]


@pytest.mark.parametrize(
    "message",
    ["fix job 12", "Fix job 12!", "please fix job 12", "can you fix job 12?", "mend learner 0",
     "Could you please correct energy?", "propose a fix for job 12", "apply the fix to job 12"],
)  # fmt: skip
def test_fix_one_job(run: ListedRun, folder: Path, message: str) -> None:
    answer = ask(run, message)
    assert tools(answer) == ["replace_text", "restart_learners"]
    failure, fix = answer.fixes[0]
    assert failure.job_id == "12"
    assert fix.arguments == {
        "path": str(folder / "a" / "model.py"),
        "old_text": "    return x / lenght",
        "new_text": "    return x / length",
    }
    assert answer.fixes[1].fix.arguments == {"learners": ["run/energy.pickle"]}
    assert "Then 1 learner can start again." in answer.text


def test_fix_all(run: ListedRun) -> None:
    answer = ask(run, "fix everything")
    assert sorted(tools(answer)) == ["replace_text", "restart_learners", "set_resources"]
    assert tools(answer)[-1] == "restart_learners"
    assert set(answer.fixes[-1].fix.arguments["learners"]) == {
        "run/energy.pickle", "run/gap.pickle", "run/band.pickle",
    }  # fmt: skip
    assert "Rules can't state an exact fix. What a person can do:" in answer.text


def test_fix_a_cause(run: ListedRun) -> None:
    answer = ask(run, "fix cause 1")
    assert tools(answer) == ["replace_text", "restart_learners"]
    assert answer.fixes[1].fix.arguments["learners"] == ["run/energy.pickle", "run/gap.pickle"]


def test_it_is_what_was_spoken_of(run: ListedRun) -> None:
    assert tools(ask(run, "why did job 13 fail?", "fix it")) == [
        "set_resources",
        "restart_learners",
    ]
    assert len(ask(run, "why did job 13 fail?", "fix all").fixes) == 3
    assert "division by zero" in ask(run, "job 14", "show me its log").text
    # Another thread has spoken of nothing.
    chat = RuleChat(has_model=True)
    chat.answer("job 13", run, thread_key="chat-1")
    assert len(chat.answer("fix it", run, thread_key="chat-2").fixes) == 3


def test_the_thread_of_a_group_is_about_it(run: ListedRun) -> None:
    group = run.groups()[0]
    key = thread_for_group(group.key)
    text = ask(run, "why?", thread_key=key).text
    assert text.startswith("**The name lenght is not defined")
    assert "Learners: `run/energy.pickle`, `run/gap.pickle`." in text
    assert tools(ask(run, "fix it", thread_key=key)) == ["replace_text", "restart_learners"]


@pytest.mark.parametrize(
    "message",
    ["how do I fix job 12?", "what can I do about job 12", "why does job 12 not start again?",
     "should I fix job 12", "what would fix job 12?", "undo the fix of job 12", "help me with 12"],
)  # fmt: skip
def test_a_question_changes_nothing(run: ListedRun, message: str) -> None:
    assert ask(run, message).fixes == []


@given(st.text(max_size=300))
@settings(max_examples=150)
def test_any_message_is_answered(text: str) -> None:
    run = ListedRun(Path("/nowhere"), states={"a/b.pickle": "running"})
    answer = RuleChat().answer(text, run)
    assert answer.text
    assert answer.fixes == []


def test_answers_are_the_same_each_time(run: ListedRun) -> None:
    for message in ("what failed?", "fix it", "job 12", "jobs", "log of job 14"):
        assert ask(run, message) == ask(run, message)


def test_start_again(run: ListedRun) -> None:
    answer = ask(run, "start job 13 again")
    assert tools(answer) == ["restart_learners"]
    assert answer.fixes[0].fix.arguments == {"learners": ["run/band.pickle"]}
    assert len(ask(run, "restart everything").fixes[0].fix.arguments["learners"]) == 4
    run.states = dict.fromkeys(("run/energy.pickle", "run/band.pickle"), "running")
    text = ask(run, "restart job 13").text
    assert text == "None of these learners is held back, so there is nothing to start."


def test_jobs_and_queue(run: ListedRun) -> None:
    text = ask(run, "how are the jobs doing?").text
    assert text.startswith("**5 learners**: 4 held, 1 done.")
    assert "| 0 | `12` | held | 12 s | The name lenght" in text
    assert ask(run, "queue").text == "**The queue holds no job of yours.**"
    run.rows = [
        QueueRow("90", "other", "RUNNING", elapsed_s=61.0),
        QueueRow("91", "run-1", "PENDING", reason="Priority", is_ours=True),
    ]
    lines = ask(run, "show the queue").text.splitlines()
    assert lines[0] == "**2 jobs of yours in the queue**, 1 of this run."
    assert lines[4] == "| `91` | `run-1` | PENDING |  | Priority |"


def test_a_queue_that_cannot_be_asked(run: ListedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[QueueRow]:
        raise CommandMissing("squeue is not installed.")

    monkeypatch.setattr(run, "queue", fail)
    assert ask(run, "queue").text == "The queue can't be shown: squeue is not installed."


def test_a_run_that_cannot_be_read(run: ListedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Failure]:
        raise StoreError("run.failures.sqlite can't be used: database is locked")

    monkeypatch.setattr(run, "failures", fail)
    answer = ask(run, "fix it")
    assert answer.fixes == []
    assert "database is locked" in answer.text


def test_fixed_answers(run: ListedRun) -> None:
    assert "`fix it`" in ask(run, "help").text
    assert "llm-scheduler changes undo" in ask(run, "undo").text
    assert "`yolo`" in ask(run, "switch to yolo").text
    assert "OPENAI_API_KEY" in ask(run, "which model do you use?").text
    assert ask(run, "sing a song").text.startswith("I did not understand that.")


def test_a_copied_function(run: ListedRun, folder: Path) -> None:
    info = LearnerInfo("run/energy.pickle", by_value=True, file=str(folder / "a" / "model.py"))
    run.infos = {"run/energy.pickle": info}
    answer = ask(run, "fix job 12")
    assert answer.fixes == []
    assert "replace_learner" in answer.text
    assert "What a person can do" in answer.text


def test_no_model_is_said_once_per_thread(run: ListedRun) -> None:
    chat = RuleChat()
    assert chat.answer("jobs", run, thread_key="a").text.endswith(NO_MODEL)
    assert NO_MODEL not in chat.answer("jobs", run, thread_key="a").text
    assert chat.answer("jobs", run, thread_key="b").text.endswith(NO_MODEL)
    assert NO_MODEL not in RuleChat(has_model=True).answer("jobs", run, thread_key="a").text


def test_a_learner_that_is_done_needs_no_fix(run: ListedRun) -> None:
    run.states = {"run/energy.pickle": "done", "run/gap.pickle": "done"}
    assert ask(run, "fix cause 1").fixes == []


@pytest.mark.parametrize("message", ["fix job 12", "fix learner 0", "fix job 15"])
def test_of_a_learner_that_is_done_it_is_said(run: ListedRun, message: str) -> None:
    run.states = {"run/energy.pickle": "done", "run/gap.pickle": "done"}
    text = ask(run, message).text
    assert "Since then the goal was reached: there is nothing left to fix." in text
    assert "What a person can do" not in text


@pytest.mark.parametrize(
    "message",
    ["give it more memory", "give them more RAM", "increase the memory", "it needs more memory"],
)
def test_only_the_resource_that_is_named_is_raised(run: ListedRun, message: str) -> None:
    answer = ask(run, message)
    assert tools(answer) == ["set_resources", "restart_learners"]
    assert answer.fixes[0].fix.arguments == {"learners": ["run/band.pickle"], "memory": "4GB"}
    assert answer.fixes[1].fix.arguments == {"learners": ["run/band.pickle"]}
    assert "lenght" not in answer.text


def test_a_resource_that_would_not_help(run: ListedRun) -> None:
    for message in ("give it more time", "give job 12 more memory", "fix it on another node"):
        answer = ask(run, message)
        assert answer.fixes == []
        assert answer.text.startswith("No rule says that ")
    assert ask(run, "give job 13 less memory").fixes == []
    run.asked = {"run/band.pickle": {"memory": "8GB"}}
    assert "asks for enough already" in ask(run, "give job 13 more memory").text


def test_an_earlier_job_of_a_learner(run: ListedRun, failures: list[Failure]) -> None:
    run.all_failures = [failures[0], named(failures[3], "20", "run/energy.pickle")]
    text = ask(run, "why did job 12 fail?").text
    assert "The name lenght is not defined" in text
    assert "The learner is held now with job `20`." in text
    assert "Division by zero" in ask(run, "learner 0").text


HOSTILE = "![x](http://evil/?a) <img src=x onerror=alert(1)> `rm` | **b** \x1b[31m\u202e"


def test_text_of_logs_stays_text(folder: Path, tmp_path: Path) -> None:
    failure = failed_program(tmp_path, f"raise ValueError({'```' + HOSTILE!r})\n")
    run = ListedRun(tmp_path, [failure])
    for message in ("what failed?", "job 7", "log of job 7", "jobs", "fix it"):
        text = ask(run, message).text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not _kinds(text) & LIVE
    assert _kinds(HOSTILE) >= {"image", "html_inline"}


LIVE = {"html_inline", "html_block", "image", "link_open"}


def _kinds(text: str) -> set[str]:
    parser = MarkdownIt("commonmark").enable("table")
    return {token.type for token in _tokens(parser.parse(text))}


def _tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _tokens(token.children or [])


@given(st.text(max_size=200))
def test_nothing_gets_out_of_code(text: str) -> None:
    shown = code(text)
    assert shown.count("`") == 2
    assert "\n" not in shown
    assert "|" not in shown
    first, *_, last = fenced([text, "```", "~~~"]).split("\n")
    assert first == f"{last}text"
    assert last.strip("`") == ""
    body = fenced([text]).split("\n")[1:-1]
    assert all(last not in line for line in body)
    assert "\n" not in plain(text)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("", "help"), ("what can you do?", "help"), ("fix it", "fix"), ("now fix it please", "fix"),
        ("give it more memory", "fix"), ("how to fix it", "advice"), ("it needs more time", "fix"),
        ("raise it", "fix"), ("give it less memory", "jobs"),
        ("what should I do?", "advice"), ("can it be fixed?", "advice"), ("restart", "restart"),
        ("run it again", "restart"), ("why was it restarted", "why"), ("what is running", "jobs"),
        ("is anything pending?", "jobs"), ("squeue", "queue"), ("show partitions", "queue"),
        ("undo the last change", "undo"), ("please revert it", "undo"), ("log", "log"),
        ("what did it print", "log"), ("go yolo", "mode"), ("zzz", "unknown"),
        ("don't fix it", "advice"), ("do not restart anything", "unknown"),
    ],
)  # fmt: skip
def test_kinds(message: str, kind: str) -> None:
    assert kind_of(message) == kind


@pytest.mark.parametrize("message", ["what failed?", "cause 1", "fix it"])
def test_a_group_shows_the_numbers_of_its_last_failure(tmp_path: Path, message: str) -> None:
    log = tmp_path / "silent.out"
    log.write_text("step 1 of 10\n")
    failures = []
    for number, gigabytes in enumerate((2, 4, 8)):
        size = {"requested_memory_bytes": gigabytes << 30, "max_rss_bytes": gigabytes << 30}
        record = OOM.model_copy(update={**size, "job_id": f"{number}"})
        failures.append(failure_from(log, "run/a.pickle", job_id=f"{number}", record=record))
    run = ListedRun(tmp_path, failures)
    assert len(run.groups()) == 1
    text = ask(run, message).text.replace("\\", "")
    assert "used 8 GB of 8 GB" in text
    assert "16GB" in text
    assert "2 GB of 2 GB" not in text
    assert "4GB" not in text
