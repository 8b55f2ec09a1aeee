"""What diagnoses, groups and jobs look like, from fixed values."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from llm_scheduler.cli.console import make_stream_safe
from llm_scheduler.cli.render import (
    diagnosis_line,
    diagnosis_panel,
    group_panel,
    groups_line,
    groups_overview,
    groups_view,
    jobs_table,
    printable,
    short_path,
)
from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy

HOSTILE = "[red]x[/red] [link=http://evil]y[/link] \x1b[2J\x1b]0;t\x07 \u202egnp.exe \x00\x9b"


def make_diagnosis(**changes: object) -> Diagnosis:
    values: dict[str, object] = {
        "job_id": "812",
        "category": "code_error",
        "cause": "python-name-error",
        "title": "NameError in demo_materials.py:11: name 'temprature' is not defined",
        "explanation": "Python says **Did you mean** `temperature`?\n\n```\nband_gap(300)\n```",
        "evidence": (
            Evidence(
                file="logs/demo-3-812.out",
                line=41,
                text="NameError: name 'temprature' is not defined. Did you mean: 'temperature'?",
            ),
            Evidence(
                file="logs/demo-3-812.out", line=39, text='  File "demo_materials.py", line 11'
            ),
            Evidence(file="", line=0, text="State FAILED, exit code 1"),
        ),
        "confidence": 0.95,
        "remedies": (
            Remedy(
                kind="code",
                summary="Correct the name.",
                details="Then requeue.",
                file="demo_materials.py",
                line=11,
            ),
            Remedy(kind="resources", summary="Ask for more.", resources={"memory": "8GB"}),
        ),
        "fingerprint": "f",
    }
    return Diagnosis.model_validate(values | changes)


def make_group(**changes: object) -> FailureGroup:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    values: dict[str, object] = {
        "key": "python-name-error:f",
        "category": "code_error",
        "title": "NameError: name 'temprature' is not defined",
        "count": 2,
        "learners": ("results/band_gap.pickle", "results/mobility.pickle"),
        "job_ids": ("812", "813"),
        "job_names": ("demo-3", "demo-4"),
        "first_seen": now,
        "last_seen": now,
        "nodes": ("n1",),
        "representative": make_diagnosis(),
    }
    return FailureGroup.model_validate(values | changes)


@dataclass
class Job:
    fname: str
    job_id: str | None
    state: str
    elapsed_s: float | None
    note: str


def shown(what: RenderableType, width: int = 80, *, color: str | None = None) -> str:
    stream = io.StringIO()
    Console(
        file=stream,
        width=width,
        color_system=color,
        force_terminal=color is not None,
        legacy_windows=False,
        _environ={},
    ).print(what)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_group_shows_cause_proof_and_remedy_within_the_width(width: int) -> None:
    text = shown(group_panel(make_group()), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    assert "code error" in text
    assert "2 jobs" in text
    assert "95 % sure" in text
    assert "band_gap, mobility" in flat
    assert "logs/demo-3-812.out:41" in text
    assert "41 │ NameError: name 'temprature'" in text
    assert "the scheduler's record" in text
    assert "Correct the name." in text
    assert "demo_materials.py:11" in text
    assert "memory='8GB'" in text
    assert "`" not in text
    assert "**" not in text
    assert not re.search(r"\x1b", text)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_diagnosis_fits_any_width(width: int) -> None:
    panel = diagnosis_panel(make_diagnosis(), log="logs/demo-3-812.out")
    assert max(map(len, shown(panel, width).splitlines())) <= width
    if width >= 40:
        assert "job 812" in shown(panel, width)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("color", [None, "truecolor"])
def test_hostile_texts_are_shown_not_obeyed(width: int, color: str | None) -> None:
    evil = make_diagnosis(
        job_id=HOSTILE,
        title=HOSTILE,
        explanation=f"{HOSTILE}\n[click](http://evil) `{HOSTILE}` ![i](http://evil/x.png)",
        evidence=(Evidence(file=HOSTILE, line=3, text=HOSTILE),),
        remedies=(
            Remedy(
                kind="code",
                summary=HOSTILE,
                details=HOSTILE,
                file=HOSTILE,
                line=1,
                resources={HOSTILE: HOSTILE},
            ),
        ),
    )
    group = make_group(
        title=HOSTILE,
        representative=evil,
        learners=(HOSTILE,),
        job_ids=(HOSTILE,),
        nodes=(HOSTILE,),
        bad_node=HOSTILE,
        notes=(HOSTILE,),
    )
    views = [
        diagnosis_panel(evil, log=HOSTILE),
        groups_view([group]),
        groups_overview([group]),
        diagnosis_line(evil, HOSTILE),
        jobs_table([Job(HOSTILE, HOSTILE, HOSTILE, 1.0, HOSTILE)], title=HOSTILE),
    ]
    for view in views:
        text = shown(view, width, color=color)
        styles = re.compile(r"\x1b\[[\d;]*m")
        plain = styles.sub("", text)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
        if "[r" in plain:
            assert "[red]" in plain.replace("\n", "")
        assert "😄" not in plain
        assert "\x1b]8" not in text


def test_a_long_path_is_broken_before_the_name_of_the_file() -> None:
    path = "/scratch/" + "deep/" * 20 + "demo-3-812.out"
    evidence = (Evidence(file=path, line=41, text="x"),)
    lines = shown(diagnosis_panel(make_diagnosis(evidence=evidence)), 80).splitlines()
    assert "      demo-3-812.out:41" in [line.rstrip() for line in lines]


def test_groups_are_counted() -> None:
    assert groups_line([]).plain == "No failures."
    assert groups_line([make_group(count=1)]).plain == "1 failure of 1 cause"
    text = shown(groups_view([make_group(), make_group(key="b", count=400)]))
    assert text.startswith("402 failures of 2 causes\n")
    assert "400 jobs" in text


def test_groups_can_be_limited() -> None:
    text = shown(groups_view([make_group(key=str(i)) for i in range(5)], limit=2))
    assert text.startswith("10 failures of 5 causes\n")
    assert text.count("Proof") == 2
    assert text.rstrip().endswith("... and 3 more causes")


def test_many_learners_and_jobs_are_shortened() -> None:
    names = tuple(f"results/learner_{i}.pickle" for i in range(400))
    text = " ".join(shown(group_panel(make_group(count=400, learners=names))).split())
    assert "learner_3 and 396 more" in text
    assert "learner_4" not in text


def test_a_bad_node_is_named() -> None:
    text = shown(group_panel(make_group(bad_node="n7", n_known=1)))
    assert "All on one node: n7." in text
    assert "1 known from before" in text


def test_overview_has_a_line_for_each_group() -> None:
    text = shown(groups_overview([make_group(), make_group(job_ids=())]))
    assert "2 x" in text
    assert "812, 813" in text
    assert "demo-3, demo-4" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_jobs_are_a_line_each(width: int) -> None:
    states = ["waiting", "pending", "running", "done", "failed", "held", "new-state"]
    rows = [
        Job(f"r/learner_{s}.pickle", str(i), s, 1.25 * i, f"note {s} " + "long " * 30)
        for i, s in enumerate(states)
    ]
    text = shown(jobs_table(rows, title="Jobs"), width)
    assert max(map(len, text.splitlines())) <= width
    for state in states:
        assert len(re.findall(rf"^learn.*\S {state}\b", text, flags=re.MULTILINE)) == 1
    assert "2.5 s" in text


def test_ascii_terminals_get_ascii_rules() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    make_stream_safe(stream)
    console = Console(file=stream, width=60, _environ={})
    console.print(jobs_table([Job("a.pickle", "1", "done", 1.0, "")]))
    console.print(diagnosis_panel(make_diagnosis()))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "-- code error ---" in text
    assert "v done" in text
    assert "41 | NameError" in text
    assert "\\u" not in text
    print("\u6f22 \u2713", file=stream, flush=True)
    assert stream.buffer.getvalue().endswith(b"\\u6f22 v\n")


def test_printable_keeps_text_and_names_the_rest() -> None:
    assert printable("größe\tα 漢\n2") == "größe    α 漢\n2"
    assert printable("a\r\nb\rc\x1b[0m\u202e\ud800") == "a\nb\\x0dc\\x1b[0m\\u202e\\ud800"
    assert printable("x" * 50, max_chars=10) == "x" * 10 + " ..."


def test_paths_below_the_working_folder_are_relative(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert short_path(str(tmp_path / "a" / "b.out")) == "a/b.out"
    assert short_path("/elsewhere/b.out") == "/elsewhere/b.out"
    assert short_path("a/b.out") == "a/b.out"
