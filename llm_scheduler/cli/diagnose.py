"""``llm-scheduler diagnose``: say why a job failed, from its log."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.catalog_loading import load_with_warnings
from llm_scheduler.cli.log_paths import STDIN, find_logs, parse_job_id
from llm_scheduler.errors import LogError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.diagnosis.groups import FailureGroup
    from llm_scheduler.diagnosis.models import Diagnosis
    from llm_scheduler.engine.records import JobRecord

_MAX_PANELS = 10
"""With more logs a line for each is shown, and the proof with the groups."""

_MAX_CODE = 255
_MAX_SIGNAL = 64
_SLURM_OUT_OF_MEMORY = 125
"""sacct shows ``0:125`` for a job that ran out of memory."""
_PBS_SIGNAL = 256

_EXAMPLES = """\
examples:
  llm-scheduler diagnose slurm-1234.out
  llm-scheduler diagnose run-7.out.gz --state TIMEOUT
  llm-scheduler diagnose -r logs/
  llm-scheduler diagnose --json logs/*.out | jq .category
  llm-scheduler diagnose --together job.out job.err
  llm-scheduler diagnose slurm-7.out --compare-with slurm-6.out
  ssh cluster cat slurm-1234.out | llm-scheduler diagnose -

exit status: 0 all logs were read, whatever they say; 1 a log could not be read;
2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "diagnose",
        help="say why jobs failed, from their logs",
        description="Say why jobs failed, with the lines of the logs that prove it. "
        "Each log is taken as one job, unless --together is given. No model, no network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG",
        help="log of a job, also compressed; a folder with -r; '-' for standard input",
    )
    parser.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help="read the logs in folders: *.out *.err *.log slurm-* NAME.o123 NAME.e123, "
        "also compressed: .gz .bz2 .xz .zst",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="take all logs as those of one job, for example its output and its errors",
    )
    parser.add_argument(
        "--compare-with",
        action="append",
        default=[],
        metavar="GOOD",
        help="log of a job of the same run that succeeded: lines that it holds too count for "
        "less; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per job")
    _add_facts(parser)
    parser.set_defaults(run=diagnose_command)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    """Add what a person knows about the job besides its log."""
    parser.add_argument(
        "--state",
        metavar="S",
        help="state that the scheduler gave the job, for example TIMEOUT",
    )
    parser.add_argument(
        "--exit-code",
        metavar="N:M",
        help="exit code and signal as sacct shows them, for example 0:9",
    )


def diagnose_command(args: argparse.Namespace) -> int:
    """Diagnose the logs that the arguments name and return the exit status."""
    from llm_scheduler.cli.render import printable

    state = parse_state(args.state) if args.state is not None else None
    exit_code = parse_exit_code(args.exit_code) if args.exit_code is not None else None
    paths = find_logs(args.logs, recursive=args.recursive)
    for path, reason in paths.skipped:
        print(f"Skipped {printable(path)}: {printable(reason)}.", file=sys.stderr)
    for path, reason in paths.unreadable:
        print(f"Cannot read {printable(path)}: {printable(reason)}.", file=sys.stderr)
    if not paths.logs and not paths.unreadable:
        print(f"There are no logs in {printable(', '.join(args.logs))}.", file=sys.stderr)
        return 1
    jobs = [
        _Job(tuple(logs), make_record(logs[0], state, exit_code), tuple(args.compare_with))
        for logs in ([paths.logs] if args.together else [[log] for log in paths.logs])
        if logs
    ]
    show = _print_json if args.json else _Report(len(jobs))
    failed = _diagnose_all(jobs, show)
    if isinstance(show, _Report):
        show.finish()
    return 1 if failed or paths.unreadable else 0


def parse_state(text: str) -> str:
    """Read a state in Slurm's words, also cut as in sacct's table (``OUT_OF_ME+``)."""
    from llm_scheduler.engine.records import FAILED_STATES, LIVE_STATES

    states = sorted(FAILED_STATES | LIVE_STATES | {"COMPLETED"})
    word = text.strip().upper().partition(" ")[0]  # "CANCELLED by 1000"
    if word in states:
        return word
    matches = [s for s in states if word.endswith("+") and s.startswith(word[:-1])]
    if len(matches) == 1:
        return matches[0]
    msg = f"State {text!r} is unknown; known: {', '.join(states)}."
    raise UsageError(msg)


def parse_exit_code(text: str) -> tuple[int, int | None]:
    """Read ``N:M`` or ``N``: the exit code, and the signal or ``None``."""
    match = re.fullmatch(r"\s*(\d{1,3})(?::(\d{1,3}))?\s*", text)
    if match is None:
        msg = f"Exit code {text!r} is not understood; give N or N:M, for example 1 or 0:9."
        raise UsageError(msg)
    code, signal = int(match[1]), int(match[2] or 0)
    if code > _MAX_CODE or (signal > _MAX_SIGNAL and signal != _SLURM_OUT_OF_MEMORY):
        msg = (
            f"Exit code {text!r} does not exist; codes end at {_MAX_CODE} and signals at "
            f"{_MAX_SIGNAL}."
        )
        if match[2] is None and _PBS_SIGNAL < code <= _PBS_SIGNAL + _MAX_SIGNAL:
            msg += f" Where PBS shows {code}, give 0:{code - _PBS_SIGNAL}."
        raise UsageError(msg)
    return code, signal or None


def make_record(
    path: str,
    state: str | None,
    exit_code: tuple[int, int | None] | None,
) -> JobRecord | None:
    """Make the scheduler's record out of what the person knows of it."""
    if state is None and exit_code is None:
        return None
    from llm_scheduler.engine.records import JobRecord

    code, signal = exit_code or (None, None)
    if state is None:
        state = "FAILED" if code or signal else "COMPLETED"
    job_id = parse_job_id(path) or ""
    return JobRecord(job_id=job_id, state=state, exit_code=code, signal=signal, source="given")


@dataclass(frozen=True)
class _Job:
    logs: tuple[str, ...]
    record: JobRecord | None
    compare_with: tuple[str, ...]


@dataclass(frozen=True)
class _Finding:
    log: str
    """The first log of the job."""
    logs: tuple[str, ...]
    diagnosis: Diagnosis
    digest: str


def _diagnose_all(jobs: Sequence[_Job], show: Any) -> int:
    """Diagnose jobs one after the other; return how many could not be read."""
    from llm_scheduler.cli.console import StatusLine
    from llm_scheduler.cli.render import printable

    failed = 0
    with StatusLine() as status:
        for number, job in enumerate(jobs, start=1):
            log = job.logs[0]
            status.update(f"Reading {printable(log)}, {number} of {len(jobs)}")
            try:
                finding = _diagnose(job)
            except (LogError, OSError) as error:
                failed += 1
                status.clear()
                reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or error
                where = str(getattr(error, "path", "") or log)
                text = f"Cannot read {printable(where)}: {printable(str(reason))}."
                print(text, file=sys.stderr)
            else:
                status.clear()
                show(finding)
    return failed


def _diagnose(job: _Job) -> _Finding:
    from llm_scheduler.diagnosis.api import examine_log

    with tempfile.TemporaryDirectory() as folder:
        copy = str(Path(folder, "stdin"))
        if STDIN in job.logs:
            with Path(copy).open("wb") as file:
                shutil.copyfileobj(_binary_stdin(), file)
        paths = [copy if log == STDIN else log for log in job.logs]
        catalog = load_with_warnings()
        diagnosis, found = examine_log(
            paths,
            record=job.record,
            catalog=catalog,
            compare_with=job.compare_with,
        )
        if not diagnosis.job_id:
            diagnosis = diagnosis.model_copy(update={"job_id": parse_job_id(job.logs[0])})
        digest = found.text
    if STDIN in job.logs:
        evidence = tuple(
            item.model_copy(update={"file": STDIN if item.file == copy else item.file})
            for item in diagnosis.evidence
        )
        diagnosis = diagnosis.model_copy(update={"evidence": evidence})
        digest = digest.replace(copy, STDIN)
    return _Finding(job.logs[0], job.logs, diagnosis, digest)


def _binary_stdin() -> Any:
    if sys.stdin is None:
        raise LogError(STDIN, "standard input is closed")
    return sys.stdin.buffer


def _print_json(finding: _Finding) -> None:
    fields = finding.diagnosis.model_dump(mode="json")
    more = {"logs": finding.logs} if len(finding.logs) > 1 else {}
    # ASCII only: no character of a log reaches the terminal as it is.
    print(json.dumps({**fields, "digest": finding.digest, "log": finding.log, **more}), flush=True)


class _Report:
    """Panels or lines for people, and at the end the groups."""

    def __init__(self, n_logs: int) -> None:
        from llm_scheduler.cli.console import make_console

        self._console = make_console()
        self._n_logs = n_logs
        self._findings: list[_Finding] = []

    def __call__(self, finding: _Finding) -> None:
        from llm_scheduler.cli.render import diagnosis_line, diagnosis_panel

        self._findings.append(finding)
        if self._n_logs <= _MAX_PANELS:
            more = finding.logs[1:]
            self._console.print(diagnosis_panel(finding.diagnosis, log=finding.log, more=more))
        else:
            self._console.print(diagnosis_line(finding.diagnosis, finding.log))

    def finish(self) -> None:
        """Show the groups, where several logs failed."""
        from llm_scheduler.cli.render import groups_line, groups_overview, groups_view
        from llm_scheduler.diagnosis.endings import NOT_ENDED

        failed = [
            finding
            for finding in self._findings
            if finding.diagnosis.category != "success" and finding.diagnosis.cause != NOT_ENDED
        ]
        if len(failed) < 2:
            return
        groups = list(_group(failed))
        if self._n_logs <= _MAX_PANELS:
            # The proof stands in the panels above.
            self._console.print(groups_line(groups), groups_overview(groups))
        else:
            self._console.print()
            self._console.print(groups_view(groups))


def _group(findings: Sequence[_Finding]) -> Iterator[FailureGroup]:
    from datetime import UTC, datetime

    from llm_scheduler.diagnosis import group_failures
    from llm_scheduler.diagnosis.groups import Failure

    for_all: list[Failure] = []
    for finding in findings:
        try:
            written = Path(finding.log).stat().st_mtime
        except OSError:  # standard input, or removed meanwhile
            written = datetime.now(UTC).timestamp()
        for_all.append(
            Failure(
                attempt=finding.log,
                job_id=finding.diagnosis.job_id,
                job_name=Path(finding.log).name,
                learners=(),
                failed_at=datetime.fromtimestamp(written, UTC),
                log_files=finding.logs,
                diagnosis=finding.diagnosis,
            ),
        )
    yield from group_failures(for_all)
