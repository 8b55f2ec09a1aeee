"""Errors of Python programs: exceptions, imports, syntax, process pools."""

from __future__ import annotations

from tests.programs.case import run_python

CODE_OR_NUMBERS = ("code_error", "numerical_error")
CODE_OR_CONFIGURATION = ("code_error", "configuration_error")

EXCEPTIONS = (
    run_python(
        "name-error-in-module",
        "code_error",
        "NameError: name 'amplitud' is not defined",
        "import physics\nprint(physics.signal(2.0))\n",
        files={
            "physics.py": "def signal(x):\n    amplitude = 3.0 * x\n    return amplitud + 1\n",
        },
    ),
    run_python(
        "attribute-error",
        "code_error",
        "AttributeError: module 'math' has no attribute 'squrt'",
        "import math\nprint(math.squrt(2))\n",
    ),
    run_python(
        "value-error",
        "code_error",
        "ValueError: invalid literal for int() with base 10: '12,5'",
        "for text in ['3', '12,5']:\n    print(int(text))\n",
    ),
    run_python(
        "type-error",
        "code_error",
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        "print(sum([1, '2']))\n",
    ),
    run_python(
        "index-error",
        "code_error",
        "IndexError: list index out of range",
        "points = [1, 2, 3]\nprint(points[3])\n",
    ),
    run_python(
        "assertion-error",
        "code_error",
        "AssertionError: grid is not sorted",
        "grid = [3, 1]\nassert grid == sorted(grid), 'grid is not sorted'\n",
    ),
    run_python(
        "recursion-limit",
        "code_error",
        "RecursionError: maximum recursion depth exceeded",
        "def refine(n):\n    return refine(n + 1)\n\n\nrefine(0)\n",
    ),
    run_python(
        "unicode-error",
        CODE_OR_CONFIGURATION,
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9",
        "open('names.txt', 'wb').write(b'caf\\xe9 au lait')\n"
        "print(open('names.txt', encoding='utf-8').read())\n",
    ),
    run_python(
        "json-error",
        CODE_OR_CONFIGURATION,
        "json.decoder.JSONDecodeError: Expecting",
        "import json\nprint(json.load(open('run.json')))\n",
        files={"run.json": '{"temperature": 3.0,\n "steps": }\n'},
    ),
    run_python(
        "environment-key-error",
        ("configuration_error", "code_error"),
        "KeyError: 'DATASET_ROOT'",
        "import os\nprint(os.environ['DATASET_ROOT'])\n",
    ),
    run_python(
        "chained-exceptions",
        "code_error",
        "KeyError: 'charge'",
        "def read_atom(row):\n"
        "    try:\n        return row['charge']\n"
        "    except KeyError as exc:\n"
        "        raise RuntimeError('simulation failed') from exc\n\n\n"
        "read_atom({'mass': 1.0})\n",
    ),
    run_python(
        "chained-missing-file",
        "file_not_found",
        "FileNotFoundError: [Errno 2] No such file or directory: 'settings.toml'",
        "def read_settings():\n"
        "    try:\n        return open('settings.toml').read()\n"
        "    except OSError:\n"
        "        raise RuntimeError('cannot start the solver')\n\n\n"
        "read_settings()\n",
    ),
    run_python(
        "adaptive-point-fails",
        "code_error",
        "ValueError: negative density",
        "import adaptive\nfrom adaptive.runner import SequentialExecutor\n\n\n"
        "def density(x):\n    if x > 0.4:\n        raise ValueError('negative density')\n"
        "    return x\n\n\n"
        "learner = adaptive.Learner1D(density, bounds=(-1, 1))\n"
        "adaptive.BlockingRunner(learner, npoints_goal=20, executor=SequentialExecutor())\n",
    ),
    run_python(
        "sys-exit-with-message",
        ("configuration_error", "code_error", "unknown"),
        "ERROR: temperature must be positive, got -4",
        "import sys\nsys.exit('ERROR: temperature must be positive, got -4')\n",
    ),
    run_python("exit-code-only", "unknown", "", "import sys\nsys.exit(3)\n"),
)

NUMBERS = (
    run_python(
        "zero-division",
        CODE_OR_NUMBERS,
        "ZeroDivisionError: division by zero",
        "print(1 / (3 - 3))\n",
    ),
    run_python(
        "overflow",
        CODE_OR_NUMBERS,
        "OverflowError: math range error",
        "import math\nprint(math.exp(1e5))\n",
    ),
    run_python(
        "singular-matrix",
        "numerical_error",
        "LinAlgError: Singular matrix",
        "import numpy as np\nprint(np.linalg.inv(np.zeros((3, 3))))\n",
    ),
    run_python(
        "floating-point-error",
        "numerical_error",
        "FloatingPointError: invalid value encountered in log",
        "import numpy as np\nnp.seterr(all='raise')\nprint(np.log(np.array([-1.0])))\n",
    ),
)

IMPORTS_AND_SYNTAX = (
    run_python(
        "missing-module",
        "missing_module",
        "ModuleNotFoundError: No module named 'quantum_toolbox'",
        "import quantum_toolbox\n",
    ),
    run_python(
        "import-name-missing",
        ("missing_module", "code_error"),
        "ImportError: cannot import name 'solve_fast' from 'solver'",
        "from solver import solve_fast\n",
        files={"solver.py": "def solve(x):\n    return x\n"},
    ),
    run_python(
        "circular-import",
        "code_error",
        "partially initialized module 'lattice'",
        "import lattice\n",
        files={
            "lattice.py": "from bonds import Bond\n\n\nclass Site:\n    pass\n",
            "bonds.py": "from lattice import Site\n\n\nclass Bond:\n    site = Site\n",
        },
    ),
    run_python(
        "syntax-error",
        "syntax_error",
        "SyntaxError:",
        "print('start')\nfor x in range(3)\n    print(x)\n",
    ),
    run_python(
        "syntax-error-in-module",
        "syntax_error",
        "SyntaxError: '(' was never closed",
        "import model\n",
        files={"model.py": "value = max(1, 2\nother = 3\n"},
    ),
    run_python(
        "tab-error",
        "syntax_error",
        "TabError: inconsistent use of tabs and spaces in indentation",
        "if True:\n        x = 1\n\tprint(x)\n",
    ),
    run_python(
        "indentation-error",
        "syntax_error",
        "IndentationError: unexpected indent",
        "x = 1\n    y = 2\n",
    ),
    run_python(
        "argparse-usage",
        "configuration_error",
        "error: unrecognized arguments: --temprature=3",
        "import argparse\n"
        "parser = argparse.ArgumentParser('simulate')\n"
        "parser.add_argument('--temperature', type=float)\n"
        "print(parser.parse_args())\n",
        script='"$PYTHON" main.py --temprature=3\n',
    ),
)

_POOL = (
    "import os, signal\n"
    "from concurrent.futures import ProcessPoolExecutor\n\n\n"
    "def work(x):\n    {body}\n    return x\n\n\n"
    "if __name__ == '__main__':\n"
    "    with ProcessPoolExecutor(2) as pool:\n"
    "        print(list(pool.map(work, range(6))))\n"
)

POOLS = (
    run_python(
        "process-pool-exception",
        "code_error",
        "ValueError: no root in interval 3",
        _POOL.format(
            body="if x == 3:\n        raise ValueError(f'no root in interval {x}')",
        ),
    ),
    run_python(
        "multiprocessing-pool-exception",
        "code_error",
        "TypeError: can only concatenate str",
        "import multiprocessing\n\n\ndef label(x):\n    return 'run ' + x\n\n\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool:\n"
        "        print(pool.map(label, range(4)))\n",
    ),
    run_python(
        "process-pool-worker-killed",
        "killed",
        "BrokenProcessPool: A process in the process pool was terminated abruptly",
        _POOL.format(body="if x == 3:\n        os.kill(os.getpid(), signal.SIGKILL)"),
    ),
    run_python(
        "process-pool-worker-segfault",
        "crash",
        "Fatal Python error: Segmentation fault",
        "import ctypes, faulthandler\nfaulthandler.enable()\n"
        + _POOL.format(body="if x == 3:\n        ctypes.string_at(8)"),
    ),
)

CASES = (*EXCEPTIONS, *NUMBERS, *IMPORTS_AND_SYNTAX, *POOLS)
