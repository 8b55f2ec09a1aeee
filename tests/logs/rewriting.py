"""Writes a log as another run would have: other numbers, times, paths, nodes, ranks.

It goes from word to word and asks what each one is (the standard library knows addresses and
numbers), so it shares no rule with what it tests. Codes that name an error are left alone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import re
import string
import uuid

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ZONES = ("UTC", "GMT", "CET", "CEST", "EST", "EDT", "CST", "PST", "PDT", "MST", "JST")
_CALENDAR = frozenset((*_MONTHS, *_DAYS, *_ZONES))
_UNITS = ("h", "m", "s", "min", "sec", "seconds", "minutes", "hours")
_CODE_WORDS = frozenset(
    {
        *("code", "status", "signal", "errno", "error", "exit", "severe", "http", "curl", "xid"),
        *("sig", "rc", "ierr", "info", "returned", "exited", "errorcode", "exitcode", "failure"),
        *("stat", "iostat", "err", "ret", "warning", "response", "client", "server", "than"),
    }
)
_PLACE_WORDS = frozenset({"node", "host", "hostname"})
_BEFORE_NODES = frozenset({"ON", *_PLACE_WORDS})
_TOOLS = frozenset({"srun:", "mpirun:", "slurmstepd:"})
_TASK_NUMBERS = re.compile(r"\d[\d,-]*:")
_SOURCES = frozenset(
    {
        *(".py", ".jl", ".f90", ".F90", ".f", ".c", ".cc", ".cpp", ".h", ".hpp", ".R", ".java"),
        *(".rs", ".go", ".pl", ".m", ".js", ".nf", ".smk", ".so"),
    }
)
_SYSTEM = (
    *("site-packages", "dist-packages", "/lib", "julia", "/usr", "/python", "/rustc", "/software"),
    *("/etc", "/cvmfs", "/sw/", "/cm/", "/proc", "/dev", "/bin", "/var", "/opt", "/apps"),
    "/system/",
)
_FOLDERS = ("scratch", "home", "u", "gpfs", "proj-a", "data_1", "run-07", "p.23", "x")
_USERS = ("ann", "bob2", "u1234567", "j.doe", "mueller-k")
_OPEN, _CLOSE = "([{<\"'`", ")]}>\"'`,;.:!?"
_BLANKS = re.compile(r"(\s+)")


class Rewriter:
    """Makes changes that leave the failure the same; equal seeds make equal changes.

    Parameters
    ----------
    seed
        Of the random numbers.
    keep_names
        Whether files keep their names in their new folders: a missing file is
        another failure than another missing file where its name is known to be one.
    """

    def __init__(self, seed: int, *, keep_names: bool = False) -> None:
        self._random = random.Random(seed)
        self._keep_names = keep_names
        self._shift = self._random.randint(1, 999)
        self._nodes: dict[str, str] = {}
        self._places: dict[str, str] = {}

    def rewrite(self, text: str) -> str:
        """Return the text as another run would have printed it."""
        return "".join(self._line(line) for line in text.splitlines(keepends=True))

    def _line(self, line: str) -> str:
        parts = _BLANKS.split(line)
        words = parts[::2]
        for i, word in enumerate(words):
            if word:
                parts[2 * i] = self._word(word, words, i)
            if i and words[i - 1] in {"task", "tasks"} and _TASK_NUMBERS.fullmatch(word):
                parts[2 * i - 2], parts[2 * i] = self._tasks()
        return "".join(parts)

    def _tasks(self) -> tuple[str, str]:
        """Name one task or several, as a launcher does."""
        first, last = self._random.randint(0, 9), self._random.randint(10, 400)
        several = (f"{first}-{last}:", f"{first},{last}:", f"{first},{first + 2}-{last}:")
        forms = [("task", f"{last}:"), *(("tasks", numbers) for numbers in several)]
        return self._random.choice(forms)

    def _word(self, word: str, words: list[str], at: int) -> str:
        if (
            word.isalpha()
            and word not in _CALENDAR
            and (not at or words[at - 1] not in _BEFORE_NODES)
        ):
            return word
        before = [x.strip(_OPEN + _CLOSE + "=").lower() for x in words[max(0, at - 3) : at]]
        if word.startswith(("[rank", "[default")):
            return re.sub(r"\d+", lambda m: str(int(m[0]) + self._shift), word, count=1)
        if new := self._host_of_scheduler(word, words, at):
            return new
        core = word.lstrip(_OPEN).rstrip(_CLOSE)
        start = word.find(core) if core else 0
        opening, closing = word[:start], word[start + len(core) :]
        name, sign, value = core.rpartition("=")
        if sign and value and not core.startswith(("/", "http")) and "/" not in name:
            before = [name.lower().strip(_OPEN)]
            opening, core = f"{opening}{name}{sign}", value
        new = self._core(core, before, words, at, opening, closing) if core else ""
        return opening + new + closing

    def _host_of_scheduler(self, word: str, words: list[str], at: int) -> str:
        """Return another node for the one that a scheduler's line names."""
        last = words[at - 1] if at else ""
        after = words[at + 1] if at + 1 < len(words) else ""
        if word.startswith("slurmstepd-") and word.endswith(":"):
            return f"slurmstepd-{self._node(word[11:-1])}:"
        if last == "ON" and after == "CANCELLED":
            return self._node(word)
        if last == "error:" and after.startswith("task") and words[at - 2] in _TOOLS:
            return self._node(word[:-1]) + ":"
        is_place = last.lower() in _PLACE_WORDS and words[at - 2 : at - 1] in (["on"], ["to"])
        is_node = word.isascii() and word[0].isalpha() and word[-1].isdigit()
        return self._node(word) if is_place and is_node else ""

    def _core(
        self, core: str, before: list[str], words: list[str], at: int, opening: str, closing: str
    ) -> str:
        """Return another word of the same kind."""
        if core in _MONTHS and (new := self._month(words, at)):
            return new
        if at and words[at - 1] in _MONTHS and core.isdigit():
            return str(self._random.randint(1, 28))
        if core in _DAYS and words[at + 1 : at + 2] and words[at + 1] in _MONTHS:
            return self._random.choice(_DAYS)
        if core in _ZONES and at and words[at - 1].count(":") == 2:
            return self._random.choice(_ZONES)
        for change in (self._address, self._time, self._duration, self._hash):
            if new := change(core):
                return new
        if self._is_path(core, closing):
            if core not in self._places:
                self._places[core] = self._path(core, quoted=opening[-1:] in {"'", '"'})
            return self._places[core]
        is_coded = not _CODE_WORDS.isdisjoint(before)
        return core if is_coded or closing[:1] == "]" else self._number(core, before)

    def _month(self, words: list[str], at: int) -> str:
        following = words[at + 1] if at + 1 < len(words) else ""
        return self._random.choice(_MONTHS) if following.isdigit() else ""

    def _address(self, core: str) -> str:
        host, _, port = core.rpartition(":")
        is_port = port.isdigit() and host.count(".") == 3
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host if is_port else core)
            return self._other_address()
        return ""

    def _other_address(self) -> str:
        r = self._random
        four = str(ipaddress.IPv4Address(r.getrandbits(32)))
        six = str(ipaddress.IPv6Address((0xFE80 << 112) | r.getrandbits(64)))
        port = r.randint(1024, 65000)
        forms = (four, f"{four}:{port}", f"[{six}%eth0]:{port}", f"[{six}]:{port}")
        return r.choice((*forms, f"db{r.randint(1, 99):02}.example.org:{port}"))

    def _time(self, core: str) -> str:
        r = self._random.randint
        clock = f"{r(0, 23):02}:{r(0, 59):02}:{r(0, 59):02}"
        date = f"20{r(10, 39)}-{r(1, 12):02}-{r(1, 28):02}"
        shape = re.sub(r"\d", "9", core)
        known = {
            "99:99:99": clock,
            "9999-99-99": date,
            "9999-99-99T99:99:99": f"{date}T{clock}",
            "9999-99-99T99:99": f"{date}T{clock[:5]}",
            "99/99/9999": f"{r(1, 12):02}/{r(1, 28):02}/20{r(10, 39)}",
        }
        return known.get(shape, "")

    def _duration(self, core: str) -> str:
        number = core.rstrip(string.ascii_letters)
        unit = core[len(number) :]
        if not number.replace(".", "", 1).isdigit() or unit not in _UNITS:
            return ""
        r = self._random.randint
        forms = (f"{r(1, 99)}m", f"{r(1, 23)}h {r(1, 59)}m", f"{r(1, 9)}.{r(0, 9)}s")
        return self._random.choice(forms)

    def _hash(self, core: str) -> str:
        digits = set(core) & set(string.digits)
        if core.startswith("0x") and len(core) >= 6 and set(core[2:]) <= set(string.hexdigits):
            return f"0x{self._random.getrandbits(48):x}"
        with contextlib.suppress(ValueError):
            if core.count("-") == 4:
                uuid.UUID(core)
                return str(uuid.UUID(int=self._random.getrandbits(128)))
        is_hash = len(core) >= 7 and set(core) <= set("abcdef0123456789")
        if not is_hash or not digits or len(digits) == len(set(core)):
            return ""
        letters = self._random.choice(("abcdef", "0123456789abcdef"))
        return "".join(self._random.choices(letters, k=len(core)))

    def _is_path(self, core: str, closing: str) -> bool:
        if "://" in core or any(sign in core for sign in "<>@:=*|\\"):
            return False
        folders = core.lstrip("~").split("/")  # those in the working folder stay
        is_path = len(folders) > 2 and not folders[0] and all(folders[1:])
        return is_path and not any(word in core for word in _SYSTEM) and "/" not in closing

    def _path(self, path: str, *, quoted: bool) -> str:
        name = path.rpartition("/")[2]
        ending = "." + name.rpartition(".")[2]
        is_source = ending in _SOURCES or ".so." in name
        if not (is_source or self._keep_names):
            name = self._name()
        user = self._random.choice(_USERS)
        folders = self._random.choices(_FOLDERS, k=self._random.randint(1, 6))
        forms = [f"/{'/'.join(folders)}/{name}", f"/home/{user}/{name}", f"~{user}/x/{name}"]
        if not is_source and not self._keep_names:  # no program of a cluster reads these names
            forms.append(f"C:\\Users\\{user}\\{name}")
            forms.append("D:\\" + "\\".join([*folders, name]))
        if not is_source and not self._keep_names and quoted:
            forms.append(f"{name.partition('.')[0]}.txt")
        return self._random.choice(forms)

    def _name(self) -> str:
        letters = "".join(self._random.choices(string.ascii_lowercase, k=5))
        return self._random.choice((letters, f"{letters}_{self._random.randint(0, 99)}.npy"))

    def _number(self, core: str, before: list[str]) -> str:
        r = self._random
        if core.isdigit() and core[0] != "0":
            if before[-1:] == ["line"]:  # the same place in all that one run prints
                return self._places.setdefault(core, str(r.randint(1, 9999)))
            return str(r.randint(1, 10 ** r.randint(1, 8)))
        with contextlib.suppress(ValueError):
            if "." in core and core[-1] != "." and core[0] in "-0123456789" and float(core):
                if "e" in core:  # how large it is may be what is wrong
                    return f"{r.uniform(1, 9):.4f}e{core.partition('e')[2]}"
                sign = "-" * (core[0] == "-")
                return f"{sign}{r.uniform(0.1, 1) * 10 ** r.randint(0, 9):.{r.randint(1, 6)}f}"
        return core

    def _node(self, node: str) -> str:
        n = self._random.randint(1, 4000)
        forms = (f"n{n}", f"gpu-a{n}", f"nid{n:06}", f"node{n:02}.cluster.edu", f"c{n % 9}-{n}")
        return self._nodes.setdefault(node, self._random.choice(forms))
