"""Tracebacks that real Python programs print, and the ways logs spoil them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from llm_scheduler.logs import LogLine, parse_tracebacks, scan_log

SIMPLE = """\
Traceback (most recent call last):
  File "/home/me/run.py", line 9, in <module>
    main()
  File "/opt/env/lib/python3.11/site-packages/numpy/core.py", line 5, in solve
    raise LinAlgError("Singular matrix")
numpy.linalg.LinAlgError: Singular matrix
"""


def parse(text):
    return parse_tracebacks(
        [LogLine("job.out", number, line) for number, line in enumerate(text.splitlines(), 1)],
    )


def run(tmp_path, source, *, name="prog.py"):
    """Run a program that fails, and scan what it printed."""
    program = tmp_path / name
    program.write_text(textwrap.dedent(source))
    log = tmp_path / "job.out"
    with log.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(program)],
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
    assert done.returncode
    return scan_log(log).tracebacks


def chain(traceback):
    found = [traceback.exception]
    while (traceback := traceback.cause) is not None:
        found.append(traceback.exception)
    return found


def test_frames_message_and_places():
    (tb,) = parse("hello\n" + SIMPLE + "srun: error: n1: task 0: Exited with exit code 1\n")
    assert (tb.exception, tb.message) == ("numpy.linalg.LinAlgError", "Singular matrix")
    assert (tb.first_line, tb.last_line, tb.message_line) == (2, 7, 7)
    assert [(f.line, f.function, f.is_library) for f in tb.frames] == [
        (9, "<module>", False),
        (5, "solve", True),
    ]
    assert tb.frames[0].source == "main()"
    assert tb.frames[0].log_line == 3
    assert tb.user_frame == tb.frames[0]
    assert tb.notes == ()


def test_chained_exceptions(tmp_path):
    (tb,) = run(
        tmp_path,
        """
        def load():
            try:
                {}["alpha"]
            except KeyError as exc:
                raise ValueError("no alpha") from exc
        try:
            load()
        except ValueError:
            raise RuntimeError("while cleaning")
        """,
    )
    assert chain(tb) == ["RuntimeError", "ValueError", "KeyError"]
    assert tb.root.message == "'alpha'"
    assert tb.count == 1


def test_process_pool_worker(tmp_path):
    (tb,) = run(
        tmp_path,
        """
        from concurrent.futures import ProcessPoolExecutor
        def f(x):
            return 1 / x
        if __name__ == "__main__":
            with ProcessPoolExecutor(1) as ex:
                ex.submit(f, 0).result()
        """,
    )
    assert chain(tb) == ["ZeroDivisionError", "ZeroDivisionError"]
    assert tb.root.frames[-1].function == "f"
    assert tb.root.user_frame.source == "return 1 / x"


def test_multiprocessing_pool_and_chain_inside_the_worker(tmp_path):
    (tb,) = run(
        tmp_path,
        """
        import multiprocessing
        def f(x):
            try:
                return [][x]
            except IndexError as exc:
                raise OSError("inner") from exc
        if __name__ == "__main__":
            with multiprocessing.Pool(1) as pool:
                pool.map(f, [1])
        """,
    )
    assert chain(tb) == ["OSError", "OSError", "IndexError"]


def test_loky_worker(tmp_path):
    pytest.importorskip("loky")
    found = run(
        tmp_path,
        """
        import loky
        def f(x):
            raise ValueError("from loky")
        if __name__ == "__main__":
            loky.get_reusable_executor(max_workers=1).submit(f, 0).result()
        """,
    )
    assert found[0].exception == "ValueError"
    assert found[0].root.frames[-1].function == "f"


def test_exception_group(tmp_path):
    (tb,) = run(
        tmp_path,
        """
        def work(x):
            raise FileNotFoundError(x)
        def main():
            errors = []
            for x in "ab":
                try:
                    work(x)
                except OSError as exc:
                    errors.append(exc)
            raise ExceptionGroup("two failed", errors)
        main()
        """,
    )
    assert tb.exception == "ExceptionGroup"
    assert tb.message == "two failed (2 sub-exceptions)"
    assert [f.function for f in tb.frames] == ["<module>", "main"]
    assert (tb.cause.exception, tb.cause.message) == ("FileNotFoundError", "a")
    assert tb.cause.frames[-1].function == "work"


def test_exception_group_without_frames_inside(tmp_path):
    (tb,) = run(tmp_path, 'raise ExceptionGroup("g", [TypeError("t"), KeyError("k")])')
    assert chain(tb) == ["ExceptionGroup", "TypeError"]


def test_syntax_errors(tmp_path):
    (tb,) = run(tmp_path, "def f(:\n    pass\n")
    assert (tb.exception, tb.message) == ("SyntaxError", "invalid syntax")
    assert (tb.frames[0].line, tb.frames[0].source) == (1, "def f(:")
    (tmp_path / "broken.py").write_text("if True:\nx = 1\n")
    (tb,) = run(tmp_path, "import broken\n")
    assert tb.exception == "IndentationError"
    assert tb.frames[-1].file.endswith("broken.py")


def test_recursion_notes_and_messages_of_several_lines(tmp_path):
    (tb,) = run(tmp_path, "def f():\n    f()\nf()\n")
    assert tb.exception == "RecursionError"
    (tb,) = run(
        tmp_path,
        """
        exc = ValueError("first line\\nsecond line")
        exc.add_note("a note")
        raise exc
        """,
    )
    assert tb.message == "first line"
    assert tb.notes == ("second line", "a note")


def test_exceptions_without_message_and_local_classes(tmp_path):
    (tb,) = run(tmp_path, "assert 1 == 2\n")
    assert (tb.exception, tb.message) == ("AssertionError", "")
    (tb,) = run(
        tmp_path,
        """
        def f():
            class Boom(Exception): pass
            raise Boom("now")
        f()
        """,
    )
    assert tb.exception.endswith("f.<locals>.Boom")
    assert tb.message == "now"


def test_carets_under_several_lines(tmp_path):
    (tb,) = run(
        tmp_path,
        """
        def f(a, b):
            return a + b
        print(f(1,
                2) + f(
                    "x", 3))
        """,
    )
    assert tb.exception == "TypeError"
    assert tb.frames[-1].source == "return a + b"


def test_string_and_stdin_frames():
    text = SIMPLE.replace("/home/me/run.py", "<string>")
    assert parse(text)[0].frames[0].file == "<string>"
    text = (
        'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\nNameError: x\n'
    )
    assert parse(text)[0].exception == "NameError"


def test_printed_twice():
    (tb,) = parse(SIMPLE + "\n" + SIMPLE)
    assert tb.count == 2
    assert tb.first_line == 1


def test_numbers_in_messages_do_not_count():
    one, other = SIMPLE, SIMPLE.replace("Singular matrix", "Singular matrix 7")
    assert len(parse(one + other)) == 2
    assert len(parse(other + other.replace("7", "8"))) == 1


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank3]: ",
        "0: ",
        "[1,0]<stderr>:",
        "(pid=123) ",
        "2026-11-20 19:28:54,123 ERROR ",
        "    ",
        "node-7: ",
        "\t",
    ],
)
def test_prefixes(prefix):
    (tb,) = parse("".join(f"{prefix}{line}\n" for line in SIMPLE.splitlines()) + "done\n")
    assert tb.exception == "numpy.linalg.LinAlgError"
    assert len(tb.frames) == 2


def test_a_prefix_with_another_time_on_every_line():
    lines = [f"19:28:{i:02}.{i} worker | {line}" for i, line in enumerate(SIMPLE.splitlines(), 10)]
    (tb,) = parse("\n".join(lines))
    assert (tb.exception, len(tb.frames)) == ("numpy.linalg.LinAlgError", 2)


def test_a_progress_bar_before_the_header():
    (tb,) = parse(" 40%|####      | 4/10 [00:01<00:02]" + SIMPLE)
    assert (tb.exception, len(tb.frames)) == ("numpy.linalg.LinAlgError", 2)


def test_interleaved_ranks():
    other = SIMPLE.replace("LinAlgError: Singular matrix", "LinAlgError: Not square")
    lines = []
    for one, two in zip(SIMPLE.splitlines(), other.splitlines(), strict=True):
        lines += [f"[rank0]: {one}", f"[rank1]: {two}"]
    found = parse("\n".join(lines))
    assert [(tb.message, len(tb.frames)) for tb in found] == [
        ("Singular matrix", 2),
        ("Not square", 2),
    ]


def test_the_same_on_all_ranks():
    lines = [f"{rank}: {line}" for rank in range(16) for line in SIMPLE.splitlines()]
    (tb,) = parse("\n".join(lines))
    assert tb.count == 16


def test_a_worker_behind_the_mark_of_a_rank():
    inner = SIMPLE.replace("Traceback", "Original Traceback", 1)
    (tb,) = parse("".join(f"0: {line}\n" for line in inner.splitlines()))
    assert (tb.exception, len(tb.frames)) == ("numpy.linalg.LinAlgError", 2)


def test_frames_and_messages_that_srun_cut_in_two():
    head, first, source, *rest = SIMPLE.splitlines()
    name, message = rest.pop().split(": ", 1)
    cut = [head, first[:12], first[12:], source, rest[0][:3], rest[0][3:], *rest[1:], name]
    (tb,) = parse("".join(f"0: {line}\n" for line in [*cut, f": {message}"]))
    assert (tb.exception, tb.message, len(tb.frames)) == (name, message, 2)
    assert tb.frames[0].source == source.strip()


def test_output_of_others_inside():
    lines = SIMPLE.splitlines()
    (tb,) = parse("\n".join([*lines[:-1], "some output", lines[-1]]))
    assert tb.exception == "numpy.linalg.LinAlgError"


def test_a_worker_of_a_data_loader():
    (tb,) = parse(
        SIMPLE.replace(
            "numpy.linalg.LinAlgError: Singular matrix", "RuntimeError: Caught in worker 0."
        )
        + "Original "
        + SIMPLE,
    )
    assert chain(tb) == ["RuntimeError", "numpy.linalg.LinAlgError"]


def test_notebook_form():
    (tb,) = parse(
        """\
---------------------------------------------------------------------------
ZeroDivisionError                         Traceback (most recent call last)
Cell In[1], line 3
      1 def f():
      2     return 1 / 0
----> 3 f()

File ~/model.py:7, in f(x)
      5 def f(x):
----> 7     return 1 / x

ZeroDivisionError: division by zero
""",
    )
    assert (tb.exception, tb.message) == ("ZeroDivisionError", "division by zero")
    assert [(f.file, f.line) for f in tb.frames] == [("Cell In[1]", 3), ("~/model.py", 7)]
    assert tb.frames[0].source == "f()"


def test_cut_off():
    (tb,) = parse("\n".join(SIMPLE.splitlines()[:3]))
    assert (tb.exception, len(tb.frames)) == ("", 1)
    assert parse("Traceback (most recent call last):") == ()
    assert parse("") == ()


def test_a_gap_ends_a_traceback():
    lines = [LogLine("f", n, text) for n, text in enumerate(SIMPLE.splitlines(), 1)]
    (tb,) = parse_tracebacks([*lines[:-1], LogLine("f", 500, "ok: fine")])
    assert tb.exception == ""


def test_a_very_long_chain():
    link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    (tb, *_) = parse(link.join([SIMPLE] * 300))
    assert 10 < len(chain(tb)) <= 60


@pytest.mark.parametrize(
    "line",
    ["simulation finished", "real 7226.45", "Iteration 12 energy 0.5", "All done.", "done"],
)
def test_output_after_a_traceback_is_no_note(line):
    head = 'Traceback (most recent call last):\n  File "/home/u/a.py", line 1, in f\n    g()\n'
    (tb,) = parse(f"{head}ValueError: bad\n{line}\n")
    assert tb.notes == ()
    assert tb.last_line == tb.message_line == 4
