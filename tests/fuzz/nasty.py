"""A corpus of nasty logs, made when it is needed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

MB = 1 << 20
FRAME = b'  File "/home/me/run.py", line %d, in f%d\n    f%d()\n'
HEADER = b"Traceback (most recent call last):\n"
CAUSE = b"\nThe above exception was the direct cause of the following exception:\n\n"


def _traceback(n_frames: int, name: bytes = b"ValueError: x\n") -> bytes:
    return HEADER + b"".join(FRAME % (i, i, i) for i in range(n_frames)) + name


def _chain(n: int) -> bytes:
    return CAUSE.join(_traceback(1, b"Error%d: step %d\n" % (i, i)) for i in range(n))


def _nested(n: int) -> bytes:
    """Return exception groups, each in the one before."""
    lines = []
    for i in range(n):
        margin = b"  " * i
        lines.append(margin + b"+ Exception Group Traceback (most recent call last):\n")
        lines.append(margin + b'|   File "run.py", line 1, in <module>\n')
        lines.append(margin + b"| ExceptionGroup: many (2 sub-exceptions)\n")
        lines.append(margin + b"+-+---------------- 1 ----------------\n")
    return b"".join(lines)


BYTES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "newline": lambda: b"\n",
    "nuls": lambda: b"\0" * MB,
    "long line": lambda: b"error " + b"x" * (3 * MB) + b" error",
    "long words": lambda: b"fatal error " * (MB // 6),
    "carriage returns": lambda: b"\r" * 1_000_000,
    "bar": lambda: b"".join(b"\r%d%% error=%d" % (i % 100, i) for i in range(60_000)),
    "newlines": lambda: b"\n" * 300_000,
    "not utf-8": lambda: bytes(range(128, 256)) * 2000 + b"\nError: \xff\xfe\xfd\n",
    "utf-8 cut": lambda: b"Error: \xe2\x82\nError: \xf0\x9f\n\xc3",
    "utf-16": lambda: ("Error: größer\n" * 500).encode("utf-16"),
    "utf-16 odd": lambda: ("Error: x\n" * 500).encode("utf-16-be")[1:],
    "utf-16 surrogates": lambda: (
        b"\xff\xfe" + b"\x00\xd8" * 3000 + "\nError: x\n".encode("utf-16-le")
    ),
    "utf-32": lambda: ("Error: x\n" * 500).encode("utf-32"),
    "marks": lambda: b"\xef\xbb\xbf\xef\xbb\xbfError: x\n\xff\xfe\n\xfe\xff",
    "lone surrogates": lambda: b"Error: \xed\xa0\x80\xed\xb0\x80\n" * 300,
    "colours": lambda: b"\x1b[31m\x1b]0;" * 30_000 + b"Error: x\n" + b"\x1b" * 50_000,
    "cursor": lambda: (b"a\x08" * 50_000 + b"\x1b[1A\x1b[2K" * 10_000) + b"Error: x\n",
    "directions": lambda: "Error: \u202eevil\u2066\u2028\u2029\x85x\n".encode() * 500,
    "brackets": lambda: b"([{<" * 5000 + b"\n" + b"'\"" * 5000 + b"\n" + b")]}>" * 5000,
    "numbers": lambda: b"Error: " + b"9" * 100_000 + b"\n[%s]: File\n" % (b"9" * 5000),
    "line numbers": lambda: b'  File "x.py", line %s, in f\nError: x\n' % (b"9" * 5000),
    "frames": lambda: _traceback(100_000),
    "chain": lambda: _chain(5000),
    "nested groups": lambda: _nested(900),
    "headers": lambda: HEADER * 100_000,
    "headers on a line": lambda: HEADER.strip() * 20_000,
    "no end": lambda: HEADER + FRAME % (1, 1, 1) * 3,
    "ranks": lambda: b"".join(b"[rank%d]: " % (i % 512) + HEADER for i in range(5000)),
    "keys": lambda: b"-----BEGIN PRIVATE KEY-----\n" * 20_000,
    "key": lambda: b"-----BEGIN PRIVATE KEY-----\n" + b"Ab1/" * 16 + b"\n" * 3000,
    "passwords": lambda: b"password=" * 40_000 + b"\n" + b'token="' * 20_000,
    "tokens": lambda: (
        b"error token:" * 9000
        + b"\n"
        + b"token:" * 9000
        + b"\n"
        + (b"e " + b"token=" * 660 + b"\n") * 30
    ),
    "addresses": lambda: b"http://a:" * 40_000 + b"@\n" + b"-eyJ" * 40_000,
    "options": lambda: b"curl -u " * 30_000 + b"\n" + b"--a-token " * 20_000,
    "gzip bomb": lambda: gzip.compress(b"\0" * (20 * MB)),
    "gzip in gzip": lambda: gzip.compress(gzip.compress(b"Error: x\n" * 1000)),
    "gzip cut": lambda: gzip.compress(random.Random(1).randbytes(5000) + b"\nError: x\n" * 500)[
        :-300
    ],
    "gzip damaged": lambda: gzip.compress(b"Error: x\n" * 9999)[:40] + b"\xff" * 99,
    "gzip header": lambda: b"\x1f\x8b\x08",
    "xz cut": lambda: lzma.compress(b"Error: x\n" * 5_000)[:-40],
    "xz header": lambda: b"\xfd7zXZ\x00" + b"\xff" * 500,
    "bzip2 cut": lambda: bz2.compress(b"Error: x\n" * 5_000)[:-40],
    "bzip2 header": lambda: b"BZh9" + b"\xff" * 500,
    "zstd header": lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 500,
}
"""Contents of files by name."""


def make_special(folder: Path) -> dict[str, Path]:
    """Make what is no ordinary file in a folder; returns each by name."""
    made = {"a device": Path("/dev/zero"), "gone": folder / "gone" / "log", "folder": folder}
    made["fifo"] = folder / "fifo"
    os.mkfifo(made["fifo"])
    made["loop"] = folder / "loop"
    made["loop"].symlink_to("loop")
    made["dangling"] = folder / "dangling"
    made["dangling"].symlink_to("nowhere")
    made["socket"] = folder / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(made["socket"]))
    made["long name"] = folder / ("x" * 3000)
    made["nul in name"] = folder / "a\0b"
    return made
