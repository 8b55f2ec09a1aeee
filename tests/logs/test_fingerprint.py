"""The same failure has the same fingerprint, and another one another."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import digest_log, fingerprint, normalise

TRACEBACK = """Traceback (most recent call last):
  File "{home}/run.py", line {line}, in <module>
    {function}(x)
  File "{home}/model.py", line 7, in {function}
    raise {exception}("{message}")
{exception}: {message}
"""


def traceback(**changes):
    values = {
        "home": "/home/ann/a1",
        "line": 3,
        "function": "solve",
        "exception": "ValueError",
        "message": "point 0.13 is bad",
    }
    return TRACEBACK.format(**values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"home": "/scratch/bob/run-17"},
        {"line": 99},
        {"message": "point -7.2e-05 is bad"},
    ],
)
def test_same_traceback(changes):
    assert fingerprint(traceback()) == fingerprint(traceback(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"exception": "KeyError"},
        {"function": "prepare"},
        {"message": "matrix is singular"},
    ],
)
def test_other_traceback(changes):
    assert fingerprint(traceback()) != fingerprint(traceback(**changes))


SAME = [
    (
        "slurmstepd-n1: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28 DUE TO TIME LIMIT ***",
        "slurmstepd-gpu7: error: *** JOB 88 ON gpu7 CANCELLED AT 2027-01-02 DUE TO TIME LIMIT ***",
    ),
    (
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=20.batch.",
        "slurmstepd: error: Detected 3 oom-kill event(s) in StepId=112.batch.",
    ),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 44.00 MiB (GPU 0)",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.20 GiB (GPU 3)",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/data/ann/x_1.npy'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/scratch/other/y.npy'",
    ),
    (
        "srun: error: node12: task 3: Exited with exit code 1",
        "srun: error: cn-004: tasks 5-9,11: Exited with exit code 1",
    ),
    (
        "Error termination via Lnk1e in /apps/g16/l502.exe at Fri Nov 21 10:00:00 2026.",
        "Error termination via Lnk1e in /sw/ann/g09/l502.exe at Mon Nov 24 11:30:00 2025.",
    ),
    (
        "[rank3]: RuntimeError: NCCL timeout at 0x7f3a2b at 12:13:14",
        "[rank11]: RuntimeError: NCCL timeout at 0x55d0ff at 01:02:03",
    ),
    (
        "error: job 0f3a9c2b77 on 10.0.0.12:5555 failed",
        "error: job 77aa01ff3e on 10.1.4.7:41 failed",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_lines(one, other):
    assert normalise(one) == normalise(other)
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "ModuleNotFoundError: No module named 'numexpr'",
            "ModuleNotFoundError: No module named 'torch'",
        ),
        ("NameError: name 'foo' is not defined", "NameError: name 'bar' is not defined"),
        (
            "libcudart.so.11: cannot open shared object file",
            "libmpi.so.40: cannot open shared object file",
        ),
        ("run.sh: line 3: julia: command not found", "run.sh: line 3: mpirun: command not found"),
        ("KeyError: 'alpha'", "KeyError: 'beta'"),
        ("Segmentation fault (core dumped)", "Bus error (core dumped)"),
    ],
)
def test_other_lines(one, other):
    assert fingerprint(one) != fingerprint(other)


CODES = [
    ("urllib.error.HTTPError: HTTP Error {}: refused", "404", "503"),
    ("error: the request failed with status code {}", "401", "503"),
    ("RuntimeError: CUDA error {}: failed", "700", "2"),
    ("THCudaCheck FAIL file=x.cpp line=7 error={} : failed", "100", "2"),
    ("OSError: [Errno {}] the file can't be read", "5", "116"),
    ("error: child killed by signal {}", "9", "11"),
    ("srun: error: n1: task 0: Exited with exit code {}", "139", "137"),
    ("subprocess.CalledProcessError: returned non-zero exit status {}.", "1", "127"),
    ("ImportError: libcudart.so.{}: cannot open shared object file", "11.0", "12"),
    ("error: command ./solver returned {}", "1", "127"),
    ("error: NCCL error code {} at init.cc:12", "2", "5"),
    ("License checkout failed: License error {}", "-4", "-15"),
    ("FLEXnet Licensing error:{}.  System Error", "-5,357", "-15,570"),
    ("error: solver stopped, ierr = {}", "3", "-7"),
    ("error: dpotrf failed: info={}", "3", "7"),
    ("forrtl: severe ({}): failed", "24", "41"),
    ("curl: ({}) error", "28", "60"),
    ("application called MPI_Abort(MPI_COMM_WORLD, {}) - process 3", "1", "59"),
    ("503 error: {} Client Error: for url", "404", "403"),
    ("/usr/bin/python3: No module named {}", "cv2", "h5py"),
    ("run.sh: line 3: {}: command not found", "python2", "python3"),
    ("ERROR: Unknown pair style {} (src/force.cpp:275)", "reax/c", "eam/alloy"),
    ("ERROR: Unrecognized fix style '{}' is not enabled", "qeq/reax", "nvt/sllod"),
    ("ERROR: Unknown pair style {}", "lj/cut/coul/long", "lj/charmm/coul/long"),
    ("ERROR: Unrecognized bond style: {}", "class2/omp", "fene/gpu"),
    ("Error termination via Lnk1e in /apps/g16/{} at Fri Nov", "l502.exe", "l906.exe"),
    ("Error: the program {} failed", "/apps/g16/l101.exe", "/apps/g16/l9999.exe"),
    ("ERROR: Unable to locate a modulefile for '{}'", "gcc/12.2.0", "intel/12.2.0"),
]


@pytest.mark.parametrize(("line", "one", "other"), CODES)
def test_codes_and_names_tell_failures_apart(line, one, other):
    assert fingerprint(line.format(one)) != fingerprint(line.format(other))


@pytest.mark.parametrize(
    "line",
    [
        "error: lost {} of 8 atoms at step 12",
        "error: 17 files failed, error = {}.5",
        "error at iteration {}: solver diverged",
        "error: {} files are missing",
        "Error in rank {}: mesh is bad",
        "error: the query returned {} rows",
        "error: bad result {} of the solver",
    ],
)
def test_counts_do_not(line):
    assert fingerprint(line.format(3)) == fingerprint(line.format(417))


STACK = (
    "Error: mesh is bad\n    at {} (/home/ann/{}.js:{}:7)\n    at main (/home/ann/main.js:3:1)\n"
)


def test_functions_of_a_stack_of_javascript():
    first = fingerprint(STACK.format("refine", "a", 12))
    assert first == fingerprint(STACK.format("refine", "a", 77))
    assert first != fingerprint(STACK.format("coarsen", "b", 12))


EQUAL = [
    "error: no answer of {}",
    [
        "10.0.0.1:5432",
        "192.168.7.44",
        "[fe80::1%eth0]:5432",
        "fe80::a1:7",
        "db01.example.org:99",
        "db.example.org",
        "node07:5432",
    ],
    "{} error: mesh is bad",
    [
        "Fri Jan 12 10:00:00 CET 2025",
        "Mon Feb  3 23:01:59 UTC 2026",
        "2026-02-03T10:11:12+01:00",
        "Jan 12 10:00:00",
    ],
    "error: commit {} is bad",
    ["3f78685", "deadbee", "1234567", "0123456789abcdef0123456789abcdef01234567"],
    "error: cannot read {} now",
    [
        r"C:\Users\a\x.txt",
        r"D:\b\y.txt",
        "/data/x.txt",
        "x.txt",
        "/home/ann/x",
        "~bob2/y_17.npy",
        r"'C:\Program Files\x\y'",
        "'/home/ann/my files/x'",
        "`/scratch/ann'",
    ],
    "error: gave up after {}",
    ["1h 3m", "3m", "10 seconds", "2 days, 3:04:05", "1.5 h", "00:12:45"],
    "error: device {} is lost",
    ["0000:3b:00.0", "0000:af:00.1", "00000000:3B:00.0"],
    "{}Error: mesh is bad",
    ["", "[1,3]<stderr>: ", "[1,3]<stderr>:", "[rank7]: ", "3: ", "[n1:0] "],
    "error: cannot allocate {}",
    ["512 B", "1.2 GiB", "4096 bytes", "3 kB"],
    "error: {} is bad",
    ["/a/b/mesh.cpp:88", "mesh.cpp:7", "./src/mesh.cpp:9"],
]


@pytest.mark.parametrize(("line", "values"), list(zip(EQUAL[::2], EQUAL[1::2], strict=True)))
def test_what_changes_from_run_to_run_is_no_part_of_it(line, values):
    forms = {normalise(line.format(value)): value for value in values}
    assert len(forms) == 1, forms
    assert len({fingerprint(line.format(value)) for value in values}) == 1


UNITS = (
    *("a", "1", "/", "'", '"', ".", ":", "a:", "1:", "1h ", "error ", "error (", "a.", "lib-1"),
    *("`/", "C:\\", "[1", "module ", "f::", "1,", "exit code ", "a1-", "mpi_abort(", "signal: a"),
)


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_lines_have_a_bounded_form(unit):
    # How long it takes is measured by benchmarks/hostile_lines.py.
    line = (unit * 2000)[:2000]
    assert 0 < len(normalise(line)) <= len(line)


def test_it_is_short_hexadecimal():
    found = fingerprint("")
    assert len(found) == 16
    int(found, 16)


def test_text_lines_and_digest_agree(tmp_path):
    text = traceback()
    path = tmp_path / "job.out"
    path.write_text(text)
    assert fingerprint(text) == fingerprint(text.splitlines())
    for max_chars in (100, 1000, 9000):
        assert digest_log(path, max_chars=max_chars).fingerprint == fingerprint(text)


def test_the_number_of_ranks_does_not_matter(tmp_path):
    def ranks(count):
        return "".join(
            f"[rank{i}]: {line}\n" for i in range(count) for line in traceback().splitlines()
        )

    assert fingerprint(ranks(1)) == fingerprint(ranks(7))
