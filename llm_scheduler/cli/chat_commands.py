"""The commands of the chat: ``/mode``, ``/jobs``, ``/diagnose JOB`` and so on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from llm_scheduler.cli.chat_session import ChatSession
from llm_scheduler.cli.chat_view import diff_view, user_line
from llm_scheduler.cli.render import (
    diagnosis_panel,
    groups_line,
    groups_overview,
    jobs_table,
    printable,
)
from llm_scheduler.config import Mode
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval

_MAX_HISTORY = 12
_MAX_LIST = 20
_WHICH_JOB = "a job: /diagnose JOB; /groups lists the failed ones"


@dataclass(frozen=True)
class Command:
    """One command and what it takes."""

    run: Callable[[ChatSession, str], None]
    arguments: str
    help: str


def run_command(session: ChatSession, line: str) -> None:
    """Carry out a line that begins with a slash.

    Raises
    ------
    UsageError
        There is no such command, or its argument makes no sense.

    """
    name, _, rest = line[1:].strip().partition(" ")
    name = _SHORT.get(name.lower(), name.lower())
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(f"There is no command /{name}; /help lists them.")
    command.run(session, rest.strip())


def show_history(session: ChatSession, *, limit: int = _MAX_HISTORY) -> None:
    """Show what was said last in this thread."""
    if session.thread_id not in {thread.id for thread in session.assistant.threads()}:
        return  # asking for it would load LangChain, which takes seconds
    items = list(session.wait_for(_history(session)))
    if len(items) > limit:
        session.view.say(f"... {len(items) - limit} earlier messages", "dim")
    for item in items[-limit:]:
        if item.role == "user":
            session.view.show(user_line(item.text))
        elif item.role == "assistant" and item.text:
            session.view.show_answer(item.text)
        elif item.text:
            session.view.say(item.text, "dim" if item.role == "note" else "red")
        for call in item.tool_calls:
            sign = {True: "✓", False: "✗"}.get(call.ok, "·")
            session.view.say(f"{sign} {call.tool}", "dim")


async def _history(session: ChatSession) -> Any:
    return await session.assistant.history(session.thread_id)


def show_waiting(session: ChatSession) -> None:
    """Show the changes that wait for a decision in this thread, whole."""
    waiting = session.pending()
    if not waiting:
        return
    for approval in waiting:
        session.show_change(approval)
    names = ", ".join(approval.id for approval in waiting)
    how = "/decide asks by key" if session.entry.has_keys else "/approve or /reject it"
    session.view.say(f"To be decided: {names}; {how}.", "bold yellow")


def _help(session: ChatSession, _rest: str) -> None:
    table = Table.grid(padding=(0, 2))
    for name, command in COMMANDS.items():
        table.add_row(Text(f"/{name} {command.arguments}".strip(), "cyan"), Text(command.help))
    session.view.show(table)
    session.view.say(
        "Everything else is said to the agent. A backslash at the end goes on in the next line; "
        "Alt-U undoes the last change; Ctrl-C cancels the answer, twice leaves.",
        "dim",
    )


def _mode(session: ChatSession, rest: str) -> None:
    if rest:
        chosen = next((mode for mode in _MODES if mode == rest.casefold()), None)
        if chosen is None:
            raise UsageError(f"Mode {rest!r} is unknown; available: {', '.join(_MODES)}.")
        session.assistant.mode = chosen
    session.view.say(f"Mode: {session.assistant.mode} ({_MODES[session.assistant.mode]})")


_MODES: dict[Mode, str] = {
    "read-only": "nothing is changed",
    "approve": "each change is asked for",
    "yolo": "changes happen at once, inside the limits, and can be undone",
}


def _jobs(session: ChatSession, _rest: str) -> None:
    session.view.show(jobs_table(session.assistant.run.jobs()))


def _groups(session: ChatSession, _rest: str) -> None:
    groups = session.assistant.groups()
    session.view.show(groups_line(groups), groups_overview(groups[:_MAX_LIST]))


def _diagnose(session: ChatSession, rest: str) -> None:
    job, _, more = _needed(rest, _WHICH_JOB).partition(" ")
    if more not in ("", "again"):
        raise UsageError(f"{more!r} makes no sense here; /diagnose JOB again asks once more.")
    if more:
        session.view.say(f"Looking at job {job} again ...", "dim")
        session.view.show(diagnosis_panel(session.wait_for(session.assistant.diagnose_again(job))))
        return
    found = session.assistant.diagnosis(job)
    if found is None:
        session.view.say(f"Why job {job} failed is still being found out.")
        return
    session.view.show(diagnosis_panel(found))


def _fix(session: ChatSession, rest: str) -> None:
    session.fix(_needed(rest, "a job: /fix JOB; /groups lists the failed ones"))


def _pending(session: ChatSession, _rest: str) -> None:
    waiting = session.pending()
    if not waiting:
        session.view.say("No change waits for a decision here.")
    for approval in waiting:
        session.show_change(approval)
    for approval in session.assistant.approved(session.thread_id):
        session.view.say(
            f"{approval.id} is approved and waits for the notebook that runs the jobs: "
            f"{approval.summary}. /reject {approval.id} takes it back."
        )


def _decide(session: ChatSession, _rest: str) -> None:
    if not session.pending():
        session.view.say("No change waits for a decision here.")
    elif not session.entry.has_keys:
        raise UsageError("There are no keys to ask by; say /approve ID or /reject ID WHY.")
    elif session.ask_for_decisions():
        session.resume()


def _decision(word: str) -> Callable[[ChatSession, str], None]:
    def run(session: ChatSession, rest: str) -> None:
        first, _, message = rest.partition(" ")
        if first == "all" and word in ("approve", "reject"):
            waiting = session.pending()
            if session.show_unseen(waiting):
                session.view.say(f"Not all of it was shown here before; say it again to {word} it.")
                return
            for approval in waiting:
                session.apply_word(approval, word, message.strip())
        else:
            session.apply_word(*_chosen(session, rest, word))
        session.after_decision()

    return run


def _chosen(session: ChatSession, rest: str, word: str) -> tuple[Approval, str, str]:
    """Return the change that is meant, the decision, and the words after its id."""
    waiting = session.pending()
    first, _, message = rest.partition(" ")
    # What is approved and not carried out yet can still be held back.
    approved = session.assistant.approved(session.thread_id) if word == "reject" else []
    for approval in (*waiting, *approved):
        if approval.id == first:
            return approval, word, message.strip()
    if len(waiting) == 1 and not first.startswith("ap-"):
        return waiting[0], word, rest
    if not waiting:
        raise UsageError("No change waits for a decision in this conversation.")
    names = ", ".join(a.id for a in waiting)
    raise UsageError(f"Which change? Those that wait here: {names}.")


def _changes(session: ChatSession, rest: str) -> None:
    changes = session.assistant.changes()
    if rest:
        found = [c for c in changes if c.id == rest]
        if not found:
            raise UsageError(f"There is no change {rest!r}; /changes lists them.")
        session.view.show(diff_view(found[0].diff))
        return
    table = Table.grid(padding=(0, 2))
    for change in changes[-_MAX_LIST:]:
        made = change.made_at.astimezone().strftime("%d %b %H:%M:%S")
        undone = f"undone by {change.undone_by}" if change.undone_by else ""
        table.add_row(
            Text(printable(change.id), "bold"),
            Text(made, "dim"),
            Text(printable(change.summary)),
            Text(change.by, "dim"),
            Text(printable(undone), "yellow"),
        )
    session.view.show(table if changes else Text("Nothing was changed yet."))


def _undo(session: ChatSession, rest: str) -> None:
    if rest == "turn":
        made = [c for c in session.assistant.changes() if c.by != "undo" and not c.undone_by]
        if not made:
            raise UsageError("There is no change to undo.")
        for change in session.assistant.undo_turn(made[-1].turn_id):
            session.view.say(f"✓ {change.id} {change.summary}", "green")
    elif rest:
        session.undo(rest.split())
    else:
        session.undo_last()


def _threads(session: ChatSession, _rest: str) -> None:
    table = Table.grid(padding=(0, 2))
    threads = list(session.assistant.threads())
    for thread in threads[:_MAX_LIST]:
        sign = "▸" if thread.id == session.thread_id else " "
        table.add_row(
            Text(sign, "green"),
            Text(printable(thread.id), "bold"),
            Text(printable(thread.title, max_chars=80)),
        )
    session.view.show(table if threads else Text("There are no conversations yet."))


def _thread(session: ChatSession, rest: str) -> None:
    if rest:
        try:
            session.thread_id = session.assistant.thread_for(rest)
        except UsageError:  # no job and no group: the name of a conversation
            session.thread_id = rest
    session.view.say(f"Thread: {session.thread_id}")
    show_history(session)
    show_waiting(session)


def _new(session: ChatSession, _rest: str) -> None:
    session.thread_id = f"chat-{secrets.token_hex(4)}"
    session.view.say(f"Thread: {session.thread_id}")


def _cost(session: ChatSession, _rest: str) -> None:
    money = "" if session.money is None else f", {session.money:.4f} at the configured prices"
    session.view.say(
        f"Here since the start: {session.input_tokens} tokens read and "
        f"{session.output_tokens} written by the model{money}."
    )
    session.view.say(session.assistant.budget_used())
    left = session.assistant.budget_left()
    if left:
        session.view.say(left)


def _retry(session: ChatSession, _rest: str) -> None:
    if not session.last_message:
        raise UsageError("Nothing was said yet that could be said again.")
    session.send(session.last_message)


def _quit(session: ChatSession, _rest: str) -> None:
    session.leaving = True


def _needed(rest: str, what: str) -> str:
    if not rest:
        raise UsageError(f"Name {what}.")
    return rest


def describe(session: ChatSession, run_file: Path) -> list[Text]:
    """Say what this chat is about: the run, the model, the mode."""
    assistant = session.assistant
    model = assistant.model_name or "no model: rules alone (--model names one)"
    head = Text(printable(assistant.run.name or run_file.stem), "bold")
    head.append(f" · {groups_line(assistant.groups()).plain}", "default")
    about = Text(f"{printable(model)} · mode {assistant.mode} · ", "dim")
    about.append(f"thread {printable(session.thread_id)} · /help")
    lines = [head, about]
    if assistant.problem:
        lines.append(Text(printable(assistant.problem), "yellow"))
    return lines


_SHORT = {"q": "quit", "exit": "quit", "h": "help", "?": "help", "yes": "approve", "no": "reject"}
COMMANDS = {
    "help": Command(_help, "", "list the commands"),
    "jobs": Command(_jobs, "", "the jobs of the run"),
    "groups": Command(_groups, "", "the failures by cause"),
    "diagnose": Command(_diagnose, "JOB [again]", "why a job failed; again: ask once more"),
    "fix": Command(_fix, "JOB", "propose what makes it pass"),
    "mode": Command(_mode, "[MODE]", "show or set it: read-only, approve, yolo"),
    "pending": Command(_pending, "", "changes that wait for a decision"),
    "decide": Command(_decide, "", "decide them by key"),
    "approve": Command(_decision("approve"), "[ID|all]", "carry a change out"),
    "reject": Command(_decision("reject"), "[ID|all] [WHY]", "refuse it for good"),
    "edit": Command(_decision("edit"), "[ID]", "change it in $EDITOR, then approve it"),
    "turn": Command(_decision("turn"), "[ID]", "approve it and all of this turn"),
    "kind": Command(_decision("kind"), "[ID]", "approve it and its kind in this folder"),
    "changes": Command(_changes, "[ID]", "what was changed; with an id, the diff"),
    "undo": Command(_undo, "[ID|turn]", "undo the last change, one, or those of a turn"),
    "threads": Command(_threads, "", "the conversations about this run"),
    "thread": Command(_thread, "[T|JOB]", "show this conversation, or go to another"),
    "new": Command(_new, "", "begin another conversation"),
    "cost": Command(_cost, "", "what the model used and what is left"),
    "retry": Command(_retry, "", "say the last message again"),
    "quit": Command(_quit, "", "leave; what waits for a decision stays"),
}
