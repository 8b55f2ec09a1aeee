"""Failures of Python programs: the exception that decides, and what is said about it."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.engine.records import JobRecord

WORK = "".join(f"iteration {i} value {i * 0.37:.3f}\n" for i in range(40))
FAILED = JobRecord(job_id="7", state="FAILED", exit_code=1)
ENV = "/home/u/env/lib/python3.11/site-packages"
STD = "/usr/lib/python3.11"


def tb(last, *frames):
    lines = ["Traceback (most recent call last):"]
    for file, number, function, source in frames or (("/home/u/model.py", 12, "f", "y = g(x)"),):
        lines += [f'  File "{file}", line {number}, in {function}', f"    {source}"]
    return "\n".join([*lines, last]) + "\n"


CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"

# name: log, category, cause, part of the title
CASES = {
    "name": (
        tb("NameError: name 'nump' is not defined. Did you mean: 'numpy'?"),
        "code_error",
        "python-name-error",
        "nump is not defined: did you mean numpy? (model.py:12)",
    ),
    "attribute": (
        tb("AttributeError: module 'numpy' has no attribute 'bool'. Did you mean: 'bool_'?"),
        "code_error",
        "python-attribute-error",
        "did you mean bool_?",
    ),
    "unbound": (
        tb(
            "UnboundLocalError: cannot access local variable 'y' where it is not associated with a value"
        ),
        "code_error",
        "python-unbound-local",
        "variable y",
    ),
    "type": (
        tb("TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
        "code_error",
        "python-type-error",
        "unsupported operand",
    ),
    "value": (
        tb("ValueError: negative mass"),
        "code_error",
        "python-value-error",
        "ValueError: negative mass (model.py:12)",
    ),
    "key": (tb("KeyError: 'alpha'"), "code_error", "python-key-error", "'alpha'"),
    "index": (
        tb("IndexError: list index out of range"),
        "code_error",
        "python-index-error",
        "list index",
    ),
    "assertion": (
        tb("AssertionError"),
        "code_error",
        "python-assertion",
        "An assertion failed (model.py:12)",
    ),
    "recursion": (
        tb("RecursionError: maximum recursion depth exceeded"),
        "code_error",
        "python-recursion",
        "too deeply",
    ),
    "runtime": (tb("RuntimeError: no start"), "code_error", "python-runtime-error", "no start"),
    "own-class": (
        tb("physics.WrongRegime: too cold"),
        "code_error",
        "python-exception",
        "physics.WrongRegime: too cold",
    ),
    "zero": (
        tb("ZeroDivisionError: float division by zero"),
        "numerical_error",
        "python-zero-division",
        "Division",
    ),
    "overflow": (
        tb("OverflowError: math range error"),
        "numerical_error",
        "overflow",
        "math range",
    ),
    "singular": (
        tb("numpy.linalg.LinAlgError: Singular matrix"),
        "numerical_error",
        "singular-matrix",
        "singular",
    ),
    "no-convergence": (
        tb("RuntimeError: Failed to converge after 50 iterations, value is 1.3"),
        "numerical_error",
        "no-convergence",
        "after 50 iterations",
    ),
    "nan": (tb("ValueError: array must not contain infs or NaNs"), "numerical_error", None, ""),
    "domain": (tb("ValueError: math domain error"), "numerical_error", "domain-error", "domain"),
    "module": (
        tb("ModuleNotFoundError: No module named 'cv2'"),
        "missing_module",
        "python-missing-module",
        "cv2",
    ),
    "import-name": (
        tb(
            "ImportError: cannot import name 'trapz' from 'scipy.integrate' (/x/__init__.py). Did you mean: 'trapezoid'?"
        ),
        "missing_module",
        "python-import-error",
        "did you mean trapezoid?",
    ),
    "circular": (
        tb(
            "ImportError: cannot import name 'a' from partially initialized module 'm' (most likely due to a circular import) (/home/u/m.py)"
        ),
        "code_error",
        "python-circular-import",
        "each other",
    ),
    "shared-library": (
        tb(
            "ImportError: libhdf5.so.103: cannot open shared object file: No such file or directory"
        ),
        "missing_shared_library",
        "missing-shared-library",
        "libhdf5.so.103",
    ),
    "file": (
        tb("FileNotFoundError: [Errno 2] No such file or directory: 'data/in.csv'"),
        "file_not_found",
        "python-file-not-found",
        "data/in.csv",
    ),
    "subprocess": (
        tb(
            "FileNotFoundError: [Errno 2] No such file or directory: 'mysolver'",
            ("/home/u/m.py", 3, "run", "subprocess.run(['mysolver'])"),
            (
                f"{STD}/subprocess.py",
                1955,
                "_execute_child",
                "raise child_exception_type(errno_num, err_msg, err_filename)",
            ),
        ),
        "command_not_found",
        "python-command-not-found",
        "mysolver",
    ),
    "permission": (
        tb("PermissionError: [Errno 13] Permission denied: '/root/x'"),
        "permission_denied",
        "permission-denied",
        "/root/x",
    ),
    "disk": (tb("OSError: [Errno 28] No space left on device"), "disk_full", "disk-full", "full"),
    "quota": (
        tb("OSError: [Errno 122] Disk quota exceeded"),
        "disk_full",
        "quota-exceeded",
        "quota",
    ),
    "stale": (
        tb("OSError: [Errno 116] Stale file handle"),
        "node_failure",
        "stale-nfs",
        "network file system",
    ),
    "open-files": (
        tb("OSError: [Errno 24] Too many open files: 'x'"),
        "configuration_error",
        "too-many-open-files",
        "Too many",
    ),
    "memory": (tb("MemoryError"), "out_of_memory", "python-memory-error", "memory"),
    "numpy-memory": (
        tb(
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with shape (100000, 100000) and data type float64"
        ),
        "out_of_memory",
        "python-memory-error",
        "74.5 GiB",
    ),
    "gpu-memory": (
        tb(
            "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.9 GiB total)"
        ),
        "gpu_out_of_memory",
        "gpu-out-of-memory",
        "2.00 GiB",
    ),
    "refused": (
        tb("ConnectionRefusedError: [Errno 111] Connection refused"),
        "network_error",
        "connection-refused",
        "refused",
    ),
    "host": (
        tb("socket.gaierror: [Errno -2] Name or service not known"),
        "network_error",
        "unknown-host",
        "host name",
    ),
    "environment": (
        tb(
            "KeyError: 'DATA_DIR'",
            ("/home/u/m.py", 3, "f", "d = os.environ['DATA_DIR']"),
            ("<frozen os>", 679, "__getitem__", "raise KeyError(key) from None"),
        ),
        "configuration_error",
        "env-variable-missing-os",
        "DATA_DIR",
    ),
    "syntax": (
        "  File \"/home/u/model.py\", line 3\n    def f(x:\n         ^\nSyntaxError: '(' was never closed\n",
        "syntax_error",
        "python-syntax-error",
        "never closed",
    ),
    "pickle": (
        tb("AttributeError: Can't pickle local object 'main.<locals>.f'"),
        "code_error",
        "python-pickle",
        "another process",
    ),
    "argparse": (
        "usage: run.py [-h] [--n N]\nrun.py: error: unrecognized arguments: --steps 3\n",
        "configuration_error",
        "argparse-usage",
        "--steps 3",
    ),
    "hydra": (
        tb("omegaconf.errors.ConfigAttributeError: Key 'lr' is not in struct"),
        "configuration_error",
        "hydra-config",
        "lr",
    ),
    # chains
    "chain-root": (
        tb("KeyError: 'beta'") + CAUSED + tb("RuntimeError: bad parameters"),
        "code_error",
        "python-key-error",
        "'beta'",
    ),
    "chain-memory": (
        tb("MemoryError") + CAUSED + tb("RuntimeError: solver failed"),
        "out_of_memory",
        "python-memory-error",
        "",
    ),
    "chain-lookup": (
        tb("KeyError: 'cache'")
        + HANDLING
        + tb("FileNotFoundError: [Errno 2] No such file or directory: 'cache.h5'"),
        "file_not_found",
        "python-file-not-found",
        "cache.h5",
    ),
    "chain-requests": (
        tb("socket.gaierror: [Errno -3] Temporary failure in name resolution")
        + CAUSED
        + tb("urllib3.exceptions.NameResolutionError: Failed to resolve 'x.org'")
        + HANDLING
        + tb(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x.org', port=443): Max retries exceeded"
        ),
        "network_error",
        "unknown-host",
        "",
    ),
    "pool-worker": (
        'concurrent.futures.process._RemoteTraceback: \n"""\n'
        + tb("ValueError: negative mass")
        + '"""\n'
        + CAUSED
        + tb(
            "ValueError: negative mass",
            (f"{STD}/concurrent/futures/_base.py", 401, "__get_result", "raise self._exception"),
        ),
        "code_error",
        "python-value-error",
        "model.py:12",
    ),
    # several
    "caught-then-fatal": (
        tb("ValueError: first guess bad") + WORK + tb("KeyError: 'omega'"),
        "code_error",
        "python-key-error",
        "'omega'",
    ),
    "retried-then-fatal": (
        "WARNING:root:attempt 1 failed, retrying\n"
        + tb("ConnectionResetError: [Errno 104] Connection reset by peer")
        + tb("ZeroDivisionError: division by zero"),
        "numerical_error",
        "python-zero-division",
        "",
    ),
    "called-process": (
        tb("ModuleNotFoundError: No module named 'yaml'")
        + tb(
            "subprocess.CalledProcessError: Command '['python', 'x.py']' returned non-zero exit status 1."
        ),
        "missing_module",
        "python-missing-module",
        "yaml",
    ),
    "srun-after": (
        tb("ValueError: negative mass") + "srun: error: n1: task 0: Exited with exit code 1\n",
        "code_error",
        "python-value-error",
        "negative mass",
    ),
    "ranks": (
        "rank 0 up\nrank 1 up\n"
        + tb("ValueError: negative mass")
        + tb("ConnectionResetError: [Errno 104] Connection reset by peer"),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name, tmp_path):
    text, category, cause, title = CASES[name]
    log = tmp_path / "job.out"
    log.write_text(WORK + text)
    for record in (FAILED, None):
        found = diagnose_log(log, record=record)
        assert found.category == category, found
        assert cause in {None, found.cause}
        assert title in found.title
        assert found.evidence[0].file == str(log)
        line = (WORK + text).splitlines()[found.evidence[0].line - 1]
        assert line == found.evidence[0].text
        assert found.remedies
