"""A scheduler of `adaptive_scheduler` for one machine, with limits that are enforced."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from adaptive_scheduler.scheduler import BaseScheduler

from llm_scheduler.engine.local_runner import LocalRunner, available_cores
from llm_scheduler.engine.quantities import parse_duration, parse_memory
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.engine.resource_overrides import present_override
from llm_scheduler.errors import SubmissionRefused, UsageError

Memory = str | int | None
Duration = str | float | timedelta | None

DEFAULT_ROOT = Path(".llm_scheduler") / "local"
_LINE_BREAK = " \\\n    "


class LocalScheduler(BaseScheduler):
    """Runs the jobs on this machine, a bounded number at once.

    Each of `cores`, `memory`, `time`, `executor_type`, `num_threads`, `extra_env_vars`
    and `extra_script` is one value for all jobs, or a tuple with one element per learner.
    Elements of a tuple may be callables without arguments; they are called each time the
    job is submitted.

    Parameters
    ----------
    cores
        Cores per job, so per learner.
    memory
        Limit of each job's whole process tree, e.g. ``"4GB"``; no limit by default.
    time
        Limit of each job's wall time, as Slurm writes it (``"01:30:00"``; ``"90"`` are
        minutes) or ``"1h"``; no limit by default.
    max_cores
        Cores of all running jobs together; by default those this process may use.
    max_memory
        Memory limits of all running jobs together; by default no bound.
    keep_running
        Whether jobs go on when this process ends.
    root
        Folder of the accounting records, by default ``.llm_scheduler/local`` in the
        present folder.
    python_executable, log_folder, batch_folder, mpiexec_executable
        As in `adaptive_scheduler.scheduler.BaseScheduler`.
    executor_type, num_threads, extra_env_vars, extra_script
        As in `adaptive_scheduler.scheduler.BaseScheduler`.

    Raises
    ------
    UsageError
        If the values don't fit together.
    """

    _ext = ".batch"
    _submit_cmd = "bash"
    _cancel_cmd = "kill"
    _options_flag = "LOCAL"
    _JOB_ID_VARIABLE = "${JOB_ID}"

    def __init__(
        self,
        cores: int | tuple[int | Callable[[], int], ...] = 1,
        *,
        memory: Memory | tuple[Memory | Callable[[], Memory], ...] = None,
        time: Duration | tuple[Duration | Callable[[], Duration], ...] = None,
        max_cores: int | None = None,
        max_memory: str | int | None = None,
        keep_running: bool = False,
        root: str | Path | None = None,
        python_executable: str | None = None,
        log_folder: str | Path = "",
        mpiexec_executable: str | None = None,
        executor_type: str | tuple[str | Callable[[], str], ...] = "process-pool",
        num_threads: int | tuple[int | Callable[[], int], ...] = 1,
        extra_env_vars: list[str] | tuple[list[str] | Callable[[], list[str]], ...] | None = None,
        extra_script: str | tuple[str | Callable[[], str], ...] | None = None,
        batch_folder: str | Path = "",
    ) -> None:
        self._arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        n_jobs = _tuple_length(
            cores=cores,
            memory=memory,
            time=time,
            executor_type=executor_type,
            num_threads=num_threads,
            extra_env_vars=extra_env_vars,
            extra_script=extra_script,
        )
        super().__init__(
            _per_job(cores, n_jobs),
            python_executable=python_executable,
            log_folder=log_folder,
            mpiexec_executable=mpiexec_executable,
            executor_type=_per_job(executor_type, n_jobs),
            num_threads=_per_job(num_threads, n_jobs),
            extra_env_vars=_per_job(extra_env_vars or [], n_jobs),
            extra_script=_per_job(extra_script or "", n_jobs),
            batch_folder=batch_folder,
        )
        self.memory = _per_job(memory, n_jobs)
        self.time = _per_job(time, n_jobs)
        self.max_cores = available_cores() if max_cores is None else max_cores
        self.max_memory = None if max_memory is None else parse_memory(max_memory)
        self.keep_running = keep_running
        self._folder = Path.cwd()
        # Absolute, so that a later change of the folder doesn't lose the jobs.
        self.root = Path(root or DEFAULT_ROOT).expanduser().absolute()
        self._check_resources()

    def _check_resources(self) -> None:
        for cores in _elements(self.cores):
            if not isinstance(cores, int) or not 1 <= cores <= self.max_cores:
                msg = (
                    f"cores={cores!r} per job is not possible with max_cores={self.max_cores}. "
                    "Use fewer cores, or set `max_cores=`."
                )
                raise UsageError(msg)
        for memory in _elements(self.memory):
            parse_memory(memory)
        for time in _elements(self.time):
            parse_duration(time)

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments; the queue itself is on disk, in `root`."""
        return {**self._arguments, "root": self.root}

    @cached_property
    def runner(self) -> LocalRunner:
        """The queue of jobs, made when it is needed first."""
        return LocalRunner(
            self.root,
            cores=self.max_cores,
            memory_bytes=self.max_memory,
            keep_running=self.keep_running,
        )

    def queue(self, *, me_only: bool = True) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Return the waiting and running jobs of the folder `root`."""
        return self.runner.queue()

    def records(self, job_ids: Iterable[str] | None = None) -> dict[str, JobRecord]:
        """Return the accounting records of these jobs, or of all; unknown ids are left out."""
        return self.runner.records(job_ids)

    def cancel_ids(self, job_ids: Iterable[str]) -> None:
        """Cancel jobs by id, with all their processes, and wait until they are gone."""
        for job_id in self.runner.cancel(job_ids):
            warnings.warn(f"Couldn't cancel '{job_id}'.", UserWarning, stacklevel=2)

    def cancel(
        self,
        job_names: list[str],
        *,
        with_progress_bar: bool = True,  # noqa: ARG002 - it is quick
        max_tries: int = 5,  # noqa: ARG002 - once is enough
    ) -> None:
        """Cancel all jobs with these names, with all their processes."""
        names = set(job_names)
        self.cancel_ids([i for i, info in self.queue().items() if info["job_name"] in names])

    def close(self) -> None:
        """End the jobs, unless they are to be kept running, and take no more."""
        self.runner.close()

    def log_fname(self, name: str) -> Path:
        """Return the name of the log file, with the variable for the job id."""
        folder = Path(self.log_folder) if self.log_folder else Path.cwd()
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}-{self._JOB_ID_VARIABLE}.log"

    def job_script(self, options: dict[str, Any], *, index: int | None = None) -> str:
        """Return the script of a job."""
        template = textwrap.dedent(
            """\
            #!/usr/bin/env bash

            {extra_env_vars}

            {extra_script}

            {executor_specific}
            """,
        )
        return template.format(
            extra_env_vars=self.extra_env_vars(index=index),
            extra_script=self.extra_script(index=index),
            executor_specific=self._executor_specific("${NAME}", options, index=index),
        )

    def _expand_options(self, custom: tuple[str, ...], name: str, options: dict[str, Any]) -> str:
        # The engine's own doesn't quote, so a blank in a folder's name breaks the job.
        return _LINE_BREAK.join(
            (
                *custom,
                f"--log-fname {_quote(str(self.log_fname(name)))}",
                f"--job-id {self._JOB_ID_VARIABLE}",
                f"--name {_quote(name)}",
                *(k if v is None else f"{k} {shlex.quote(str(v))}" for k, v in options.items()),
            ),
        )

    def _process_pool(self) -> tuple[str, ...]:
        return (f"{shlex.quote(self.python_executable)} {shlex.quote(str(self.launcher))}",)

    def _sequential_executor(self) -> tuple[str, ...]:
        return self._process_pool()

    def start_job(self, name: str, *, index: int | None = None) -> str:
        """Submit the job of a learner and return the job's id.

        Raises
        ------
        SubmissionRefused
            If the job can never run with the resources it asks for.
        """
        script_name, cores = name.rsplit("-", 1)[0], self.cores
        if not self.single_job_script:
            options = self._multi_job_script_options(_checked(index))
            self.write_job_script(name, options, index=index)
            script_name = name
            # Asked once only: a callable may answer differently the next time.
            cores = options["--n"] + (options["--executor-type"] == "ipyparallel")
        return self.submit_script(name, self.batch_fname(script_name), cores=cores, index=index)

    def submit_script(
        self, name: str, path: Path, *, cores: int = 1, index: int | None = None
    ) -> str:
        """Submit a script as a job with the limits of a learner, and return the job's id."""
        override = present_override()
        memory = override.memory or self._resource(self.memory, index)
        time = override.time or self._resource(self.time, index)
        try:
            script = path.read_text(encoding="utf-8")
        except OSError as exc:
            msg = f"Can't read the job script {str(path)!r}: {exc.strerror}."
            raise SubmissionRefused(msg, stderr=str(exc)) from exc
        (log_file,) = self.output_fnames(name)
        return self.runner.submit(
            ["bash"],
            name=name,
            log_file=log_file,
            memory_bytes=None if memory is None else parse_memory(memory),
            time_limit_s=None if time is None else parse_duration(time),
            # A crash in native code says where it was, unless the user decided otherwise.
            env={"PYTHONFAULTHANDLER": "1", **os.environ, "PYTHONPATH": _python_path()},
            cores=cores,
            script=script,
            cwd=self._folder,
        )

    def _resource(self, value: Any, index: int | None) -> Any:
        chosen = value[_checked(index)] if isinstance(value, tuple) else value
        return chosen() if callable(chosen) else chosen


def _checked(index: int | None) -> int:
    if index is None:
        msg = "Resources were given per learner, so `index` must say which learner it is."
        raise UsageError(msg)
    return index


def _tuple_length(**values: Any) -> int | None:
    lengths = {name: len(value) for name, value in values.items() if isinstance(value, tuple)}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        msg = f"All tuples need one element per learner, but {text}."
        raise UsageError(msg)
    return next(iter(lengths.values()), None)


def _per_job(value: Any, n_jobs: int | None) -> Any:
    if n_jobs is None or isinstance(value, tuple):
        return value
    return tuple(list(value) if isinstance(value, list) else value for _ in range(n_jobs))


def _elements(value: Any) -> list[Any]:
    # What can be checked before the jobs are submitted.
    values: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    return [element for element in values if element is not None and not callable(element)]


def _quote(text: str) -> str:
    # Quoted for bash, but the script's two variables stay variables.
    quoted = shlex.quote(text)
    for variable in ("${NAME}", "${JOB_ID}"):
        quoted = quoted.replace(variable, f"'\"{variable}\"'")
    return quoted


def _python_path() -> str:
    """Return a PYTHONPATH with which jobs find the modules beside the script or notebook."""
    system = set(sysconfig.get_paths().values())
    first = sys.path[0] if sys.path else ""
    folders = [str(Path(first or ".").absolute()), str(Path.cwd())]
    found = [f for f in folders if f not in system and Path(f).is_dir()]
    given = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(dict.fromkeys([*found, *filter(None, given.split(os.pathsep))]))
