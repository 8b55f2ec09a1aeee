"""Asking for JSON: by the server's own means where it has any, else by the prompt alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.model_choice import name_of
from llm_scheduler.agent.model_errors import explain_failure, status_of
from llm_scheduler.config import LLMSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

log = logging.getLogger(__name__)

_REFUSALS = frozenset({400, 404, 415, 422, 500, 501})
"""With which servers answer a ``response_format`` that they don't know."""


class JSONAsker:
    """Asks models for an object of one form, and remembers which servers refuse the schema.

    Parameters
    ----------
    name
        Of the form.
    schema
        As JSON schema, plain enough for every server.

    """

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        self._name = name
        self._schema = dict(schema)
        self._without: set[str] = set()

    async def ask(
        self,
        model: BaseChatModel,
        messages: Sequence[BaseMessage],
        settings: LLMSettings,
        budget: Budget | None = None,
    ) -> AIMessage:
        """Make one call; a second one without the schema where the server refuses it."""
        from llm_scheduler.agent.answers import read_answer

        place = f"{name_of(model)} {getattr(model, 'openai_api_base', '')}"
        bound = None if place in self._without else self._bind(model)
        if bound is None:
            return await read_answer(model, messages, settings, _pass_over)
        try:
            return await read_answer(bound, messages, settings, _pass_over)
        except Exception as exc:
            if not self._is_refusal(exc, settings):
                raise
        if budget is not None:  # the call that was refused was one, too
            budget.reserve()
        answer = await read_answer(model, messages, settings, _pass_over)
        log.info("%s refuses a JSON schema; it is asked by the prompt alone", name_of(model))
        self._without.add(place)  # only now is it known that the schema was the reason
        return answer

    def _bind(self, model: BaseChatModel) -> Runnable[Any, Any] | None:
        """Return the model with the schema; ``None`` where we know no way to give it."""
        classes = {cls.__name__ for cls in type(model).__mro__}
        if "BaseChatOpenAI" in classes:
            form = {"name": self._name, "schema": self._schema, "strict": True}
            return model.bind(response_format={"type": "json_schema", "json_schema": form})
        if "ChatOllama" in classes:
            return model.bind(format=self._schema)
        return None

    def _is_refusal(self, exc: Exception, settings: LLMSettings) -> bool:
        """Tell a server that does not know the schema from one that fails."""
        status = status_of(exc)
        if status not in _REFUSALS or explain_failure(exc, settings).kind == "context":
            return False
        text = f"{exc} {getattr(exc, 'body', '')}".lower()
        words = ("response_format", "json_schema", "schema", "grammar", "structured", "format")
        # A plain 400 may mean anything: one more try tells.
        return status in (400, 422) or any(word in text for word in words)


def _pass_over(_message_id: str, _text: str) -> None:
    """Nobody reads along."""
