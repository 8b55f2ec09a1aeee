"""Failures of other languages."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import LogLine, parse_tracebacks

JULIA = """\
ERROR: LoadError: DomainError with -0.98:
sqrt was called with a negative real argument.
Stacktrace:
 [1] throw_complex_domainerror(f::Symbol, x::Float64)
   @ Base.Math ./math.jl:33
 [2] main()
   @ Main ~/run.jl:12
in expression starting at /home/me/run.jl:20
"""
GNU = """\
Program received signal SIGSEGV: Segmentation fault - invalid memory reference.

Backtrace for this error:
#0  0x7f00 in ???
#1  0x4011 in solve at /home/me/solve.f90:31
#2  0x4022 in MAIN__ at /home/me/main.f90:5
"""
CPP = """\
terminate called after throwing an instance of 'std::bad_alloc'
  what():  std::bad_alloc
Aborted (core dumped)
"""
INTEL = """\
forrtl: severe (24): end-of-file during read, unit 10, file /home/me/in.dat
Image              PC                Routine            Line        Source
solver             000000000040AB12  read_input_               88  input.f90
solver             0000000000403F22  MAIN__                    12  main.f90
"""


def parse(text):
    return parse_tracebacks(
        [LogLine("job.out", number, line) for number, line in enumerate(text.splitlines(), 1)],
    )


@pytest.mark.parametrize(
    ("text", "language", "exception", "message"),
    [
        (JULIA, "julia", "DomainError", "-0.98:"),
        (GNU, "fortran", "SIGSEGV", "Segmentation fault - invalid memory reference."),
        (
            INTEL,
            "fortran",
            "forrtl: severe (24)",
            "end-of-file during read, unit 10, file /home/me/in.dat",
        ),
        (
            "At line 7 of file a.f90 (unit = 10, file = 'x')\nFortran runtime error: End of file\n",
            "fortran",
            "Fortran runtime error",
            "End of file",
        ),
        ("ERROR STOP 3\n", "fortran", "ERROR STOP", "3"),
        (
            CPP,
            "c++",
            "std::bad_alloc",
            "std::bad_alloc",
        ),
        ("Error in solve.default(a) : \n  singular\nExecution halted\n", "r", "Error", "singular"),
        ("Error: object 'x' not found\nExecution halted\n", "r", "Error", "object 'x' not found"),
    ],
)
def test_forms(text, language, exception, message):
    (found,) = parse("before\n" + text + "after\n")
    assert (found.language, found.exception) == (language, exception)
    assert found.message == message
    assert found.message_line > 1


def test_frames_stand_outermost_first():
    (julia,) = parse(JULIA)
    assert [(f.line, f.is_library) for f in julia.frames] == [(12, False), (33, True)]
    assert julia.user_frame.function == "main()"
    (gnu,) = parse(GNU)
    assert [f.function for f in gnu.frames] == ["MAIN__", "solve"]
    (intel,) = parse(INTEL)
    assert [f.line for f in intel.frames] == [12, 88]


def test_faulthandler():
    (found,) = parse(
        """\
Fatal Python error: Segmentation fault

Current thread 0x00007f12 (most recent call first):
  File "/home/me/model.py", line 3 in cost
  File "/home/me/run.py", line 9 in <module>

Extension modules: numpy.core (total: 1)
""",
    )
    assert (found.exception, found.message) == ("Fatal Python error", "Segmentation fault")
    assert [f.function for f in found.frames] == ["<module>", "cost"]


def test_a_shell_message_is_no_r_error():
    assert parse("Error: something\nnext\n") == ()
