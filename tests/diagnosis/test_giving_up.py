"""Last words of programs that stop before their work is done, and of those that are done."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

START = "reading input\nenergy 0.1\n"
ENDS = [
    (" *** STOP: negative density ***", "numerical_error"),
    (" Program stopped: input deck incomplete", "code_error"),
    ("Please specify the number of processors", "configuration_error"),
    ("The following required arguments were not provided: --input FILE", "configuration_error"),
    ("Job exceeded its memory request and was removed from the queue", "out_of_memory"),
    (" CPU time limit reached, exiting without restart file", "time_limit"),
    ("The run was killed because the queue time was exceeded", "time_limit"),
    ("NaN in loss, stopping training", "numerical_error"),
    ("Der Prozess wurde abgebrochen: Speicher voll", "out_of_memory"),
    ("Проверка не пройдена: файл не найден", "file_not_found"),
    ("程序异常终止: 内存不足", "out_of_memory"),
    ("[1]    12345 illegal hardware instruction (core dumped)  ./a.out", "crash"),
    ("Command exited with non-zero status 1", "unknown"),
]
DONE = [
    "Training stopped at epoch 50",
    "Training stopped: early stopping after 12 epochs",
    "Simulation stopped because the tolerance was met",
    "Time limit reached\n\nBest objective 1.2, best bound 1.1, gap 8 %",
    "ошибка: 0.012",
    "失败: 0",
    "Job 12 was removed from the queue",
    "Run stopped: maximum number of steps",
    "STOP: normal end of the run",
]


@pytest.mark.parametrize(("line", "category"), ENDS)
def test_a_program_that_stops_before_its_work_is_done_failed(tmp_path, line, category):
    assert diagnose_text(tmp_path, f"{START}{line}\n").category == category


@pytest.mark.parametrize("line", DONE)
def test_a_program_that_is_done_did_not(tmp_path, line):
    assert diagnose_text(tmp_path, f"{START}{line}\n").category == "success"


def test_such_words_tell_only_where_they_are_the_last(tmp_path):
    text = f"{START}{ENDS[0][0]}\n" + "".join(f"energy {i}\n" for i in range(9))
    assert diagnose_text(tmp_path, text).category == "success"
