"""Programs that a signal ends, and libraries that don't fit."""

from __future__ import annotations

from tests.programs.case import ProgramCase, run_c, run_python

SIGNALS = (
    run_c("segmentation-fault", "crash", "Segmentation fault", "segfault.c"),
    # No shell remains to print a word: only the record tells.
    run_c("segmentation-fault-silent", "crash", "", "segfault.c", script="exec ./program\n"),
    run_c("stack-overflow", "crash", "Segmentation fault", "stack_overflow.c"),
    run_c("bus-error", "crash", "Bus error", "bus_error.c"),
    run_c("abort", "crash", "Aborted", "abort.c"),
    run_c("c-assertion", "crash", "Assertion `n_cells > 0' failed", "assertion.c"),
    run_c("illegal-instruction", "crash", "Illegal instruction", "illegal_instruction.c"),
    run_c(
        "integer-division",
        ("crash", "numerical_error"),
        "Floating point exception",
        "division.c",
    ),
    run_c("double-free", "crash", "free(): double free detected", "double_free.c"),
    run_c(
        "stack-smashing",
        "crash",
        "*** stack smashing detected ***",
        "stack_smashing.c",
        flags="-fstack-protector-all -U_FORTIFY_SOURCE",
    ),
    run_python(
        "python-segmentation-fault",
        "crash",
        "Fatal Python error: Segmentation fault",
        "import ctypes, faulthandler\nfaulthandler.enable()\nctypes.string_at(8)\n",
    ),
    run_python(
        "python-abort",
        "crash",
        "Aborted",
        "import os\nos.abort()\n",
    ),
    ProgramCase("killed", "killed", "Killed", script='sh -c "kill -KILL \\$\\$"\n'),
    ProgramCase("kills-itself", "killed", "", script="kill -KILL $$\n"),
    ProgramCase(
        "terminated",
        ("killed", "cancelled"),
        "Terminated",
        script='sh -c "kill -TERM \\$\\$"\n',
    ),
    run_python(
        "interrupted",
        ("cancelled", "killed"),
        "KeyboardInterrupt",
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n",
    ),
)

LIBRARIES = (
    ProgramCase(
        "missing-shared-library",
        "missing_shared_library",
        "error while loading shared libraries: libharbour.so: cannot open shared object file",
        script="rm libharbour.so\n./program\n",
        builds=(
            "gcc -shared -fPIC -o libharbour.so harbour.c",
            "gcc -o program use_harbour.c -L. -lharbour",
        ),
    ),
    ProgramCase(
        "undefined-symbol",
        ("missing_shared_library", "configuration_error"),
        "undefined symbol: dock_ship",
        script="LD_LIBRARY_PATH=other ./program\n",
        builds=(
            "gcc -shared -fPIC -o libharbour.so harbour.c",
            "gcc -o program use_harbour.c -L. -lharbour",
            "mkdir other",
            "gcc -shared -fPIC -o other/libharbour.so empty_harbour.c",
        ),
    ),
    run_python(
        "python-missing-library",
        "missing_shared_library",
        "OSError: libharbour.so.7: cannot open shared object file",
        "import ctypes\nctypes.CDLL('libharbour.so.7')\n",
    ),
    run_python(
        "extension-missing-library",
        "missing_shared_library",
        "ImportError: libharbour.so: cannot open shared object file",
        "import ships\n",
        # A module of C that was linked with a library which is gone.
        script='rm libharbour.so\n"$PYTHON" main.py\n',
        builds=(
            "gcc -shared -fPIC -o libharbour.so harbour.c",
            "gcc -shared -fPIC -o ships.so use_harbour.c -L. -lharbour",
        ),
    ),
)

CASES = (*SIGNALS, *LIBRARIES)
