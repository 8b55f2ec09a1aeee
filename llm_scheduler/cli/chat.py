"""``llm-scheduler chat``: talk about a run, and let it be fixed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.run_files import find_run_file
from llm_scheduler.errors import LLMSchedulerError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.cli.chat_input import Input
    from llm_scheduler.cli.chat_session import ChatSession
    from llm_scheduler.cli.chat_view import View
    from llm_scheduler.config import Settings
    from llm_scheduler.managers.assistant import Assistant

MODES = ("read-only", "approve", "yolo")
"""As in `config.Mode`; loading the settings takes longer than reading the arguments."""
DEFAULT_THREAD = "chat"
"""The one that the notebook's panel begins with."""

_EPILOG = """\
examples:
  llm-scheduler chat                              the run of this folder
  llm-scheduler chat run.failures.sqlite          this run, also while a notebook runs it
  llm-scheduler chat --message "why did job 7 fail?"
  llm-scheduler chat --model openai:gpt-4.1       with this model
  llm-scheduler chat --model qwen3 --base-url http://localhost:8000/v1

exit status: 0 answered, 1 the answer failed, 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "chat",
        help="talk about a run, and let it be fixed",
        description="Talk about a run: why jobs failed, what to change, and, when you approve,\n"
        "change it. Works from any shell, also while a notebook runs the jobs, and without\n"
        "a model by rules alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_file",
        nargs="?",
        metavar="RUN.failures.sqlite",
        help="file of the run, or a folder that holds one (default: the working folder)",
    )
    parser.add_argument("--mode", choices=MODES, help="what may be changed")
    parser.add_argument("--thread", metavar="T", help="conversation, or a failed job's id")
    parser.add_argument("--model", metavar="M", help="for example openai:gpt-4.1")
    parser.add_argument("--base-url", metavar="U", help="of an OpenAI-compatible server")
    parser.add_argument("--message", metavar="TEXT", help="ask this and leave")
    parser.add_argument("--plain", action="store_true", help="no colours, nothing drawn anew")
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.set_defaults(run=chat_command)


def chat_command(args: argparse.Namespace) -> int:
    """Open the run, talk, and return the exit status."""
    from llm_scheduler.config import Settings
    from llm_scheduler.managers.assistant import open_assistant

    run_file = find_run_file(args.run_file, Path.cwd())
    settings = Settings.load()
    changes = {
        name: value
        for name in ("mode", "model", "base_url")
        if (value := getattr(args, name)) is not None
    }
    assistant = open_assistant(run_file, settings, **changes)
    try:
        return talk(assistant, args, settings, run_file)
    finally:
        assistant.close()


def talk(assistant: Assistant, args: argparse.Namespace, settings: Settings, run_file: Path) -> int:
    """Hold the conversation that the arguments ask for."""
    from llm_scheduler.cli.chat_session import ChatSession

    entry, close = make_input(args, settings.state_dir)
    session = ChatSession(
        assistant, make_view(args), entry, thread_id=find_thread(assistant, args.thread)
    )
    try:
        if args.message is not None:
            return ask_once(session, args.message)
        return converse(session, run_file)
    finally:
        session.close()
        close()


def find_thread(assistant: Assistant, given: str | None) -> str:
    """Return the conversation that is meant: a thread's id, or of a failed job."""
    if given is None:
        return DEFAULT_THREAD
    try:
        return assistant.thread_for(given)
    except UsageError:  # neither a job nor a group
        return given


def make_view(args: argparse.Namespace) -> View:
    """Choose how to show what happens."""
    from llm_scheduler.cli.chat_view import JsonView, LiveView, PlainView
    from llm_scheduler.cli.console import is_live, make_console

    if args.json:
        return JsonView()
    console = make_console()
    if args.plain:
        console.no_color = True
    if args.plain or not is_live(sys.stdout) or not console.is_terminal:
        return PlainView(console)
    return LiveView(console)


def make_input(args: argparse.Namespace, state_dir: Path) -> tuple[Input, Callable[[], None]]:
    """Choose where lines come from, and what ends that."""
    from llm_scheduler.cli.chat_commands import COMMANDS
    from llm_scheduler.cli.chat_input import PipeInput, TerminalInput, is_terminal

    if args.json or not is_terminal():
        return PipeInput(), lambda: None
    words = [f"/{name}" for name in COMMANDS]
    terminal = TerminalInput(state_dir / "chat_history", words)
    return terminal, terminal.close


def ask_once(session: ChatSession, message: str) -> int:
    """Send one message; return the exit status."""
    if not message.strip():
        raise UsageError("The message is empty.")
    status = session.send(message)
    return 1 if status in ("failed", "cancelled") else 0


def converse(session: ChatSession, run_file: Path) -> int:
    """Talk until the person leaves; return the exit status."""
    from llm_scheduler.cli.chat_commands import describe, show_history, show_waiting

    session.view.show(*describe(session, run_file))
    attempt(session, lambda: show_history(session))
    attempt(session, lambda: show_waiting(session))
    interrupted = False
    while not session.leaving:
        if attempt(session, lambda: answer_line(session)):
            interrupted = False
        elif interrupted:
            break
        else:
            interrupted = True
            if not session.leaving:
                session.view.say("Ctrl-C again or /quit leaves.", "dim")
    return 0


def answer_line(session: ChatSession) -> None:
    """Read a line and do what it says."""
    from llm_scheduler.cli.chat_commands import run_command

    line = session.entry.read_line("› " if session.entry.has_keys else "")
    if line is None:
        session.leaving = True
    elif line.strip().startswith("/"):
        run_command(session, line.strip())
    elif line.strip():
        session.send(line)


def attempt(session: ChatSession, work: Callable[[], None]) -> bool:
    """Do something that may fail without ending the chat; says whether Ctrl-C left it alone."""
    try:
        work()
    except LLMSchedulerError as error:
        session.view.say(str(error), "red")
    except KeyboardInterrupt:
        session.view.pause()
        return False
    except OSError:  # nobody reads what is shown, or the disk is full
        raise
    except Exception as error:  # noqa: BLE001 - our own mistake must not end the conversation
        session.view.say(f"This went wrong: {type(error).__name__}: {error}", "red")
    return True
