"""Runs all checks at once, each with a time limit; none can raise or hang the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_scheduler.managers.doctor import cluster, install, machine
from llm_scheduler.managers.doctor.check import Check


@dataclass(frozen=True, slots=True)
class Probe:
    """A check to run: its name, its function, and how long it may take."""

    name: str
    run: Callable[[str], Check]
    limit_s: float = 20


PROBES: tuple[Probe, ...] = (
    Probe("Python", install.check_python),
    Probe("adaptive-scheduler", install.check_engine, limit_s=60),
    Probe("causes", install.check_catalog),
    Probe("logs", install.check_reading),
    Probe("settings", install.check_settings),
    Probe("model", install.check_model),
    Probe("widgets", install.check_widgets),
    Probe("Slurm", cluster.check_slurm),
    Probe("squeue", cluster.check_squeue),
    Probe("sacct", cluster.check_sacct, limit_s=45),
    Probe("PBS", cluster.check_pbs),
    Probe("MPI", cluster.check_mpi),
    Probe("current folder", machine.check_current_folder),
    Probe("state folder", machine.check_state_folder),
    Probe("cores and memory", machine.check_resources),
)
"""All checks, in the order in which they are shown."""


def run_checks(
    probes: Sequence[Probe] = PROBES,
    *,
    on_wait: Callable[[Sequence[str]], None] | None = None,
) -> list[Check]:
    """Run the checks side by side and return their results in order.

    Parameters
    ----------
    probes
        What to check.
    on_wait
        Called now and then with the names of the checks that have not ended.
    """
    found: dict[int, Check] = {}
    started = time.monotonic()
    threads = [
        threading.Thread(target=_run, args=(found, index, probe), daemon=True)
        for index, probe in enumerate(probes)
    ]
    for thread in threads:
        thread.start()
    for thread, probe in zip(threads, probes, strict=True):
        # All run at once, so each has its limit from the common start.
        while thread.is_alive() and (left_s := started + probe.limit_s - time.monotonic()) > 0:
            if on_wait is not None:
                on_wait([p.name for i, p in enumerate(probes) if i not in found])
            thread.join(min(left_s, 0.25))
    return [found.get(index) or _hung(probe) for index, probe in enumerate(probes)]


def _run(found: dict[int, Check], index: int, probe: Probe) -> None:
    try:
        found[index] = probe.run(probe.name)
    except Exception as exc:  # noqa: BLE001 - a broken machine breaks checks in unforeseen ways
        detail = f"the check itself failed: {type(exc).__name__}: {exc}"
        found[index] = Check(probe.name, "warning", detail, "Please report this.")


def _hung(probe: Probe) -> Check:
    detail = f"no answer within {probe.limit_s:g} s"
    advice = "Try again; if it stays so, a service or a network file system does not answer."
    return Check(probe.name, "warning", detail, advice)
