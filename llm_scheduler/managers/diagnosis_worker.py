"""The program of a diagnosis worker: requests on standard input, answers on output.

Logs are read in a process of their own, so that a log that takes for ever, or takes
all memory, is ended by ending the process. It is a plain program and no
``multiprocessing`` child: a notebook or script without a main guard must not be
imported again.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

from llm_scheduler.diagnosis.submission import diagnose_submission
from llm_scheduler.diagnosis.worker import diagnose_job, warm_up
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import LLMSchedulerError

MAX_MEMORY_BYTES = 4 * 1024**3


def _answer(request: dict[str, Any]) -> str:
    if request.get("refusal") is not None:
        diagnosis = diagnose_submission(request["refusal"], job_name=request["job_name"])
    else:
        record = request["record"]
        diagnosis = diagnose_job(
            request["paths"],
            None if record is None else JobRecord.model_validate(record),
            request["catalog_dirs"],
            request["job_id"],
            request["compare_with"],
        )
    return diagnosis.model_dump_json()


def main() -> None:
    """Answer requests until standard input ends; arguments are folders with causes."""
    with suppress(OSError, ValueError, ImportError):
        import resource

        os.nice(5)  # the user's own work on the login node goes first
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = MAX_MEMORY_BYTES if hard < 0 else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    # Nothing but answers may reach the pipe.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with suppress(LLMSchedulerError):  # said again, and better, with each answer
        warm_up(sys.argv[1:])
    for line in sys.stdin:
        try:
            text = json.dumps({"ok": json.loads(_answer(json.loads(line)))})
        except LLMSchedulerError as exc:
            text = json.dumps({"error": str(exc)})
        except Exception as exc:  # noqa: BLE001 - one bad log must not end the worker
            text = json.dumps({"error": f"{type(exc).__name__}: {exc}"})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
