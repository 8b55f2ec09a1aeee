"""Writes a log as another run would have: other numbers, times, paths, nodes, ranks."""

from __future__ import annotations

import random
import re
import string

_TIMES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(?=[T _]|\b)"), "date"),
    (re.compile(r"(?<![\d:.])\d\d:\d\d:\d\d(?![\d:])"), "time"),
    (re.compile(r"\b\d\d/\d\d/(?:\d{4}|\d\d)\b"), "us"),
    (
        re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2}\b(?! ?[,/])"),
        "syslog",
    ),
)
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{4,16}\b")
_HASH = re.compile(r"(?<![\w.+-])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,64}\b")
_IP = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b")
_NODES = (
    re.compile(r"(?<=slurmstepd-)[\w.-]+(?=: )"),
    re.compile(r"(?<= ON )[\w.-]+(?= CANCELLED)"),
    re.compile(r"(?<=srun: error: )[\w.-]+(?=: task)"),
    re.compile(r"(?<=\bon node )[\w.-]+"),
    re.compile(r"(?<=\bon host )[\w.-]+"),
    re.compile(r"(?<=^\[)[a-z][\w.-]*(?=:\d+\])", re.MULTILINE),
)
_PATH = re.compile(r"(?<![\w/.~:<>@+=-])(?:~|\.{1,2})?(?:/[\w.+@%,^-]+){2,}(?![\w/])")
_KEPT_NAME = re.compile(
    r"\.(?:py|jl|f90|F90|f|c|cc|cpp|h|hpp|R|java|rs|go|pl|m|js|so(?:\.[\d.]+)?)$"
)
_LIBRARY = re.compile(
    r"site-packages|/lib|julia|^/usr|^\./|/python3|/rustc|/software|/etc|/cvmfs|/sw/|/cm/"
)
_FLOAT = re.compile(r"(?<![\w.:/-])-?\d+\.\d+(?:e[-+]?\d+)?(?![\w.:/])")
_INTEGER = re.compile(r"(?<![\w.:/+-])[1-9]\d*(?![\w.:/-])")
_RANK = re.compile(r"(?<=\[rank)\d+(?=\])|(?<=\[default)\d+(?=\])")
_FIRST = 0xF0000  # signs that no log holds
_KEPT = re.compile("[\U000f0000-\U0010fffd]")
_FOLDERS = ("scratch", "home", "u", "gpfs", "proj-a", "data_1", "run-07", "p.23", "x")


class Rewriter:
    """Makes changes that leave the failure the same; equal seeds make equal changes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._written: list[str] = []

    def rewrite(self, text: str) -> str:
        """Return the text as another run would have printed it."""
        self._written = []
        for pattern, kind in _TIMES:
            text = pattern.sub(lambda _, kind=kind: self._keep(self._time(kind)), text)
        text = _UUID.sub(lambda _: "-".join(self._hex(n) for n in (8, 4, 4, 4, 12)), text)
        text = _ADDRESS.sub(lambda _: f"0x{self._hex(self._random.randint(5, 15))}", text)
        text = _HASH.sub(lambda m: f"{self._hex(len(m[0]) - 2)}1a", text)
        for pattern in _NODES:
            text = pattern.sub(lambda _: self._node(), text)
        text = _PATH.sub(self._path, text)
        text = _IP.sub(lambda _: self._ip(), text)
        text = _FLOAT.sub(lambda _: self._float(), text)
        text = _INTEGER.sub(lambda _: self._integer(), text)
        first = self._random.randint(1, 10 ** self._random.randint(1, 4))
        text = _RANK.sub(lambda m: str(first + int(m[0])), text)
        return _KEPT.sub(lambda m: self._written[ord(m[0]) - _FIRST], text)

    def _keep(self, text: str) -> str:
        """Put a sign in the place of what must not be changed once more."""
        self._written.append(text)
        return chr(_FIRST + len(self._written) - 1)

    def _time(self, kind: str) -> str:
        r = self._random.randint
        month = self._random.choice(("Jan", "Mar", "May", "Jul", "Nov"))
        return {
            "date": f"20{r(10, 39)}-{r(1, 12):02}-{r(1, 28):02}",
            "time": f"{r(0, 23):02}:{r(0, 59):02}:{r(0, 59):02}",
            "us": f"{r(1, 12):02}/{r(1, 28):02}/20{r(10, 39)}",
            "syslog": f"{month} {r(10, 28)}",
        }[kind]

    def _hex(self, length: int) -> str:
        return "".join(self._random.choice("0123456789abcdef") for _ in range(length))

    def _node(self) -> str:
        n = self._random.randint(1, 4000)
        forms = (f"n{n}", f"gpu-a{n}", f"nid{n:06}", f"node{n:02}.cluster.edu", f"c{n % 9}-{n}")
        return self._random.choice(forms)

    def _ip(self) -> str:
        parts = ".".join(str(self._random.randint(1, 254)) for _ in range(4))
        return self._random.choice((parts, f"{parts}:{self._random.randint(1024, 65000)}"))

    def _path(self, found: re.Match[str]) -> str:
        path = found[0]
        if _LIBRARY.search(path):
            return path
        folders = self._random.choices(_FOLDERS, k=self._random.randint(2, 7))
        name = path.rpartition("/")[2]
        kept = _KEPT_NAME.search(name)
        return "/" + "/".join([*folders, name if kept else self._name()])

    def _name(self) -> str:
        letters = "".join(self._random.choices(string.ascii_lowercase, k=5))
        return self._random.choice((letters, f"{letters}_{self._random.randint(0, 99)}.npy"))

    def _float(self) -> str:
        value = self._random.uniform(-1, 1) * 10 ** self._random.randint(-9, 9)
        return self._random.choice((f"{value:.3f}", f"{value:.6e}", f"{abs(value):.1f}"))

    def _integer(self) -> str:
        return str(self._random.randint(1, 10 ** self._random.randint(1, 8)))
