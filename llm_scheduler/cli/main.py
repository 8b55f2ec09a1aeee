"""The command ``llm-scheduler``: its arguments, its exit status, its last line of defence."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from llm_scheduler.cli import catalog, changes, chat, demo, diagnose, doctor
from llm_scheduler.cli.console import make_stream_safe
from llm_scheduler.errors import LLMSchedulerError, UsageError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_EXAMPLES = """\
examples:
  llm-scheduler demo                        run jobs that really fail, and explain each
  llm-scheduler diagnose slurm-1234.out     say why this job failed
  llm-scheduler diagnose -r logs/           read all logs of a folder, group the causes
  llm-scheduler diagnose --json *.out.gz    one JSON object per log
  llm-scheduler catalog explain disk-full   say what is known of one cause
  llm-scheduler chat                        talk about the run of this folder, and fix it
  llm-scheduler changes                     list what was changed, and undo it
  llm-scheduler doctor                      say what is installed here and what is missing

exit status: 0 done, 1 the work failed, 2 wrong usage
"""


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="llm-scheduler",
        description="Why did my cluster jobs fail? Each diagnosis comes with its proof.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_ShowVersion)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for module in (demo, diagnose, chat, changes, catalog, doctor):
        module.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    _make_streams_safe()
    parser = make_parser()
    try:
        args = parser.parse_args(argv)
        run = getattr(args, "run", None)
        if run is None:
            parser.print_help(sys.stderr)
            return EXIT_USAGE
        status = int(run(args))
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_DONE
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except LLMSchedulerError as error:
        return _complain(error, EXIT_FAILED)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:  # a full disk, a folder that can't be written
        return _complain(error, EXIT_FAILED)
    return status


class _ShowVersion(argparse.Action):
    """Show the version; reading the package's metadata costs time, so only on demand."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_args: object) -> None:
        print(f"llm-scheduler {metadata.version('llm-scheduler')}")
        parser.exit()


def _complain(error: Exception, status: int) -> int:
    from llm_scheduler.cli.render import printable

    # Errors quote paths and options, so they are cleaned like everything untrusted.
    print(f"llm-scheduler: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
    return status


def _make_streams_safe() -> None:
    """Let no stream raise: they may be closed, or unable to encode a character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            null = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
            setattr(sys, name, null)
        elif isinstance(stream, io.TextIOWrapper):
            make_stream_safe(stream)


def _silence_stdout() -> None:
    """Keep Python from complaining at exit about the pipe that nobody reads."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
