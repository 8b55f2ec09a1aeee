"""The notebooks do what their stored outputs show.

A cell whose output differs in each run has the tag ``nbval-ignore-output``: it is run, and
must not fail, and its output is not compared. `IGNORED` says why for each.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.slurm_cluster import SlurmCluster

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ON_SLURM = "slurm.ipynb"
LIMIT_S = 400
WIDGET = "ids of widgets, and how far jobs are at that moment"
IGNORED = {
    "chat.ipynb": {"panel": WIDGET},
    "quickstart.ipynb": {"watch": WIDGET, "chat": WIDGET},
    "slurm.ipynb": {
        "watch": WIDGET,
        "chat": WIDGET,
        "proof": "which words a cluster uses for too much memory, and what it measured",
        "end": "the engine's progress bar, where a job has not left the queue yet",
    },
}
"""Cells whose output is not compared, and what differs in it."""


def run_nbval(notebook: Path, folder: Path, **more: str) -> None:
    # A copy in a folder of its own: what the notebook writes must not land in the checkout.
    copy = folder / notebook.name
    shutil.copyfile(notebook, copy)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "LLM_SCHEDULER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        **more,
    }
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-cell-timeout=300",
            "-p", "no:cacheprovider", "-p", "no:asyncio", "-c", os.devnull,
            f"--rootdir={folder}", copy.name,
        ],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("name", ["chat.ipynb", "quickstart.ipynb"])
def test_notebook(name: str, tmp_path: Path) -> None:
    run_nbval(FOLDER / name, tmp_path)


@pytest.mark.slurm
def test_notebook_on_slurm(slurm: SlurmCluster, tmp_path: Path) -> None:
    run_nbval(FOLDER / ON_SLURM, tmp_path, **slurm.env)


def read(notebook: Path) -> Any:
    return nbformat.read(notebook, as_version=4)


def code_cells(notebook: Path) -> list[Any]:
    return [cell for cell in read(notebook).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_was_run_in_one_go(notebook: Path) -> None:
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for words in ("/root/", "/home/", "/tmp/", str(Path.home())):
        assert words not in notebook.read_text()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_compared_but_where_it_is_said_why(notebook: Path) -> None:
    ignored = {
        c.id for c in code_cells(notebook) if "nbval-ignore-output" in c.metadata.get("tags", ())
    }
    assert ignored == set(IGNORED[notebook.name])
    for cell in code_cells(notebook):
        assert "NBVAL" not in cell.source
        assert not any(output.output_type == "error" for output in cell.outputs)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_can_be_read_where_widgets_are_not(notebook: Path) -> None:
    shown = [
        output.data
        for cell in code_cells(notebook)
        for output in cell.outputs
        if re.match("(Chat|Run)Panel", output.get("data", {}).get("text/plain", ""))
    ]
    assert shown
    assert all("<p>" in data["text/html"] for data in shown)
    assert "widgets" not in read(notebook).metadata


def test_the_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["chat.ipynb", "quickstart.ipynb", ON_SLURM]
