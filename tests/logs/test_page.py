"""How a digest uses its room: whole logs, names, counts, lines that are cut."""

from __future__ import annotations

import re

import pytest

from llm_scheduler.diagnosis.api import examine_log
from llm_scheduler.logs import LogLine, digest_log, make_digest, scan_log
from llm_scheduler.logs.page import Page
from llm_scheduler.logs.text import cut_text

SMALL = """\
Job 7 runs solver 3.1 on node07
reading params.in

waiting for the mesh
waiting for the mesh
waiting for the mesh
solver: error: can't read mesh.dat
closing all files
"""
WHOLE = """\
1| Job 7 runs solver 3.1 on node07
2| reading params.in
4| waiting for the mesh   (× 3)
7| solver: error: can't read mesh.dat
8| closing all files"""
STEPS = "".join(f"worker step {i} is done, cell {i * 7919 % 1000}\n" for i in range(3000))


def digest(tmp_path, text, **options):
    path = tmp_path / "job.out"
    path.write_text(text)
    return digest_log(path, **options)


def numbers(text):
    return {int(n) for n in re.findall(r"^(\d+)\| ", text, re.MULTILINE)}


def test_a_log_that_fits_is_shown_whole_below_its_best_lines(tmp_path):
    found = digest(tmp_path, SMALL)
    top = "Most telling lines:\n7| solver: error: can't read mesh.dat\nThe log:\n"
    assert found.text == f"job.out: 8 lines, {len(SMALL)} bytes\n{top}{WHOLE}"
    assert found.omitted == {}


def test_on_a_page_with_room_for_the_log_only_it_stands_alone(tmp_path):
    names = f"job.out: 8 lines, {len(SMALL)} bytes\n"
    assert digest(tmp_path, SMALL, max_chars=len(names + WHOLE) + 1).text == names + WHOLE


def test_whole_logs_fold_the_frames_of_libraries(tmp_path):
    frames = "".join(
        f'  File "/opt/env/lib/python3.11/site-packages/a.py", line {i}, in f{i}\n    f{i}()\n'
        for i in range(3)
    )
    own = '  File "/home/me/run.py", line 9, in <module>\n    main()\n'
    last = '  File "/home/me/model.py", line 3, in cost\n    raise ValueError("bad")\n'
    header = "start\nTraceback (most recent call last):\n"
    text = digest(tmp_path, f"{header}{own}{frames}{last}ValueError: bad\n").text
    section = text[text.index("The log:") :]
    assert "4|     main()\n    ... 3 more frames ...\n11|   File" in section
    assert "f1" not in section


def test_whole_logs_show_a_repeated_traceback_once(tmp_path):
    own = '  File "/home/me/run.py", line 9, in <module>\n    main()\nValueError: bad\n'
    one = f"Traceback (most recent call last):\n{own}"
    text = digest(tmp_path, f"start\n{one}try again\n{one}stop\n").text
    section = text[text.index("The log:") :]
    assert section.count("ValueError: bad") == 1
    assert "6| try again\n    (the same traceback, printed 2 times)\n11| stop" in section


@pytest.mark.parametrize("max_chars", [500, 700, 1000, 4000, 20_000])
def test_no_room_is_left_over(tmp_path, max_chars):
    found = digest(tmp_path, f"solver 3\n{STEPS}error: bad value\n{STEPS}", max_chars=max_chars)
    assert len(found.text) > 0.85 * min(max_chars, 12_000)
    assert found.omitted["lines"] == 6002 - len(numbers(found.text))


def test_what_did_not_fit_is_not_taken_for_shown(tmp_path):
    text = "".join(f"error {i}: {'word ' * (i % 13 + 9)}\n" for i in range(300)) + "the end\n"
    found = digest(tmp_path, text, max_chars=700)
    assert "\n301| the end" in found.text
    assert found.omitted["lines"] == 301 - len(numbers(found.text))


def test_one_of_a_thing_is_told_as_one():
    said = Page([], 100).text({"lines": 2, "telling lines": 1})
    assert said == "\nLeft out: 2 lines, 1 telling line."


TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/home/me/run.py", line 9, in <module>',
    "    cost(7)",
    "ValueError: bad x",
]
BETWEEN = "".join(f"cell {name} is done\n" for name in "abcdefghijklmnopqrst")


def print_ranks(n):
    return "".join(f"[rank{i}]: {line}\n" for i in range(n) for line in TRACEBACK)


def print_errors(n):
    return "".join(f"error: no mesh in cell {i}\n{BETWEEN}" for i in range(n))


def print_tracebacks(n):
    return "".join("\n".join(TRACEBACK) + f" of {i}\n{BETWEEN}" for i in range(n))


def print_kinds(n):
    names = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(n)]
    return "".join("\n".join([*TRACEBACK[:-1], f"Key{x}Error: no {x}\n"]) for x in names)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (print_errors, ["(\u00d7 {} )"]),
        (print_ranks, ["(\u00d7 {} ranks)", "({} ranks printed it, first [rank0]:)"]),
        (print_tracebacks, ["(\u00d7 {} )", "(printed {} times)"]),
    ],
)
def test_a_count_is_told_as_what_it_is(tmp_path, make, says):
    for n in (15, 300):
        found = digest(tmp_path, f"{STEPS}{make(n)}{STEPS}").text
        for said in says:
            count = re.escape(said.replace(" )", ")")).replace(r"\{\}", r"(at least )?(\d+)")
            told = re.search(count, found)
            assert told, said
            # All of few were kept; of many the log may have more than were seen.
            assert told[1] == ("at least " if n > 15 else None)
            assert int(told[2]) == n if n == 15 else 15 < int(told[2]) <= n


def test_a_log_that_is_kept_whole_is_counted_whole(tmp_path):
    found = digest(tmp_path, "error: no mesh in cell a\nall is well\n" * 40, max_chars=600)
    assert "error: no mesh in cell a   (\u00d7 40)" in found.text
    assert "at least" not in found.text


def test_what_is_left_out_of_many_tracebacks_is_the_least_there_are(tmp_path):
    few, many = (
        digest(tmp_path, STEPS + print_kinds(n) + STEPS, max_chars=n + 800).text for n in (12, 600)
    )
    assert re.search(r"Left out: \d+ lines, \d+ tracebacks, ", few)
    assert re.search(r"Left out: \d+ lines, at least \d+ tracebacks, at least \d+ tell", many)


def test_lines_of_a_log_that_was_not_read_to_its_end_are_at_least_so_many(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(STEPS)
    found = make_digest([scan_log(path, max_bytes=len(STEPS) // 2)], max_chars=1000)
    assert "Left out: at least " in found.text


@pytest.mark.parametrize("n_others", [1, 40])
@pytest.mark.parametrize("said", [None, "", "\n \n\n"])
def test_logs_that_say_nothing_take_no_room_from_one_that_does(tmp_path, said, n_others):
    path = tmp_path / "job.out"
    path.write_text(STEPS)
    others = [tmp_path / f"rank-{i}-of-the-parameter-study.err" for i in range(n_others)]
    for other in others:
        if said is not None:
            other.write_text(said)
    alone = digest_log(path, max_chars=2000)
    beside = digest_log([path, *others], max_chars=2000)
    # Each line has a number more, and some of the others are named.
    ends = [text[text.index("End of the log:") :] for text in (alone.text, beside.text)]
    n_alone, n_beside = (end.count("worker step") for end in ends)
    assert n_beside > n_alone / 2
    assert "2999 is done" in ends[1]


def test_lines_of_several_logs_name_theirs(tmp_path):
    (tmp_path / "job.out").write_text(STEPS)
    (tmp_path / "job.err").write_text("fatal: no mesh\n" + STEPS)
    found = digest_log([tmp_path / "job.out", tmp_path / "job.err"], max_chars=1000).text
    assert found.startswith("[1] job.out: 3000 lines, ")
    assert "\n[2] job.err: 3001 lines, " in found
    assert "\n[2] 1| fatal: no mesh" in found
    assert "\n[1] 3000| worker step 2999" in found


def test_of_many_logs_those_are_named_that_are_shown(tmp_path):
    paths = [tmp_path / f"rank-{i}.out" for i in range(60)]
    for path in paths:
        path.write_text(STEPS)
    paths[41].write_text(STEPS + "fatal: no mesh\n")
    found = digest_log(paths, max_chars=1000)
    assert "[42] rank-41.out: 3001 lines" in found.text
    assert "[42] 3001| fatal: no mesh" in found.text
    shown = set(re.findall(r"^(\[\d+\]) \d+\| ", found.text, re.MULTILINE))
    assert shown <= set(re.findall(r"^(\[\d+\]) rank-", found.text, re.MULTILINE))
    assert found.omitted["logs not named"] > 20


REASON = "Cannot send after transport endpoint shutdown"
FAILED = f'sort: failed to create "/{"scratch/project/" * 20}tmp.bam": {REASON}'


@pytest.mark.parametrize("max_chars", [80, 100, 130, 200, 300])
def test_the_reason_at_the_end_of_a_line_is_never_cut(max_chars):
    text = cut_text(FAILED, max_chars)
    assert len(text) <= max_chars
    assert text.startswith("sort: failed to")
    assert text.endswith(REASON)
    # Nor when it is cut once more.
    assert cut_text(text, 80).endswith(REASON)


def test_the_middle_of_a_long_command_is_cut_between_words():
    command = f"srun: error: run {' '.join(f'--option-{i}={i}' for i in range(60))} has failed"
    text = cut_text(command, 200)
    start, end = re.split(r" \.\.\. \[\d+ characters cut\] \.\.\. ", text)
    assert command.startswith(f"{start} ")
    assert command.endswith(f" {end}")
    assert end.endswith("has failed")


def test_the_message_of_a_traceback_keeps_its_reason(tmp_path):
    raised = f"OSError: {'x' * 300} {FAILED}"
    frame = '  File "/home/me/run.py", line 9, in <module>\n    main()\n'
    log = f"{STEPS}Traceback (most recent call last):\n{frame}{raised}\n"
    text = digest(tmp_path, log, max_chars=1000).text
    assert len(re.findall(rf"^3004\| OSError: .*{REASON}$", text, re.MULTILINE)) == 2


def test_a_title_stands_with_what_it_is_the_title_of(tmp_path):
    title = "[3] --> FOAM FATAL IO ERROR: (solver-2012)\n"
    text = digest(tmp_path, f"{STEPS}{title}[3] Unknown entry smmothSolver\n{STEPS}").text
    top = text[: text.index("Around it:")]
    assert "Unknown entry smmothSolver" in top
    assert "FATAL IO ERROR" in top


def test_proof_comes_first(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(f"{STEPS}error: disk is gone\n{STEPS}mesh 7 is odd\n{STEPS}")
    text = scan_log(path, literals=["is odd"])
    proof = [LogLine(str(path), 6002, "mesh 7 is odd")]
    found = make_digest([text], proof=proof)
    assert found.text.splitlines()[1:4] == [
        "Most telling lines:",
        "6002| mesh 7 is odd",
        "3001| error: disk is gone",
    ]
    assert found.evidence[0] == proof[0]
    assert found.fingerprint == make_digest([text]).fingerprint


def test_the_digest_and_the_diagnosis_agree_on_what_is_first(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(
        f"{STEPS}ncclInternalError: Internal check failed\n"
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
        "srun: error: n1: task 0: Exited with exit code 1\n"
    )
    diagnosis, found = examine_log(path)
    first = found.text.splitlines()[2]
    assert first.endswith(f"| {diagnosis.evidence[0].text}")
    assert found.evidence[0].number == diagnosis.evidence[0].line
