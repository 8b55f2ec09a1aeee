"""A failed set-up is the root of what follows from it."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import WORK, diagnose_text

MISSING = (
    "Traceback (most recent call last):\n"
    '  File "/home/u/a.py", line 3, in <module>\n    import einops\n'
    "ModuleNotFoundError: No module named 'einops'\n"
)
LIBRARY = (
    "./a.out: error while loading shared libraries: libhdf5.so.103: cannot open shared object "
    "file: No such file or directory\n"
)
RETRY = (
    "WARNING: Retrying (Retry(total={n}, connect=None)) after connection broken by "
    "'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x1>: Failed "
    "to establish a new connection: [Errno -2] Name or service not known')': /simple/einops/\n"
)
NO_VERSION = "ERROR: Could not find a version that satisfies the requirement einops (from none)\n"
ENERGY = "Fatal error:\nStep 15: The total potential energy is nan, which is not finite.\n"
NO_FILE = "Error in user input:\n    File 'nvt.gro' does not exist or is not accessible.\n"
SET_UPS = {
    "conda": ("job.sh: line 14: conda: command not found\n", MISSING, "command_not_found"),
    "module": ("bash: module: command not found\n", LIBRARY, "command_not_found"),
    "activate": (
        "job.sh: line 5: /home/u/venv/bin/activate: No such file or directory\n",
        MISSING,
        "configuration_error",
    ),
    "environment": (
        "EnvironmentNameNotFound: Could not find conda environment: ml\n",
        MISSING,
        "configuration_error",
    ),
    "modulefile": (
        "ERROR: Unable to locate a modulefile for 'hdf5/99'\n",
        LIBRARY,
        "configuration_error",
    ),
    "pip": (RETRY.format(n=1) + RETRY.format(n=0) + NO_VERSION, MISSING, "network_error"),
    "earlier-program": (ENERGY, NO_FILE, "numerical_error"),
}


@pytest.mark.parametrize("name", SET_UPS)
def test_the_set_up_is_the_root(tmp_path, name):
    failed, missing, category = SET_UPS[name]
    found = diagnose_text(tmp_path, failed + missing)
    assert found.category == category, found
    assert any(found.evidence[0].text in line for line in failed.splitlines())
    # What follows from it is shown too.
    assert any(item.text.strip() in missing for item in found.evidence[:3])


@pytest.mark.parametrize("name", SET_UPS)
def test_without_the_set_up_the_error_stands_for_itself(tmp_path, name):
    _, missing, category = SET_UPS[name]
    assert diagnose_text(tmp_path, missing).category != category


def test_a_set_up_long_ago_is_no_root(tmp_path):
    failed, missing, _ = SET_UPS["conda"]
    assert diagnose_text(tmp_path, failed + WORK + missing).category == "missing_module"


def test_an_installer_that_got_through_is_no_root(tmp_path):
    text = RETRY.format(n=4) + "Successfully installed numpy-2.0\n" + MISSING
    assert diagnose_text(tmp_path, text).category == "missing_module"
