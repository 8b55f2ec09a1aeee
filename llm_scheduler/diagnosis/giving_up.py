"""Last words of programs that stop before their work is done."""

from __future__ import annotations

from llm_scheduler.diagnosis.words import compile_words

_GIVES_UP = (
    r"\b(?:giving up|gave up|refus(?:ing|es|ed) to|no longer possible|aborting|quitting"
    r"|bailing out)\b"
    r"|\b(?:cannot|can ?not|can.t|couldn.?t|could not|unable to|failed to|impossible to) "
    r"(?:proceed|continue|go on|(?:re)?start|run|open|find|read|(?:un)?load|write|create|make"
    r"|access|connect|allocate|locate|execute|import|parse|determine|initiali[sz]e|get|set|be|acquire|copy"
    r"|resolve|compute|handle|reach|obtain|convert|apply|use|build|compile|save|store|send|receive"
    r"|bind|map|(?:un)?mount|attach|register|launch|spawn|fork|solve|converge|match|process|complete"
    r"|finish|perform|understand|recogni[sz]e|verify|validate|decode|extract|fetch|download|stat)\b"
    r"|\bout of (?:bounds|range)\b|\b(?:exploded|blew up|blown up)\b|\bfile \S+ is empty\b"
    r"|\bdoes not contain\b|\billegal \w|\bbad (?:value|input|format|argument|option|number|file)\b"
    r"|\bno (?:\w+ )?(?:files?|inputs?|arguments?|options?|data) (?:given|specified|provided"
    r"|found|supplied)\b"
    r"|^\s*!{2,}\s*\w|\bduplicate (?:key|entry|option|name|section)\b"
    r"|^\S+\.\w+:\d+: (?:expected|unexpected|unknown|invalid|bad|missing)\b"
    r"|.{3} at \S+\.(?:p[lm]|t|cgi) line \d+\.?$"
    r"|^usage: |\btimed out\b|\bwithout convergence\b|\bstopping(?: now| the \w+| here)?[.!]?$"
    r"|\b(?:no such|not found|does ?n.?t exist|does not exist|not recogni[sz]ed|is not (?:valid"
    r"|defined|set|supported|allowed|permitted|available|installed)|permission denied|undefined"
    r"|access denied|unrecogni[sz]ed|too (?:many|few) arguments|out of memory|no space left"
    r"|unbound variable|usage error|syntax error|bad \w+ in"
    r"|attempt to \w+ (?:an? )?(?:nil|undefined)"
    r"|must be (?:set|given|specified|positive)|is required|requires? at least)\b"
    r"|\b(?:exited|returned|failed|ended|terminated|exiting) (?:with )?(?:an? )?"
    r"(?:error |non-?zero |exit )*(?:code|status):? [1-9]"
    # make, SCons; builds and runs that deny their end.
    r"|^\S+: \*{3} .*\bStop\.\s*$"
    r"|(?:\b(?:did|could|was|were|has|have) not|\b(?:did|could|was|were|has|have)n.t) (?:be )?"
    r"(?:complete|finish|succeed)(?:d|ed)?(?: \w+)?\s*(?:[.!:;(]|$)"
    r"|\b(?:was|were|is) (?:not successful|unsuccessful)\b"
    r"|\bthere (?:were|was|are) (?:\d+ |an )?errors?\b"
    r"|\b(?:terminated|finished|ended|completed|exited|stopped) unsuccessfully\b"
    r"|\bunknown (?:option|argument|command|keyword|key|variable|type)\b"
    r"|\binvalid (?:\w+ ){0,2}(?:option|argument|value|input|key|keyword|parameter)\b"
)
"""Words of a program that can't go on; they tell where they are its last ones."""

_ENDED_BY = (
    r"\b(?:program|run|job|simulation|calculation|process|execution|computation|training|solver)"
    r" (?:was |has been |is |has )?(?:(?:stopped|halted|killed|aborted|interrupted|evicted)"
    r"(?: ?:| because\b| due\b)|(?:killed|aborted|halted|evicted) (?:by|at|with|on)\b)"
    r"|\b(?:stopping|exiting|quitting|terminating)(?: \w+){0,2}"
    r" (?:because|due to|on error|without)\b"
    r"|\b(?:was|were|been) (?:killed|aborted|removed|evicted|rejected) (?:because|due|for)\b"
    r"|\bexceed(?:s|ed) (?:its|the) (?:\w+ )?(?:request|limit|quota|allocation)\b"
    r"|\bnan\b.{0,40}\b(?:stop|exit|quit|abort|terminat)(?:s|ped|ping|ed|ing)?\b"
    r"|^\W*please (?:specify|provide|supply|give)\b"
    r"|\b(?:arguments?|options?|parameters?|inputs?) (?:were|was|are|is) not (?:provided|given"
    r"|specified|supplied)\b"
)
"""What ended a run before its end."""
_ENOUGH = compile_words(
    r"converg|\bearly\b|toleranc|criteri|improve|\bmax(?:imum)?[ _]|\benough\b|\bas planned"
)
"""Why a run may end and be done."""
_OTHER_TONGUES = (
    r"\babgebrochen\b|\bSpeicher voll\b|\babgest(?:ü|ue)rzt\b|\binterrompu|\binterrumpid|\babortad"
    r"|ошибк|не (?:найден|удалось|пройден|хватает)"
    r"|错误|异常|失败|不足|无法|找不到|中断|エラー|失敗|오류|실패"
)

_STOP = compile_words(
    r"^\W*(?:ERROR )?STOP[: ]\s*(?:[1-9]\d{0,4}\s*$|[A-Za-z\"'].*)", ignore_case=False
)
"""What Fortran writes at a ``stop`` with a number or words."""
_STOP_WELL = compile_words(
    r"normal|success|\bdone\b|finish|complete|\bend\b|\bok\b|ends?\b.{0,20}run|\ball well\b"
)
_QUANTITY = compile_words(r"(?:ошибк|错误|失败|エラー|失敗|오류|실패)\pL*\s*[:：=]?\s*[-+]?\d")
"""A count or a size of errors."""


_GIVING_UP = compile_words(_GIVES_UP)
_ANY = compile_words(f"{_GIVES_UP}|{_ENDED_BY}|{_OTHER_TONGUES}")
"""Asked first, as most lines have none of these words."""


def says_it_gives_up(text: str) -> bool:
    """Tell whether a line has the words of a program that ends before its work is done."""
    if _ANY.search(text) is None:
        return False
    if _ENOUGH.search(text) is None and _QUANTITY.search(text) is None:
        return True
    return _GIVING_UP.search(text) is not None


def stops(text: str) -> bool:
    """Tell whether a Fortran program stopped with a number or words, and not at its good end."""
    return _STOP.search(text) is not None and _STOP_WELL.search(text) is None
