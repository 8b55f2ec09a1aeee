"""Ctrl-C that waits for a moment at which it does no harm."""

from __future__ import annotations

import signal
import threading

import pytest

from llm_scheduler.cli.interrupts import Interrupts


def test_an_interrupt_comes_at_once() -> None:
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_held_interrupt_comes_when_asked_for(number: int) -> None:
    with Interrupts() as interrupts:
        with interrupts.hold():
            interrupts.check()
            signal.raise_signal(number)
            signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_handlers_are_put_back_and_others_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    usual = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is not usual
        assert signal.getsignal(signal.SIGINT) is usual
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_nothing_is_changed() -> None:
    found = []

    def run() -> None:
        with Interrupts() as interrupts, interrupts.hold():
            interrupts.check()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
