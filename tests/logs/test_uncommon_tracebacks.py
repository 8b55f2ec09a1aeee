"""Failures of languages that jobs seldom use."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import LogLine, parse_tracebacks

DART = """\
Unhandled exception:
RangeError (index): Invalid value: Not in inclusive range 0..2: 5
#0      List.[] (dart:core-patch/growable_array.dart:264:36)
#1      fit (file:///home/a/fit.dart:3:9)
#2      main (file:///home/a/fit.dart:9:3)
"""
ELIXIR = """\
** (ArithmeticError) bad argument in arithmetic expression: 1 / 0
    :erlang./(1, 0)
    fit.exs:3: Fit.rate/1
    (elixir 1.15.0) lib/code.ex:1435: Code.require_file/2
"""
PHP = """\
PHP Fatal error:  Uncaught DivisionByZeroError: Division by zero in /home/a/fit.php:3
Stack trace:
#0 /home/a/fit.php(7): rate()
#1 {main}
  thrown in /home/a/fit.php on line 3
"""
OCAML = """\
Fatal error: exception Failure("no data")
Raised at Stdlib.failwith in file "stdlib.ml", line 29, characters 17-33
Called from Dune__exe__Fit.rate in file "bin/fit.ml", line 3, characters 10-20
"""
HASKELL = """\
fit: Prelude.head: empty list
CallStack (from HasCallStack):
  error, called at libraries/base/GHC/List.hs:1646:3 in base:GHC.List
  head, called at fit.hs:3:9 in main:Main
"""
NIM = """\
/home/a/fit.nim(9) fit
/home/a/fit.nim(3) rate
Error: unhandled exception: index 5 not in 0 .. 2 [IndexDefect]
"""
RUBY = """\
fit.rb:3:in `rate': divided by 0 (ZeroDivisionError)
\tfrom fit.rb:7:in `<main>'
"""
LUA = """\
lua: fit.lua:3: attempt to index a nil value (local 'x')
stack traceback:
\t[C]: in ?
\tfit.lua:3: in function 'rate'
\tfit.lua:9: in main chunk
\t[C]: in ?
"""
NODE = """\
/home/a/fit.js:3
  throw new Error("no data");
  ^

Error: no data
    at rate (/home/a/fit.js:3:9)
    at Object.<anonymous> (/home/a/fit.js:9:1)
    at node:internal/main/run_main_module:23:47
"""
BARE_NODE = "Error: no data\n    at (/home/a/fit.js:3:9)\n"
SWIFT = "fit/main.swift:3: Fatal error: Division by zero\n"
OLD_SWIFT = "Fatal error: Index out of range: file /home/a/main.swift, line 3\n"


def parse(text):
    return parse_tracebacks(
        [LogLine("job.out", number, line) for number, line in enumerate(text.splitlines(), 1)],
    )


@pytest.mark.parametrize(
    ("text", "language", "exception", "message"),
    [
        (DART, "dart", "RangeError", "Invalid value: Not in inclusive range 0..2: 5"),
        (
            ELIXIR,
            "elixir",
            "ArithmeticError",
            "bad argument in arithmetic expression: 1 / 0",
        ),
        (PHP, "php", "DivisionByZeroError", "Division by zero"),
        (OCAML, "ocaml", "Failure", "no data"),
        (HASKELL, "haskell", "error", "Prelude.head: empty list"),
        (NIM, "nim", "IndexDefect", "index 5 not in 0 .. 2"),
        (RUBY, "ruby", "ZeroDivisionError", "divided by 0"),
        (RUBY.replace("`", "'"), "ruby", "ZeroDivisionError", "divided by 0"),
        (LUA, "lua", "Lua error", "attempt to index a nil value (local 'x')"),
        (NODE, "javascript", "Error", "no data"),
        (BARE_NODE, "javascript", "Error", "no data"),
        (SWIFT, "swift", "Fatal error", "Division by zero"),
        (OLD_SWIFT, "swift", "Fatal error", "Index out of range"),
    ],
)
def test_failures_are_read(text, language, exception, message):
    (found,) = parse(text)
    assert (found.language, found.exception, found.message) == (language, exception, message)
    frame = [frame for frame in found.frames if not frame.is_library][-1]
    assert frame.line == 3
    assert frame.file.rsplit("/", 1)[-1].startswith(("fit.", "main.swift"))


def test_a_block_has_its_lines():
    (found,) = parse("step 1\n" + LUA + "step 2\n")
    assert (found.first_line, found.last_line) == (2, 7)


@pytest.mark.parametrize(
    "text",
    [
        "fit.rb:3: warning: already initialized constant RATE\n",
        "reading fit.swift: 12 lines\n",
        "stack traceback:\n",
        "Unhandled exception:\n",
        "** (note) 3 of 12 points\n",
        "CallStack (from HasCallStack):\n",
        "PHP Warning:  Undefined variable $x in /home/a/fit.php on line 3\n",
    ],
)
def test_other_lines_are_none(text):
    assert not parse(text)
