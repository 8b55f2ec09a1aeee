"""What only a log says is asked for in every mode; what code shows is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.agent.rule_fixes import FoundFixes, find_fixes
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy
from llm_scheduler.engine.records import JobRecord
from tests.agent.failed_programs import ListedRun, failed_program, failure_from
from tests.agent.forged_logs import FORGED, Forged, forged_failure

LEARNER = "learner-0.pickle"


def found_for(folder: Path, source: str, line: int, error: str, **more: str) -> FoundFixes:
    failure = forged_failure(folder, Forged(source, line, error, more))
    return find_fixes([failure], ListedRun(folder, [failure]))


CERTAIN = {
    "name": (
        "length = 3\nprint(lenght)\n",
        2,
        "NameError: name 'lenght' is not defined. Did you mean: 'length'?",
    ),
    "module": (
        "import math\nprint(math.sqr(2))\n",
        2,
        "AttributeError: module 'math' has no attribute 'sqr'. Did you mean: 'sqrt'?",
    ),
    "module-under-another-name": (
        "import os.path as p\nprint(p.joyn('a', 'b'))\n",
        2,
        "AttributeError: module 'posixpath' has no attribute 'joyn'. Did you mean: 'join'?",
    ),
    "module-not-loaded": (
        "import colorsys\nprint(colorsys.rgb_to_hsw(1, 1, 1))\n",
        2,
        "AttributeError: module 'x' has no attribute 'rgb_to_hsw'. Did you mean: 'rgb_to_hsv'?",
    ),
    "literal": (
        "names = {}\nfor x in names.itms():\n    print(x)\n",
        2,
        "AttributeError: 'dict' object has no attribute 'itms'. Did you mean: 'items'?",
    ),
    "literal-at-once": (
        "print('a'.uper())\n",
        1,
        "AttributeError: 'str' object has no attribute 'uper'. Did you mean: 'upper'?",
    ),
    "import": (
        "from math import sqr\nprint(sqr(2))\n",
        1,
        "ImportError: cannot import name 'sqr' from 'math' (here). Did you mean: 'sqrt'?",
    ),
    "keyword": (
        "def f(*, tolerance=1):\n    return tolerance\nf(tolerence=2)\n",
        3,
        "TypeError: f() got an unexpected keyword argument 'tolerence'. Did you mean 'tolerance'?",
    ),
}


@pytest.mark.parametrize("case", CERTAIN)
def test_what_code_shows_is_certain(case: str, tmp_path: Path) -> None:
    found = found_for(tmp_path, *CERTAIN[case])
    assert [(fix.tool, fix.is_certain) for fix in (*found.fixes, *found.restarts)] == [
        ("replace_text", True),
        ("restart_learners", True),
    ]
    assert found.fixes[0].reason.startswith("Python says: ")


def test_own_modules_are_read(tmp_path: Path) -> None:
    wrong = "ImportError: cannot import name 'slove' from 'lib' (x). Did you mean: 'solve'?"
    source = "from lib import slove\nslove()\n"
    for lib, is_certain in (
        ("def solve(): pass\n", True),
        ("from other import *\ndef solve(): pass\n", False),
        ("def solve(): pass\ndef __getattr__(name): pass\n", False),
        ("globals()['slove'] = 1\ndef solve(): pass\n", False),
        ("def other(): pass\n", False),  # there is no solve
    ):
        found = found_for(tmp_path, source, 1, wrong, **{"lib.py": lib})
        assert [fix.is_certain for fix in found.fixes] == [is_certain]
    found = found_for(tmp_path, source, 1, wrong, **{"lib.py": "slove = solve = 1\n"})
    assert found.fixes == ()


UNCERTAIN = {
    "key": (
        "table = {'energy': 1}\nprint(table['enregy'])\n",
        2,
        "KeyError: \"No column 'enregy'. Did you mean 'energy'?\"",
    ),
    "attribute-of-who-knows": (
        "def f(session):\n    return session.verfy\nf(1)\n",
        2,
        "AttributeError: 'Session' object has no attribute 'verfy'. Did you mean: 'verify'?",
    ),
    "attribute-that-others-may-set": (
        "class A:\n    width = 1\n\na = A()\nprint(a.widht)\n",
        5,
        "AttributeError: 'A' object has no attribute 'widht'. Did you mean: 'width'?",
    ),
    "keyword-of-who-knows": (
        "def f(get, url):\n    return get(url, verify=1)\n",
        2,
        "TypeError: get() got an unexpected keyword argument 'verify'. Did you mean 'verifyoff'?",
    ),
    "keyword-passed-on": (
        "def f(**options):\n    return options\nf(verify=1)\n",
        3,
        "TypeError: g() got an unexpected keyword argument 'verify'. Did you mean 'verifyoff'?",
    ),
    "module": (
        "from jsn import dumps\ndumps(1)\n",
        1,
        "ModuleNotFoundError: No module named 'jsn'. Did you mean: 'json'?",
    ),
    "import-from-who-knows": (
        "from not_installed import safe\nsafe()\n",
        1,
        "ImportError: cannot import name 'safe' from 'not_installed'. Did you mean: 'unsafe'?",
    ),
    "name-with-stars": (
        "from not_installed import *\nprint(safe_load)\n",
        2,
        "NameError: name 'safe_load' is not defined. Did you mean: 'unsafe_load'?",
    ),
    "name-made-by-exec": (
        "exec('safe = 1')\nunsafe = 2\nprint(safe)\n",
        3,
        "NameError: name 'safe' is not defined. Did you mean: 'unsafe'?",
    ),
    "name-made-by-hand": (
        "import sys\nsys.modules[__name__].__dict__['safe'] = 1\nunsafe = 2\nprint(safe)\n",
        4,
        "NameError: name 'safe' is not defined. Did you mean: 'unsafe'?",
    ),
    "name-that-a-program-is-given": (
        "def f(snakemakes):\n    return snakemake.input\n",
        2,
        "NameError: name 'snakemake' is not defined. Did you mean: 'snakemakes'?",
    ),
    "method-of-the-same-name": (
        "from not_installed import *\nclass A:\n    def load(unsafe): pass\nload(safe=1)\n",
        4,
        "TypeError: load() got an unexpected keyword argument 'safe'. Did you mean 'unsafe'?",
    ),
    "literal-that-is-replaced": (
        "names = {}\ndef f(names):\n    return names.safe\n",
        3,
        "AttributeError: 'Names' object has no attribute 'safe'. Did you mean: 'unsafe'?",
    ),
    "not-the-nearest-name": (
        "unsafe_loader = safe_loader = 1\nprint(safe_loadr)\n",
        2,
        "NameError: name 'safe_loadr' is not defined. Did you mean: 'unsafe_loader'?",
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_what_only_the_log_says_is_not_certain(case: str, tmp_path: Path) -> None:
    found = found_for(tmp_path, *UNCERTAIN[case])
    fixes = (*found.fixes, *found.restarts)
    assert [(fix.tool, fix.is_certain) for fix in fixes] == [
        ("replace_text", False),
        ("restart_learners", False),
    ]
    assert found.fixes[0].reason.startswith("Only the log says so")


@pytest.mark.parametrize("name", [name for name in FORGED if FORGED[name].is_there])
def test_of_what_is_there_nothing_is_proposed(name: str, tmp_path: Path) -> None:
    failure = forged_failure(tmp_path, FORGED[name])
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found == FoundFixes(problems=found.problems)


@pytest.mark.parametrize("word", ["x" * 1500, "a..b", ".", "x." * 700, "x/y"])
def test_odd_names_of_modules_do_no_harm(word: str, tmp_path: Path) -> None:
    error = f"ModuleNotFoundError: No module named '{word}'. Did you mean: '{word[:-1]}y'?"
    assert found_for(tmp_path, "import numpy\nnumpy\n", 1, error).fixes == ()
    error = f"NameError: name '{'x' * 1500}' is not defined. Did you mean: '{'x' * 1499}y'?"
    source = f"{'x' * 1499}y = 1\nprint({'x' * 1500})\n"
    assert all(not fix.is_certain for fix in found_for(tmp_path, source, 2, error).fixes)


def test_a_real_name_is_certain_and_one_doubt_holds_the_start_back(tmp_path: Path) -> None:
    real = failed_program(tmp_path / "a", "length = 3\nprint(lenght)\n")
    (tmp_path / "b").mkdir()
    doubt = forged_failure(tmp_path / "b", Forged(*UNCERTAIN["key"]))
    doubt = doubt.model_copy(update={"attempt": "b", "learners": ("learner-1.pickle",)})
    failures = [real, doubt]
    found = find_fixes(failures, ListedRun(tmp_path, failures))
    assert [fix.is_certain for fix in found.fixes] == [True, False]
    assert [fix.is_certain for fix in found.restarts] == [False]


# -- what a model says ------------------------------------------------------------------


def said_by_model(failure: Failure, **values: object) -> Failure:
    """Return a failure of which a model has said something else than the rules."""
    given: dict[str, object] = {
        "category": "disk_full",
        "cause": "disk_full",
        "title": "Disk full",
        "confidence": 1.0,
        "source": "model",
        "evidence": (Evidence(file="", line=0, text="Traceback"),),
    }
    return failure.model_copy(
        update={
            "diagnosis": Diagnosis.model_validate(given | values),
            "rules_diagnosis": failure.diagnosis,
        }
    )


TAKE_ALL = (
    Remedy(
        kind="resources",
        summary="take all",
        resources={"memory": "900GB", "time": "30-00:00:00", "exclude": "n1"},
    ),
)


def test_a_model_steers_no_exact_fix(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, "d = {}\nd['mu']\n")
    run = ListedRun(tmp_path, [failure])
    assert find_fixes([failure], run).fixes == ()
    told = said_by_model(failure, remedies=TAKE_ALL)
    assert find_fixes([told], run) == find_fixes([failure], run)
    # One of an earlier version, of which the rules' words were not kept.
    lost = told.model_copy(update={"rules_diagnosis": None})
    assert find_fixes([lost], run) == FoundFixes()


def test_a_model_takes_no_exact_fix_away(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    log = tmp_path / "killed.out"
    log.write_text("step 1 of 10\n")
    oom = JobRecord(
        job_id="7", state="OUT_OF_MEMORY", exit_code=0, signal=9, nodes=("n1",),
        requested_memory_bytes=2 << 30, max_rss_bytes=2 << 30,
    )  # fmt: skip
    for failure, tool in (
        (failed_program(tmp_path, "length = 3\nprint(lenght)\n"), "replace_text"),
        (failed_program(tmp_path / "w", f"open('{tmp_path}/x/y', 'w')\n"), "make_directory"),
        (failure_from(log, LEARNER, record=oom), "set_resources"),
    ):
        run = ListedRun(tmp_path, [failure])
        alone = find_fixes([failure], run)
        assert [fix.tool for fix in alone.fixes] == [tool]
        assert find_fixes([said_by_model(failure)], run) == alone
        assert find_fixes([said_by_model(failure, remedies=TAKE_ALL)], run) == alone
