"""Opening logs: what is refused, and how much is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import socket
import sys

import pytest

from llm_scheduler.errors import LogError
from llm_scheduler.logs.compression import find_zstd
from llm_scheduler.logs.reader import LogReader

TEXT = b"one\ntwo\nthree\n" * 1000


def read(path):
    with LogReader(path) as reader:
        return b"".join(reader.chunks())


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_compression_is_told_by_the_content(tmp_path, compress):
    path = tmp_path / "job.out"
    path.write_bytes(compress(TEXT))
    assert read(path) == TEXT


def test_plain_text_named_gz(tmp_path):
    path = tmp_path / "job.out.gz"
    path.write_bytes(TEXT)
    assert read(path) == TEXT


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_several_members_in_a_row(tmp_path, compress):
    path = tmp_path / "job.gz"
    path.write_bytes(compress(b"first\n") + compress(b"second\n"))
    assert read(path) == b"first\nsecond\n"


def test_truncated_gzip_yields_what_is_there(tmp_path):
    lines = b"".join(b"line %d\n" % i for i in range(20_000))
    path = tmp_path / "job.gz"
    path.write_bytes(gzip.compress(lines)[:-2000])
    with LogReader(path) as reader:
        got = b"".join(reader.chunks())
        assert "ends too early" in reader.damage
    assert got
    assert lines.startswith(got)


def test_damaged_gzip_is_said(tmp_path):
    lines = os.urandom(300_000)
    data = bytearray(gzip.compress(lines))
    data[150_000:150_100] = bytes(100)
    path = tmp_path / "job.gz"
    path.write_bytes(data)
    with LogReader(path) as reader:
        assert len(b"".join(reader.chunks())) <= len(lines)
        assert "damaged gzip" in reader.damage


def test_zstd_without_its_package_is_refused_with_a_reason(tmp_path, monkeypatch):
    path = tmp_path / "job.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    find_zstd.cache_clear()
    try:
        with pytest.raises(LogError, match=r"zstd.*llm-scheduler\[zstd\]"):
            LogReader(path)
    finally:
        find_zstd.cache_clear()


def test_zstd(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    compress = zstandard.ZstdCompressor().compress
    path = tmp_path / "job.out"
    path.write_bytes(compress(TEXT) + compress(b"more\n"))
    assert read(path) == TEXT + b"more\n"
    data = compress(os.urandom(300_000))
    path.write_bytes(data[:-5000])
    with LogReader(path) as reader:
        got = b"".join(reader.chunks())
        assert 0 < len(got) < 300_000
        assert "ends too early" in reader.damage
    path.write_bytes(data[:100_000] + bytes(100) + data[200_000:])
    with LogReader(path) as reader:
        assert len(b"".join(reader.chunks())) < 300_000
        assert "zstd" in reader.damage


def test_a_zstd_bomb_comes_in_bounded_pieces(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "job.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(bytes(100_000_000)))
    with LogReader(path) as reader:
        sizes = [len(chunk) for chunk in reader.chunks()]
    assert sum(sizes) == 100_000_000
    assert max(sizes) < 10_000_000


def test_fifo_does_not_hang(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(LogError, match="is a FIFO"):
        LogReader(path)


def test_directory_device_socket_and_missing(tmp_path):
    with pytest.raises(LogError, match="is a directory"):
        LogReader(tmp_path)
    with pytest.raises(LogError, match="is a character device"):
        LogReader("/dev/zero")
    with pytest.raises(LogError, match="no such file"):
        LogReader(tmp_path / "missing")
    with pytest.raises(LogError, match="not a valid path"):
        LogReader("a\0b")
    if len(str(tmp_path)) < 90:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            with pytest.raises(LogError, match="is a socket"):
                LogReader(tmp_path / "s")


def test_links(tmp_path):
    (tmp_path / "real").write_bytes(TEXT)
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link") == TEXT
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "to_fifo").symlink_to("fifo")
    with pytest.raises(LogError, match="is a FIFO"):
        LogReader(tmp_path / "to_fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(LogError, match="too many levels"):
        LogReader(tmp_path / "loop")


def test_unreadable(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(TEXT)
    path.chmod(0)
    (tmp_path / "link").symlink_to(path)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        for name in ("secret", "link"):
            with pytest.raises(LogError, match="permission denied"):
                LogReader(tmp_path / name)
    finally:
        os.seteuid(user)


def test_a_growing_file_is_read_up_to_its_size_at_opening(tmp_path):
    path = tmp_path / "job.out"
    path.write_bytes(TEXT)
    with LogReader(path) as reader:
        with path.open("ab") as more:
            more.write(b"later\n" * 1000)
        assert b"".join(reader.chunks()) == TEXT


def test_a_file_cut_short_while_it_is_read(tmp_path):
    path = tmp_path / "job.out"
    path.write_bytes(TEXT)
    with LogReader(path) as reader:
        os.truncate(path, 100)
        assert b"".join(reader.chunks()) == TEXT[:100]


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"),
        *("utf-32", "utf-32-le", "utf-32-be"),  # its mark begins with the one of UTF-16
    ],
)
def test_other_encodings(tmp_path, encoding):
    text = "Start of the log\nValueError: größer\n" * 50
    path = tmp_path / "job.out"
    path.write_bytes(text.encode(encoding))
    assert read(path).decode() == text
    path.write_bytes(gzip.compress(text.encode(encoding)))
    assert read(path).decode() == text
