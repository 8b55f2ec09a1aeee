"""Several runs in one panel, each with its failures; also one of the engine's own."""

from __future__ import annotations

import adaptive_scheduler
import pytest

from llm_scheduler import MultiRunManager
from llm_scheduler.widgets.failures import FailuresPanel
from tests.managers.script_jobs import (
    KEY_ERROR,
    LIMIT_S,
    NAME_ERROR,
    ScriptScheduler,
    make_learners,
    make_run,
    stop,
    until,
)

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")


@pytest.fixture
async def runs(tmp_path):
    """Make runs by name that are ended after the test."""
    made = []

    def make(name, scripts):
        folder = tmp_path / name
        folder.mkdir()
        made.append(make_run(folder, scripts, job_name=name))
        return made[-1]

    yield make
    for run in made:
        await stop(run)


@pytest.fixture
def plain_run(tmp_path):
    """Make a run manager of the engine itself."""
    folder = tmp_path / "plain"
    folder.mkdir()
    learners, fnames = make_learners(folder, 1)
    return adaptive_scheduler.RunManager(
        ScriptScheduler([KEY_ERROR], root=folder / "jobs", log_folder=folder, batch_folder=folder),
        learners,
        fnames,
        goal=0.1,
        job_name="plain",
        db_fname=folder / "plain.db.json",
        url=f"ipc://{folder}/s",
        quiet=True,
    )


def tabs(box) -> dict:
    tab = box.children[1]
    return {tab.get_title(i): child for i, child in enumerate(tab.children)}


def shown(panel: FailuresPanel) -> str:
    return repr(panel)


async def test_groups_are_told_by_run(runs):
    multi = MultiRunManager([runs("a", [NAME_ERROR, NAME_ERROR]), runs("b", [KEY_ERROR])])
    assert multi.groups() == {"a": [], "b": []}
    multi.start_all()
    for run in multi.run_managers.values():
        assert await run.finished(LIMIT_S) == "failed"
    groups = multi.groups()
    assert [(g.count, "spectrum" in g.title) for g in groups["a"]] == [(2, True)]
    assert [(g.count, "mu" in g.title) for g in groups["b"]] == [(1, True)]


async def test_each_tab_shows_the_failures_of_its_run(runs):
    multi = MultiRunManager([runs("a", [NAME_ERROR, KEY_ERROR])])
    box = multi.info()
    multi.add_run_manager(runs("b", [KEY_ERROR]), start=True)
    multi.run_managers["a"].start()
    panels = {name: child.children[1] for name, child in tabs(box).items()}
    assert set(panels) == {"a", "b"}
    for name, expected in (("a", "2 causes, 2 failures"), ("b", "1 cause, 1 failure")):
        await multi.run_managers[name].finished(LIMIT_S)
        assert isinstance(panels[name], FailuresPanel)
        await until(lambda: expected in shown(panels[name]))  # noqa: B023 - awaited here
    assert multi.info() is box


async def test_update_all_updates_every_tab(runs, plain_run):
    multi = MultiRunManager([runs("a", [KEY_ERROR]), plain_run])
    box = multi.info()
    update_all = box.children[0]
    assert update_all.description == "Update All"
    before = tabs(box)
    run = multi.run_managers["a"]
    assert "not yet started" in panel_text(before["a"])
    run.start()
    await run.finished(LIMIT_S)
    update_all.click()
    assert "failed" in panel_text(tabs(box)["a"])
    assert set(tabs(box)) == {"a", "plain"}


def panel_text(child) -> str:
    """Return the status text of the engine's panel in a tab."""
    found = []

    def walk(widget) -> None:
        found.append(str(getattr(widget, "value", "")))
        for inner in getattr(widget, "children", ()):
            walk(inner)

    walk(child)
    return " ".join(found)


async def test_one_of_the_engines_own_is_left_as_it_is(runs, plain_run):
    multi = MultiRunManager([plain_run])
    box = multi.info()
    multi.add_run_manager(runs("a", [KEY_ERROR]))
    assert list(multi.groups()) == ["a"]
    assert not any(isinstance(c, FailuresPanel) for c in tabs(box)["plain"].children)
    assert isinstance(tabs(box)["a"].children[1], FailuresPanel)


async def test_a_name_is_there_once_and_a_removed_run_is_gone(runs):
    first = runs("a", [KEY_ERROR])
    multi = MultiRunManager([first])
    box = multi.info()
    with pytest.raises(ValueError, match="already exists"):
        multi.add_run_manager(first)
    multi.remove_run_manager("a")
    assert multi.groups() == {}
    assert tabs(box) == {}
