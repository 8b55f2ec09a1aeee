"""Did the program go on? Which lines after an error count as life, and which as noise."""

from __future__ import annotations

import re
from collections.abc import Collection

from llm_scheduler.diagnosis.giving_up import says_it_gives_up, stops
from llm_scheduler.diagnosis.going_on import is_calm, takes_instead
from llm_scheduler.diagnosis.outcomes import (
    counts_failures,
    counts_none,
    is_expected,
    without_expected,
)
from llm_scheduler.diagnosis.words import compile_words as compile_words
from llm_scheduler.logs.models import LogText

_WENT_ON = compile_words(
    r"\bwarn(?:ing)?\b|\bretry(?:ing)?\b|\bwill retry\b|\bignor(?:ing|ed)\b|\bskipp(?:ing|ed)\b"
    r"|\bcontinu(?:ing|e with)\b|\brecover(?:ed|ing)\b|\bfall(?:ing)? ?back\b"
    r"|\bcaught\b|\bhandled\b|\bdeprecat|\b(?:INFO|DEBUG)\b|\bno errors?\b|\bgoing on\b"
    r"|\brecomput|\brecalculat|\bfailed over\b|\binstead\b|\b(?:is|was|being|are) retried\b"
    r"|\bswitching to\b|\bre-?submitting\b"
    r"|, (?:now )?(?:computing|using|creating|generating|building|making|restarting)\b"
    r"|\b[A-Z][a-z]+Warning: |\bthis is expected\b|\bas expected\b|\bintentional",
)
"""Words of programs that met an error and live on."""

MILD = compile_words(r"\bwarn|INFO|DEBUG|deprecat")

_FORWARDED = compile_words(
    r"\bcaught \w+ in (?:DataLoader|replica|pin memory)|\bwatchdog caught\b"
    r"|\bcaught (?:an? )?(?:(?:deadly )?signal|segfault|bus error|illegal operation|SIG[A-Z]+)\b"
    r"|\bretry count exceeded\b|\bto (?:enable|allow|configure|set up) (?:\w+ )?(?:retry|retries)\b"
    r"|\b(?:received|caught|got) (?:a |the )?(?:signals?[ :.]*)?\(?SIG(?:INT|TERM)\b"
    r"|\bPLE \d{4} plexec\b"
)
"""What programs catch, or try in vain, and then end by; of signals launchers speak calmly."""

_ADVICE = compile_words(r"[.!)] (?:please )?(?:use|try)\b.{1,80}? instead\b")
"""What a program advises the user to do, and does not do itself."""
_ALWAYS_NOISE = compile_words(
    r"^\s*$|^\s|^[-=*#_~+.|>]{3,}|^[^\pL\pN_]*$"
    r"|^srun: (?:error|fatal|warning|Job step aborted|Terminating|First task|interrupt|forcing)"
    r"|^(?:slurmstepd|slurmd|salloc|sbatch|wandb|PBS|=>> PBS)\b"
    r"|^(?:real|user|sys)\s+[\d.m]+s?$|^(?:done|end|bye|finished)\.?$"
    r"|^(?:Resource usage summary|The output \(if any\)|Your job looked like|Sender: LSF"
    r"|Subject: Job|Job <|Started at|Terminated at|Results reported|TERM_|Read file <|PS:)"
    r"|^(?:Please check the spelling|It is also possible|Also make sure|#%Module|While processing)"
    r"|^(?:To initialize your shell|Currently supported shells|See 'conda|IMPORTANT: You may)"
    r"|^(?:Primary job|mpirun|mpiexec|prterun|Per user-direction|Proc: \[|with errorcode|NOTE: inv"
    r"|You may or may not|exactly when|Local host|Exit code|Process name|a non-zero exit)"
    r"|^(?:Stacktrace|Call Trace|Backtrace|\[?\d+\]? +\[?0x|#\d+ |in expression starting|at \S+\()"
    # The table below a Fortran error, glibc's frames and map of the memory, compilers' notes.
    r"|\bUnknown\s+Unknown\b|^Image +PC +Routine|^\S+ +[0-9A-Fa-f]{12,16} +\S"
    r"|^\S+\[0x[0-9a-f]+\]$|^[0-9a-f]{6,16}-[0-9a-f]{6,16} [r-][w-][x-][ps] "
    r"|^In file included from |^\S+:\d+(?::\d+)?: (?:note|warning): |^(?:Terminating|Exiting)\b"
    r"|^\S+\((?:\S*\+0x[0-9a-f]+)?\) ?\[0x|^\[\S+:\d+\] (?:\[ ?\d+\]|\*\*\*)"
    r"|^\S+\.\w+:\d+:in [`']|^\S+\.rb:\d+$"
    r"|\(unknown line\)|^\S+ at \S+\(|^\S+ at \S+:\d+|^unknown function \(ip"
    r"|^(?:JobID|Job ID|Start|End|Cluster|State|Nodes|Cores|CPU|Memory|Elapsed|Exit)\b.{0,20}:"
    # What scripts do when their program has ended, however it did.
    r"|^(?:Copying|Transferring|Moving|Cleaning|Removing|Deleting|Syncing)\b.*"
    r"\b(?:back|up|scratch|temporary|home)\b"
    # Advice below a message, and the files or names that it lists.
    r"|^(?:To (?:re|see|use|fix|avoid|ignore|run|show|learn)|Please|Try|See|Use"
    r"|Consider|Make sure|Check|If you|You (?:can|may|must|should|need)|For (?:more|help|details)"
    r"|Hint|HINT|Note|NOTE|SOLUTION)\b"
    r"|^[~.]?/\S+$"
    r"|\d+%\|.*\||\bit/s\b|^Setting OMP_NUM_THREADS|^(?:Segmentation|Aborted|Killed|Terminated)\b",
    ignore_case=False,
)
"""Lines that say nothing about life: frames, reports of schedulers, progress bars."""

_PREFIX = re.compile(
    r"^(?:\[[\w.:-]{1,40}\]:?[ ]?|\d{1,5}:(?:[ ]|$)"
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?\]?:?(?:[ ]|$))+",
)
"""The mark of the rank or node that wrote a line, as ``srun -l`` and MPI put it, and
the time of a line."""

PROGRESS = compile_words(
    r"\b(?:epoch|iter(?:ation)?|step|batch|generation|cycle)s?(?: (?:number|no\.?))?\b\W{0,3}\d"
    r"|^\W{0,6}step (?:number|no\.?)\s+\d|\d+/\d+ \[|^\s?MD\| Step number\s+\d",
)
"""Words of a program in the middle of its work."""

ALARM = compile_words(
    r"error|exception|traceback|fatal|fail|abort|killed|exit(?:ed)? (?:code|status|with)|signal"
    r"|core dump|\berreur|\bfehler",
)

_SAYS_ERROR = compile_words(
    r"\b(?:error|e r r o r|erreur|fehler|fatal|aborted|aborting|failed|failure|panic)\b"
    r"|^(?-i:FAIL): |\w(?:Error|Exception)\b"
    # Levels of loggers that have another name for it, and the mark of npm.
    r"|(?-i:\bCRITICAL\b *[:\]|>)-]|(?:^|[:\]|>] ?)\[?ERR(?:[]|]| ?: *[^\d\s.+-])"
    r"|^npm ERR! \w|^ERRO\[\d+\] "
    r"|\bSEVERE: |\d\d:\d\d\S*(?: ?[AP]M)? (?:SEVERE|ERR)\b|^Exception: \w)"
    r"|\d\d:\d\d:\d\d\b.*[\[<](?:critical|crit|err|alert|emerg)[\]>]"
    r"|\bl(?:eve|v)l=\"?(?:critical|crit|eror|dpanic|alert|emerg)\b"
    r"|\"(?:level|severity)\": ?\"(?:crit|err|alert|emerg)|\berrors occurred\b|^<err> \w"
    r"|\b(?:terminated|stopped|halted|ended|exited|failed) (?:because of|due to|by|on|with) "
    r"(?:an? |the )?errors\b"
    r"|\b(?:finished|ended|completed?|done|exited|stopped) with (?:\w+ ){0,2}(?:errors|failures)\b",
)
_NO_ERROR = compile_words(
    r"\(errors?\)|\b(?:failed|failures?|errors?|aborted|killed|rejected)(?: \w+)? ?[=:] ?0\b"
    r"|\bno (?:\w+ )?(?:error|failure)|\blog[ _-]?level\b"
    r"|(?:errors?|failed|failures?) *[=:] *[-+\d.]"
    r"|\d ?% (?:failed|errors?)\b"
    r"|\b(?:failed|failures?|errors?)(?: \w+)? ?[=:] ?(?:\[\]|\{\}|none|-)\s*$"
    r"|\berrors? (?:is|was|are|were|of):? *[-+]?(?:\d*\.\d|\d+(?:[eE]|\.| ?%))"
    r"|\berrors? (?:in|at|of|for|after|on) [\w ]{1,30}[:=] ?[-+]?\d*\.\d+(?:[eE][-+]?\d+)?\s*%?\s*$"
    r"|\b(?:aborted|killed|rejected) \w+s ?[=:] ?\d+\s*$"
    r"|\berrors?\]?(?: \([\w ]+\))? [-+]?\d*\.\d|\berrors? \d+[eE][-+]\d"
    r"|\berrors? (?:rate|bar|norm|metric|estimate|model|function|tolerance)s?\b"
    r"|\berror (?:log|file)s?(?:\W*$| ?[:=]| (?:is|was|are|were|written|at|in)\b)"
    r"|(?:erreur|fehler)\b.{0,60}[:=] ?[-+]?\d+[.,]\d|^wandb: "
    r"|(?:mean|squared?|absolute|relative|standard|rms|max(?:imum)?|training|test|l2) errors?\b"
    r"|^\s*--?\w|--[\w-]*(?:error|fail|abort|fatal)|/\w*error|\berror\w*/|\.(?:err|error)\b|\w_error\b|\berror_\w",
)
"""Quantities, options and names with the word error in them."""

_EXIT_0 = compile_words(
    r"\b(?:exit(?:ed|s)?|return(?:ed|s)?|end(?:ed)?|finish(?:ed)?|terminated|completed?)"
    r"(?: normally)?(?: with)?(?: an?)?(?: (?:exit|return|status|error))*"
    r"(?:[ _-](?:code|status|value))?(?: of)? ?[:=]? ?0\b(?:[^.:/]|\.?$|\. )"
    r"|\b(?:exit|return)[ _-](?:code|status|value)(?: (?:is|was|of))? ?[:=]? ?0\b",
)
"""What tells that a program ended as it should."""

_BAD_STATE = compile_words(r"^State: (?:[ABD-Z]|CA)[A-Z_]+\b.* \(exit", ignore_case=False)
"""What Slurm's ``seff`` says, beside an exit code 0, of a job that did not complete."""
_ANSWERED = compile_words(
    r"\bretry|\b(?:attempt|try) \d|\bfall(?:ing|s)? ?back|\btrying (?:again|another|the next|next)"
    r"|\bwill be (?:ignored|skipped)|\bre-?connect|\bdefaulting to\b|^GKS: can.t connect"
    r"|^\W*using (?:the |a |an )?(?:local|cached|previous|existing|built-?in|default|old|backup)\b",
)
"""What a program writes below an error that it met and goes on from."""

_ROW = compile_words(
    r"^\s+(?:MD\|\s*)?(?:step|iteration|iter|epoch|cycle)s?\b(?: (?:number|no\.?))?[ #:=]*\d|"
    r"^\s+(?:\S+\s+){0,4}\S*=\s*[-+]?\d+\.\d"
    r"|^\s+(?:[-+]?\d+(?:\.\d*)?(?:[edED][-+]?\d+)?\s+)+[-+]?\d+\.\d*(?:[edED][-+]?\d+)?\s*$",
)
"""Results, which Fortran programs write behind a space."""

SITE = compile_words(
    r"^/(?:software|opt|usr|etc|apps?|cvmfs|sw|cm)/|easybuild|/[lL]mod/", ignore_case=False
)

_SEVERAL = compile_words(
    r"(?i:\brank ?\d)|\bmpirun\b|\bmpiexec\b|MPI_|local_rank|SLURM_(?:LOCALID|PROCID)"
    r"|torch[./]distributed|^\[?\d+\]?: |Process \w*(?:Process|PoolWorker)-\d+|Exception in thread"
    r"|srun: error: \S+: tasks? \S+:|Global rank",
    ignore_case=False,
)

_SUCCESS = compile_words(
    r"\b(?:job|all|calculation|simulation|run|training|everything|computation) (?:is |has )?"
    r"(?:done|finished|complete[d]?|ended)\b|\bcompleted\b|\bsuccess(?:ful|fully)?\b"
    r"|\bgoal reached\b|\bnormal termination\b|\btraining complete\b|^\s*(?:all )?done[.!]?\s*$"
    r"|\bfinished\b|^real\s+[\d.m]+|\ball (?:\w+ ){1,2}(?:done|finished|complete[d]?)\b"
    r"|(?: |\t)done[.!]?\s*$|\b(?:results?|output|data|model) (?:was |were )?(?:written|saved) "
    r"(?:to|in)\b|^(?:wrote|saved|written|stored)\b[^:]* \S+\.\w+\W*$|^done in \d"
    r"|^total (?:wall|run|elapsed)[ -]?(?:clock )?time\b",
)

_RESULT = compile_words(
    r"\bnormal termination (?:of|at)\b|\bcompleted successfully\b|\bsuccessfully completed\b"
    r"|\b(?:model|results?|output|predictions|weights) (?:was |were )?(?:saved|written) (?:to|in)\b"
    r"|^(?:wrote|saved|written|stored)\b[^:]* \S+\.\w+\W*$|\bresults (?:are )?in \S*\w[./]\w",
)
_PASSED = compile_words(
    r"\bJOB DONE\.|\bBUILD SUCCESS(?:FUL)?\b|(?:^|\s)\[ *(?:OK|PASSED) *\]|\bPASSED\W*$",
    ignore_case=False,
)
"""What programs, and hardly any script, write when they reached a result."""

_STAGE = compile_words(
    r"\b(?:created?|loaded|opened|connected|connection|imported|initiali[sz]ed|initiali[sz]ation"
    r"|installed|read|parsed|logged in|login|activated|registered|compiled|mounted|copied"
    r"|download(?:ed|ing)?|set ?up|preprocessing|authenticated|launched|started|submitted)"
    r" (?:\w+ )?(?:successfully|success|successful|finished|complete|completed|done)\b"
    r"|\bsuccessfully (?:created|loaded|opened|connected|imported|initiali[sz]ed|installed|read"
    r"|parsed|logged in|activated|registered|compiled|mounted|copied|downloaded|set up|launched"
    r"|authenticated|started|submitted)\b"
    r"|^\s*Finished (?:`\w+` profile|\w+) \[[^\]]*\] target\(s\) in\b",
)
"""A step of the work that went well, and no end of it."""

_AT_WORK = compile_words(
    r"^(?:\S+ )?(?:loading|starting|launching|training|processing|downloading|computing|installing"
    r"|initiali[sz]ing|preparing|submitting|calculating|evaluating|simulating|solving)\b"
    r"[^:]*(?:\.\.\.|…)?$",
)
"""What programs write when they begin with something."""

_REPORT_DONE = compile_words(r"^Successfully completed\.$", ignore_case=False)
_REPORT_HEAD = compile_words(r"^(?:Sender: LSF|Resource usage summary:)", ignore_case=False)
_REPORT = 40
"""Lines that LSF's report has at most."""

_NOT_DONE = compile_words(
    r"(?:\b(?:not|never|without|before)\b|n[’']t)(?: \w+)? "
    r"(?:success\w*|complet\w+|finish\w*|done|ended)\b|\bunsuccessful|\(\d\d? ?%\) done\b",
)
"""What denies the end that the words after it name."""

_SCRIPT_END = compile_words(
    r"\b(?:job|script|all|everything) (?:is |has )?(?:done|finished|complete[d]?|ended)\b"
    r"|^(?:real|user|sys)\s+[\d.m]+|^\s*(?:all )?(?:done|finished|completed?)[.!]?\s*$"
    r"|\b(?:finish(?:ed)?|end(?:ed|ing)?|complete[d]?)(?: time)?(?: at| on| date)?:? "
    r".{0,20}\d\d:\d\d"
    r"|^end(?: of (?:the )?(?:job|script))?[.!]?$",
)
"""What scripts write at their end, however the program in them ended."""

_SCRIPT_JOB = compile_words(r"\b(?:job|script|all|everything|pipeline)\b.{0,40}\bsuccessfully\b")
"""What scripts like to write of themselves, without a look at what their programs did."""

_LAUNCHER = compile_words(
    r"^(?:Primary job|mpirun|mpiexec|prterun|a non-zero exit|the job to be terminated|thus causing"
    r"|causing$|Per user-direction|Process name|Exit code|with errorcode|NOTE: inv|You may or may"
    r"|exactly when|srun: |slurmstepd|Shutting down, this might|Exiting because a job|Complete log:"
    r"|Error in rule |Work dir:|Tip: )"
    r"|^ +(?:Process name|Exit code|jobid|input|output|log|shell|conda-env|cluster_jobid|rule"
    r"|reason|resources|wildcards): |^\s*\(one of the commands exited"
    r"|^\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\]$"
    r"|^ {8}\S",
    ignore_case=False,
)
"""What launchers and workflow programs write when a program of theirs has failed."""

_TAIL = 25
_LAST_LINES = 12
_LAST_WORDS = 4


def went_on(text: str) -> bool:
    """Tell whether the words of a line say that the program lives on."""
    return is_expected(text) or (says_it_lives(text) and not counts_failures(text))


def says_it_lives(text: str) -> bool:
    """Tell the same of the words of the program alone, not of the result of one test."""
    if _FORWARDED.search(text) is not None:
        return False
    if counts_none(text) == "error":
        return True
    if _WENT_ON.search(text) is None:
        return takes_instead(text)
    return " instead" not in text or _WENT_ON.search(_ADVICE.sub("", text)) is not None


def is_answer(text: str) -> bool:
    """Tell whether a program says how it goes on from the error above a line."""
    return _ANSWERED.search(text) is not None and _FORWARDED.search(text) is None


def is_life(text: str) -> bool:
    """Tell whether a line is ordinary output of a program."""
    return ALARM.search(text) is None and not is_noise(text)


def is_work(text: str) -> bool:
    """Tell whether a line has words or numbers and none of alarm; Fortran indents results."""
    return ALARM.search(text) is None and any(map(str.isalnum, text))


def is_noise(text: str) -> bool:
    """Tell whether a line says nothing about whether the program lives."""
    if _ALWAYS_NOISE.search(text) is not None:
        return _ROW.search(text) is None
    bare = without_prefix(text)
    return len(bare) < len(text) and _ALWAYS_NOISE.search(bare) is not None


def says_error(text: str) -> bool:
    """Tell whether a line, of whatever program, says that something failed."""
    if _SAYS_ERROR.search(text) is None or _EXIT_0.search(text) is not None:
        return False
    if _NO_ERROR.search(text) is not None or counts_none(text) or is_calm(text):
        return False
    return _SAYS_ERROR.search(without_expected(text)) is not None and not went_on(text)


def gives_up(text: str) -> bool:
    """Tell whether the words of a line say that a program can't go on."""
    if counts_failures(text):
        return True
    if not says_it_gives_up(text):
        return stops(text)
    if _NO_ERROR.search(text) is not None or counts_none(text) or is_calm(text):
        return False
    return not went_on(text)


def last_words(log: LogText, told: Collection[int] = ()) -> frozenset[int]:
    """Return the indices of the last lines of a log in which a program speaks.

    Those of `told`, and what launchers and scripts write after it, are no such lines.
    """
    found: list[int] = []
    for index in range(len(log.lines) - 1, max(-1, len(log.lines) - _TAIL - 1), -1):
        text = log.lines[index].text
        is_script = _SCRIPT_END.search(text) is not None and _NOT_DONE.search(text) is None
        skipped = is_script or index in told or _LAUNCHER.search(text)
        if not skipped and any(map(str.isalpha, text)):
            found.append(index)
            if len(found) == _LAST_WORDS:
                break
    return frozenset(found)


def without_prefix(text: str) -> str:
    """Return a line without the rank, the node and the time before it."""
    return _PREFIX.sub("", text)


def is_parallel(logs: list[LogText]) -> bool:
    """Tell whether several processes or threads wrote the logs."""
    return any(_SEVERAL.search(line.text) for log in logs for line in log.lines)


def only_script_ended(log: LogText) -> bool:
    """Tell whether the last lines say that the script ended, and no program that all is well.

    Scripts write such lines also when the program before them has failed.
    """
    good = [x.text for x in log.lines[-_TAIL:] if _is_end(x.text)]
    return bool(good) and all(map(_SCRIPT_END.search, good))


def is_of_launcher(text: str) -> bool:
    """Tell whether a launcher or a workflow program says that a program of its failed."""
    return _LAUNCHER.search(text) is not None


def ends_well(log: LogText) -> bool:
    """Tell whether the last lines of a log speak of success, and no work goes on after it."""
    return end_of(log) is not None


def end_of(log: LogText) -> int | None:
    """Return the place of the last line that speaks of success, where no work follows it."""
    for index in range(len(log.lines) - 1, max(-1, len(log.lines) - _TAIL - 1), -1):
        text = log.lines[index].text
        if _is_end(text):
            return index
        if PROGRESS.search(text) is not None or _AT_WORK.search(text) is not None:
            return None
    return None


def result_of(log: LogText) -> int | None:
    """Return the place of a program's own word of its result, where no alarm follows it.

    The last words of scripts, which they write whatever happened before, are none.
    """
    for index in range(len(log.lines) - 1, max(-1, len(log.lines) - _LAST_LINES - 1), -1):
        text = log.lines[index].text
        if says_error(text) or gives_up(text) or PROGRESS.search(text) or _AT_WORK.search(text):
            return None
        if _is_result(text) and _SCRIPT_JOB.search(text) is None:
            return index
    return None


def is_told_done(log: LogText) -> bool:
    """Tell whether the scheduler's own report in a log says that the job ended well."""
    return any(_REPORT_DONE.search(line.text) is not None for line in log.lines[-_REPORT:]) and any(
        _REPORT_HEAD.search(line.text) is not None for line in log.lines[-_REPORT:]
    )


def _is_end(text: str) -> bool:
    if _BAD_STATE.search(text) is not None:
        return False
    if _EXIT_0.search(text) is not None:
        return True
    if _STAGE.search(text) is not None or ALARM.search(text) is not None:
        return False
    is_good = _SUCCESS.search(text) is not None or _is_result(text)
    return is_good and _NOT_DONE.search(text) is None


def _is_result(text: str) -> bool:
    bare = without_prefix(text)
    if _PASSED.search(bare) is not None:
        return True
    return _RESULT.search(bare) is not None and _STAGE.search(bare) is None
