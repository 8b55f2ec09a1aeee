"""Jobs that succeed, some of which look as if they had not."""

from __future__ import annotations

from tests.programs.case import ProgramCase, run_python

CASES = (
    ProgramCase("clean", "success", "", script="echo 'done'\n", state="COMPLETED"),
    ProgramCase("silent", "success", "", script="true\n", state="COMPLETED"),
    run_python(
        "alarming-words",
        "success",
        "",
        "print('RMS error: 0.0013')\nprint('0 errors, 0 failed, 2 warnings')\n"
        "print('Warning: using the fallback integrator')\n"
        "print('error tolerance reached, aborting the search early')\nprint('converged')\n",
        state="COMPLETED",
    ),
    run_python(
        "caught-traceback",
        "success",
        "",
        "import traceback\n\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n"
        "print('point skipped; finished with 99 of 100 points')\n",
        state="COMPLETED",
    ),
    run_python(
        "thread-exception",
        "success",
        "",
        "import threading\n\n\n"
        "def beat():\n    raise ConnectionError('monitor is gone')\n\n\n"
        "thread = threading.Thread(target=beat)\nthread.start()\nthread.join()\n"
        "print('simulation finished')\n",
        state="COMPLETED",
    ),
    ProgramCase(
        "failing-command-tolerated",
        "success",
        "",
        script="cat old-checkpoint.dat || echo 'no checkpoint, starting anew'\necho finished\n",
        state="COMPLETED",
    ),
)
