"""Healthy logs with the words that loggers, builds and summaries use of failures."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

START = "reading input\nenergy 0.1\n"
HEALTHY = [
    (
        "E, [2024-07-14T11:43:37.1 #29518] ERROR -- : lost peer, retrying\n"
        "I, [2024-07-14T11:43:38.1 #29518]  INFO -- : connected\n"
        "I, [2024-07-14T11:43:39.1 #29518]  INFO -- : all jobs done\n"
    ),
    (
        'time="2024-11-25T20:04:51Z" level=error msg="pull failed, retrying"\n'
        'time="2024-11-25T20:04:52Z" level=info msg="pull complete"\n'
        'time="2024-11-25T20:04:53Z" level=info msg="done"\n'
    ),
    'time="2024-11-25T20:04:51Z" level=info msg="errors=0 failed=0"\n',
    ('time="2024-11-25T20:04:51Z" level=warning msg="error in cache, ignored"\n'),
    '{"level":"info","ts":1700000000.1,"msg":"finished","errors":0}\n',
    ("2024-05-06 10:11:12,345 INFO [main] org.acme.Runner - Job complete, 0 errors\n"),
    "[2024-05-06T10:11:12Z INFO fitter] relative error 0.01\n",
    "[2024-05-06 10:11:12.123] [main] [info] error estimate 1e-3\n",
    "npm WARN deprecated x\nadded 12 packages in 3s\n",
    "scons: done building targets.\n",
    "The command '/bin/sh -c true' returned a zero code\n",
    "ninja: no work to do.\n",
    "Build completed successfully, 12 total actions\n",
    "== Summary ==\n  /data/a: 1 ok, 0 fail\n",
    "Summary: 12 ok, 0 fail\n",
    "12 passed, 0 failed in 3.1s\n",
    "# pass 10\n# fail 0\n",
    "Results: 3 succeeded, 0 failed\n",
    "ok: 4  failed: 0  skipped: 0\n",
    "Fold 3 ok, best mse 0.1\nPASS node1\n",
    ("out of memory handling enabled\nJob completed at Mon Feb 17 02:25:47 CET 2025\n"),
    "failed frames: 3 of 900 dropped\nfps 32\nmean 12\nwrote movie.mp4\nDone\n",
    "Error in step 3: 0.0012\nDone\n",
    "mean error 0.3\nstd error 0.1\nJob finished\n",
    "Error: 0.012\nDone\n",
    "Warning: error file is empty\nDone\n",
    "test error 0.12\nDone.\n",
    "attempt 1 failed, retrying\nattempt 2 ok\nDone\n",
    (
        "rm: cannot remove 'x': No such file or directory\n"
        "energy 0.1\n"
        "energy 0.2\n"
        "energy 0.3\n"
        "energy 0.4\n"
        "energy 0.5\n"
        "energy 0.6\n"
        "energy 0.7\n"
        "Done\n"
    ),
    (
        "--- k list: 21,29,39 ---\n"
        "--- Building graph for k = 21 ---\n"
        "--- Building graph for k = 29 ---\n"
        "--- Building graph for k = 39 ---\n"
        "--- ALL DONE ---\n"
    ),
    ("k list: 1, 2, 3\nk = 1 score 0.3\nk = 2 score 0.1\nk = 3 score 0.2\nbest k = 2\n"),
    "k list: 1, 2, 3\nk = 1 score 0.3\nk = 2 score 0.1\nk = 3 score 0.2\n",
    ("sizes: 64,128,256\nsize = 64 t = 0.1\nsize = 128 t = 0.2\nsize = 256 t = 0.3\n"),
    "reads: 120 ok, 3 fail quality filter\nwrote clean.fq\nDone\n",
    "120 sequences passed, 14 failed the filter\nwrote out.fa\n",
    "3 of 120 reads failed to align\nmapping done\n",
    "systemd[1]: Started fit.service.\nsystemd[1]: fit.service: Succeeded.\n",
    "Checks: 3 ok, 0 warnings, 0 errors\nDone\n",
    (
        "I0506 10:11:12.123456 12345 solver.cc:88] retry after error\n"
        "I0506 10:11:13.1 12345 solver.cc:99] solved\n"
    ),
    "level=error messages: 0\n",
    "log level=error\nenergy 0.2\n",
    "Using abort_on_error=False\nDone\n",
    "error_rate 0.1\nfail_fast false\n",
    "[WARN] fallback after error\n[INFO] results written to out.csv\n",
    "PASS: t1\nXFAIL: t2\n# FAIL:  0\n",
    "PML ucx selected\nenergy 0.1\n",
    "No FATAL errors found\n",
    (
        "Refer to the documentation on how to avoid out of memory issues: https://x.y\n"
        "Epoch 1/2\n"
        "Epoch 2/2\n"
        "saved model.pt\n"
    ),
    "samples ok 20 fail 3\nyield 0.87\nDone\n",
    "21:01:07.123 [crit] threshold 0.3\nenergy 3\nwrote a.csv\nDone\n",
    "critical temperature 2.269\nmean 0.1\n",
    "T_c (critical): 2.269\n",
    "[critical] exponent beta = 0.326\n",
    "Critical point found: T=2.2\n",
    "ERR estimate 0.01\n",
    "err: 0.0123\n",
    "ERR: 0.0123\n",
    "mean [err] 0.3 [0.02]\n",
    "iter   E        ERR\n1   -3.2   0.1\n2   -3.3   0.01\n",
    "CRITICAL PATH LENGTH 3\nall done\n",
    "a -> b: not done yet\nb done\nwrote out.csv\n",
    "Step 3 not complete, continuing\nStep 3 complete\nAll done\n",
    "n1 : ok=3 changed=1 unreachable=0 failed=0 skipped=0\n",
    "Processed 12 files: 12 ok, 0 failed\n",
    "pass 3: FAIL_FAST off\nDone\n",
    "# fail: 0\n# pass: 3\n",
    "FAIL threshold 0.1\nmean 0.02\nwrote qc.tsv\n",
    "sample A PASS\nsample B FAIL\nsample C PASS\nwrote qc.tsv\n",
    "Per base sequence quality FAIL\nAnalysis complete for a.fastq\n",
    "FAIL\tPer base sequence content\ta.fastq\nPASS\tBasic Statistics\ta.fastq\n",
    "filter: 10 passed, 2 failed\nwriting VCF\nwrote a.vcf\nDone\n",
    ("QC: 10 passed / 2 failed\nmean depth 30\nkept 10 samples\nwriting a.vcf\nfinished\n"),
    "seeds: 1,2,3\nseed = 1 score 0.3\nseed = 3 score 0.1\n",
    "grid: 4, 4, 4\ngrid = 4 points 64\nvolume = 12\n",
    "k values: 2,3,4\nk = 2\nk = 3\nk = 4\nbest k = 3\n",
    ("layers: 64, 32, 16\nlayer = 64 params 100\nlayer = 32 params 50\ntotal params = 150\nDone\n"),
    "stages: 1,2,3\nstage = 1\nstage = 2\nAll stages done\n",
    "unsuccessful tries: 0\naccepted 10\nDone\n",
    "make: Nothing to be done for 'all'.\n",
    ("make: *** Waiting for unfinished jobs....\nlinking a.out\nbuild complete\n"),
    ("-- Configuring done\n-- Generating done\n-- Build files have been written to: /x/build\n"),
    "BUILD SUCCESSFUL in 3s\n",
    "Compiled with 0 errors\nDone\n",
    "Stop words removed\ntokens 300\n",
    ("E, [x] ERROR -- : timeout, will retry\nI, [x] INFO -- : ok\nI, [x] INFO -- : finished\n"),
    "3 of 4 workers succeeded; 1 failed and was restarted\nAll jobs done\n",
    "attempt 1: 3 ok, 1 fail\nattempt 2: 4 ok, 0 fail\n",
    "level=error count=0\n",
    "ERRO count 0\nok\n",
    "retry 1/3: 0 ok, 1 fail\nretry 2/3: 1 ok, 0 fail\nDone\n",
    (
        "WARNING: mesh has bad cells\n"
        "Copying results back\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    ("Error tolerance reached in 12 steps\nJob completed at Mon Feb 17 02:25:47 CET 2025\n"),
    "0 out of 12 jobs failed\nDone\n",
    "There were 0 errors. See log for details\n",
    "Completed without errors\n",
    "Completed with 0 errors\n",
    "Pipeline completed with no failures\n",
    "Job finished successfully\n",
    "Finished: SUCCESS\n",
    "Status: OK\n",
    "Exit status: 0\n",
    "result: ok\n",
    "job exit code: 0\n",
    "solver returned error code 0\nDone\n",
    "[error] 0.012 [loss] 0.3\nDone\n",
    ("Error: 1.2e-5\nIterations: 3\nJob completed at Mon Feb 17 02:25:47 CET 2025\n"),
    "ERROR (rms) 0.012\nJob completed at Mon Feb 17 02:25:47 CET 2025\n",
    "final error: 0.1 %\nJob completed at Mon Feb 17 02:25:47 CET 2025\n",
    (
        "2024-05-06 10:11:12,345 - fit - ERROR - row 3 is empty, skipping\n"
        "2024-05-06 10:11:13,345 - fit - INFO - finished 12 rows\n"
        "Job finished\n"
    ),
    (
        "2024-05-06 10:11:12,345 - fit - ERROR - row 3 is empty\n"
        "2024-05-06 10:11:13,345 - fit - INFO - row 4 ok\n"
        "2024-05-06 10:11:13,345 - fit - INFO - row 5 ok\n"
        "2024-05-06 10:11:13,345 - fit - INFO - row 6 ok\n"
        "2024-05-06 10:11:13,345 - fit - INFO - saved to out.csv\n"
        "Job finished\n"
    ),
    (
        "rm: cannot remove 'tmp': No such file or directory\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    (
        "mkdir: cannot create directory 'out': File exists\n"
        "energy 0.2\n"
        "wrote out/x.csv\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    "Optimization terminated successfully\n",
    "killed 12 stale walkers\nacceptance 0.5\nDone\n",
    "aborted moves: 12\naccepted moves: 88\nDone\n",
    "SEVERE weather events: 12\nDone\n",
    "severe: 3 mild: 9\nDone\n",
    "Simulation aborted runs: 0\nAll done\n",
    (
        "E0506 10:11:12.123456 12345 solver.cc:88] cache lost\n"
        "I0506 10:11:13.123456 12345 solver.cc:99] rebuilt cache\n"
        "I0506 10:11:13.123456 12345 solver.cc:99] done\n"
    ),
    ("failed SCF in 3 of 100 frames (excluded)\nmean energy 0.1\nsaved to out.csv\n"),
    "checking for errors... none\nDone\n",
    "Stop. Press enter\nDone\n",
    "12 errors corrected by ECC\nDone\n",
    "Total errors corrected: 12\nwrote reads.fq\n",
    "CRC errors: 0 ; retries: 3\nDone\n",
    "ERR1234567 downloaded\nERR1234568 downloaded\nDone\n",
    "ERR1234567.fastq: 120 reads\nERR1234568.fastq: 130 reads\n",
    "ERR1234567: 120 reads\nERR1234568: 130 reads\n",
    "sample ERR: aligned 3\n",
    "ld: warning: cannot find entry symbol\nlinking done\n",
    "Wrote 3 of 3 files, 0 errors\n",
    "sum: ok 3 failed 0\n",
    "Test 3: FAIL expected: FAIL\nAll tests passed\n",
    "ctest: 100% tests passed, 0 tests failed out of 12\n",
    "checkpoint not complete, resuming from 12\nstep 13\nstep 14\nFinished\n",
    "The pass was not successful, next attempt\nThe pass was successful\nDone\n",
    "not finished: 0\nfinished: 12\n",
    "Cleaning up scratch\nRemoving temporary files\nFinished\n",
    "status: running\nstatus: completed\n",
    "n_failed=3 n_ok=97\nwrote stats.json\n",
    "ok=97 failed=3 (dropped)\nwrote stats.json\nmean 0.3\n",
    "fit ok: 97, failed: 3\nwrote stats.json\n",
    "k = 3, n: 1, 2, 3\nresult = 12\n",
    "ranks: 0,1,2,3\nrank = 0 ready\nrank = 1 ready\nrank = 3 ready\nrank = 2 ready\n",
    "epochs: 10, 20, 30\nlr 0.1\nepoch = 10 acc 0.3\nepoch = 20 acc 0.4\nepoch = 30 acc 0.5\n",
    "FAIL2BAN off\nDone\n",
    "critical section entered 12 times\nDone\n",
    "no errors occurred\n",
    "0 errors occurred\n",
    "Warnings: 3\nErrors occurred: 0\n",
    "Exception: none\n",
]


@pytest.mark.parametrize("text", HEALTHY)
def test_words_of_failure_in_a_healthy_log_raise_no_alarm(tmp_path, text):
    assert diagnose_text(tmp_path, START + text).category == "success"
