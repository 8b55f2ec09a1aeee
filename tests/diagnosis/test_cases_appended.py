"""Logs that runs write on into, bars that go on after an error, and words around errors."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import TRACEBACK, check_case, diagnose_text, rec

HEAD = "Module python/3.11 was loaded\nUsing the numpy backend\nReading settings of run 1\n"
LIFE = "".join(f"density {0.1 * i:.2f} is stable now\n" for i in range(9))
GLIBC = """*** glibc detected *** ./mix: double free or corruption (out): 0x00007fff116168c0 ***
======= Backtrace: =========
/lib64/libc.so.6[0x35ef475366]
./mix(main+0xc7b)[0x497433]
./mix[0x435439]
======= Memory map: ========
00400000-004af000 r-xp 00000000 00:14 251808644                          /home/u/mix
006ae000-006af000 rw-p 000ae000 00:14 251808644                          /home/u/mix
01f98000-02c6a000 rw-p 00000000 00:00 0                                  [heap]
35eec00000-35eec20000 r-xp 00000000 08:02 919005                         /lib64/ld-2.12.so
35eee1f000-35eee20000 r--p 0001f000 08:02 919005                         /lib64/ld-2.12.so
35eee21000-35eee22000 rw-p 00000000 00:00 0
/var/spool/TORQUE/mom_priv/jobs/77.head.SC: line 45: 16211 Aborted                 (core dumped) ./mix
"""
CLANG = """In file included from src/mix.cpp:1:
/usr/include/c++/v1/complex:996:45: error: no
      matching function for call to 'signbit'
src/mix.cpp:46:26: note: in instantiation of function template specialization
/usr/include/c++/v1/math.h:328:25: note: candidate template ignored
/usr/include/c++/v1/math.h:337:5: note: candidate template ignored
/usr/include/c++/v1/math.h:344:5: note: candidate template ignored
1 error generated.
"""
OPENCV = "OpenCV ERROR: Unsupported format or combination of formats (Bad number of channels)\n\tin function cvConvertImage, utils.cpp(573)\n"
ENDING = OPENCV + 9 * "Terminating the application...\n" + "exit status 255\n"
NO_MODULE = "/usr/bin/python: Error while finding module specification for 'fit.py' (ModuleNotFoundError: __path__ attribute not found on 'fit' while trying to find 'fit.py'). Try using 'fit' instead of 'fit.py' as the module name.\nsrun: error: n1: task 0: Exited with exit code 1\n"

# name: log, record, category, cause, part of the first evidence
CASES = {
    "the-last-run-fails-too": (
        HEAD + TRACEBACK + HEAD + LIFE + TRACEBACK,
        None,
        "code_error",
        "python-value-error",
        "ValueError: negative mass",
    ),
    "the-next-run-has-only-begun": (
        HEAD + TRACEBACK + HEAD,
        None,
        "code_error",
        "python-value-error",
        "ValueError: negative mass",
    ),
    "the-scheduler-says-failed": (
        HEAD + TRACEBACK + HEAD + LIFE,
        rec(),
        "code_error",
        "python-value-error",
        "ValueError: negative mass",
    ),
    "no-second-head": (
        HEAD + TRACEBACK + LIFE,
        None,
        "code_error",
        "python-value-error",
        "ValueError: negative mass",
    ),
    "glibc-map": (GLIBC, None, "crash", "abort", "double free"),
    "clang-breaks-the-line": (
        CLANG,
        None,
        "code_error",
        "compiler-error-in-library",
        "complex:996:45",
    ),
    "says-that-it-ends": (ENDING, None, "code_error", "opencv-error", "OpenCV ERROR"),
    "advice-is-no-life": (
        NO_MODULE,
        rec(),
        "configuration_error",
        "python-module-named-py",
        "finding module specification",
    ),
    "bar-stays-behind": (
        " 50%|█████     | 1/2 [00:07<00:07,  7.1s/it]Error : no seed grows in here\n",
        None,
        "code_error",
        "error-line",
        "no seed",
    ),
    "bar-was-full-before": (
        "100%|██████████| 2/2 [00:14<00:00,  7.1s/it]\nError : no seed grows in here\n",
        None,
        "code_error",
        "error-line",
        "no seed",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_error_is_found(tmp_path, name):
    check_case(tmp_path, CASES[name])


def test_an_earlier_run_in_the_same_log_is_only_a_doubt(tmp_path):
    found = diagnose_text(tmp_path, HEAD + TRACEBACK + HEAD.replace("run 1", "run 2") + LIFE)
    assert found.category == "success"
    assert found.confidence <= 0.75
    assert any("negative mass" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("words", ["no seed grows in here", "all values must be positive"])
def test_a_bar_that_ends_after_an_error_overtakes_it(tmp_path, words):
    bar = "  0%|          | 0/2 [00:00<?, ?it/s]"
    error = f"=== METRIC FAILURE ===\nError : {words}\n"
    end = "\r 50%|█████     | 1/2 [00:00<00:00,  1.7it/s]\r100%|██████████| 2/2 [00:23<00:00, 11.7s/it]\n"
    assert diagnose_text(tmp_path, bar + error + end).category == "success"
