"""Words that fit any program are told with the name of the one that wrote them."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

GROMACS = "                      :-) GROMACS - gmx mdrun, 2021.4 (-:\n\n  gmx mdrun -deffnm npt\n"
ERROR = "Error: the number of threads is odd for this build\n"
UNOPENED = "    File 'npt.tpr' does not exist or is not accessible.\n"


def test_a_general_message_below_the_head_of_a_program(tmp_path):
    found = diagnose_text(tmp_path, GROMACS + ERROR)
    assert found.title.startswith("GROMACS: the log ends with an error: the number of threads")
    assert found.explanation.startswith("GROMACS reported `the number of threads")


def test_a_program_that_could_not_open_a_file(tmp_path):
    found = diagnose_text(tmp_path, f"{GROMACS}Error in user input:\n{UNOPENED}")
    assert found.title == "GROMACS could not open a file: npt.tpr"
    assert found.explanation.startswith("GROMACS needs a file")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("LAMMPS (29 Sep 2021)\n", "LAMMPS"),
        ("     Program PWSCF v.6.8 starts on 20Nov2026 at 10: 0: 0\n", "Quantum ESPRESSO"),
        (" vasp.6.3.0 20Jan22 (build Jan 1 2022) complex\n", "VASP"),
        (f"{GROMACS}GROMACS reminds you: x\nLAMMPS (29 Sep 2021)\n", "LAMMPS"),
    ],
)
def test_the_last_program_that_began(tmp_path, head, name):
    assert diagnose_text(tmp_path, head + ERROR).title.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "text",
    [
        ERROR,
        f"{GROMACS}GROMACS reminds you: x\n{ERROR}",
        f"{GROMACS}Traceback (most recent call last):\nValueError: no\n",
        f"{GROMACS}/home/ann/job.sh: line 3: analyse: command not found\n",
    ],
)
def test_what_another_program_said_is_not_given_to_it(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category not in {"success", "unknown"}
    assert "GROMACS" not in f"{found.title} {found.explanation}"


def test_a_line_that_only_announces_is_told_with_the_next_one(tmp_path):
    text = f"{GROMACS}ERROR 1 [file md.mdp]:\n  The cut-off length is longer than half the box\n"
    found = diagnose_text(tmp_path, text)
    assert found.title.endswith(
        "ERROR 1 [file md.mdp]: The cut-off length is longer than half the box"
    )
