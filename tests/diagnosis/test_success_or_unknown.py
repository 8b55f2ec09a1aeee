"""Success needs a sign of the end, or a log that holds nothing but ordinary lines."""

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log
from tests.diagnosis.job_samples import WORK, diagnose_text, rec

ENDED = [
    "all done\n",
    "Process 3 exited with code 0\n",
    "Job finished with exit code 0\n",
    "Epoch 9/10 loss 0.1\nEpoch 10/10 loss 0.1\nsaved model.pt\n",
    "step 3 of 900\nconverged early\nWrote results/fit.csv\n",
    "Training complete\nmean accuracy 0.93\n",
]
STOPPED = [
    "download finished\nepoch 1/100\nepo",
    "All jobs done.\nloading\nstep 2 of 900\n",
    " 45%|####      | 45/100 [00:01<00:10]",
    "Epoch 3/100 loss 0.4\n",
    "[ 12/900] building core.o\n",
    "downloaded 45.5%\n",
    "value 1.2345\nvalue 1.3456\nval",
]
ORDINARY = [
    "hello\nworld\n",
    "energy = -12.3\nforce = 3\nq = 1\n",
    '{"loss": 0.3}\n',
    "5 passed, 0 failed\n",
    "Summary: 0 errors\n",
    "x.py:3: DeprecationWarning: np.float is old\n",
    "10%|#  | 1/10 [00:01<00:02]\r100%|###| 10/10 [00:01<00:00]\n",
    "value 1.2345\nvalue 1.3456\nval\n",
    "STOP normal end\n",
    "Generation 45/100: early stop, tolerance reached\n",
    "run 1/10 ... ok\nrun 2/10 ... ok\nmean 0.3\n",
    "Job 12/34 on node n1\n",
]
NO_LOGS = [
    "import os\n\ndef f(x):\n    return x\n\nprint(f(2))\n",
    "#!/bin/bash\n#SBATCH -n 4\nsrun ./a.out\n",
    "<!DOCTYPE html>\n<html><body>Not here</body></html>\n",
    '{\n  "name": "demo",\n  "version": "1.0"\n}\n',
    ("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2xt" + "\n") * 3,
]


@pytest.mark.parametrize("text", ENDED)
def test_a_sign_of_the_end_is_success(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert (found.category, found.confidence) == ("success", 0.9)
    assert found.evidence[0].text in text
    assert found.explanation.count(". ") == 1
    assert found.evidence[0].text.strip() in found.explanation


@pytest.mark.parametrize("text", STOPPED)
def test_a_log_that_stops_in_the_middle_is_unknown(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category == "unknown", found
    assert "middle of the work" in found.explanation
    assert "failed" not in found.title


@pytest.mark.parametrize("text", STOPPED)
def test_the_record_tells_the_end_of_a_log_that_stops(tmp_path, text):
    assert diagnose_text(tmp_path, text, rec("COMPLETED", 0)).category == "success"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_lines_are_success_with_modest_confidence(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category == "success", found
    assert found.confidence <= 0.6
    assert "none says that the work was finished" in found.explanation


@pytest.mark.parametrize("text", NO_LOGS)
def test_text_that_is_no_log_is_unknown(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category == "unknown"
    assert "program or data" in found.explanation


def test_a_missing_log_beside_a_silent_one_is_unknown(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("hello\n")
    found = diagnose_log([log, tmp_path / "a.err"])
    assert found.category == "unknown"
    assert "missing" in found.explanation
    log.write_text("hello\nAll jobs done.\n")
    assert diagnose_log([log, tmp_path / "a.err"]).category == "success"


@pytest.mark.parametrize(
    "text",
    [
        "Error: gpu 0 failed\n",
        "starting\nrank 0 failed\n",
        "node 0 failed\n",
        "Finished with 3 errors\n",
        "boom at x.pl line 3.\n",
        "running\nSTOP 1\n",
        "STOP negative mass\n",
        "start\n[main.cu:35] Unable to copy memory to device\n",
    ],
)
def test_words_of_failure(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category not in {"success", "unknown"}
    assert found.evidence[0].text.strip() == text.strip().rsplit("\n", 1)[-1]


@pytest.mark.parametrize(
    "text",
    [
        "FATAL: trial 0 failed\n",
        "point 0 failed\n",
        "learner 0 failed: wrong mesh\n",
        "start\ntrajectory 0 failed\n",
        "ERROR: step 0 errors in mesh\n",
        "ERROR 0 failed\n",
        "Error: seed, 0 failed\n",
        "solver at lr=0 failed\n",
        # Of tests that were to fail, one more than those.
        "XFAIL: error.sh\nFAIL: abort.sh\n# XFAIL: 1\n",
        "FAILED (failures=1, expected failures=1)\n",
        "==== 1 failed, 3 passed, 1 xfailed in 0.12s ====\n",
        "Error: expected failure, got none\n",
    ],
)
def test_a_number_0_or_a_test_counts_no_failure_away(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category not in {"success", "unknown"}


@pytest.mark.parametrize(
    "text",
    [
        "12 files, 0 failed\n",
        "checked 3 runs: 0 errors, 0 failures\n",
        "passed 12 failed 0\n",
        "There were 0 errors and 0 failures\n",
        "12 ok / 0 failed / 1 skipped\n",
        "12 done (0 failed)\n",
        "2026-01-01 10:00:00 0 failed\n",
        "INFO 0 failed\n",
        "with a total of 0 failed jobs\n",
        "==12== ERROR SUMMARY: 0 errors from 0 contexts (suppressed: 0 from 0)\n",
    ],
)
def test_a_count_of_none_is_no_failure(tmp_path, text):
    assert diagnose_text(tmp_path, text).category == "success"


def test_completed_with_an_exit_code_is_no_success(tmp_path):
    found = diagnose_text(tmp_path, WORK, rec("COMPLETED", 1))
    assert found.category == "unknown"
    assert any("exit code 1" in doubt for doubt in found.doubts)


def test_an_unknown_end_with_a_record_has_two_sentences(tmp_path):
    found = diagnose_text(tmp_path, WORK, rec())
    assert found.category == "unknown"
    assert found.explanation.endswith("The record says: State FAILED, exit code 1.")


def test_success_tells_what_the_scheduler_said(tmp_path):
    told = diagnose_text(tmp_path, WORK, rec("COMPLETED", 0)).explanation
    assert told.endswith("The scheduler's record says that the job completed.")
    report = "Sender: LSF System <lsf@n1>\n\nSuccessfully completed.\n\nResource usage summary:\n"
    told = diagnose_text(tmp_path, "bash: module: line 1: syntax error\n" + WORK + report)
    assert told.category == "success"
    assert "report in the log" in told.explanation


def test_an_empty_log_is_called_empty(tmp_path):
    assert diagnose_text(tmp_path, "").doubts == ("The log is empty.",)


@pytest.mark.parametrize(
    "text",
    [
        # Fits of a search that failed and were reported, then the result of the rest.
        (
            "4 fits failed out of 40.\nTraceback (most recent call last):\n"
            '  File "/home/u/a.py", line 3, in fit_one\n    f()\nValueError: bad penalty\n'
            "fold 1 ok\nfold 2 ok\nfold 3 ok\nfold 4 ok\nBest score: 0.8\nWrote results/fit.csv\n"
        ),
        (
            "Error in solve.default(hess) : \n  Lapack routine dgesv: system is exactly singular\n"
            "replicate 118: skipped\n998 of 1000 ok\nmean 1.2\nsd 0.3\nquantiles 1 2\n"
            "saved boot_ci.rds\n"
        ),
        "".join(f" MD| Step number   {i}\n  *** SCF run converged ***\n" for i in range(3))
        + "  *** SCF run NOT converged ***\n"
        + "".join(f" MD| Step number   {i}\n  *** SCF run converged ***\n" for i in range(4, 9)),
    ],
    ids=["fits", "replicates", "steps"],
)
def test_errors_that_a_run_outlived(tmp_path, text):
    assert diagnose_text(tmp_path, text).category == "success"


@pytest.mark.parametrize(
    ("state", "category"),
    [
        ("COMPLETED", "success"),
        ("TIMEOUT", "time_limit"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("CANCELLED", "cancelled"),
        ("NODE_FAIL", "node_failure"),
        ("PREEMPTED", "preempted"),
    ],
)
def test_the_report_of_seff_below_a_log(tmp_path, state, category):
    text = f"{WORK}Cluster: c1\nState: {state} (exit code 0)\nCPU Utilized: 00:09:42\n"
    assert diagnose_text(tmp_path, text).category == category


@pytest.mark.parametrize(
    "end",
    [
        'Error: Error("invalid type: null, expected f64", line: 33, column: 10)\n',
        "Error: bad row\n",
    ],
)
def test_an_error_below_the_end_of_an_earlier_step(tmp_path, end):
    step = "    Finished `dev` profile [unoptimized] target(s) in 0.17s\n"
    for first in (step, "meshing finished\n"):
        found = diagnose_text(tmp_path, f"{WORK}{first}{end}")
        assert found.category == "code_error"
        assert found.evidence[0].text == end.strip()


def test_a_launcher_that_was_interrupted(tmp_path):
    said = (
        "[2024-01-07 17:47:33,815] [INFO] [launch.py:324] Main process received SIGINT, exiting\n"
    )
    assert diagnose_text(tmp_path, WORK + said).category == "cancelled"
    lives = "INFO: received SIGTERM, writing a checkpoint\nstep 4\nstep 5\nDone.\n"
    assert diagnose_text(tmp_path, WORK + lives).category == "success"


_PROBE = (
    'Traceback (most recent call last):\n  File "{}", line 1, in <module>\n'
    "ModuleNotFoundError: No module named 'pandas'\n"
)
_USED = "/opt/py/site-packages/pandas/core.py:3: UserWarning: old\n"


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (_PROBE.format("<string>") + _USED, "success"),
        (_PROBE.format("<string>"), "missing_module"),
        (_PROBE.format("run.py") + _USED, "missing_module"),
    ],
)
def test_a_module_that_was_found_after_all(tmp_path, text, category):
    assert diagnose_text(tmp_path, text).category == category


def test_a_script_that_went_on_after_its_program(tmp_path):
    text = (
        'Traceback (most recent call last):\n  File "/home/u/a.py", line 3, in <module>\n    f()\n'
        "ValueError: bad penalty\nplotting 1\nplotting 2\nplotting 3\nplotting 4\nsaved fig.png\n"
    )
    assert diagnose_text(tmp_path, text).category == "code_error"


_SINGULAR = "Error in solve.default(hess) : \n  Lapack routine dgesv: system is exactly singular\n"
_COORDINATES = (
    " Error in internal coordinate system.\n"
    " Maximum Force            0.000022     0.000450     YES\n"
    " Maximum Displacement     0.001510     0.001800     YES\n"
)


@pytest.mark.parametrize(
    "text",
    [
        _SINGULAR + "replicate 12 was drawn again\n99 of 100 replicates fitted\nsaved boot.rds\n",
        _COORDINATES + " Normal termination of Gaussian 16 at Mon Mar  1 10:00:00 2021.\n",
        (
            "bash: ml: line 1: syntax error: unexpected end of file\n"
            "Warning: no access to tty\nsize 4096\nFFT 1.2e-15 PASSED\nLU 3.1e-15 PASSED\n"
        ),
    ],
    ids=["r", "gaussian", "shell"],
)
def test_an_error_before_a_result_leaves_a_doubt(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category == "success"
    assert 0.5 <= found.confidence <= 0.75
    assert any("survived" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (_SINGULAR + "Execution halted\nplot of 3\nplot of 4\nsaved fig.png\n", "numerical_error"),
        (_SINGULAR + "plot of 3\nplot of 4\nreal    0m3.1s\n", "numerical_error"),
        (
            _COORDINATES + " Error termination via Lnk1e in /g16/l103.exe at Mon Mar  1 10:00:00.\n"
            " Entering Gaussian System\n Normal termination of Gaussian 16 at Mon Mar  1.\n",
            "numerical_error",
        ),
        (
            "size 4096\n" * 8 + "run.sh: line 9: solve: command not found\n"
            "plot of 3\nplot of 4\nsaved fig.png\n",
            "command_not_found",
        ),
        (
            (
                'Exception in thread "main" java.lang.IllegalStateException: no header\n'
                "\tat org.app.Main.main(Main.java:3)\nplot of 3\nplot of 4\nsaved fig.png\n"
            ),
            "code_error",
        ),
    ],
    ids=["halted", "script-end", "next-input", "next-program", "java"],
)
def test_a_result_of_another_program_hides_no_failure(tmp_path, text, category):
    assert diagnose_text(tmp_path, text).category == category


def test_a_record_of_failure_counts_more_than_a_result(tmp_path):
    text = _SINGULAR + "replicate 12 was drawn again\n99 of 100 fitted\nsaved boot.rds\n"
    assert diagnose_text(tmp_path, text, rec(state="FAILED")).category == "numerical_error"
