"""A run that kills itself at a point named by its second argument, or goes to its end."""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.managers.script_jobs import KEY_ERROR, make_run


def die_at(where: str, count: int, when: str) -> None:
    """Replace a method by one that ends this process with SIGKILL."""
    module, _, path = where.partition(":")
    class_name, _, method = path.partition(".")
    cls = getattr(importlib.import_module(module), class_name)
    original = getattr(cls, method)
    left = count

    @functools.wraps(original)
    def deadly(*args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(cls, method, deadly)


def main() -> None:
    folder, point = Path(sys.argv[1]), json.loads(sys.argv[2])
    warnings.simplefilter("error")
    if point is not None:
        die_at(*point)
    run = make_run(folder, [KEY_ERROR] * 4, job_manager_interval=0.2)
    run.start()
    run.wait(300)
    states = {job_id: record.state for job_id, record in run.scheduler.records().items()}
    (folder / "records.json").write_text(json.dumps(states))
    assert run.status() == "failed"


if __name__ == "__main__":
    main()
