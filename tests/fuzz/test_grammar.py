"""Logs put together by lot from pieces of real ones, and then damaged."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_scheduler.logs import digest_log, make_digest, scan_log
from llm_scheduler.logs.redaction import redact_lines
from llm_scheduler.logs.text import CUT_MARK, clean_line
from tests.fuzz.invariants import check_small

SETTINGS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
words = st.sampled_from(
    ["x", "data.h5", "größe", "n12", "0x7ffd", "1e-5", "''", '"', "[", "%s", ""]
)
names = st.sampled_from(["ValueError", "torch.OutOfMemoryError", "KeyError", "a.B", "Exception"])
prefixes = st.sampled_from(["", "", "[rank3]: ", "3: ", "2026-11-20 12:00:01 ", "| ", "\x1b[31m"])
frames = st.builds(
    '  File "/home/me/{}.py", line {}, in {}\n    {}()'.format,
    words,
    st.integers(-1, 10**20),
    words,
    words,
)
tracebacks = st.builds(
    lambda inner, name, text: "\n".join(
        ["Traceback (most recent call last):", *inner, f"{name}: {text}"]
    ),
    st.lists(frames, max_size=5),
    names,
    words,
)
chains = st.builds(
    lambda parts, how: f"\n\n{how}\n\n".join(parts),
    st.lists(tracebacks, min_size=2, max_size=4),
    st.sampled_from(
        [
            "The above exception was the direct cause of the following exception:",
            "During handling of the above exception, another exception occurred:",
        ]
    ),
)
schedulers = st.sampled_from(
    [
        "srun: error: n12: task 3: Exited with exit code 1",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-20T12:00 DUE TO TIME LIMIT ***",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.",
        "=>> PBS: job killed: walltime 3620 exceeded limit 3600",
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
        "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD",
        "forrtl: severe (174): SIGSEGV, segmentation fault occurred",
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  x",
        "Segmentation fault (core dumped)",
        "./run.sh: line 3: gmx: command not found",
        "Error in f(x) : object 'y' not found",
        "ERROR: LoadError: UndefVarError: `x` not defined\nStacktrace:\n [1] top at ./x.jl:3",
        'Exception in thread "main" java.lang.Error: x\n\tat a.B.c(D.java:3)\nCaused by: e.F: y',
        "thread 'main' panicked at src/main.rs:2:5:\nboom",
        "goroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d",
        "-----BEGIN PRIVATE KEY-----",
        "password=x token: 5",
    ]
)
junk = st.one_of(
    st.text(max_size=30), st.just("step 3 loss=0.5"), st.just(""), st.just("\r 5%" * 9)
)
pieces = st.one_of(junk, tracebacks, chains, schedulers)
repeats = st.sampled_from([1, 1, 1, 2, 40, 300])
logs = st.lists(st.tuples(prefixes, pieces, repeats), max_size=8).map(
    lambda parts: "\n".join(
        f"{prefix}{line}" for prefix, piece, repeat in parts for line in piece.split("\n") * repeat
    ).encode(errors="surrogatepass")
)
edits = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 50), st.binary(max_size=8)), max_size=4
)


def damage(content, changes):
    """Put other bytes in some places."""
    for at, size, new in changes:
        at %= len(content) + 1
        content = content[:at] + new + content[at + size :]
    return content


@given(content=logs, changes=edits, max_chars=st.integers(1, 4000))
@SETTINGS
def test_invariants(tmp_path, content, changes, max_chars):
    path = tmp_path / "job.out"
    path.write_bytes(damage(content, changes))
    check_small(path, max_chars)


@given(content=logs)
@SETTINGS
def test_lines_stand_where_they_are_said_to_stand(tmp_path, content):
    path = tmp_path / "job.out"
    path.write_bytes(content)
    raws = content.split(b"\n")
    shown = redact_lines(raws)
    for line in digest_log(path).evidence + scan_log(path).lines:
        if line.number and not CUT_MARK.search(line.text) and not content.startswith(b"\xef\xbb"):
            assert line.text == clean_line(shown[line.number - 1])


@pytest.mark.skipif(importlib.util.find_spec("hyperscan") is None, reason="needs hyperscan")
@given(content=logs, changes=edits)
@SETTINGS
def test_both_engines_read_the_same(tmp_path, content, changes):
    path = tmp_path / "job.out"
    path.write_bytes(damage(content, changes))
    texts = [scan_log(path, engine=engine) for engine in ("hyperscan", "re2")]
    assert texts[0] == texts[1]
    assert make_digest(texts[:1]) == make_digest(texts[1:])
