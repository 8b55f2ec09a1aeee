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
        "srun: error: cn-004: tasks 7: Exited with exit code 1".replace("tasks", "task"),
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
