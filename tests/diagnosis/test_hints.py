"""What titles and remedies of Python errors say: hints, packages, points, places."""

from __future__ import annotations

import re
import traceback

import pytest

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.engine.records import JobRecord

WORK = "".join(f"iteration {i} value {i * 0.37:.3f}\n" for i in range(40))
FAILED = JobRecord(job_id="7", state="FAILED", exit_code=1)


def tb(last, *frames):
    lines = ["Traceback (most recent call last):"]
    for file, number, function, source in frames or (("/home/u/model.py", 12, "f", "y = g(x)"),):
        lines += [f'  File "{file}", line {number}, in {function}', f"    {source}"]
    return "\n".join([*lines, last]) + "\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("cv2", "opencv-python"),
        ("sklearn.svm", "scikit-learn"),
        ("yaml", "PyYAML"),
        ("PIL", "pillow"),
        ("tqdm", "tqdm"),
    ],
)
def test_package_to_install(module, package, tmp_path):
    log = tmp_path / "job.out"
    log.write_text(tb(f"ModuleNotFoundError: No module named '{module}'"))
    found = diagnose_log(log)
    assert f"pip install {package}`" in found.remedies[0].summary


def test_hint_becomes_the_remedy(tmp_path):
    log = tmp_path / "job.out"
    log.write_text(tb("NameError: name 'nump' is not defined. Did you mean: 'numpy'?"))
    remedy = diagnose_log(log).remedies[0]
    assert remedy.summary == "Write numpy instead of nump"
    assert (remedy.file, remedy.line) == ("/home/u/model.py", 12)


def test_fingerprints(tmp_path):
    def of(text):
        log = tmp_path / "job.out"
        log.write_text(text)
        return diagnose_log(log, record=FAILED).fingerprint

    assert of(tb("ValueError: no root at x=0.13")) == of(tb("ValueError: no root at x=0.72"))
    missing = tb("ModuleNotFoundError: No module named 'cv2'")
    assert of(missing) != of(missing.replace("cv2", "yaml"))
    assert of("job 1: libnope.so.1: cannot open shared object file") != of(
        "job 1: libother.so.1: cannot open shared object file",
    )
    assert of(WORK) == of(WORK + "iteration 41 value 3.1\n")
    frames = ("/home/u/model.py", 12, "f", "y"), ("/home/u/other.py", 12, "g", "y")
    assert of(tb("ValueError: bad", frames[0])) != of(tb("ValueError: bad", frames[1]))


def test_point_that_adaptive_prints(tmp_path):
    import adaptive

    def f(x):
        if x > 0.9:
            msg = "no root"
            raise ValueError(msg)
        return x

    learner = adaptive.Learner1D(f, (0, 1))
    try:
        adaptive.BlockingRunner(
            learner,
            npoints_goal=20,
            executor=adaptive.runner.SequentialExecutor(),
            retries=0,
        )
        text = ""
    except RuntimeError:
        text = traceback.format_exc()
    assert "learner.function(" in text
    log = tmp_path / "job.out"
    log.write_text(WORK + text)
    found = diagnose_log(log, record=FAILED)
    assert found.cause == "python-value-error"
    assert re.search(r"no root at point x=[\d.]+ \(test_hints\.py:\d+\)$", found.title)
    assert re.search(r"learner\.function\([\d.]+\)", found.remedies[-1].details)
