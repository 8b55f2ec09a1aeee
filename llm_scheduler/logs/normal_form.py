"""A line with what changes from run to run taken out: numbers, paths, nodes, times."""

from __future__ import annotations

import re
from functools import lru_cache

from llm_scheduler.logs.ranks import RANK_PREFIX
from llm_scheduler.logs.text import CUT_MARK

MAX_NORMAL_CHARS = 240
"""Longer results are cut: what a message says stands at its start."""

_EXTENSIONS = (
    r"npy|npz|csv|tsv|txt|h5|hdf5|nc|json|jsonl|ya?ml|pkl|pickle|dat|out|err|log|jld2?|mat|parquet"
    r"|toml|ini|in|inp|xml|zip|gz|tar|tgz|bz2|xz|bam|sam|bai|fa|fasta|fq|fastq|vcf|bed|pt|pth|ckpt"
    r"|safetensors|db|sqlite|png|pdf|svg|tif|tiff|jpe?g|tmp|lock|pid|sock|bin|chk|gro|tpr|xtc|cfg"
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
_RANGE = re.compile(r"\b[A-Za-z][\w-]{0,60}\[\d[\d,-]{0,200}\](?:[\w-]{1,40})?(?:\.[\w.-]{1,80})?")
_MISSING = re.compile(
    r"(?i)((?:no such file or directory|is a directory|file exists|not a directory|cannot open"
    r"|permission denied|file not found|not found|unable to open|can't open file):? )"
    r"(?:'[^'\n]{1,400}'|\"[^\"\n]{1,400}\")"
)
_QUOTED_PATH = re.compile(
    r"'(?=[^'\n]{0,400}/)[^'\s][^'\n]{0,400}'|\"(?=[^\"\n]{0,400}/)[^\"\s][^\"\n]{0,400}\""
)
_WORD = re.compile(r"'[^'\s]{1,200}'|\"[^\"\s]{1,200}\"|[^\s\"'(){}<>\[\]|,;=]+")
_NUMERIC = re.compile(r"[-+~#$±]?\.?\d(?:[\d.,:_*%+/#-]|[eEdDxXT](?=[-+]?\d)|[Zz]$)*")
_NUMBER = re.compile(
    r"(?<![^\s=])[-+~#$±]?\.?\d(?:[\d.:_*%+/#-]|[eEdDxXT](?=[-+]?\d))*(?<![:.])(?=[\s,;)\]]|$)"
)
_HEX = re.compile(
    r"0[xX][0-9a-fA-F]+|(?=[a-fA-F-]*\d)(?:[0-9a-f]{7,128}|[0-9A-F]{8,128})"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
_LIBRARY = re.compile(r"(?:.*/)?(lib[\w+-]+?)(?:-[\d.]+)?\.so[\d.]*")
_FILE = re.compile(rf"(?i)[\w+.@%~-]*\.(?:{_EXTENSIONS})")
_TEMPORARY = re.compile(r"(?:tmp|temp|pymp-|_MEI)[\w-]*\d[\w-]*|tmp[a-z0-9_]{8}")
_NODE = re.compile(r"[a-z][a-z-]*\d[a-z\d-]*(?:\.[a-z\d-]+)*")
_WORDS_WITH_DIGITS = re.compile(
    r"(?:u?int|float|complex|b?float|conv|utf|sha|md|sm|fp|bf|h|py|log|exp|atan|c|f|i|s)-?\d+[a-z]?"
    r"|i\d86|x86|mp[34]|h5py|s3|py[\d.]+|python\d[\d.]*|(?:max|avg|batch)\w*\dd"
)
_PLAIN_SLASH = frozenset({"i/o", "n/a", "and/or", "input/output", "read/write", "tcp/ip"})
_RATE = re.compile(r"~?[\d.,]+[A-Za-z]*/[A-Za-z]{1,5}")
_UNIT = re.compile(r"# ?[kKMGTP]i?(?:B|b|bytes)?\b")
_HALF = re.compile(r"# [AaPp]\.?[Mm]\b\.?")
_MANY = re.compile(r"#(?:[\s,;:x*()\[\]+/_-]{1,9}#)+")
_DIGITS = re.compile(r"\d[\d.,]*\d|\d")
_FREE_DIGITS = re.compile(r"(?<![A-Za-z\d])\d[\d.]*")


@lru_cache(maxsize=2048)
def normalise(line: str) -> str:
    """Return a line with what changes from run to run taken out."""
    text = line
    if "characters cut" in text:
        text = CUT_MARK.split(text, maxsplit=1)[0]
    if found := RANK_PREFIX.match(text):
        text = text[found.end() :]
    if "'" in text or '"' in text:
        text = _QUOTED_PATH.sub("<path>", _MISSING.sub(r"\1<path>", text))
    if _MONTH_NAME.search(text):
        text = _MONTH.sub("0", text)
    low = text.lower()
    for word, pattern, new in _NODES:
        if word in low:
            text = pattern.sub(new, text)
    if "[" in text:
        text = _RANGE.sub("<node>", text)
    # Most words that change are plain numbers and times: they go at once, then each word.
    text = _WORD.sub(_replace, _NUMBER.sub("#", text))
    if "#" in text:
        text = _HALF.sub("#", _MANY.sub("#", text))
        text = _MANY.sub("#", _UNIT.sub("#B", text))
    return " ".join(text.split())[:MAX_NORMAL_CHARS]


def _replace(found: re.Match[str]) -> str:
    word = found.group()
    return word if word.isalpha() else _normal_word(word)


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
        return word if not _FILE.fullmatch(core) else "<file>" + end
    return _normal_value(core) + end


def _normal_path(core: str) -> str:
    if core.lower() in _PLAIN_SLASH:
        return core
    if "://" in core:
        return "<url>"
    if library := _LIBRARY.fullmatch(core):
        return library[1]
    if _NUMERIC.fullmatch(core) or _RATE.fullmatch(core):
        return "#"
    if core[0] in "+-" and "=" not in core and core.strip("+-/") == "":
        return core
    return "<path>"


def _normal_value(core: str) -> str:
    """Return a word with digits in it."""
    if _NUMERIC.fullmatch(core) or _HEX.fullmatch(core):
        return "#"
    if library := _LIBRARY.fullmatch(core):
        return library[1]
    if _FILE.fullmatch(core) or _TEMPORARY.fullmatch(core):
        return "<file>"
    if ":" in core:
        return ":".join(_normal_word(part) if part else "" for part in core.split(":"))
    if "@" in core:
        return "<node>"
    if _WORDS_WITH_DIGITS.fullmatch(core):
        return core
    return "<node>" if _NODE.fullmatch(core) else _DIGITS.sub("#", core)


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
