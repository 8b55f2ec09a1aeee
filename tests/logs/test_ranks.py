"""Lines of many ranks, mixed as they come: each traceback once, the first that died named."""

from __future__ import annotations

import random

import pytest

from llm_scheduler.logs import LogLine, digest_log, parse_tracebacks

TRACEBACK = """\
Traceback (most recent call last):
  File "/home/me/run.py", line 9, in <module>
    main()
  File "/home/me/model.py", line 3, in cost
    raise ValueError("bad x")
""".splitlines()
N_RANKS = 128
FIRST = 5


def mix(form):
    """Return what rank 5 wrote first, and then all the others at once."""
    order = random.Random(3)
    lines = [form.format(rank=FIRST, line=line) for line in [*TRACEBACK, "KeyError: 'first'"]]
    waiting = {rank: [*TRACEBACK, "ValueError: bad x"] for rank in range(N_RANKS) if rank != FIRST}
    while waiting:
        rank = order.choice(list(waiting))
        lines.append(form.format(rank=rank, line=waiting[rank].pop(0)))
        if not waiting[rank]:
            del waiting[rank]
    return lines


FORMS = [
    "[rank{rank}]: {line}",
    "{rank}: {line}",
    "[{rank}]: {line}",
    "[default{rank}]:{line}",
    "[1,{rank}]<stderr>:{line}",
    "[1,{rank}]<stderr>: {line}",
    "(RayTask pid={rank}) {line}",
    "(RayTask pid={rank}, ip=10.0.0.3) {line}",
    "[node1:{rank}] {line}",
    "node{rank}: {line}",
]


@pytest.mark.parametrize("form", FORMS)
def test_ranks_are_told_apart(form):
    lines = [LogLine("job.out", n, line) for n, line in enumerate(mix(form), 1)]
    first, others = parse_tracebacks(lines)
    assert (first.exception, first.count, first.message_line) == ("KeyError", 1, 6)
    assert first.rank == form.format(rank=FIRST, line="").rstrip()
    assert (others.exception, others.count) == ("ValueError", N_RANKS - 1)
    assert others.n_ranks == N_RANKS - 1
    assert [f.function for f in others.frames] == ["<module>", "cost"]
    assert len(others.lines) == (N_RANKS - 1) * 6
    for frame in others.frames:
        assert frame.function in lines[frame.log_line - 1].text


@pytest.mark.parametrize("form", FORMS)
def test_the_rank_that_died_first_comes_first(tmp_path, form):
    path = tmp_path / "job.out"
    path.write_text("\n".join(mix(form)) + "\n")
    found = digest_log(path, max_chars=1000)
    assert found.evidence[0].text == form.format(rank=FIRST, line="KeyError: 'first'")
    assert "KeyError: 'first'" in found.text.splitlines()[2]
    # Some lines of the mixed tracebacks were left out: those of another rank may be too.
    assert f"× at least {N_RANKS - 1} ranks" in found.text


def test_a_line_of_all_ranks_is_shown_once(tmp_path):
    path = tmp_path / "job.out"
    path.write_text("".join(f"[node{i}:{i}] error: can't bind port {i}\n" for i in range(16)))
    found = digest_log(path)
    assert "(× 16)" in found.text
    assert found.evidence[0].number == 1
    assert len(found.evidence) == 1


def test_a_number_before_a_line_is_no_rank():
    text = "1: step one\n2: step two\n" + "\n".join([*TRACEBACK, "ValueError: bad x"])
    lines = [LogLine("job.out", n, line) for n, line in enumerate(text.splitlines(), 1)]
    (found,) = parse_tracebacks(lines)
    assert (found.rank, found.n_ranks, found.first_line) == ("", 0, 3)
