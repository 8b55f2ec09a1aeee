"""``llm-scheduler catalog``: look at the causes, check and try those of one's own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.catalog_loading import load_with_warnings
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from llm_scheduler.diagnosis.catalog import Catalog
    from llm_scheduler.diagnosis.causes import Cause

_NEAR = 3

_EXAMPLES = """\
examples:
  llm-scheduler catalog list --search license
  llm-scheduler catalog list --category out_of_memory
  llm-scheduler catalog explain gpu-out-of-memory
  llm-scheduler catalog check ~/.config/llm-scheduler/catalog
  llm-scheduler catalog test acme-solver-tokens slurm-1234.out

Causes of one's own are TOML files in the folder `catalog` of the user's or the site's
settings, or in the folders that LLM_SCHEDULER_CATALOG names.

exit status: 0 done; 1 check found a mistake, list found no cause, or test found that
the cause does not explain a log; 2 wrong usage
"""

_CHECK = """\
Check that entries are well formed, that patterns compile and are not too broad, that
each example is explained by its cause, and that no near miss is. Without arguments
all causes are checked, the built-in ones too; a mistake is told with file and line.
"""
_CHECK_EXAMPLES = """\
examples:
  llm-scheduler catalog check site.toml
  llm-scheduler catalog check --json catalog/ | jq .errors
"""
_TEST = """\
Say which lines of a log match which pattern of a cause, which other causes match the same
lines, what the diagnosis is and, where another cause won, why.
"""
_TEST_EXAMPLES = """\
examples:
  llm-scheduler catalog test disk-full slurm-1234.out
  llm-scheduler catalog test time-limit slurm-1234.out --state TIMEOUT
"""


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser(
        "catalog",
        help="list, explain, check and try the causes that are known",
        description="Look at the causes that diagnoses come from, and check those of one's own.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    parser.set_defaults(run=lambda _args: _no_command(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="find mistakes in entries, and examples that fail",
        description=_CHECK,
        epilog=_CHECK_EXAMPLES,
        formatter_class=raw,
    )
    check.add_argument("paths", nargs="*", metavar="FILE_OR_FOLDER", help="check only these")
    check.set_defaults(run=check_command)
    listing = commands.add_parser("list", help="list causes, one per line")
    listing.add_argument("--category", metavar="C", help="only those of one category")
    listing.add_argument("--search", metavar="WORD", help="only those in which a word stands")
    listing.set_defaults(run=list_command)
    explain = commands.add_parser("explain", help="show all that is known of one cause")
    explain.add_argument("id", metavar="ID")
    explain.set_defaults(run=explain_command)
    test = commands.add_parser(
        "test",
        help="try one cause on logs, and say why it wins or loses",
        description=_TEST,
        epilog=_TEST_EXAMPLES,
        formatter_class=raw,
    )
    test.add_argument("id", metavar="ID")
    test.add_argument("logs", nargs="+", metavar="LOG", help="log of a job, also compressed")
    test.add_argument("--state", metavar="S", help="state that the scheduler gave the job")
    test.add_argument("--exit-code", metavar="N:M", help="exit code and signal, as sacct says")
    test.set_defaults(run=test_command)
    for command in (check, listing, explain, test):
        command.add_argument("--json", action="store_true", help="print JSON")


def _no_command(parser: argparse.ArgumentParser) -> int:
    raise UsageError(f"Say what to do: check, list, explain or test; see {parser.prog} --help.")


def check_command(args: argparse.Namespace) -> int:
    """Check entries and return 1 when one of them is wrong."""
    from llm_scheduler.cli import catalog_view
    from llm_scheduler.cli.console import StatusLine
    from llm_scheduler.diagnosis.catalog_checks import Finding, check_cause

    catalog, causes, problems = _select(args.paths)
    findings = [Finding("", "error", "entry", x.file, x.line, x.message) for x in problems]
    with StatusLine() as status:
        for number, cause in enumerate(causes, start=1):
            status.update(f"Checking {cause.id}, {number} of {len(causes)}")
            findings += check_cause(cause, catalog)
    findings.sort(key=lambda found: (found.file, found.line))
    if args.json:
        catalog_view.print_findings_json(findings, n_causes=len(causes))
    else:
        catalog_view.print_findings(findings, n_causes=len(causes))
    return 1 if any(found.level == "error" for found in findings) else 0


def _select(paths: Sequence[str]) -> tuple[Catalog, list[Cause], list[Any]]:
    """Return the catalogue, and those of its causes and problems that the paths hold."""
    from llm_scheduler.config import Settings
    from llm_scheduler.diagnosis.catalog import load_catalog

    wanted = [Path(path) for path in paths]
    for path in wanted:
        if not path.exists():
            raise UsageError(f"{str(path)!r} is not there; name a TOML file or a folder of them.")
        if path.is_dir() and not any(path.glob("*.toml")):
            raise UsageError(f"{str(path)!r} holds no TOML file; subfolders are not looked into.")
    folders = [x for x in Settings.load().catalog_dirs if x not in wanted]
    catalog = load_catalog([*folders, *wanted])
    if not wanted:
        return catalog, list(catalog), list(catalog.problems)

    def is_wanted(file: str) -> bool:
        return any(path in {Path(file), Path(file).parent} for path in wanted)

    places = {cause.id: catalog.place_of(cause.id) for cause in catalog}
    causes = [x for x in catalog if (place := places[x.id]) is not None and is_wanted(place.file)]
    return catalog, causes, [x for x in catalog.problems if is_wanted(x.file)]


def list_command(args: argparse.Namespace) -> int:
    """List the causes that the arguments ask for; 1 when there are none."""
    from llm_scheduler.cli import catalog_view
    from llm_scheduler.diagnosis.describe import as_json, matches_word
    from llm_scheduler.diagnosis.models import CATEGORIES

    if args.category is not None and args.category not in CATEGORIES:
        known = ", ".join(CATEGORIES)
        raise UsageError(f"Category {args.category!r} is unknown; known: {known}.")
    catalog = load_with_warnings()
    causes = [
        cause
        for cause in catalog
        if args.category in {None, cause.category}
        and (args.search is None or matches_word(cause, args.search))
    ]
    if args.json:
        for cause in causes:
            print(json.dumps(as_json(cause, catalog)))
    else:
        catalog_view.print_list(causes)
    return 0 if causes else 1


def explain_command(args: argparse.Namespace) -> int:
    """Show one cause."""
    from llm_scheduler.cli import catalog_view
    from llm_scheduler.diagnosis.describe import as_json

    catalog = load_with_warnings()
    cause = find_cause(args.id, catalog)
    if args.json:
        print(json.dumps(as_json(cause, catalog)))
    else:
        catalog_view.print_cause(cause, catalog)
    return 0


def test_command(args: argparse.Namespace) -> int:
    """Try one cause on logs and return 1 when it does not explain each of them."""
    from llm_scheduler.cli import catalog_view
    from llm_scheduler.cli.diagnose import make_record, parse_exit_code, parse_state
    from llm_scheduler.diagnosis.trials import try_cause
    from llm_scheduler.errors import LogError
    from llm_scheduler.logs import scan_log

    state = parse_state(args.state) if args.state is not None else None
    exit_code = parse_exit_code(args.exit_code) if args.exit_code is not None else None
    catalog = load_with_warnings()
    cause = find_cause(args.id, catalog)
    status = 0
    for log in args.logs:
        scanned = scan_log(log, literals=catalog.literals)
        if scanned.problem and not scanned.lines:
            raise LogError(log, scanned.problem)
        record = make_record(log, state, exit_code)
        trial = try_cause(cause, log, catalog, record=record)
        show = catalog_view.print_trial_json if args.json else catalog_view.print_trial
        show(trial)
        status = status if trial.wins else 1
    return status


def find_cause(cause_id: str, catalog: Catalog) -> Cause:
    """Return a cause, however its id is spelt; an unknown id is answered with the nearest ones."""
    for spelt in (cause_id, cause_id.strip().lower().replace("_", "-").replace(" ", "-")):
        if spelt in catalog:
            return catalog[spelt]
    import difflib

    ids = [cause.id for cause in catalog]
    near = difflib.get_close_matches(cause_id, ids, n=_NEAR, cutoff=0.6)
    near = near or [x for x in ids if cause_id.lower() in x][:_NEAR]
    advice = f"nearest: {', '.join(near)}" if near else "`llm-scheduler catalog list` shows all"
    raise UsageError(f"Cause {cause_id!r} is unknown; {advice}.")
