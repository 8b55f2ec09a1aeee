"""Which files are taken for logs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_scheduler.cli.log_paths import find_logs, is_log_name, parse_job_id
from llm_scheduler.errors import UsageError


@pytest.mark.parametrize(
    "name",
    [
        "a.out",
        "a.err",
        "a.log",
        "A.OUT",
        "slurm-12.out",
        "slurm-12_3",
        "slurm-12.out.gz",
        "slurm-12.out.bz2",
        "run.err.xz",
        "job.o123.zst",
        "job.o123",
        "job.e123-4",
        "job.o123.4",
        "job.o123.gz",
    ],
)
def test_names_of_logs(name: str) -> None:
    assert is_log_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.py",
        "slurm-run.sh",
        "slurm-run.sbatch",
        "a.txt",
        "a.gz",
        "job.sh.xz",
        "out",
        "a.out.bak",
        "a.o",
        "b.o1x",
    ],
)
def test_names_of_other_files(name: str) -> None:
    assert not is_log_name(name)


@pytest.mark.parametrize(
    ("path", "job_id"),
    [
        ("logs/slurm-12.out", "12"),
        ("slurm-12_3.out.gz", "12_3"),
        ("slurm-12_3.out.xz", "12_3"),
        ("run-5.err.bz2", "5"),
        ("run-4-812.out", "812"),
        ("run.o77", "77"),
        ("run.e77-1.gz", "77"),
        ("run.log", None),
        ("-", None),
    ],
)
def test_job_id_stands_in_the_name(path: str, job_id: str | None) -> None:
    assert parse_job_id(path) == job_id


def test_a_folder_needs_recursive(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder; add -r"):
        find_logs([str(tmp_path)], recursive=False)


def test_folder_is_searched_without_links_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.log").write_text("x")
    for name in ("slurm-10.out", "slurm-9.out", "deep/a.err.gz", "notes.txt"):
        (inside / name).write_text("x")
    (inside / "link.log").symlink_to(outside / "secret.log")
    (inside / "folder").symlink_to(outside)
    (inside / "same.out").symlink_to(inside / "slurm-9.out")
    (inside / "loop").symlink_to(inside)
    (inside / "gone.out").symlink_to(inside / "nowhere")
    os.mkfifo(inside / "pipe.out")
    (inside / "folder.out").mkdir()
    found = find_logs([str(inside)], recursive=True)
    names = [os.path.relpath(path, inside) for path in found.logs]
    assert len(names) == 3
    assert {"slurm-10.out", "deep/a.err.gz"} < set(names)
    assert set(names) & {"same.out", "slurm-9.out"}
    assert not found.unreadable
    assert {Path(path).name: why for path, why in found.skipped} == {
        "link.log": "it is a link that leads out of the folder",
        "pipe.out": "it is a FIFO, not a log",
        "gone.out": "there is no such file",
    }


def test_logs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        (tmp_path / f"slurm-{number}.out").write_text("x")
    found = find_logs([str(tmp_path)], recursive=True)
    assert [Path(path).name for path in found.logs] == [f"slurm-{n}.out" for n in (1, 9, 10, 100)]


def test_what_was_named_but_is_no_file_is_a_failure(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "any-name.txt").write_text("x")
    names = [str(tmp_path / name) for name in ("pipe", "missing", "any-name.txt")]
    found = find_logs([*names, "/dev/null", "x" * 5000, "-"], recursive=False)
    assert found.logs == [names[2], "-"]
    reasons = [reason for _, reason in found.unreadable]
    assert reasons[0] == "it is a FIFO, not a log; give '-' to read standard input"
    assert reasons[1] == "there is no such file"
    assert reasons[2].startswith("it is a device")
    assert len(reasons) == 4


def test_a_log_named_twice_in_a_folder_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "a.out"
    log.write_text("x")
    assert find_logs([str(log), str(tmp_path)], recursive=True).logs == [str(log)]
