"""Exact fixes: after each the program really runs, and none is made up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.agent.name_suggestions import distance
from llm_scheduler.agent.rule_fixes import ProposedFix, exact_fixes, find_fixes
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.tools.run_view import LearnerInfo, ResourceLimits
from llm_scheduler.tools.toolbox import Toolbox
from llm_scheduler.tools.workspace import Workspace
from tests.agent.failed_programs import (
    ListedRun,
    failed_program,
    failure_from,
    run_again,
    run_program,
)

LEARNER = "learner-0.pickle"


def fixes_of(failure: Failure, folder: Path) -> list[ProposedFix]:
    return exact_fixes(failure, ListedRun(folder, [failure]))


def carry_out(fix: ProposedFix, folder: Path, failure: Failure) -> None:
    """Plan and apply a fix with the tools that it is for."""
    run = ListedRun(folder, [failure])
    toolbox = Toolbox(Workspace([folder]), run)
    toolbox.apply(toolbox.plan(fix.tool, {**fix.arguments, "reason": fix.reason}))


MISSPELT = {
    "local": "def energy(mass):\n    return mas * 2\nenergy(1)\n",
    "global": "length = 3\ndef f(x):\n    return x / lenght\nf(1)\n",
    "builtin": "print(list(rang(3)))\n",
    "attribute-of-module": "import math\n\nprint(math.sqr(2))\n",
    "attribute-of-object": "class Box:\n    def __init__(self):\n        self.width = 1\n\n"
    "box = Box()\nprint(box.widht)\n",
    "method": "names = {}\nfor k, v in names.itms():\n    print(k)\n",
    "twice-in-a-function": "def f(value):\n    a = valeu + 1\n    return a * valeu\nf(2)\n",
    "same-line-elsewhere": "def f(value):\n    return valeu\n\n\ndef g(valeu2, value):\n"
    "    return value\nf(2)\n",
    "in-a-method": "class A:\n    def run(self, steps):\n        if steps:\n"
    "            for i in range(step):\n                pass\n\nA().run(3)\n",
    "not-ascii": "größe = 3\nprint('Größe', größe * 2, größ)\n",
    "crlf": "length = 3\r\ndef f(x):\r\n    return x / lenght\r\nf(1)\r\n",
    "tabs": "length = 3\nif True:\n\tprint(lenght)\n",
}


@pytest.mark.parametrize("case", MISSPELT)
def test_a_misspelt_name_is_mended(case: str, tmp_path: Path) -> None:
    failure = failed_program(tmp_path, MISSPELT[case])
    fixes = fixes_of(failure, tmp_path)
    assert [fix.tool for fix in fixes] == ["replace_text", "restart_learners"]
    assert "Did you mean" in fixes[0].reason
    assert fixes[1].arguments == {"learners": [LEARNER]}
    carry_out(fixes[0], tmp_path, failure)
    assert run_again(tmp_path)[0] == 0


IN_A_WORKER = """\
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import model

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as workers:
        print(workers.submit(model.f, 1).result())
"""


@pytest.mark.parametrize(
    ("source", "mended"),
    [
        ("length = 3\ndef f(x):\n    return x / lenght\n", "x / length"),
        ("from math import hypot\ndef f(x):\n    return hypto(x, x)\n", "hypot(x, x)"),
        ("def f(energy):\n    return enregy\n", "return energy"),
        ("def f(x):\n    def g(value):\n        return vaule\n    return g(x)\n", "return value"),
        ("def f(x):\n    return prnit(x)\n", "print(x)"),
    ],
)
def test_a_misspelt_name_in_a_worker(source: str, mended: str, tmp_path: Path) -> None:
    # Up to Python 3.11 a worker says nothing of the name that may be meant.
    (tmp_path / "model.py").write_text(source)
    code, printed = run_program(tmp_path, IN_A_WORKER, "run.py")
    assert code != 0
    log = tmp_path / "job.out"
    log.write_text(printed)
    for text in (printed, re.sub(r"\. Did you mean: '\w+'\?", "", printed)):
        log.write_text(text)
        failure = failure_from(log, LEARNER)
        fixes = fixes_of(failure, tmp_path)
        assert [fix.tool for fix in fixes] == ["replace_text", "restart_learners"]
        assert mended in fixes[0].arguments["new_text"]
    assert "only" in fixes[0].reason
    carry_out(fixes[0], tmp_path, failure)
    assert run_again(tmp_path, "run.py")[0] == 0


@pytest.mark.parametrize(
    "source",
    [
        "left_x = left_y = 1\ndef f(x):\n    return left_z\n",  # two are as near
        "def g(lenght2):\n    return 1\ndef f(x):\n    return length2\n",  # of another function
        "def f(x):\n    return spectrum\n",
        "def f(x):\n    return y\n",
        "class A:\n    weights = 1\n\n\ndef f(x):\n    return weigths\n",  # needs A.weights
    ],
)
def test_no_name_is_made_up(source: str, tmp_path: Path) -> None:
    failure = failed_program(tmp_path, f"{source}\n\nf(1)\n")
    log = Path(failure.log_files[0])
    log.write_text(re.sub(r"\. Did you mean: '\w+'\?", "", log.read_text()))
    assert fixes_of(failure_from(log, LEARNER), tmp_path) == []


@given(st.text("abAB_", max_size=8), st.text("abAB_", max_size=8), st.text("abAB_", max_size=8))
def test_distance_is_a_distance(a: str, b: str, c: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c)


def test_lines_that_stand_twice_get_context(tmp_path: Path) -> None:
    source = "value = 1\n\n\ndef f():\n    return valeu\n\n\ndef g():\n    return valeu\n\n\nf()\n"
    failure = failed_program(tmp_path, source)
    fix = fixes_of(failure, tmp_path)[0]
    assert source.count("    return valeu") == 2
    assert source.count(fix.arguments["old_text"]) == 1
    carry_out(fix, tmp_path, failure)
    assert run_again(tmp_path)[0] == 0
    assert (tmp_path / "model.py").read_text().count("valeu") == 1


PRINTED = {
    # Words of newer versions of Python than the tests may run with; the files are real.
    "import": (
        "from math import sqr\n\nprint(sqr(2))\n",
        1,
        "ImportError: cannot import name 'sqr' from 'math' (here). Did you mean: 'sqrt'?",
    ),
    "import-as": (
        "from math import (\n    sqr as root,\n)\n\nprint(root(2))\n",
        2,
        "ImportError: cannot import name 'sqr' from 'math' (here). Did you mean: 'sqrt'?",
    ),
    "keyword": (
        "def f(*, tolerance=1):\n    return tolerance\n\n\nf(tolerence=2)\n",
        5,
        "TypeError: f() got an unexpected keyword argument 'tolerence'. Did you mean 'tolerance'?",
    ),
    "module": (
        "from jsn import dumps\n\ndumps(1)\n",
        1,
        "ModuleNotFoundError: No module named 'jsn'. Did you mean: 'json'?",
    ),
    "self": (
        "class A:\n    size = 2\n\n    def f(self):\n        return size\n\n\nA().f()\n",
        5,
        "NameError: name 'size' is not defined. Did you mean: 'self.size'?",
    ),
    "key": (
        "table = {'energy': 1}\nprint(table['enregy'])\n",
        2,
        "KeyError: \"No column 'enregy'. Did you mean 'energy'?\"",
    ),
}


def printed_failure(folder: Path, source: str, line: int, error: str) -> Failure:
    (folder / "model.py").write_text(source)
    text = source.splitlines()[line - 1].strip()
    log = folder / "job.out"
    log.write_text(
        "Traceback (most recent call last):\n"
        f'  File "{folder / "model.py"}", line {line}, in <module>\n    {text}\n{error}\n'
    )
    return failure_from(log, LEARNER)


@pytest.mark.parametrize("case", PRINTED)
def test_words_of_newer_versions(case: str, tmp_path: Path) -> None:
    source, line, error = PRINTED[case]
    assert run_program(tmp_path, source)[0] != 0
    failure = printed_failure(tmp_path, source, line, error)
    fixes = fixes_of(failure, tmp_path)
    if case == "self":  # `size` is defined somewhere, so it may be no misspelling
        assert fixes == []
        return
    carry_out(fixes[0], tmp_path, failure)
    assert run_again(tmp_path)[0] == 0


UNSURE = {
    "two-suggestions": (
        "sym = 1\nprint(sys)\n",
        2,
        "NameError: name 'sys' is not defined. Did you mean: 'sym'? Or did you forget to import",
        "two things",
    ),
    "defined-elsewhere": (
        "import os\nresults = 1\nif os.environ.get('NEVER'):\n    result = 2\nprint(result)\n",
        5,
        "NameError: name 'result' is not defined. Did you mean: 'results'?",
        "not stand on line 5",
    ),
    "hint-is-nowhere": (
        "print(system)\n",
        1,
        "NameError: name 'system' is not defined. Did you mean: 'systems'?",
        "not stand on line 1",
    ),
    "nothing-alike": (
        "import os\nos.remove\nprint(hello)\n",
        3,
        "NameError: name 'hello' is not defined. Did you mean: 'os.remove'?",
        "does not look like",
    ),
    "only-in-a-comment": (
        "length = 1  # lenght\n",
        1,
        "NameError: name 'lenght' is not defined. Did you mean: 'length'?",
        "not stand on line 1",
    ),
    "attribute-twice": (
        "import math\nprint(math.sqr(2) + math.sqr(3))\n",
        2,
        "AttributeError: module 'math' has no attribute 'sqr'. Did you mean: 'sqrt'?",
        "not stand on line 2",
    ),
    "attribute-set-here": (
        "class A:\n    def set(self):\n        self.totl = 1\n\n\nA().totl\n",
        6,
        "AttributeError: 'A' object has no attribute 'totl'. Did you mean: 'total'?",
        "is there, whatever",
    ),
    "not-this-python": (
        "print 'x', lenght\nlength = 1\n",
        1,
        "NameError: name 'lenght' is not defined. Did you mean: 'length'?",
        "no Python",
    ),
}


@pytest.mark.parametrize("case", UNSURE)
def test_what_is_not_sure_is_not_proposed(case: str, tmp_path: Path) -> None:
    source, line, error, why = UNSURE[case]
    failure = printed_failure(tmp_path, source, line, error)
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found.fixes == found.restarts == ()
    assert why in " ".join(found.problems)


FORGED = {
    # Lines that work, and tracebacks that a job printed without having failed there.
    "module-loaded": (
        "import os\nos.remove('old.dat')\n",
        "AttributeError: module 'os' has no attribute 'remove'. Did you mean: 'removedirs'?",
    ),
    "module-not-loaded": (
        "import wave as sound\nsound.open('x')\n",
        "AttributeError: module 'wave' has no attribute 'open'. Did you mean: 'opens'?",
    ),
    "import": (
        "import os\nfrom json import loads\n",
        "ImportError: cannot import name 'loads' from 'json' (json.py). Did you mean: 'load'?",
    ),
    "builtin-type": (
        "names = {}\nnames.pop('a', None)\n",
        "AttributeError: 'dict' object has no attribute 'pop'. Did you mean: 'popitem'?",
    ),
    "class": (
        "from pathlib import Path\nPath('x').rename('y')\n",
        "AttributeError: 'PosixPath' object has no attribute 'rename'. Did you mean: 'rename2'?",
    ),
    "builtin": (
        "evals = eval = 1\nopen('x')\n",
        "NameError: name 'open' is not defined. Did you mean: 'reopen'?",
    ),
    "defined": (
        "def check(x):\n    return x\ncheck(1)\n",
        "NameError: name 'check' is not defined. Did you mean: 'chuck'?",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_error_changes_nothing(case: str, tmp_path: Path) -> None:
    source, error = FORGED[case]
    n_lines = len(source.splitlines())
    failure = printed_failure(tmp_path, source, n_lines, error)
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found.fixes == found.restarts == ()
    assert "is there, whatever the log says" in found.problems[0] or case == "defined"


def test_a_file_that_has_changed_since_is_left_alone(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, MISSPELT["global"])
    (tmp_path / "model.py").write_text("# a new first line\n" + MISSPELT["global"])
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found.fixes == ()
    assert "not any more what the traceback shows" in found.problems[0]


def test_what_is_mended_already_only_starts_again(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, MISSPELT["global"])
    run = ListedRun(tmp_path, [failure])
    carry_out(find_fixes([failure], run).fixes[0], tmp_path, failure)
    found = find_fixes([failure], run)
    assert found.fixes == ()
    assert "is corrected already" in found.problems[0]
    assert found.restarts[0].arguments == {"learners": [LEARNER]}


def test_no_library_is_edited(tmp_path: Path) -> None:
    library = tmp_path / "lib" / "python3.11" / "site-packages"
    code, printed = run_program(library, MISSPELT["global"], "lib.py")
    assert code != 0
    (tmp_path / "job.out").write_text(printed)
    failure = failure_from(tmp_path / "job.out", LEARNER)
    assert fixes_of(failure, tmp_path) == []


@pytest.mark.parametrize("kind", ["missing", "fifo", "folder", "relative", "large", "binary"])
def test_odd_files_are_left_alone(kind: str, tmp_path: Path) -> None:
    import os

    failure = failed_program(tmp_path, MISSPELT["global"])
    path = tmp_path / "model.py"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(3 << 30)
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "relative":
        log = tmp_path / "job.out"
        log.write_text(log.read_text().replace(str(path), "model.py"))
        failure = failure_from(log, LEARNER)
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found.fixes == ()
    assert len(found.problems) == 1


def test_a_copied_function_is_not_mended_by_editing(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, MISSPELT["global"])
    run = ListedRun(tmp_path, [failure])
    run.infos[LEARNER] = LearnerInfo(LEARNER, by_value=True, file=str(tmp_path / "model.py"))
    found = find_fixes([failure], run)
    assert found.fixes == found.restarts == ()
    assert "its own copy" in found.problems[0]
    # What it imports from a module is read anew by each job.
    run.infos[LEARNER] = LearnerInfo(LEARNER, by_value=True, file=str(tmp_path / "notebook.py"))
    assert len(find_fixes([failure], run).fixes) == 1


def test_a_cell_of_a_notebook_is_a_copy(tmp_path: Path) -> None:
    log = tmp_path / "job.out"
    log.write_text(
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/ipykernel_12/34.py", line 1, in f\n    return lenght\n'
        "NameError: name 'lenght' is not defined. Did you mean: 'length'?\n"
    )
    failure = failure_from(log, LEARNER)
    run = ListedRun(tmp_path, [failure])
    run.infos[LEARNER] = LearnerInfo(LEARNER, by_value=True)
    found = find_fixes([failure], run)
    assert found.fixes == ()
    assert "its own copy" in found.problems[0]


# -- folders ------------------------------------------------------------------------------

WRITERS = {
    "open": 'open("{folder}/wave.dat", "w").close()\n',
    "open-binary": 'with open("{folder}/wave.dat", mode="wb") as f:\n    pass\n',
    "append": 'open("{folder}/wave.dat", "a+")\n',
    "pathlib": 'from pathlib import Path\n\nPath("{folder}/wave.txt").write_text("x")\n',
    "touch": 'from pathlib import Path\n\nPath("{folder}/wave.txt").touch()\n',
}


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("case", WRITERS)
def test_a_missing_folder_is_made(
    case: str, levels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = "/".join(f"level{i}" for i in range(levels))
    for name in (folder, str(tmp_path / folder)):
        failure = failed_program(tmp_path, WRITERS[case].format(folder=name))
        make, restart = fixes_of(failure, tmp_path)
        assert (make.tool, restart.tool) == ("make_directory", "restart_learners")
        assert make.arguments == {"path": str(tmp_path / folder)}
    carry_out(make, tmp_path, failure)
    assert run_again(tmp_path)[0] == 0


@pytest.mark.parametrize(
    "source",
    [
        'open("{folder}/table.csv").read()\n',
        'open("{folder}/table.csv", "rb").read()\n',
        'import os\n\nos.listdir("{folder}/tables")\n',
        'import os\n\nos.rename("{folder}/a", "{folder}/b")\n',
        'open("table.csv").read()\n',
    ],
)
def test_a_missing_input_is_not_mended_by_a_folder(source: str, tmp_path: Path) -> None:
    failure = failed_program(tmp_path, source.format(folder=tmp_path / "none"))
    assert fixes_of(failure, tmp_path) == []


@pytest.mark.parametrize("kind", ["outside", "dots", "link", "other-shell"])
def test_no_folder_elsewhere(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    monkeypatch.chdir(run_folder)
    (run_folder / "out").symlink_to(tmp_path)
    name = {
        "outside": str(tmp_path / "elsewhere"),
        "dots": f"{run_folder}/../elsewhere",
        "link": f"{run_folder}/out/elsewhere",
        "other-shell": "relative",
    }[kind]
    failure = failed_program(run_folder, WRITERS["open"].format(folder=name))
    run = ListedRun(run_folder, [failure], can_control=kind != "other-shell")
    found = find_fixes([failure], run)
    assert found.fixes == ()
    assert "is not made from here" in found.problems[0]


def test_what_pandas_says(tmp_path: Path) -> None:
    log = tmp_path / "job.out"
    log.write_text(
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/model.py", line 3, in f\n    table.to_csv("x")\n'
        f"OSError: Cannot save file into a non-existent directory: '{tmp_path}/out'\n"
    )
    fixes = fixes_of(failure_from(log, LEARNER), tmp_path)
    assert fixes[0].arguments == {"path": str(tmp_path / "out")}


# -- memory, time, nodes --------------------------------------------------------------------

OOM = JobRecord(
    job_id="7", state="OUT_OF_MEMORY", exit_code=0, signal=9, requested_memory_bytes=2 << 30,
    max_rss_bytes=2 << 30, nodes=("n1",),
)  # fmt: skip
TIMEOUT = JobRecord(job_id="8", state="TIMEOUT", time_limit_s=3600.0, nodes=("n1",))


def killed(folder: Path, record: JobRecord, learner: str = LEARNER) -> Failure:
    log = folder / "job.out"
    log.write_text("step 1 of 10\nstep 2 of 10\n")
    return failure_from(log, learner, job_id=record.job_id, record=record)


def test_more_memory(tmp_path: Path) -> None:
    failure = killed(tmp_path, OOM)
    fixes = fixes_of(failure, tmp_path)
    assert fixes[0].tool == "set_resources"
    assert fixes[0].arguments == {"learners": [LEARNER], "memory": "4GB"}
    assert "4GB" in fixes[0].reason
    assert fixes[1].arguments == {"learners": [LEARNER]}
    carry_out(fixes[0], tmp_path, failure)
    carry_out(fixes[1], tmp_path, failure)


def test_more_time(tmp_path: Path) -> None:
    fixes = fixes_of(killed(tmp_path, TIMEOUT), tmp_path)
    assert fixes[0].arguments == {"learners": [LEARNER], "time": "02:00:00"}


def test_enough_is_not_raised_again(tmp_path: Path) -> None:
    failure = killed(tmp_path, OOM)
    run = ListedRun(tmp_path, [failure], asked={LEARNER: {"memory": "8 GB"}})
    found = find_fixes([failure], run)
    assert found.fixes == ()
    assert found.problems == ("The next job asks for enough already: memory `8 GB`.",)
    assert found.restarts[0].arguments == {"learners": [LEARNER]}


def test_what_the_machine_does_not_have_is_not_asked_for(tmp_path: Path) -> None:
    failure = killed(tmp_path, OOM)
    most = ResourceLimits(memory_bytes=3 << 30, where="partition 'debug'")
    found = find_fixes([failure], ListedRun(tmp_path, [failure], most=most))
    assert found.fixes == found.restarts == ()
    assert "partition 'debug' has at most 3.0 GB" in found.problems[0]


def test_a_lost_node_is_left_out(tmp_path: Path) -> None:
    record = JobRecord(job_id="9", state="NODE_FAIL", nodes=("n13",))
    failure = killed(tmp_path, record)
    fixes = fixes_of(failure, tmp_path)
    assert fixes[0].arguments == {"learners": [LEARNER], "exclude": "n13"}
    run = ListedRun(tmp_path, [failure], asked={LEARNER: {"exclude": "n4"}})
    assert exact_fixes(failure, run)[0].arguments["exclude"] == "n4,n13"
    run.most = ResourceLimits(settable=("memory", "time"))
    assert "does not let one set exclude" in find_fixes([failure], run).problems[0]
    several = killed(tmp_path, record.model_copy(update={"nodes": ("n1", "n2")}))
    assert fixes_of(several, tmp_path) == []


def test_nothing_for_learners_that_are_done_or_gone(tmp_path: Path) -> None:
    failure = killed(tmp_path, OOM)
    assert exact_fixes(failure, ListedRun(tmp_path, [failure], states={LEARNER: "done"})) == []
    assert exact_fixes(failure, ListedRun(tmp_path, [])) == []


def test_no_restart_of_what_starts_by_itself(tmp_path: Path) -> None:
    failure = killed(tmp_path, OOM)
    run = ListedRun(tmp_path, [failure], states={LEARNER: "pending"})
    assert [fix.tool for fix in exact_fixes(failure, run)] == ["set_resources"]


def test_a_failure_that_rules_cannot_mend_has_no_fix(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, "print(1 / 0)\n")
    found = find_fixes([failure], ListedRun(tmp_path, [failure]))
    assert found == type(found)()


# -- groups -----------------------------------------------------------------------------------


def test_one_edit_for_a_group(tmp_path: Path) -> None:
    code, printed = run_program(tmp_path, MISSPELT["global"])
    assert code != 0
    failures = []
    for i in range(37):
        log = tmp_path / f"job-{i}.out"
        log.write_text(f"host n{i}\n{printed}")
        failures.append(failure_from(log, f"learner-{i}.pickle", job_id=str(i)))
    found = find_fixes(failures, ListedRun(tmp_path, failures))
    assert [fix.tool for fix in found.fixes] == ["replace_text"]
    assert found.restarts[0].arguments["learners"] == [f"learner-{i}.pickle" for i in range(37)]


def test_many_failures_ask_the_scheduler_once(tmp_path: Path) -> None:
    asked: list[str] = []

    class CountingRun(ListedRun):
        def limits(self, learner: str) -> ResourceLimits:
            asked.append(learner)
            return super().limits(learner)

    failures = [
        killed(tmp_path, OOM.model_copy(update={"job_id": str(i)}), f"learner-{i}.pickle")
        for i in range(20)
    ]
    assert len(find_fixes(failures, CountingRun(tmp_path, failures)).fixes) == 1
    assert len(asked) == 1


def test_many_logs_that_say_the_same_are_read_once(tmp_path: Path) -> None:
    failure = failed_program(tmp_path, MISSPELT["global"])
    # The logs of all but the first are gone.
    failures = [failure] + [
        replace_learner(failure, i).model_copy(update={"log_files": ()}) for i in range(1, 20)
    ]
    found = find_fixes(failures, ListedRun(tmp_path, failures))
    assert len(found.fixes) == 1
    assert len(found.restarts[0].arguments["learners"]) == 20


def test_one_request_for_all_learners_of_a_group(tmp_path: Path) -> None:
    failures = [
        killed(tmp_path, OOM.model_copy(update={"job_id": str(i)}), f"learner-{i}.pickle")
        for i in range(37)
    ]
    found = find_fixes(failures, ListedRun(tmp_path, failures))
    assert len(found.fixes) == 1
    assert len(found.fixes[0].arguments["learners"]) == 37
    assert len(found.restarts) == 1


def test_a_bad_node_is_left_out_for_the_group(tmp_path: Path) -> None:
    failures = [
        killed(tmp_path, OOM.model_copy(update={"job_id": str(i)}), f"learner-{i}.pickle")
        for i in range(6)
    ]
    run = ListedRun(tmp_path, failures)
    group = run.groups()[0]
    assert group.bad_node == "n1"
    found = find_fixes(failures, run, bad_node=group.bad_node)
    assert [fix.arguments["exclude"] for fix in found.fixes] == ["n1"]


def test_fixes_are_the_same_each_time(tmp_path: Path) -> None:
    failures = [
        replace_learner(failed_program(tmp_path / str(i), MISSPELT[case]), i)
        for i, case in enumerate(("local", "global", "method"))
    ]
    run = ListedRun(tmp_path, failures)
    assert find_fixes(failures, run) == find_fixes(failures, run)
    assert len(find_fixes(failures, run).fixes) == 3


def replace_learner(failure: Failure, index: int) -> Failure:
    return failure.model_copy(update={"learners": (f"learner-{index}.pickle",)})
