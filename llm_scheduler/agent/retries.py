"""Asking a model: within the budget and the time limits, again after what may pass.

`ask` is the one way to call a model. `bounded_stream` is for those who read a stream in
that call: a client's own time limit does not end a stream that stalls.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from llm_scheduler.agent.budget import Budget, Reservation
from llm_scheduler.agent.model_choice import name_of
from llm_scheduler.agent.model_errors import explain_failure, remember_keys, retry_after_s
from llm_scheduler.agent.usage import (
    EXPECTED_OUTPUT_TOKENS,
    count_usage,
    estimate_tokens,
    text_of,
    written_in,
)
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import BudgetSpent, ModelError, StoreError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 60.0
"""A server that asks for more is given up: nobody waits that long for an answer."""
MAX_ANSWER_CHARS = 400_000
"""Of one answer; more is no answer but a fault."""
NEAR_TOKENS = 32_000
"""With less than this left, the server is told where to stop."""


@dataclass(frozen=True)
class Patience:
    """How to wait between two tries; tests give their own."""

    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """Returns a number from 0 to 1."""

    def pause_s(self, n_done: int, asked_s: float | None) -> float:
        """Return how long to wait after so many tries, in seconds."""
        if asked_s is not None:
            return asked_s
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (n_done - 1))
        # Jobs that were refused together must not come back together.
        return pause_s * (0.5 + 0.5 * self.jitter())


PATIENCE = Patience()


async def ask(
    models: Sequence[BaseChatModel],
    call: Callable[[BaseChatModel], Awaitable[T]],
    *,
    settings: LLMSettings,
    budget: Budget | None,
    on_notice: Callable[[str], Any] = lambda _: None,
    input_tokens: int = 0,
    patience: Patience = PATIENCE,
) -> T:
    """Call a model, again where that makes sense, then the fallback.

    Parameters
    ----------
    models
        In the order in which they are tried.
    call
        Makes one call; raises whatever the client raises.
    settings
        The time limits and the number of retries.
    budget
        Every try is counted there before it is made.
    on_notice
        Gets a sentence whenever somebody who waits should know why.
    input_tokens
        About how many tokens will be read.

    Raises
    ------
    BudgetSpent
        Before a try that would be over a limit.
    ModelError
        What the last try ended with.

    """
    error: ModelError | None = None
    remember_keys(settings, models)
    for i, model in enumerate(models):
        if error is not None:
            on_notice(f"{error} Asking {name_of(model)!r} instead.")
        try:
            return await _ask_one(model, call, settings, budget, on_notice, input_tokens, patience)
        except BudgetSpent:
            raise
        except ModelError as exc:
            log.info("model %d of %d gave up: %s", i + 1, len(models), exc)
            error = exc
    raise error or ModelError("No model is configured.", kind="missing")


async def _ask_one(
    model: BaseChatModel,
    call: Callable[[BaseChatModel], Awaitable[T]],
    settings: LLMSettings,
    budget: Budget | None,
    on_notice: Callable[[str], Any],
    input_tokens: int,
    patience: Patience,
) -> T:
    n_tries = settings.max_retries + 1
    for n_done in range(1, n_tries + 1):
        try:
            return await _call_once(model, call, settings, budget, input_tokens)
        except BudgetSpent:
            raise
        except _Failed as failed:
            error, cause = failed.error, failed.cause
        asked_s = retry_after_s(cause)
        if asked_s is not None and asked_s > LONGEST_RETRY_AFTER_S:
            raise ModelError(
                f"{error} The server asks to wait {asked_s:.0f} s.", kind=error.kind, may_pass=True
            ) from cause
        if not error.may_pass or n_done == n_tries:
            raise error from cause
        pause_s = patience.pause_s(n_done, asked_s)
        on_notice(f"{error} Asking again in {pause_s:.0f} s ({n_done + 1} of {n_tries}).")
        await patience.sleep(pause_s)
    raise AssertionError  # the last try returns or raises


class _Failed(Exception):
    """Carries what a call raised, and what it means."""

    def __init__(self, error: ModelError, cause: BaseException) -> None:
        super().__init__(str(error))
        self.error = error
        self.cause = cause


async def _call_once(
    model: BaseChatModel,
    call: Callable[[BaseChatModel], Awaitable[T]],
    settings: LLMSettings,
    budget: Budget | None,
    input_tokens: int,
) -> T:
    """Make one call within the time limit; what it took is counted however it ends."""
    held = _reserve(budget, input_tokens)
    meter = Meter(budget, held)
    token = _meter.set(meter)
    try:
        async with asyncio.timeout(settings.total_timeout_s) as limit:
            answer = await call(model)
    except BudgetSpent:
        _settle(budget, held, input_tokens if meter.n_output else 0, meter.n_output)
        raise
    except Exception as exc:
        error = _explain(exc, settings, name_of(model))
        if limit.expired():
            error = _took_too_long(settings)
        # The server has read what it then did not answer to the end; a refusal costs nothing.
        is_refusal = not meter.n_output and error.kind not in ("timeout", "answer")
        _settle(budget, held, 0 if is_refusal else input_tokens, meter.n_output)
        raise _Failed(error, exc) from exc
    except BaseException:  # cancelled: what was read by then is paid for
        _settle(budget, held, input_tokens, meter.n_output)
        raise
    finally:
        _meter.reset(token)
    _settle(budget, held, *count_usage(answer, input_tokens))
    return answer


class Meter:
    """Counts what a call writes while it is written, so that a limit holds in its middle.

    Parameters
    ----------
    budget
        With the limits; ``None`` for none.
    held
        What was counted for the call before it was made.

    """

    def __init__(self, budget: Budget | None, held: Reservation | None) -> None:
        self._budget = budget
        self._held = held
        self.n_output = 0
        """Tokens, as an estimate."""

    def add(self, n_tokens: int) -> None:
        """Count more; raises `BudgetSpent` when it is over a limit."""
        self.n_output += n_tokens
        if self._budget is None or self._held is None:
            return
        while self.n_output > self._held.output_tokens:
            self._budget.extend(self._held, EXPECTED_OUTPUT_TOKENS)

    def room(self) -> int | None:
        """Return how much may be written in all; ``None`` without a limit that is near."""
        if self._budget is None or self._held is None:
            return None
        left = self._held.room
        if left is None or left > NEAR_TOKENS:
            return None
        return left + self._held.output_tokens


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


def output_bound(model: Any) -> dict[str, int]:
    """Return the argument that lets a server end an answer where the budget ends.

    For those of whose clients we know its name, and only near the limit: some models think
    at length before they write.
    """
    meter = _meter.get()
    classes = {cls.__name__ for cls in type(getattr(model, "bound", model)).__mro__}
    if meter is None or not classes & {"BaseChatOpenAI", "ChatAnthropic"}:
        return {}
    room = meter.room()
    return {} if room is None else {"max_tokens": max(1, room)}


def _reserve(budget: Budget | None, input_tokens: int) -> Reservation | None:
    try:
        return budget.reserve(input_tokens, EXPECTED_OUTPUT_TOKENS) if budget is not None else None
    except StoreError as exc:
        # A limit that can't be counted would not hold.
        raise ModelError(f"The model is not asked: its budget {exc}", kind="budget") from exc


def _settle(budget: Budget | None, held: Reservation | None, n_in: int, n_out: int) -> None:
    if budget is not None and held is not None:
        try:
            budget.settle(held, n_in, n_out)
        except StoreError as exc:
            log.warning("what a call took is not written, what was expected is counted: %s", exc)


def _explain(exc: Exception, settings: LLMSettings, name: str) -> ModelError:
    error = explain_failure(exc, settings, model=name)
    if error.kind == "answer" and not isinstance(exc, ModelError):
        log.info("the answer of model %r can't be read: %s", name, type(exc).__name__)
    return error


async def bounded_stream(
    chunks: AsyncIterator[T],
    settings: LLMSettings,
    *,
    max_chars: int = MAX_ANSWER_CHARS,
) -> AsyncIterator[T]:
    """Yield the chunks of an answer, as long as they keep coming.

    Raises
    ------
    ModelError
        The next one did not come within `timeout_s`, the answer took longer than
        `total_timeout_s`, or it is longer than `max_chars`.

    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + settings.total_timeout_s
    n_chars = 0
    source: Any = chunks
    async with aclosing(source):
        while True:
            try:
                left_s = max(0.0, deadline - clock())
                async with asyncio.timeout(min(settings.timeout_s, left_s)):
                    chunk = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                if left_s <= settings.timeout_s:
                    raise _took_too_long(settings) from exc
                raise _went_silent(settings) from exc
            n_chars += len(text_of(chunk))
            if (meter := _meter.get()) is not None:
                meter.add(estimate_tokens(written_in(chunk)))
            if n_chars > max_chars:
                raise ModelError(
                    f"The answer of the model is longer than {max_chars:,} characters; "
                    "it was cut off.",
                    kind="answer",
                )
            yield chunk


def _went_silent(settings: LLMSettings) -> ModelError:
    return ModelError(
        f"The model did not answer for {settings.timeout_s:g} s.", kind="timeout", may_pass=True
    )


def _took_too_long(settings: LLMSettings) -> ModelError:
    return ModelError(
        f"The answer took longer than {settings.total_timeout_s:g} s (total_timeout_s).",
        kind="timeout",
    )
