"""The scientific program that wrote an error, told by the lines it prints at its start.

Many messages are written in the words of any program; people look for the name of
the one that stopped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.diagnosis.candidates import Candidate, is_general
from llm_scheduler.logs.models import LogText

_HEADS = (
    ("GROMACS", r":-\) +GROMACS - |^GROMACS: +gmx\b"),
    ("LAMMPS", r"^LAMMPS \(\d"),
    ("NAMD", r"^(?:Info: |Charm\+\+> .*)?NAMD \d"),
    ("AMBER", r"^\s+Amber \d+ (?:SANDER|PMEMD)"),
    ("VASP", r"^\s*vasp\.\d\.\d"),
    ("Quantum ESPRESSO", r"^\s+Program [A-Z]+ v\.\d.* starts on "),
    ("CP2K", r"^ CP2K\| version string"),
    ("Gaussian", r"^\s*Entering Gaussian System"),
    ("ORCA", r"\* O   R   C   A \*"),
    ("NWChem", r"Northwest Computational Chemistry Package \(NWChem\)"),
    ("SIESTA", r"^Siesta Version *:"),
    ("OpenFOAM", r"OpenFOAM: The Open Source CFD Toolbox"),
    ("WRF", r"^\s+WRF V\d"),
    ("MATLAB", r"< M A T L A B \(R\) >"),
    ("GATK", r"The Genome Analysis Toolkit \(GATK\) v"),
)
"""Names of programs, and what stands at the head of their output."""
_HEAD = re.compile("|".join(f"(?P<p{i}>{form})" for i, (_, form) in enumerate(_HEADS)))
_END = re.compile(
    r"^GROMACS reminds you|^Total wall time:|^WallClock: |\bJOB DONE\b|Normal termination|NORMALLY"
    r"|SUCCESS COMPLETE WRF|^Finalising parallel run|PROGRAM ENDED AT|^End$"
    r"|Total times +cpu:|General timing and accounting|\.done\. Elapsed time"
)
"""The last words of these programs."""
_MAX_CHARS = 200
_SUBJECT = re.compile(r"^(?:A|The) program (?=(?!to be |that )[a-z])")
_SHELL = re.compile(r"^(?:\S*/)?(?:bash|sh|zsh|ksh|csh|tcsh|slurm_script|\S+\.sh): ")


def put_name(
    title: str,
    explanation: str,
    candidate: Candidate,
    logs: Sequence[LogText],
) -> tuple[str, str]:
    """Return title and explanation with the program's name in words that fit any program."""
    if not (is_general(candidate.cause) or _SUBJECT.match(explanation)):
        return title, explanation
    name = _find_name(candidate, logs)
    if not name or name.lower() in f"{title} {explanation}".lower():
        return title, explanation
    named = _SUBJECT.sub(f"{name} ", title)
    if named == title:
        named = f"{name}: {title[0].lower()}{title[1:]}"
    return named, _SUBJECT.sub(f"{name} ", explanation)


def _find_name(candidate: Candidate, logs: Sequence[LogText]) -> str:
    """Return the name of the program that wrote the line of a candidate, or ``""``."""
    if candidate.traceback is not None or not candidate.line or _SHELL.match(candidate.text):
        return ""
    name = ""
    for log in logs:
        for line in log.lines[: candidate.order] if log.file == candidate.file else ():
            text = line.text[:_MAX_CHARS]
            if (found := _HEAD.search(text)) is not None:
                name = _HEADS[int(str(found.lastgroup)[1:])][0]
            elif name and _END.search(text) is not None:
                name = ""
    return name
