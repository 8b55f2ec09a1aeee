"""The second part of ``llm-scheduler demo --llm``: a failure is mended with the model.

The model proposes, the person decides, the job runs again, and the change is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_scheduler.errors import LLMSchedulerError

if TYPE_CHECKING:
    from rich.console import Console

    from llm_scheduler.agent.events import Event
    from llm_scheduler.cli.chat_input import Input
    from llm_scheduler.cli.chat_session import ChatSession
    from llm_scheduler.cli.chat_view import View
    from llm_scheduler.managers.demo import DemoRun

_JOB = "normalised"
"""The rules explain its failure and cannot state its fix: what a norm of zero should
mean is a question of physics."""


@dataclass
class YesInput:
    """Answers every question with the key for yes, for ``--yes``."""

    say: Callable[[str], None]
    has_keys: bool = True

    def read_line(self, prompt: str) -> str | None:
        """Return nothing: nobody types."""
        del prompt
        return ""

    def read_key(self, prompt: str, keys: str) -> str:
        """Return the first key, which is the one for yes, and show it."""
        self.say(f"{prompt}{keys[0]}")
        return keys[0]


def talk(demo: DemoRun, console: Console, *, live: bool, yes: bool) -> str:
    """Mend one failure of the demo with the model; return what went wrong, or nothing.

    Parameters
    ----------
    demo
        With all jobs ended and explained.
    console
        For people.
    live
        Whether text may be drawn anew while it arrives.
    yes
        Whether every question is answered with yes.

    """
    from llm_scheduler.cli.chat_session import ChatSession
    from llm_scheduler.cli.chat_view import LiveView, PlainView

    view = LiveView(console) if live else PlainView(console, console)
    entry = _make_input(view, yes=yes)
    assistant = demo.manager.llm_manager.assistant
    job = next(row for row in demo.rows() if row.fname.endswith(f"/{_JOB}.pickle"))
    # Learners are started by the loop of the run, which nobody runs between two waits.
    with demo.running():
        session = ChatSession(assistant, view, entry, thread_id="demo")
        try:
            return _mend(demo, session, job.job_id or job.job_name)
        except LLMSchedulerError as error:
            return str(error)
        finally:
            session.close()


def _make_input(view: View, *, yes: bool) -> Input:
    from llm_scheduler.cli.chat_input import PipeInput, TerminalInput, is_terminal
    from llm_scheduler.config import Settings

    if yes:
        return YesInput(view.say)
    if is_terminal():
        return TerminalInput(Settings.load().state_dir / "chat_history")
    return PipeInput()


def _mend(demo: DemoRun, session: ChatSession, job_id: str) -> str:
    assistant, view = session.assistant, session.view
    diagnosis = assistant.diagnosis(job_id)
    view.say(f"\nJob {job_id} ({_JOB}) and the model {assistant.model_name}", "bold")
    if diagnosis is not None:
        view.say(f"Why it failed, said by the {diagnosis.source}: {diagnosis.title}")
    before = {change.id for change in assistant.changes()}
    settled: set[str] = set()

    def note(event: Event) -> None:
        if event.type == "approval_settled":
            settled.add(event.approval.status)

    leave = assistant.subscribe(note)
    try:
        status = session.fix(job_id)
    finally:
        leave()
    made = [c for c in assistant.changes() if c.id not in before and not c.undone_by]
    if not made:
        if status == "waiting" or "rejected" in settled:
            return ""  # a person left it for later, or said no
        return f"The model changed nothing; the turn {status}."
    view.say("The job is started again ...", "bold")
    if not demo.start_again(_JOB):
        return f"{_JOB} failed again."
    view.say(f"{_JOB} reached its goal.", "green")
    edits = [change.id for change in reversed(made) if change.tool != "restart_learners"]
    if (
        session.entry.has_keys
        and session.entry.read_key("[u]ndo the change  [k]eep it: ", "uk") == "u"
    ):
        session.undo(edits)
    return ""
