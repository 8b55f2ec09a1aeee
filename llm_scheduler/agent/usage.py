"""How many tokens a call took: as the server says, else as an estimate.

The estimate is meant to be high rather than low: a limit holds only if what is counted
is not less than what is used.
"""

from __future__ import annotations

from typing import Any

CHARS_PER_TOKEN = 4
"""Of English and code, by the rule that providers publish."""
EXPECTED_OUTPUT_TOKENS = 1000
"""What an answer is expected to take before it is there."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is; outside ASCII each character counts as one."""
    n_ascii = len(text) if text.isascii() else sum(char < "\x80" for char in text)
    return -(-n_ascii // CHARS_PER_TOKEN) + len(text) - n_ascii


def count_usage(answer: Any, input_tokens: int = 0) -> tuple[int, int]:
    """Return the tokens that a call read and wrote.

    Parameters
    ----------
    answer
        A message, or whatever holds one: a LangChain result or a list of messages.
    input_tokens
        What is taken for read where the server says nothing.

    """
    message = find_message(answer)
    usage = getattr(message, "usage_metadata", None)
    if usage and (usage.get("input_tokens") or usage.get("output_tokens")):
        return _as_count(usage.get("input_tokens")), _as_count(usage.get("output_tokens"))
    written = text_of(message)
    written += "".join(str(call.get("args", "")) for call in getattr(message, "tool_calls", ()))
    return input_tokens, estimate_tokens(written)


def find_message(answer: Any) -> Any:
    """Return the last message of an answer."""
    for _ in range(3):
        inner = getattr(answer, "result", answer)
        if isinstance(inner, (list, tuple)):
            inner = inner[-1] if inner else None
        if inner is answer:
            break
        answer = inner
    return answer


def text_of(message: Any) -> str:
    """Return the text of a message, whose content may be a text or a list of blocks."""
    content = getattr(message, "content", message)
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part if isinstance(part, str) else part.get("text", "") for part in content)
    return "".join(part for part in parts if isinstance(part, str))


def written_in(chunk: Any) -> str:
    """Return all that a piece of an answer took to write: text, thoughts, tool calls."""
    parts = [text_of(chunk)]
    parts += [str(call.get("args") or "") for call in getattr(chunk, "tool_call_chunks", ())]
    more = getattr(chunk, "additional_kwargs", None) or {}
    parts.append(str(more.get("reasoning_content") or ""))
    return "".join(parts)


def _as_count(value: Any) -> int:
    """Return a number that a server gave, which may be anything."""
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
