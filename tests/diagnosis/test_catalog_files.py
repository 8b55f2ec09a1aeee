"""Files of one's own: they add, replace and advise, and a mistake costs one entry only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_scheduler.diagnosis import diagnose_log, load_catalog
from llm_scheduler.diagnosis.catalog_files import say_problems
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CatalogError

GOOD = """\
[[cause]]
id = "{id}"
category = "crash"
title = "T"
patterns = ['zqx {id} gate']
explanation = "The gate of {id} was shut. It opens again at noon."
"""


def good(cause_id: str) -> str:
    return GOOD.format(id=cause_id)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def problems(folder: Path) -> list[str]:
    """Return what is wrong, without the folder's name."""
    return [str(problem).removeprefix(f"{folder}/") for problem in load_catalog([folder]).problems]


def test_files_add_replace_and_advise(tmp_path):
    text = """
[[cause]]
id = "disk-full"
category = "disk_full"
title = "Full, says the site"
patterns = ['No space left on device']
explanation = "Scratch is full. Old files go on Monday."

[[remedy]]
cause = "quota-exceeded"
kind = "support"
summary = "Ask for more quota at desk 7"
"""
    write(tmp_path, "site.toml", good("site-scratch-closed") + text)
    catalog = load_catalog([tmp_path])
    assert catalog.problems == ()
    log = tmp_path / "a.out"
    filler = "".join(f"row {i} ok\n" for i in range(3000))
    log.write_text(f"{filler}zqx site-scratch-closed gate\n{filler}")
    found = diagnose_log(log, catalog=catalog, record=JobRecord(job_id="1", state="FAILED"))
    assert found.cause == "site-scratch-closed"
    assert catalog["disk-full"].title == "Full, says the site"
    assert catalog["quota-exceeded"].remedies[0].summary == "Ask for more quota at desk 7"
    assert catalog.place_of("site-scratch-closed").line == 1
    assert "site-scratch-closed" not in load_catalog()


def test_a_file_can_be_named_itself_and_later_folders_win(tmp_path):
    site = write(tmp_path / "site", "a.toml", good("gate"))
    user = write(tmp_path / "user", "b.toml", good("gate").replace('"T"', '"Mine"'))
    assert load_catalog([site])["gate"].title == "T"
    catalog = load_catalog([site.parent, user])
    assert catalog["gate"].title == "Mine"
    assert catalog.place_of("gate").file == str(user)


def test_a_remedy_may_stand_before_its_cause_and_in_another_file(tmp_path):
    remedy = '[[remedy]]\ncause = "gate"\nkind = "support"\nsummary = "Call the porter"\n'
    write(tmp_path, "a.toml", remedy)
    write(tmp_path, "b.toml", good("gate"))
    assert load_catalog([tmp_path])["gate"].remedies[0].summary == "Call the porter"


WRONG = [
    ("[cause]\nid = 'x'", "bad.toml:9: write each cause as a table [[cause]]", None),
    ("[[cause]\n", "bad.toml:9: no valid TOML", None),
    ("[[cause]]\nid = 'x\n", "bad.toml:9: no valid TOML", None),
    ("[[cause]]\nid = 'x'\npatterns = [\n  'a',\n", "a quote or bracket of this entry", None),
    ("category = 'nope'", "bad.toml:11: cause 'x': `category` is 'nope'", "allowed: 'out_of_m"),
    ("category = 'crashed'", "bad.toml:11: cause 'x': `category`", "did you mean 'crash'?"),
    ("patterns = ['b', '(']", "bad.toml:11: cause 'x': pattern '(' is no RE2", None),
    ("patterns = ['b',\n  '(?=a)b']", "bad.toml:12: cause 'x': pattern '(?=a)b'", "no look-ahead"),
    ('patterns = ["\\\\d(", "a"]', "bad.toml:11: cause 'x': pattern", None),
    ("patterns = 'a'", "bad.toml:11: cause 'x': `patterns` must be a list", None),
    ("patterns = ['']", "bad.toml:11: cause 'x': `patterns`: pattern '' must have", None),
    ("id = 'X y'", "bad.toml:10: cause 'X y': `id` is 'X y'; write lower-case", None),
    ("title = ''", "bad.toml:11: cause 'x': `title`", None),
    ("title = None", "bad.toml:9: cause 'x': `title` is missing", None),
    ("explanation = None", "bad.toml:9: cause 'x': needs `explanation`", None),
    ("patterns = None", "bad.toml:9: cause 'x': needs `patterns`, `exceptions`", None),
    ("colour = 1", "bad.toml:11: cause 'x': unknown key 'colour'", "allowed: beats"),
    ("titel = 'a'", "bad.toml:11: cause 'x': unknown key 'titel'", "did you mean 'title'?"),
    ("confidence = 7", "bad.toml:11: cause 'x': `confidence`", None),
    ("remedies = [{ kind = 'magic', summary = 's' }]", "bad.toml:11: cause 'x': `kind`", None),
    ("[[cause.remedies]]\nkind = 'code'", "bad.toml:15: cause 'x': `summary` is missing", None),
    ("[[cause.remedies]]\nkind = 'cod'\nsummary = 's'", "bad.toml:16: cause 'x': `kind`", None),
    ("[cause.record]\nstate = 'FAILED'", "bad.toml:16: cause 'x': unknown key 'state'", "states"),
    ("beats = ['disk-ful']", "bad.toml:11: cause 'x': `beats` names the unknown", "'disk-full'?"),
    ("beats = ['x']", "bad.toml:11: cause 'x': `beats` names 'x', which itself", None),
    ("[other]", "bad.toml:15: unknown table 'other'", None),
    ("[[remedy]]\ncause = 'nope'\nkind = 'code'\nsummary = 's'", "bad.toml:16: [[remedy]]", None),
    (
        "[cause.record]\nstates = ['FOO']",
        "bad.toml:16: cause 'x': `states`: 'FOO' is no",
        "TIMEOUT",
    ),
    ("[cause.record]\nsignals = [65]", "bad.toml:16: cause 'x': `signals`: 65 is no signal", "64"),
    (
        "[cause.record]\nexit_codes = [-31]",
        "bad.toml:16: cause 'x': `exit_codes`: -31 is no",
        "PBS",
    ),
    ("[cause.record]\nexit_codes = [321]", "bad.toml:16: cause 'x': `exit_codes`: 321 is no", None),
    ("[cause.record]\nreasons = ['x*']", "bad.toml:16: cause 'x': pattern 'x*' is found in", None),
    (
        "exceptions = ['Foo Bar']",
        "bad.toml:11: cause 'x': `exceptions`: 'Foo Bar' is no name",
        None,
    ),
    ("exceptions = ['a.Gone']", "bad.toml:11: cause 'x': `exceptions`: 'a.Gone'", "write 'Gone'"),
    ("exceptions = ['']", "bad.toml:11: cause 'x': `exceptions`: '' is no name", None),
    ("wrapper = 'yes'", "bad.toml:11: cause 'x': `wrapper` is 'yes'; write true or false", None),
    ("submission = 1", "bad.toml:11: cause 'x': `submission` is 1; write true or false", None),
    ("exceptions_language = 'fortrna'", "bad.toml:11: cause 'x': `exceptions_l", "'fortran'?"),
    ('title = "a\\nb"', "bad.toml:11: cause 'x': `title`: must be one line", None),
    ('title = "a\\u001b[1m"', "bad.toml:11: cause 'x': `title`: must be one line", None),
    ("patterns = ['.*']", "bad.toml:11: cause 'x': pattern '.*' is found in nearly every", None),
    ("patterns = ['(?:mesh)?']", "bad.toml:11: cause 'x': pattern '(?:mesh)?' is found", None),
    ("patterns = ['[a-z]{3}']", "bad.toml:11: cause 'x': pattern '[a-z]{3}' is found", None),
    ("[[remedy]]\nkind = 'code'\nsummary = 's'", "bad.toml:15: [[remedy]] does not say", None),
    ("[[remedy]]\ncause = 'gate'\nkind = 'm'\nsummary = 's'", "bad.toml:17: remedy of", None),
]


def with_mistake(wrong: str) -> str:
    """Return an entry in which one key is wrong, or that is followed by what is wrong."""
    if wrong.startswith(("[[cause]", "[cause]")):
        return wrong
    key = wrong.partition(" = ")[0]
    lines = good("x").splitlines()
    same = [line for line in lines if line.startswith(f"{key} =")]
    if wrong.endswith("= None"):
        lines.remove(same[0])
    elif same and key == "id":
        lines[lines.index(same[0])] = wrong
    elif wrong.startswith("["):
        lines.append(wrong)
    else:
        lines = [line for line in lines if line not in same]
        lines.insert(2, wrong)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("wrong", "said", "also"), WRONG, ids=[item[0][:40] for item in WRONG])
def test_a_mistake_is_told_with_its_line_and_the_rest_is_used(tmp_path, wrong, said, also):
    text = f"{good('gate')}\n# own\n{with_mistake(wrong)}\n{good('last')}"
    write(tmp_path, "bad.toml", text)
    write(tmp_path, "other.toml", good("elsewhere"))
    catalog = load_catalog([tmp_path])
    told = [str(x) for x in catalog.problems]
    assert any(said in x and (also or "") in x for x in told), told
    assert all("bad.toml" in x for x in told)
    assert {"gate", "last", "elsewhere", "disk-full"} <= {cause.id for cause in catalog}
    with pytest.raises(CatalogError, match="line") as caught:
        load_catalog([tmp_path], strict=True)
    assert caught.value.path.name == "bad.toml"


def test_all_mistakes_of_an_entry_are_told_in_the_order_of_their_lines(tmp_path):
    text = good("x").replace("crash", "nope").replace("gate'", "(gate'").replace("title", "titel")
    write(tmp_path, "bad.toml", text)
    lines = [int(problem.split(":")[1]) for problem in problems(tmp_path)]
    assert lines == [1, 3, 4, 5]


def test_mistakes_of_every_kind_are_told_at_once(tmp_path):
    text = good("x").replace('"T"', '"No [[{point"').replace("crash", "crush")
    text += (
        'titel = "a"\nwrapper = 1\nbeats = ["disk-ful", "also-bad"]\nrecord = { signals = [0] }\n'
    )
    also = good("also-bad").replace("category", "kategory")
    remedy = '[[remedy]]\ncause = "disk-ful"\nkind = "cod"\n'
    write(tmp_path, "bad.toml", text + also + remedy)
    told = problems(tmp_path)
    for said in (
        "bad.toml:3: cause 'x': `category` is 'crush'",
        "bad.toml:4: cause 'x': `title` shows its template",
        "bad.toml:7: cause 'x': unknown key 'titel'",
        "bad.toml:8: cause 'x': `wrapper` is 1",
        "bad.toml:9: cause 'x': `beats` names the unknown cause 'disk-ful'",
        "bad.toml:9: cause 'x': `beats` names 'also-bad', which is left out",
        "bad.toml:10: cause 'x': `signals`: 0 is no signal",
        "bad.toml:11: cause 'also-bad': `category` is missing",
        "bad.toml:18: [[remedy]] names the unknown cause 'disk-ful'",
        "bad.toml:19: remedy of 'disk-ful': `kind` is 'cod'",
        "bad.toml:17: remedy of 'disk-ful': `summary` is missing",
    ):
        assert any(problem.startswith(said) for problem in told), (said, told)


def test_what_real_records_and_exceptions_hold_is_taken(tmp_path):
    record = "record = { states = ['TIMEOUT'], exit_codes = [-24, 0, 271], signals = [1, 64] }\n"
    names = "exceptions = ['*', 'Erreur_à', 'Outer$Inner']\nexceptions_language = 'c++'\n"
    write(tmp_path, "a.toml", good("a") + "wrapper = true\n" + record + names)
    assert problems(tmp_path) == []


def test_what_is_named_like_a_file_and_is_none_is_told(tmp_path):
    write(tmp_path, "a.toml", good("a"))
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    (tmp_path / "null.toml").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe.toml")
    told = problems(tmp_path)
    assert [problem.split(" (")[0].split("; ")[0] for problem in told] == [
        "folder.toml: is a folder",
        "gone.toml: is a link that leads nowhere: No such file or directory",
        "loop.toml: is a link that leads nowhere: Too many levels of symbolic links",
        "null.toml: is no ordinary file",
        "pipe.toml: is no ordinary file",
    ]
    assert "a" in load_catalog([tmp_path])


def test_an_id_stands_once_in_a_folder(tmp_path):
    write(tmp_path, "a.toml", good("gate"))
    write(tmp_path, "b.toml", "\n" + good("gate").replace('"T"', '"Second"'))
    first = f"first at {tmp_path}/a.toml:1"
    said = f"b.toml:3: cause 'gate' is defined twice, {first}; this one is left out"
    assert problems(tmp_path) == [said]
    assert load_catalog([tmp_path])["gate"].title == "T"


def test_causes_that_beat_each_other_in_a_circle_are_told(tmp_path):
    text = "".join(
        good(one) + f'beats = ["{two}"]\n' for one, two in [("a", "b"), ("b", "c"), ("c", "a")]
    )
    write(tmp_path, "a.toml", text)
    assert len(problems(tmp_path)) == 1
    assert "which itself beats" in problems(tmp_path)[0]
    assert sum(len(load_catalog([tmp_path])[x].beats) for x in "abc") == 2


def test_beaten_causes_may_stand_in_any_file(tmp_path):
    write(tmp_path, "a.toml", good("a") + 'beats = ["b", "disk-full"]\n')
    write(tmp_path, "b.toml", good("b"))
    assert problems(tmp_path) == []
    assert load_catalog([tmp_path])["a"].beats == ("b", "disk-full")


def test_a_header_in_a_long_text_is_text(tmp_path):
    text = good("a").replace(
        'explanation = "The', 'explanation = """Write\n[[cause]]\n[[remedy]]\nThe'
    )
    write(tmp_path, "a.toml", text.replace('noon."', 'noon."""') + good("b"))
    catalog = load_catalog([tmp_path])
    assert catalog.problems == ()
    assert "[[remedy]]" in catalog["a"].explanation
    assert catalog.place_of("b").line == 10


def test_a_text_that_is_not_closed_costs_its_entry_only(tmp_path):
    text = good("b").replace('"The', '"""The').replace('noon."', "noon.")
    write(tmp_path, "a.toml", good("a") + text + good("c") + good("d"))
    catalog = load_catalog([tmp_path])
    assert {"a", "c", "d"} <= {cause.id for cause in catalog}
    assert [problem.line for problem in catalog.problems] == [7]


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / "a.toml").write_bytes(good("a").encode() + b"# caf\xe9\n")
    write(tmp_path, "b.toml", "\ufeff" + good("b"))
    assert problems(tmp_path) == ["a.toml:7: is not UTF-8; save the file as UTF-8"]
    assert "b" in load_catalog([tmp_path])


def test_a_folder_that_is_not_there_is_told(tmp_path):
    gone = tmp_path / "none"
    catalog = load_catalog([gone])
    assert [str(x) for x in catalog.problems] == [f"{gone}: is neither a folder nor a file"]
    assert "disk-full" in catalog
    with pytest.raises(CatalogError, match="neither"):
        load_catalog([gone], strict=True)


def test_other_files_of_a_folder_are_left_alone(tmp_path):
    write(tmp_path, "README.md", "[[cause]]\n")
    (tmp_path / "sub").mkdir()
    assert load_catalog([tmp_path]).problems == ()


def test_problems_are_said_in_one_line(tmp_path):
    assert say_problems(load_catalog().problems) == ""
    write(tmp_path, "a.toml", "[other]\n[more]\n[again]\n")
    assert "There are 2 more." in say_problems(load_catalog([tmp_path]).problems)
    write(tmp_path / "two", "a.toml", "[other]\n[more]\n")
    said = say_problems(load_catalog([tmp_path / "two"]).problems)
    assert "a.toml:1: unknown table 'other'" in said
    assert "There is 1 more." in said
    assert "catalog check" in said
