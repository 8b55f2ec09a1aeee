"""A line with what changes from run to run taken out: numbers, paths, nodes, times."""

from __future__ import annotations

import re
from functools import lru_cache

from llm_scheduler.logs.identity import shield, unshield
from llm_scheduler.logs.ranks import RANK_PREFIX
from llm_scheduler.logs.text import CUT_MARK

MAX_NORMAL_CHARS = 240
"""Longer results are cut: what a message says stands at its start."""

_EXTENSIONS = (
    r"npy|npz|csv|tsv|txt|h5|hdf5|nc|json|jsonl|ya?ml|pkl|pickle|dat|out|err|log|jld2?|mat|parquet"
    r"|toml|ini|in|inp|xml|zip|gz|tar|tgz|bz2|xz|bam|sam|bai|fa|fasta|fq|fastq|vcf|bed|pt|pth|ckpt"
    r"|safetensors|db|sqlite|png|pdf|svg|tif|tiff|jpe?g|tmp|lock|pid|sock|bin|chk|gro|tpr|xtc|cfg"
)
_SOURCES = (
    r"py|jl|f|for|ftn|f77|f90|f03|f08|c|cc|cpp|cxx|cu|cuh|h|hh|hpp|r|java|scala|kt|rs|go|pl|pm|m|js"
    r"|mjs|ts|cs|rb|lua|pyx|smk|nf"
)
_ZONES = (
    r"UTC|GMT|WES?T|CES?T|EES?T|MS[KD]|BST|IST|[ECMPA][SD]T|AK[SD]T|HST|JST|KST|SGT|HKT"
    r"|A[CEW][SD]T|NZ[SD]T"
)
_CLOCK = re.compile(
    r"\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\b\.?)?"
    rf" ?(?:(?:{_ZONES})\b|[+-]\d\d:?\d\d\b)"
)
_SPAN = re.compile(
    r"(?=\d)(?<![\w.:/+-])(?:\d+(?:\.\d+)? ?(?:d(?:ays?)?|h(?:ou)?(?:rs?)?|m(?:in(?:ute)?s?)?"
    r"|s(?:ec(?:ond)?s?)?|[mun\u00b5]s)(?![\w/.-])(?:,? (?=\d))?){1,8}"
)
_ADDRESS = re.compile(
    r"(?<![\w:.])(?:"
    r"\[[\da-fA-F:.]{2,45}(?:%[\w.-]{1,20})?\](?::\d{1,5})?"  # [fe80::1%eth0]:5432
    r"|(?=[\da-fA-F]*:)(?=[a-fA-F:]*\d)(?=[\da-fA-F:]*::|(?:[\da-fA-F]+:){5})"
    r"[\da-fA-F:]{2,39}(?<!:)(?:%[\w.-]{1,20})?"
    r")(?!\w)"
)
_HAS_COLONS = re.compile(r":[\da-fA-F]{0,4}[:.]")
_DEVICE = re.compile(
    r"(?<![\w:])(?:[\da-fA-F]{4,8}:[\da-fA-F]{2}:[\da-fA-F]{2}(?:\.[\da-fA-F])?"
    r"|[\da-fA-F]{2}:[\da-fA-F]{2}\.[\da-fA-F])(?![\w:])"
)
"""Places of PCI devices."""
_INTERNET = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w-]|\.\d)")
_HAS_DOTS = re.compile(r"\.\d{1,3}\.\d")  # quick to look for
_WINDOWS = re.compile(
    r"(?<!\w)(?:'(?:[A-Za-z]:\\|\\\\)[^'\n]{1,400}'|\"(?:[A-Za-z]:\\|\\\\)[^\"\n]{1,400}\""
    r"|`(?:[A-Za-z]:\\|\\\\)[^'`\n]{1,400}['`]|(?:[A-Za-z]:\\|\\\\)[^\s'\"<>|:;,()]{1,400})"
)
_MONTH = re.compile(
    r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +)?(?:\d{1,2} +)?"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? +\d{1,4}\b(?:,? \d{4}\b)?"
    r"|(?<=\d)-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-(?=\d)"
)
_MONTH_NAME = re.compile("[JFMASOND](?:an|eb|ar|pr|ay|un|ul|ug|ep|ct|ov|ec)")  # quick to look for
# Each with a word without which it can't match: that is quicker to look for.
_NODES = (
    ("slurm", re.compile(r"\b(?:slurmstepd|slurmd)-[\w.-]+:"), "slurmstepd:"),
    ("cancelled", re.compile(r"\b(?i:on) [\w.\[\],-]+ (?=CANCELLED)"), "ON <node> "),
    ("failed", re.compile(r"\b(?i:on) [\w.\[\],-]+ (?=FAILED)"), "ON <node> "),
    (
        "task",
        re.compile(r"\b(srun|mpirun|prterun|orted|slurmstepd)(: error)?: [\w.-]+: (?=tasks?\b)"),
        r"\1\2: <node>: ",
    ),
    ("on ", re.compile(r"(?i)\b(on)( )[a-z][\w-]*\d[\w.-]*"), r"\1\2<node>"),
    ("node", re.compile(r"(?i)\b(node|nodes|nodelist)([:=]? )[a-z][\w-]*\d[\w.-]*"), r"\1\2<node>"),
    ("host", re.compile(r"(?i)\b(host|hostname)([:=]? )[a-z][\w-]*\d[\w.-]*"), r"\1\2<node>"),
)
# Of one task that failed the launcher speaks in the singular.
_TASKS = re.compile(r"\b([Tt]ask)s(?= \d[\d,-]*+(?![\w.]))")
_RANGE = re.compile(r"\b[A-Za-z][\w-]{0,60}\[\d[\d,-]{0,200}\](?:[\w-]{1,40})?(?:\.[\w.-]{1,80})?")
_MISSING = re.compile(
    r"(?i)((?:no such file or directory|is a directory|file exists|not a directory|cannot open"
    r"|permission denied|file not found|not found|unable to open|can't open file):? )"
    r"(?:'[^'\n]{1,400}'|\"[^\"\n]{1,400}\")"
)
_MISSING_WORDS = ("file", "director", "open", "denied", "found")  # quick to look for
_QUOTED_PATH = re.compile(
    r"(?<!\w)'(?=[^'\s]{0,400}/)[^'\n]{1,400}'|\"(?=[^\"\s]{0,400}/)[^\"\n]{1,400}\""
    r"|`(?=[^'`\s]{0,400}/)[^'`\n]{1,400}['`]"
)
_WORD = re.compile(r"'[^'\s]{1,200}'|\"[^\"\s]{1,200}\"|[^\s\"'(){}<>\[\]|,;=]+")
_NUMERIC = re.compile(r"[-+~#$±]?\.?\d(?:[\d.,:_*%+/#-]|[eEdDxXT](?=[-+]?\d)|[Zz]$)*")
_NUMBER = re.compile(
    r"(?<![^\s=])[-+~#$±]?\.?\d(?:[\d.:_*%+/#-]|[eEdDxXT](?=[-+]?\d))*(?<![:.])(?=[\s,;)\]]|$)"
)
_LINK = re.compile(r"(?:.*/)?(l\d{1,4}\.exe)")
"""The steps of Gaussian are programs whose numbers say what failed."""
_HEX = re.compile(
    r"0[xX][0-9a-fA-F]+|[0-9a-f]{7,128}|[0-9A-F]{8,128}"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
_LIBRARY = re.compile(r"(?:.*/)?(lib[\w+-]+(?:-[\d.]+)?\.so(?:\.\d+)*)")
_FILE = re.compile(rf"(?i)[\w+.@%~-]*\.(?:{_EXTENSIONS})")
_SOURCE = re.compile(rf"(?i)(?:.*/)?([\w+@%~.-]*\.(?:{_SOURCES}))(?P<line>(?::\d+){{1,2}})?")
_DOMAINS = (
    r"edu|org|com|net|gov|mil|local|localdomain|internal|lan|cluster|ibx?|hpc"
    r"|[\w-]+\.(?:de|fr|uk|ch|nl|it|es|se|fi|pl|cz|at|be|dk|jp|cn|kr|au|ca|us|eu|ru|br)"
)
_HOST = re.compile(rf"(?i)localhost|(?:[a-z\d][\w-]*\.)+(?:{_DOMAINS})\.?")
_TEMPORARY = re.compile(r"(?:tmp|temp|pymp-|_MEI)[\w-]*\d[\w-]*|tmp[a-z0-9_]{8}")
_NODE = re.compile(r"[a-z][a-z-]*\d[a-z\d-]*(?:\.[a-z\d-]+)*")
_WORDS_WITH_DIGITS = re.compile(
    r"(?:u?int|float|complex|b?float|conv|utf|sha|md|sm|fp|bf|h|py|log|exp|atan|c|f|i|s)-?\d+[a-z]?"
    r"|i\d86|x86|mp[34]|h5py|s3|py[\d.]+|python\d[\d.]*|(?:max|avg|batch)\w*\dd|cv2|tf2|mpi4py"
    r"|(?:fftw|hdf|netcdf|sqlite|psycopg|gtk|qt|perl|ruby|lua|cuda|cudnn|libxml|numpy|jinja|bzip)\d+"
)
_NODE_MARK = "<node>"
_MIN_HASH = 7
_MAX_PREFIXES = 2
"""The launcher's, and that of the library under it: ``[1,3]<stderr>: [node1:77] ``."""
_PLAIN_SLASH = frozenset({"i/o", "n/a", "and/or", "input/output", "read/write", "tcp/ip"})
_RATE = re.compile(r"~?[\d.,]+[A-Za-z]*/[A-Za-z]{1,5}")
_UNIT = re.compile(r"# ?(?:[kKMGTP]i?(?:B|b|bytes)?|B|[Bb]ytes)\b")
_HALF = re.compile(r"# [AaPp]\.?[Mm]\b\.?")
_MANY = re.compile(r"#(?:[\s,;:x*()\[\]+/_-]{1,9}#)+")
_DIGITS = re.compile(r"\d[\d.,]*\d|\d")
_FREE_DIGITS = re.compile(r"(?<![A-Za-z\d])\d[\d.]*")
# A line whose digits all stand in numbers, times and dates between blanks, or behind "=".
_PLAIN_NUMBERS = re.compile(
    r"(?:(?:\D*[\s=])?[-+]?\d++(?:[.:,-]\d++)*+(?:[eE][-+]\d++)?+(?!\S))*+\D*+$"
)
# A text, not a mapping, in which each sign that is missing would cost an exception.
_TO_ZERO = "".join("0" if chr(i).isdigit() else chr(i) for i in range(128))


@lru_cache(maxsize=2048)
def normalise(line: str) -> str:
    """Return a line with what changes from run to run taken out."""
    text = line
    if "characters cut" in text:
        text = CUT_MARK.split(text, maxsplit=1)[0]
    for _ in range(_MAX_PREFIXES):
        found = RANK_PREFIX.match(text)
        if found is None:
            break
        text = text[found.end() :]
    shielded = shield(text)
    if shielded is text and _PLAIN_NUMBERS.match(text):
        # Which digits they are makes no difference. Jobs of one run end with such lines.
        return _normal_shape(text.translate(_TO_ZERO))
    return unshield(_normal_line(shielded))


def _normal_line(text: str) -> str:
    """Return a line without prefix whose codes and names are written in signs."""
    text = _without_places(_without_times(text))
    low = text.lower()
    for word, pattern, new in _NODES:
        if word in low:
            text = pattern.sub(new, text)
    if "asks " in low:
        text = _TASKS.sub(r"\1", text)
    if "[" in text:
        text = _RANGE.sub("<node>", text)
    # Most words that change are plain numbers and times: they go at once, then each word.
    text = _WORD.sub(_replace, _NUMBER.sub("#", text))
    if "#" in text:
        text = _HALF.sub("#", _MANY.sub("#", text))
        text = _MANY.sub("#", _UNIT.sub("#B", text))
    return " ".join(text.split())[:MAX_NORMAL_CHARS]


_normal_shape = lru_cache(maxsize=512)(_normal_line)


def _without_places(text: str) -> str:
    """Take out paths in quotes, those of Windows, and addresses."""
    if "\\" in text:
        text = _WINDOWS.sub("<path>", text)
    if "'" in text or '"' in text:
        if any(map(text.lower().__contains__, _MISSING_WORDS)):
            text = _MISSING.sub(r"\1<path>", text)
        if "/" in text:
            text = _QUOTED_PATH.sub("<path>", text)
    if _HAS_COLONS.search(text):
        text = _DEVICE.sub("0", _ADDRESS.sub(_NODE_MARK, text))
    return _INTERNET.sub(_NODE_MARK, text) if _HAS_DOTS.search(text) else text


def _without_times(text: str) -> str:
    """Take out names of months and of time zones, and units of time."""
    if _MONTH_NAME.search(text):
        text = _MONTH.sub("0", text)
    if ":" in text:
        text = _CLOCK.sub("0", text)
    return _SPAN.sub("0 ", text)


def _replace(found: re.Match[str]) -> str:
    word = found.group()
    if word.isalpha() and (len(word) < _MIN_HASH or word.strip("abcdefABCDEF")):
        return word
    return _normal_word(word)


@lru_cache(maxsize=4096)
def _normal_word(word: str) -> str:
    """Return one word of a line with what changes taken out."""
    if word[0] in "'\"":
        return _normal_quoted(word)
    core = word.rstrip(":.!?")
    end = ":" if word.endswith(":") else ""
    if "/" in core or core.startswith("~"):
        return _normal_path(core) + end
    if not any(map(str.isdigit, core)):
        return _normal_letters(core, word) + end if core else word
    return _normal_value(core) + end


def _normal_letters(core: str, word: str) -> str:
    """Return a word without digits."""
    if _FILE.fullmatch(core):
        return "<path>"
    if _HOST.fullmatch(core):
        return _NODE_MARK
    return "#" if _HEX.fullmatch(core) else word.removesuffix(":")


def _normal_path(core: str) -> str:
    if core.lower() in _PLAIN_SLASH:
        return core
    if "://" in core:
        return "<url>"
    if named := _LIBRARY.fullmatch(core) or _LINK.fullmatch(core):
        return named[1]
    if _NUMERIC.fullmatch(core) or _RATE.fullmatch(core):
        return "#"
    if core[0] in "+-" and "=" not in core and core.strip("+-/") == "":
        return core
    return _normal_source(core) or "<path>"


def _normal_source(core: str) -> str:
    """Return the name of a source file, which says what failed wherever it stands."""
    found = _SOURCE.fullmatch(core)
    if found is None:
        return ""
    return _DIGITS.sub("#", found[1]) + (":#" if found["line"] else "")


def _normal_value(core: str) -> str:
    """Return a word with digits in it."""
    if _NUMERIC.fullmatch(core) or _HEX.fullmatch(core):
        return "#"
    if named := _LIBRARY.fullmatch(core) or _LINK.fullmatch(core):
        return named[1]
    if _FILE.fullmatch(core) or _TEMPORARY.fullmatch(core):
        return "<path>"
    if source := _normal_source(core):
        return source
    if ":" in core:
        parts = [_normal_word(part) if part else "" for part in core.split(":")]
        # A port belongs to its host: the same host may be told without it.
        is_port = parts[0] == _NODE_MARK and parts[1:] == ["#"]
        return _NODE_MARK if is_port else ":".join(parts)
    if "@" in core or _HOST.fullmatch(core):
        return _NODE_MARK
    if _WORDS_WITH_DIGITS.fullmatch(core):
        return core
    return _NODE_MARK if _NODE.fullmatch(core) else _DIGITS.sub("#", core)


def _normal_quoted(word: str) -> str:
    quote, core = word[0], word[1:-1]
    if _NUMERIC.fullmatch(core) or _HEX.fullmatch(core):
        return f"{quote}#{quote}"
    if library := _LIBRARY.fullmatch(core):
        return f"{quote}{library[1]}{quote}"
    if _FILE.fullmatch(core) or _TEMPORARY.fullmatch(core):
        return "<path>"
    # A digit within a name tells one module or column from another.
    return quote + _FREE_DIGITS.sub("#", core) + quote
