"""Exit codes and signals in words."""

from __future__ import annotations

SHELL_BASE = 128
PBS_BASE = 256
MAX_SIGNAL = 64

_SIGNALS = {
    1: ("SIGHUP", "its terminal was closed"),
    2: ("SIGINT", "it was interrupted, as by Ctrl-C"),
    3: ("SIGQUIT", "it was told to quit"),
    4: ("SIGILL", "it met an instruction that this processor does not have"),
    5: ("SIGTRAP", "it ran into a trap of the compiler or a debugger"),
    6: ("SIGABRT", "it gave up on its own check"),
    7: ("SIGBUS", "it used memory that could not be supplied"),
    8: ("SIGFPE", "a division by zero or another calculation that is not allowed"),
    9: ("SIGKILL", "it was killed from outside"),
    10: ("SIGUSR1", "a warning sent by the scheduler or a script"),
    11: ("SIGSEGV", "it used memory that is not its own"),
    12: ("SIGUSR2", "a warning sent by the scheduler or a script"),
    13: ("SIGPIPE", "nothing read its output any more"),
    14: ("SIGALRM", "its own timer went off"),
    15: ("SIGTERM", "it was told to end"),
    24: ("SIGXCPU", "it used more processor time than it may"),
    25: ("SIGXFSZ", "it wrote a larger file than it may"),
    31: ("SIGSYS", "it made a system call that is not allowed"),
}
_CODES = {
    2: "as commands do that were called wrongly",
    125: "as containers and `timeout` do that could not start the command",
    126: "the shell found the command but could not run it",
    127: "the shell did not find the command",
}


def explain_signal(signal: int) -> str:
    """Say what a signal is: ``signal 9 (SIGKILL: it was killed from outside)``."""
    name, meaning = _SIGNALS.get(signal, ("", ""))
    return f"signal {signal} ({name}: {meaning})" if name else f"signal {signal}"


def name_signal(signal: int) -> str:
    """Name a signal: ``signal 9 (SIGKILL)``."""
    name, _ = _SIGNALS.get(signal, ("", ""))
    return f"signal {signal} ({name})" if name else f"signal {signal}"


def signal_in_code(code: int) -> int | None:
    """Return the signal that an exit code tells.

    Shells report 128 + signal, PBS 256 + signal, Python's subprocess -signal.
    """
    for base in (SHELL_BASE, PBS_BASE):
        if base < code <= base + MAX_SIGNAL:
            return code - base
    return -code if -MAX_SIGNAL <= code < 0 else None


def explain_code(code: int) -> str:
    """Say what an exit code tells: ``exit code 137: killed by signal 9 (SIGKILL)``."""
    signal = signal_in_code(code)
    if signal in _SIGNALS:
        return f"exit code {code}: killed by {name_signal(signal)}"
    meaning = _CODES.get(code)
    return f"exit code {code}: {meaning}" if meaning and code > 2 else f"exit code {code}"
