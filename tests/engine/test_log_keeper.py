"""Logs stay readable, whatever becomes of the originals, and nothing else is touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from llm_scheduler.engine import log_keeper
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.log_keeper import RENEW_S, LogKeeper


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "run-0-7.out"
    path.parent.mkdir()
    path.write_text("precious\n")
    return path


@pytest.fixture
def keeper(tmp_path: Path) -> LogKeeper:
    return LogKeeper(tmp_path / "kept")


def make_attempt(*logs: Path) -> Attempt:
    return Attempt(0, "run-0", ("l.pickle",), job_id="7", log_files=tuple(map(str, logs)))


def read(paths: tuple[str, ...]) -> list[str]:
    return [Path(path).read_text() for path in paths]


def kept_files(keeper: LogKeeper) -> list[Path]:
    return [path for path in keeper.folder.rglob("*") if path.is_file()]


def move(log: Path) -> None:
    log.rename(log.with_name("elsewhere.out"))


def begin_anew(log: Path) -> None:
    log.unlink()
    log.write_text("of another job\n")


def write_over(log: Path) -> None:
    log.write_text("overwritten\n")


@pytest.mark.parametrize("change", [move, Path.unlink, begin_anew])
def test_a_followed_log_survives_before_it_is_kept(keeper, log, change):
    attempt = make_attempt(log)
    keeper.follow([attempt])
    assert keeper.follows([attempt])
    change(log)
    assert read(keeper.keep(attempt)) == ["precious\n"]


@pytest.mark.parametrize("change", [move, Path.unlink, begin_anew, write_over])
@pytest.mark.parametrize("followed", [True, False])
def test_a_kept_log_survives_everything(keeper, log, change, followed):
    attempt = make_attempt(log)
    if followed:
        keeper.follow([attempt])
    kept = keeper.keep(attempt)
    change(log)
    assert read(kept) == ["precious\n"]
    assert read(keeper.keep(attempt)) == ["precious\n"]
    assert kept_files(keeper) == [Path(kept[0])]


def test_a_followed_log_grows_with_the_job(keeper, log):
    attempt = make_attempt(log)
    keeper.follow([attempt])
    with log.open("a") as file:
        file.write("and more\n")
    assert read(keeper.keep(attempt)) == ["precious\nand more\n"]


def test_a_log_that_does_not_exist_yet_is_linked_later(keeper, log):
    late = log.with_name("run-0-7.err")
    attempt = make_attempt(log, late)
    keeper.follow([attempt])
    assert not keeper.follows([attempt])
    late.write_text("late\n")
    keeper.follow([attempt])
    assert keeper.follows([attempt])
    assert read(keeper.keep(attempt)) == ["precious\n", "late\n"]


def test_a_log_that_never_existed_is_left_out(keeper, log):
    attempt = make_attempt(log.with_name("nothing.out"))
    keeper.follow([attempt])
    assert keeper.keep(attempt) == ()
    assert kept_files(keeper) == []


def test_attempts_do_not_share_their_logs(keeper, log):
    first, second = make_attempt(log), make_attempt(log)
    keeper.follow([first])
    begin_anew(log)
    keeper.follow([second])
    assert read(keeper.keep(first)) == ["precious\n"]
    assert read(keeper.keep(second)) == ["of another job\n"]


def test_what_is_forgotten_leaves_the_original_alone(keeper, log):
    attempt, other = make_attempt(log), make_attempt(log)
    keeper.follow([attempt, other])
    keeper.forget(attempt)
    assert not keeper.follows([attempt])
    assert keeper.follows([other])
    assert len(kept_files(keeper)) == 1
    assert log.read_text() == "precious\n"
    keeper.forget(attempt)


def test_a_link_that_leads_elsewhere_is_refused(keeper, log, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key\n")
    link = log.with_name("run-0-8.out")
    link.symlink_to(secret)
    attempt = make_attempt(link)
    keeper.follow([attempt])
    assert keeper.keep(attempt) == ()
    assert kept_files(keeper) == []


def test_a_fifo_does_not_hang(keeper, log):
    fifo = log.with_name("run-0-8.out")
    os.mkfifo(fifo)
    attempt = make_attempt(fifo, log)
    keeper.follow([attempt])
    assert read(keeper.keep(attempt)) == ["precious\n"]


def test_a_folder_is_no_log(keeper, log):
    assert keeper.keep(make_attempt(log.parent)) == ()


@pytest.mark.parametrize("followed", [True, False])
def test_a_large_log_is_not_copied(keeper, log, monkeypatch, followed):
    monkeypatch.setattr(log_keeper, "MAX_COPY_BYTES", 3)
    attempt = make_attempt(log)
    if followed:
        keeper.follow([attempt])
    (kept,) = keeper.keep(attempt)
    assert Path(kept) != log
    assert Path(kept).samefile(log)
    log.unlink()
    assert read((kept,)) == ["precious\n"]


def test_a_large_log_on_another_file_system_is_read_where_it_is(keeper, log, monkeypatch):
    monkeypatch.setattr(log_keeper, "MAX_COPY_BYTES", 3)
    monkeypatch.setattr(os, "link", refuse_link)
    assert keeper.keep(make_attempt(log)) == (str(log),)


def refuse_link(*args, **kwargs):
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def test_on_another_file_system_logs_are_copied_at_the_end(keeper, log, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_link)
    attempt = make_attempt(log)
    keeper.follow([attempt])
    assert not keeper.follows([attempt])
    (kept,) = keeper.keep(attempt)
    log.unlink()
    assert read((kept,)) == ["precious\n"]


def test_a_folder_that_can_not_be_made_leaves_the_original(tmp_path, log):
    (tmp_path / "kept").write_text("a file is in its place")
    keeper = LogKeeper(tmp_path / "kept")
    attempt = make_attempt(log)
    keeper.follow([attempt])
    assert keeper.keep(attempt) == (str(log),)
    keeper.forget(attempt)


@pytest.mark.parametrize("followed", [True, False])
def test_a_full_disk_leaves_what_is_readable_and_no_rest(keeper, log, monkeypatch, followed):
    def write_a_part(source, target, **kwargs):
        Path(target).write_text("prec")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    attempt = make_attempt(log)
    if followed:
        keeper.follow([attempt])
    monkeypatch.setattr(log_keeper.shutil, "copy2", write_a_part)
    kept = keeper.keep(attempt)
    assert read(kept) == ["precious\n"]
    assert kept_files(keeper) == ([Path(kept[0])] if followed else [])


def test_a_successful_job_is_kept_for_comparing(tmp_path):
    now = [0.0]
    keeper = LogKeeper(tmp_path / "kept", clock=lambda: now[0])
    assert keeper.success() == ()
    for name, at in (("first", 0.0), ("soon", RENEW_S / 2), ("late", RENEW_S + 1)):
        now[0] = at
        log = tmp_path / f"{name}.out"
        log.write_text(f"{name}\n")
        keeper.keep_success(Attempt(0, "job-0", (), log_files=(str(log),)))
        log.unlink()
        (kept,) = keeper.success()
        assert Path(kept).read_text() == {"soon": "first\n"}.get(name, f"{name}\n")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["succeeded"]


def test_a_success_without_logs_keeps_the_one_before(tmp_path):
    now = [0.0]
    keeper = LogKeeper(tmp_path / "kept", clock=lambda: now[0])
    log = tmp_path / "a.out"
    log.write_text("a\n")
    keeper.keep_success(Attempt(0, "job-0", (), log_files=(str(log),)))
    now[0] = 2 * RENEW_S
    os.mkfifo(tmp_path / "fifo.out")
    keeper.keep_success(Attempt(0, "job-0", (), log_files=(str(tmp_path / "fifo.out"),)))
    assert [Path(path).name for path in keeper.success()] == ["a.out"]


def test_of_a_large_success_the_start_and_the_end_are_kept(tmp_path):
    keeper = LogKeeper(tmp_path / "kept")
    log = tmp_path / "a.out"
    log.write_text("start\n" + "row\n" * 3_000_000 + "end\n")
    keeper.keep_success(Attempt(0, "job-0", (), log_files=(str(log),)))
    (kept,) = keeper.success()
    text = Path(kept).read_text()
    assert text.startswith("start\n")
    assert text.endswith("row\nend\n")
    assert len(text) < 5_000_000
    assert set(text.split("\n")) == {"start", "row", "end", ""}
