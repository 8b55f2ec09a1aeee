"""Logs: untrusted bytes in, bounded evidence out."""

from llm_scheduler.logs.digest import digest_log, make_digest
from llm_scheduler.logs.fingerprint import fingerprint
from llm_scheduler.logs.known import is_known, known_lines
from llm_scheduler.logs.models import Frame, LogDigest, LogLine, LogText, Traceback
from llm_scheduler.logs.normal_form import normalise
from llm_scheduler.logs.redaction import redact
from llm_scheduler.logs.scanner import scan_log
from llm_scheduler.logs.tracebacks import parse_tracebacks

__all__ = [
    "Frame",
    "LogDigest",
    "LogLine",
    "LogText",
    "Traceback",
    "digest_log",
    "fingerprint",
    "is_known",
    "known_lines",
    "make_digest",
    "normalise",
    "parse_tracebacks",
    "redact",
    "scan_log",
]
