"""A quotation counts only as the line in which it is found."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.diagnosis_answer import Quotation
from llm_scheduler.agent.quotations import Checked, check_quotations
from llm_scheduler.logs import make_digest, scan_log

ERROR = "ValueError: cannot reshape array of size 12 into shape (5,3)"
LINES = [
    "start",
    "\x1b[31mwarning:\x1b[0m  step   size\tis small",
    "Traceback (most recent call last):",
    '  File "/home/ann/model.py", line 12, in f',
    "    return x.reshape(5, 3)",
    ERROR,
    "srun: error: n7: task 0: Exited with exit code 1",
    "srun: error: n8: task 1: Exited with exit code 1",
    "password: swordfish-and-more was used",
    "long " + "abc " * 900 + "end of the long line",
    "5/3",
]
RECORD = "State FAILED, exit code 1\nNodes: n7"


def check(folder: Path, *quoted: Any, logs: Sequence[Path] | None = None) -> Checked:
    if logs is None:
        logs = [folder / "job-17.out"]
        logs[0].write_text("\n".join(LINES) + "\n")
    made = [Quotation(**({"file": "job-17.out", "line": 0} | q)) for q in quoted]
    texts = [scan_log(path) for path in logs]
    return check_quotations(made, texts, RECORD, digest=make_digest(texts).text)


@pytest.mark.parametrize(
    ("quoted", "line"),
    [
        ({"text": ERROR, "line": 6}, 6),
        ({"text": ERROR, "line": 999}, 6),  # the number is put right
        ({"text": f"6| {ERROR}"}, 6),
        ({"text": f"[1] 6| {ERROR}"}, 6),
        ({"text": f"{ERROR}   (× 3 ranks)"}, 6),
        ({"text": "cannot reshape array of size 12"}, 6),
        ({"text": f"   {ERROR}  "}, 6),
        ({"text": "warning: step size is small"}, 2),
        ({"text": "\x1b[1mwarning:\x1b[0m step size is small"}, 2),
        ({"text": "Exited with exit code 1", "line": 8}, 8),  # the nearest of equals
        ({"text": "Exited with exit code 1", "line": 7}, 7),
        ({"text": "long abc ... [3000 characters cut] ... end of the long line"}, 10),
        ({"text": "password: [redacted] was used"}, 9),
        ({"text": "start"}, 1),  # short, and the whole line
        ({"text": ERROR, "file": "/data/run/job-17.out"}, 6),
        ({"text": ERROR, "file": ""}, 6),
        ({"text": ERROR, "file": "."}, 6),
        ({"text": ERROR, "file": "[1]"}, 6),
    ],
)
def test_found(tmp_path: Path, quoted: dict[str, Any], line: int) -> None:
    checked = check(tmp_path, quoted)
    assert [item.line for item in checked.evidence] == [line]
    assert checked.evidence[0].file == str(tmp_path / "job-17.out")
    assert checked.invented == []


@pytest.mark.parametrize(
    "quoted",
    [
        {"text": "ValueError: cannot reshape array of size 13 into shape (5,3)"},
        {"text": "Segmentation fault (core dumped)"},
        {"text": "error"},  # a scrap stands everywhere
        {"text": "5"},
        {"text": ""},
        {"text": "   "},
        {"text": "..."},
        {"text": ERROR, "file": "job-18.out"},
        {"text": ERROR, "file": "record"},
        {"text": ERROR, "file": "[2]"},
        {"text": ERROR, "file": "/"},
        {"text": ERROR, "file": "\x00"},
        {"text": ERROR + " and more that nobody printed"},
        {"text": "return x.reshape(5, 3): ValueError"},
        {"text": "end of the long line ... [3 characters cut] ... long abc"},  # wrong order
        {"text": "swordfish-and-more"},  # never shown to it
        {"text": "State FAILED, exit code 1"},  # not in the log
    ],
)
def test_invented(tmp_path: Path, quoted: dict[str, Any]) -> None:
    checked = check(tmp_path, quoted)
    assert checked.evidence == []
    assert len(checked.invented) == 1


def test_record(tmp_path: Path) -> None:
    checked = check(
        tmp_path,
        {"text": "State FAILED, exit code 1", "file": "record"},
        {"text": "exit code 1", "file": "Record"},
        {"text": "State OUT_OF_MEMORY", "file": "record"},
    )
    assert [(x.file, x.line, x.text) for x in checked.evidence] == [
        ("", 0, "State FAILED, exit code 1")
    ]
    assert checked.invented == ["State OUT_OF_MEMORY"]


def test_a_quotation_of_several_lines(tmp_path: Path) -> None:
    checked = check(tmp_path, {"text": "\n".join([*LINES[4:6], "made up by a model"]), "line": 5})
    assert [item.line for item in checked.evidence] == [5, 6]
    assert checked.invented == ["made up by a model"]


def test_rows_of_the_digest_that_show_a_line_in_another_way(tmp_path: Path) -> None:
    path = tmp_path / "job.out"
    path.write_text("start\n#0 f at model.c:7\nend of it\n")
    texts = [scan_log(path)]
    digest = 'job.out: 3 lines\n2|   File "model.c", line 7, in f: y = g(x)\n99| not in the log'

    def find(text: str, line: int = 0) -> list[tuple[int, str]]:
        quoted = [Quotation(file="job.out", line=line, text=text)]
        found = check_quotations(quoted, texts, "", digest=digest).evidence
        return [(item.line, item.text) for item in found]

    assert find('File "model.c", line 7, in f') == [(2, "#0 f at model.c:7")]
    assert find('2|   File "model.c", line 7, in f: y = g(x)') == [(2, "#0 f at model.c:7")]
    assert find('File "model.c" ... y = g(x)') == [(2, "#0 f at model.c:7")]
    assert find('File "model.c", line 7, in f: y = h(x)') == []
    assert find("not in the log", 99) == []
    assert find("job.out: 3 lines") == []


def test_what_is_kept_is_the_logs_own_line_without_secrets(tmp_path: Path) -> None:
    checked = check(tmp_path, {"text": "password: [redacted] was used"})
    assert checked.evidence[0].text == "password: [redacted] was used"
    assert len(check(tmp_path, {"text": "end of the long line"}).evidence[0].text) <= 500


def test_the_named_log_is_searched_and_no_other(tmp_path: Path) -> None:
    out, err = tmp_path / "a.out", tmp_path / "a.err"
    out.write_text("an error in the output\n")
    err.write_text("nothing to see here\nan error in the output\n")
    quoted = {"text": "an error in the output"}
    checked = check(tmp_path, quoted | {"file": "a.err"}, logs=[out, err])
    assert [(Path(x.file).name, x.line) for x in checked.evidence] == [("a.err", 2)]
    assert check(tmp_path, quoted | {"file": ""}, logs=[out, err]).evidence == []
    same = tmp_path / "other" / "a.out"
    same.parent.mkdir()
    same.write_text("only here is this line\n")
    checked = check(tmp_path, {"text": "only here is this line", "file": "a.out"}, logs=[out, same])
    assert [x.file for x in checked.evidence] == [str(same)]


@pytest.mark.parametrize("packed", [False, True])
def test_lines_that_no_digest_holds_are_found_in_the_whole_log(
    tmp_path: Path, packed: bool
) -> None:
    path = tmp_path / ("big.out.gz" if packed else "big.out")
    lines = [f"step {i} of the calculation, residual {i * 7 % 1000}" for i in range(60_000)]
    lines[40_000] = (
        "token=8f7e6d5c4b3a29181706f5e4d3c2b1a0 went on to the next valley of the landscape"
    )
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    text = scan_log(path)
    assert not any(line.number == 40_001 for line in text.lines)
    quoted = Quotation(file=path.name, line=1, text="went on to the next valley of the landscape")
    checked = check_quotations([quoted], [text], "")
    assert [(x.line, x.text) for x in checked.evidence] == [
        (40_001, "token=[redacted] went on to the next valley of the landscape")
    ]


def test_the_search_ends(tmp_path: Path) -> None:
    path = tmp_path / "big.out"
    path.write_bytes(b"a line of a log that goes on\n" * 60_000 + b"the last line of the log\n" * 9)
    text = scan_log(path)
    text = type(text)(path.as_posix(), text.lines[:5], n_bytes=text.n_bytes, n_lines=text.n_lines)
    quoted = Quotation(file="big.out", line=1, text="the last line of the log")
    assert len(check_quotations([quoted], [text], "").evidence) == 1
    times = iter([0.0, *[100.0] * 10_000])
    late = check_quotations([quoted], [text], "", clock=lambda: next(times))
    assert late.evidence == []
    # A word that stands in every line does not make it slow.
    many = Quotation(file="big.out", line=1, text="log that never went away")
    assert check_quotations([many], [text], "").invented == ["log that never went away"]


def test_a_log_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "job.out"
    path.write_bytes(b"x\n" * 200_000)
    text = scan_log(path)
    path.unlink()
    quoted = Quotation(file="job.out", line=1, text="not among what was read")
    assert check_quotations([quoted], [text], "").evidence == []
