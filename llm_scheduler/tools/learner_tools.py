"""Tools that look at learners: the source of their functions, and their data."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool

from llm_scheduler.tools.answers import make_answer
from llm_scheduler.tools.learner_names import find_learner
from llm_scheduler.tools.making_tools import make_tool
from llm_scheduler.tools.run_view import LearnerInfo, RunView

_Learner = Annotated[str, "'learner 3', its file, or 'job 12' for the learner of a job."]


def learner_tools(run: RunView, max_chars: int) -> list[BaseTool]:
    """Return the tools that look at learners."""

    def learner_source(learner: _Learner) -> str:
        """Show the source of a learner's function, and whether editing a file changes it."""
        info = run.learner(find_learner(run, learner).fname)
        lines = [f"function: {_full_name(info)}", f"from: {_place(info)}"]
        if info.by_value is not None:
            lines.append(_BY_VALUE if info.by_value else _BY_REFERENCE)
        if info.problem:
            lines.append(info.problem)
        if info.source:
            numbered = enumerate(info.source.rstrip("\n").split("\n"), info.line or 1)
            lines += ["", *(f"{number}| {text}" for number, text in numbered)]
        more = f"read {info.file} for the rest" if info.file else ""
        return make_answer("\n".join(lines), max_chars, more=more)

    def learner_data(learner: _Learner) -> str:
        """Tell a learner's bounds, points, loss, and the point at which it failed."""
        job = find_learner(run, learner)
        info = run.learner(job.fname)
        facts = {
            "learner": f"{job.index}, {info.kind}".rstrip(", "),
            "file": info.fname,
            "bounds": info.bounds,
            "points in this process": "" if info.n_points is None else str(info.n_points),
            "loss": "" if info.loss is None else f"{info.loss:.6g}",
            "values that are no finite number": "" if info.n_nan is None else str(info.n_nan),
            "failed at": info.failing_point and f"learner.function({info.failing_point})",
            "its last job wrote": ", ".join(f"{k}={v}" for k, v in info.last_status.items()),
            "not known": info.problem,
        }
        lines = [f"{name}: {value}" for name, value in facts.items() if value]
        if info.n_points == 0 and info.last_status:
            lines.append("The data are in the learner's file; this process has not loaded them.")
        return make_answer("\n".join(lines), max_chars)

    return [make_tool(tool) for tool in (learner_source, learner_data)]


_BY_VALUE = (
    "Jobs get a copy of it that was made when the run started (it is defined in a notebook or in "
    "the script that started the run), so editing a file can't change it; the person has to "
    "define it anew and start the run again."
)
_BY_REFERENCE = "Jobs import it from its module, so editing the file changes the next jobs."


def _full_name(info: LearnerInfo) -> str:
    return f"{info.module}.{info.function}" if info.module else info.function or "not known"


def _place(info: LearnerInfo) -> str:
    return f"{info.file}, line {info.line}" if info.file else "no file"
