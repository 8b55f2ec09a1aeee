"""What in a line names the failure although it looks like what changes: codes, names of things."""

from __future__ import annotations

import re

from llm_scheduler.logs.pattern_set import PatternSet

_VALUE = r"-?(?:0x[\da-f]{1,16}|\d{1,10}(?:[:,]-?\d{1,6})?)(?![\w%/]|[.,]\d)"
_WORDS = (
    r"err(?:no|or)?[ _-]?(?:code|number|num|id|no)|errno"
    r"|exit(?:ed)?[ _-]?(?:code|status|value)?(?: with)?(?: (?:code|status))?"
    r"|(?:return(?:ed)?|result|fault|reason|completion)[ _-](?:exit )?(?:code|status|value)"
    r"|ret(?:urn)?code|retval|non-?zero (?:exit )?(?:code|status)"
    r"|http(?:/\d(?:\.\d)?)?(?: (?:error|status|response|code)){0,2}"
    r"|status(?:[ _-]?code)?|code|signal(?: (?:number|code))?|sig"
)
_RESULTS = "error|rc|ierr|ierror|ier|info|iostat|istat|stat|ret|err|ifail|mpierr"
_COMPLAINTS = "error|erreur|fehler|failure|severe|warning"
_ALONE = r"-?[\dx]+\s*(?:$|[,;:)\]])"
_STARTS = "acefhimnorswx45"
"""What a code's words start with, or its value where words follow it."""
_HTTP_TEXTS = (
    r"(?:client|server) error|not found|forbidden|unauthorized|bad (?:gateway|request)"
    r"|service unavailable|gateway time|internal server|too many requests"
)
_CODES = "|".join(
    [
        # After words that stand before nothing but codes: exit code 9, HTTP 404, [Errno 5].
        rf"(?<![a-z])(?:{_WORDS})[\s:=#(\"'\[]{{0,4}}(?<!\w)(?P<coded>{_VALUE})",
        rf"(?<![a-z])returned:? (?P<returned>{_VALUE})(?=\s*(?:$|[.;:)]))",
        # Return values by the names that programs give them.
        rf"(?<![a-z])(?:{_RESULTS})(?:=| = (?<!error = )|= )(?P<set>{_VALUE})",
        # error -4, error #7, error (65); "error: 3 files" counts, "error: 3" is a code.
        rf"(?:{_COMPLAINTS})(?:[ #(\[]{{1,3}}|: ?(?={_ALONE}))(?P<bare>{_VALUE})",
        rf"curl: \((?P<curl>{_VALUE})",
        rf"mpi_abort\([^()]{{0,60}}, ?(?P<abort>{_VALUE})",
        rf"\bxid \([^()]{{0,40}}\): (?P<xid>{_VALUE})",
        rf"signal: [a-z][a-z ]{{2,40}}\((?P<named>{_VALUE})",
        rf"\b(?P<http>[45]\d\d)(?=:? (?:{_HTTP_TEXTS}))",
        r"\b(?P<vendor>ora-\d{5})",
    ]
)
_CODE = re.compile(rf"(?=[{_STARTS}])(?:{_CODES})")
"""For texts in lower case."""
_KINDS = (
    r"package|module(?:file|\(s\))?|librar(?:y|ies)|plugin|symbol|function|subroutine|routine"
    r"|option|argument|keyword|column|key|field|variable|attribute|command|executable|interpreter"
)
# LAMMPS names what it computes by words with any number of slashes: lj/cut/coul/long.
_STYLE = r"(?:unknown|unrecognized|invalid|illegal) (?:[a-z]+[ _])?style:?"
_NONE = "no module named|no package(?: called| named)?|no such module|command not found:"
_THING = re.compile(
    rf"\b(?:{_NONE}|(?:{_KINDS})s?(?: called| named| are unknown| for| not found)?:?)"
    r" [`'\"\u2018\u201c]?(?P<after>(?=[\w.+-]{0,80}[a-z_])[\w+-][\w.+/-]{0,120})"
    rf"|\b{_STYLE} ['\"]?(?P<style>[a-z][\w.+-]{{0,40}}(?:/[\w.+-]{{1,40}}){{0,8}})(?![\w/])"
    r"|(?<![\w./+-])(?P<before>[\w.+-]{1,120})(?=: (?:command )?not found\b)"
)
"""For texts in lower case."""
# Whether there may be any: much quicker, and most lines have none.
_THING_HINT = (
    rf"(?:{_NONE}|(?:{_KINDS})s?(?: called| named| are unknown| for| not found)?:?) \W{{0,3}}"
    rf"[\w.+-]*[\d/]|\d[\w.+-]*: (?:command )?not found|{_STYLE} "
)
_CODE_HINT = (
    rf"(?:{_WORDS}|{_RESULTS}|{_COMPLAINTS})[\s:=#(\"'\[]{{0,4}}-?\d|curl: \(|mpi_abort\("
    rf"|returned:? -?\d|xid \(|signal: [a-z][a-z ]{{2,40}}\(|[45]\d\d:? (?:{_HTTP_TEXTS})|ora-\d"
)
_HINTS = PatternSet((_THING_HINT, _CODE_HINT))
_IS_THING = 0
_HASH = re.compile(r"[0-9a-f]{7,128}")
_DIGIT = re.compile(r"\d")

_SIGNS = "0123456789./-:,xX"
_FIRST = 0xE000
"""First of the signs, of no script, that stand for the ones which would be taken out."""
_HIDE = {ord(sign): chr(_FIRST + i) for i, sign in enumerate(_SIGNS)}
_SHOW = {_FIRST + i: sign for i, sign in enumerate(_SIGNS)}
_HIDDEN = re.compile(f"[{chr(_FIRST)}-{chr(_FIRST + len(_SIGNS) - 1)}]")


def shield(text: str) -> str:
    """Write the codes and names of things in a text with signs that no rule takes out."""
    if not _DIGIT.search(text) and "/" not in text:
        return text
    for hint in _HINTS.find(text):
        pattern, hide = (_THING, _hide_thing) if hint == _IS_THING else (_CODE, _hide_code)
        low = text.lower()
        if len(low) == len(text):  # else some letter is longer than its capital
            text = _hide(text, [hide(found) for found in pattern.finditer(low)])
    return text


def unshield(text: str) -> str:
    """Return a text with what `shield` changed as it was."""
    return text.translate(_SHOW) if _HIDDEN.search(text) else text


def _hide(text: str, spans: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], text[start:end].translate(_HIDE)]
        done = end
    return "".join([*parts, text[done:]])


def _hide_code(found: re.Match[str]) -> tuple[int, int]:
    """Return where the code stands."""
    return found.span(found.lastgroup or 0)


def _hide_thing(found: re.Match[str]) -> tuple[int, int]:
    """Return where the name stands; nothing for paths and for what no rule takes out."""
    start, end = found.span(found.lastgroup or 0)
    name = found[0][start - found.start() : end - found.start()]
    is_path = found.lastgroup != "style" and (
        name.count("/") > 1 or name.startswith(("lib/", "./", "../"))
    )
    is_plain = "/" not in name and not _DIGIT.search(name)
    is_named = not (is_path or is_plain or _HASH.fullmatch(name))
    return (start, end) if is_named else (start, start)
