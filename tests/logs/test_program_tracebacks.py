"""Failures of many languages: the exception, the user's frame, its source line."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import LogLine, parse_tracebacks, scan_log

JAVA = """\
Exception in thread "main" java.lang.RuntimeException: run failed
\tat org.lab.Main.run(Main.java:41)
\tat org.lab.Main.main(Main.java:12)
\tSuppressed: java.io.IOException: close failed
\t\tat org.lab.Main.close(Main.java:50)
Caused by: java.io.FileNotFoundException: /data/x.csv (No such file or directory)
\tat java.base/java.io.FileInputStream.open0(Native Method)
\tat java.base/java.io.FileInputStream.<init>(FileInputStream.java:157)
\tat org.lab.Reader.read(Reader.scala:7)
\t... 2 more
"""
SHARP = """\
Unhandled exception. System.DivideByZeroException: Attempted to divide by zero.
   at Lab.Solver.Step(Int32 n) in /home/me/Solver.cs:line 17
   at Lab.Program.Main(String[] args) in /home/me/Program.cs:line 5
"""
NODE = """\
/home/me/run.js:7
    throw new RangeError("bad step");
    ^

RangeError: bad step
    at solve (/home/me/run.js:7:11)
    at Object.<anonymous> (/home/me/run.js:12:1)
    at node:internal/main/run_main_module:28:49
"""
RUST_NEW = """\
thread 'main' panicked at src/main.rs:10:5:
index out of bounds: the len is 3 but the index is 5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489/library/std/src/panicking.rs:645:5
   1: solver::step
             at ./src/step.rs:10:5
   2: solver::main
             at ./src/main.rs:4:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""
RUST_OLD = "thread 'worker' panicked at 'no data', src/lib.rs:3:9\n"
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.step(...)
\t/home/me/step.go:8
main.main()
\t/home/me/main.go:14 +0x1d
exit status 2
"""
PERL = (
    "Can't open reads.fa: No such file or directory at /home/me/trim.pl line 14, <STDIN> line 3.\n"
)
MATLAB = """\
{Error using chol
Matrix must be positive definite.

Error in fit (line 12)
R = chol(A);

Error in main (line 4)
fit(data)
}
"""
MATLAB_BARE = """\
Undefined function or variable 'alpha'.

Error in main (line 4)
fit(alpha)
"""
OCTAVE = """\
error: 'x' undefined
error: called from
    solve at line 5 column 3
    main at line 2 column 1
"""
RLANG = """\
Error in `mutate()`:
\u2139 In argument: `z = y + 1`.
Caused by error:
! object 'y' not found
Backtrace:
  1. dplyr::mutate(d, z = y + 1)
Execution halted
"""
R_CALLS = """\
Error in solve.default(a) :\x20
  Lapack routine dgesv: system is exactly singular
Calls: main -> fit -> solve -> solve.default
Execution halted
"""
R_FRENCH = "Erreur dans f(x) : objet 'N' introuvable\nAppels : main -> f\nExécution arrêtée\n"
GFORTRAN = """\
At line 31 of file /home/me/solve.f90
Fortran runtime error: Index '5' of dimension 1 of array 'a' above upper bound of 3

Error termination. Backtrace:
#0  0x7f00 in ???
#1  0x4011 in solve_
\tat /home/me/solve.f90:31
#2  0x4022 in MAIN__
\tat /home/me/main.f90:5
"""
CLANG = "libc++abi: terminating due to uncaught exception of type std::runtime_error: no mesh\n"
ASSERT = "solver: src/mesh.cpp:88: void Mesh::refine(int): Assertion `n > 0' failed.\n"


def parse(text):
    lines = ["normal line", *text.splitlines(), "after"]
    return parse_tracebacks([LogLine("job.out", n, line) for n, line in enumerate(lines, 1)])


CASES = [
    (JAVA, "java", "java.lang.RuntimeException", "run failed", ("org.lab.Main.run", 41)),
    (
        SHARP,
        "c#",
        "System.DivideByZeroException",
        "Attempted to divide by zero.",
        ("Lab.Solver.Step(Int32 n)", 17),
    ),
    (NODE, "javascript", "RangeError", "bad step", ("solve", 7)),
    (
        RUST_NEW,
        "rust",
        "panic",
        "index out of bounds: the len is 3 but the index is 5",
        ("solver::step", 10),
    ),
    (RUST_OLD, "rust", "panic", "no data", ("", 3)),
    (GO, "go", "panic", "runtime error: index out of range [5] with length 3", ("main.step", 8)),
    (PERL, "perl", "die", "Can't open reads.fa: No such file or directory", ("", 14)),
    (MATLAB, "matlab", "MATLAB error", "Matrix must be positive definite.", ("fit", 12)),
    (MATLAB_BARE, "matlab", "MATLAB error", "Undefined function or variable 'alpha'.", ("main", 4)),
    (OCTAVE, "octave", "error", "'x' undefined", ("solve", 5)),
    (
        R_CALLS,
        "r",
        "Error",
        "Lapack routine dgesv: system is exactly singular",
        ("solve.default", 0),
    ),
    (R_FRENCH, "r", "Error", "objet 'N' introuvable", ("f", 0)),
    (
        GFORTRAN,
        "fortran",
        "Fortran runtime error",
        "Index '5' of dimension 1 of array 'a' above upper bound of 3",
        ("solve_", 31),
    ),
    (CLANG, "c++", "std::runtime_error", "no mesh", None),
    (ASSERT, "c++", "Assertion failed", "n > 0", ("void Mesh::refine(int)", 88)),
]


@pytest.mark.parametrize(("text", "language", "exception", "message", "frame"), CASES)
def test_forms(text, language, exception, message, frame):
    (found,) = parse(text)
    assert (found.language, found.exception) == (language, exception)
    assert found.message == message
    user = found.user_frame
    assert (user and (user.function, user.line)) == frame
    assert 1 not in found.lines
    assert len(text.splitlines()) + 2 not in found.lines


QUIET = [
    ("org.lab.Main$Halt: done\n   at org.lab.Main.run(Main.java:41)\n", "org.lab.Main$Halt"),
    ("The sample must be named at /home/me/trim.pl line 14.\n", "die"),
]


@pytest.mark.parametrize(
    ("text", "exception"),
    [*((case[0], case[2]) for case in CASES), *QUIET],
)
def test_a_failure_is_found_in_a_log_whatever_its_words(tmp_path, text, exception):
    path = tmp_path / "job.out"
    path.write_text(f"it starts\n{text}", encoding="utf-8")
    found = scan_log(path)
    assert exception in [tb.exception for tb in found.tracebacks]
    assert found.tracebacks == parse_tracebacks(found.lines)


def test_the_cause_in_java_stands_below():
    (found,) = parse(JAVA)
    assert found.root.exception == "java.io.FileNotFoundException"
    assert found.root.message_line == 7
    assert found.root.user_frame.function == "org.lab.Reader.read"
    assert found.last_line == 11


def test_the_reason_of_rlang_is_the_root():
    (found,) = parse(RLANG)
    assert found.frames[0].function == "mutate()"
    assert (found.root.message, found.root.message_line) == ("object 'y' not found", 5)


def test_messages_of_matlab_of_several_lines():
    text = (
        '{Output argument "dt" (and maybe others) not assigned during call to\n'
        '"/home/u/read_all.m>read_all".\n\nError in main (line 4)\nfit(alpha)\n} \n'
    )
    (found,) = parse(text)
    assert found.message == text[1:].splitlines()[0]


def test_a_loop_that_matlab_ran_in_parallel_is_no_second_failure():
    text = (
        "{Error using fit>(parfor body) (line 61)\nMatrix must be square.\n\n"
        "Error in fit (line 40)\nparfor s = 1:n\n} \n"
    )
    (found,) = parse(text)
    assert found.message == "Matrix must be square."


def test_source_lines_of_matlab():
    (found,) = parse(MATLAB)
    assert [(f.function, f.line, f.source) for f in found.frames] == [
        ("main", 4, "fit(data)"),
        ("fit", 12, "R = chol(A);"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Use of uninitialized value $x in addition (+) at run.pl line 3.\n",
        "look at the file\n   at the end of it\n",
        "Error: the queue is full\nnext\n",
        "panic: no goroutine here\n",
    ],
)
def test_other_texts_are_no_failures(text):
    assert parse(text) == ()


def test_the_thread_that_died_is_shown():
    (found,) = parse(
        """\
Fatal Python error: Segmentation fault

Thread 0x00007f11 (most recent call first):
  File "/opt/env/lib/python3.11/threading.py", line 324 in wait

Current thread 0x00007f12 (most recent call first):
  File "/home/me/model.py", line 3 in cost
  File "/home/me/run.py", line 9 in <module>
""",
    )
    assert [f.function for f in found.frames] == ["<module>", "cost"]


RAY = """\
Traceback (most recent call last):
  File "/home/me/run.py", line 9, in <module>
    ray.get(f.remote())
ray.exceptions.RayTaskError(ValueError): ray::f() (pid=123, ip=10.0.0.1)
  File "/home/me/model.py", line 5, in f
    raise ValueError("bad")
ValueError: bad
"""
ELASTIC = """\
Root Cause (first observed failure):
[0]:
  time      : 2026-11-20_10:11:12
  rank      : 3 (local_rank: 3)
  error_file: /tmp/torchelastic_x/none_y/attempt_0/3/error.json
  traceback : Traceback (most recent call last):
    File "/opt/env/lib/python3.11/site-packages/torch/record.py", line 355, in wrapper
      return f(*args, **kwargs)
    File "/home/me/train.py", line 9, in main
      raise ValueError("no data")
  ValueError: no data
"""


def test_the_task_of_ray_is_the_cause():
    (found,) = parse(RAY)
    assert found.exception == "ray.exceptions.RayTaskError(ValueError)"
    assert (found.root.exception, found.root.message) == ("ValueError", "bad")
    assert found.root.user_frame.source == 'raise ValueError("bad")'


def test_the_error_file_of_torch_elastic():
    (found,) = parse(ELASTIC)
    assert (found.exception, found.message) == ("ValueError", "no data")
    assert found.user_frame.source == 'raise ValueError("no data")'
