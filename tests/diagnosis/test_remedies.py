"""Remedies and numbers that fit what the job did."""

from __future__ import annotations

from tests.diagnosis.job_samples import MB, diagnose_text, rec

GB = 1024 * MB
ARRAY = (
    'Traceback (most recent call last):\n  File "/home/u/a.py", line 3, in <module>\n    f()\n'
    "numpy.core._exceptions._ArrayMemoryError: Unable to allocate {size} for an array with shape "
    "(9, 9) and data type float64\n"
)
POOL = (
    'Traceback (most recent call last):\n  File "/home/u/a.py", line 3, in <module>\n    f()\n'
    "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated "
    "abruptly while the future was running or pending.\n"
)


def memory(found):
    return [remedy.resources.get("memory") for remedy in found.remedies]


def test_an_array_that_no_node_can_hold(tmp_path):
    record = rec(requested_memory_bytes=4 * GB, max_rss_bytes=GB)
    found = diagnose_text(tmp_path, ARRAY.format(size="7.28 TiB"), record)
    assert found.category == "out_of_memory"
    assert not any(memory(found))
    assert found.remedies[0].kind == "code"


def test_an_array_that_a_larger_job_can_hold(tmp_path):
    record = rec(requested_memory_bytes=4 * GB, max_rss_bytes=GB)
    found = diagnose_text(tmp_path, ARRAY.format(size="30.5 GiB"), record)
    # What it held, and the array with room to work on it.
    assert memory(found)[0] == "47GB"


def test_a_worker_of_a_job_that_used_little(tmp_path):
    little = rec(requested_memory_bytes=16 * GB, max_rss_bytes=GB)
    found = diagnose_text(tmp_path, POOL, little)
    assert found.category == "killed"
    assert memory(found)[0] is None
    much = rec(requested_memory_bytes=16 * GB, max_rss_bytes=10 * GB)
    assert memory(diagnose_text(tmp_path, POOL, much))[0]


def test_a_low_peak_is_called_sampled(tmp_path):
    record = rec("OUT_OF_MEMORY", 0, requested_memory_bytes=4 * GB, max_rss_bytes=MB)
    found = diagnose_text(tmp_path, "step 1\n", record)
    assert "highest that was sampled was 1 MB" in found.explanation
    assert "1 MB" not in found.title
    record = rec("OUT_OF_MEMORY", 0, requested_memory_bytes=4 * GB, max_rss_bytes=4 * GB - 9 * MB)
    assert "used 4.0 GB of 4 GB" in diagnose_text(tmp_path, "step 1\n", record).title


def test_a_time_limit_says_how_long_it_ran(tmp_path):
    record = rec("TIMEOUT", 0, elapsed_s=3720, time_limit_s=3600)
    found = diagnose_text(tmp_path, "step 1\n", record)
    assert "1 h" in found.explanation
    assert "1 h 2 min" in found.explanation
