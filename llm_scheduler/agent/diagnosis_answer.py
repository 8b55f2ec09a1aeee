"""The form of a model's diagnosis: the schema it gets, and reading what it answers."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_scheduler.diagnosis.models import Category, RemedyKind
from llm_scheduler.logs.text import clean_line

MAX_TITLE = 200
MAX_EXPLANATION = 4000
MAX_DETAILS = 2000
MAX_LIST = 8
_MAX_PROBLEMS = 5
_THOUGHTS_END = ("</think>", "</thinking>")


class AnswerError(ValueError):
    """An answer does not have the form; the text tells the model what is wrong."""


class _Part(BaseModel):
    # Models add fields of their own; that alone is no reason to ask again.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Quotation(_Part):
    """A line that the model says is in a log."""

    file: str
    line: int
    text: str


class ProposedRemedy(_Part):
    """One thing to do, as the model says it; ``""`` and 0 where it says nothing."""

    kind: RemedyKind
    summary: str
    details: str
    memory: str
    time: str
    exclude: str
    file: str
    line: int


class DiagnosisAnswer(_Part):
    """What the model is asked for."""

    category: Category
    title: str = Field(min_length=1)
    explanation: str = Field(min_length=1)
    evidence: list[Quotation]
    confidence: float = Field(ge=0, le=1)
    doubts: list[str]
    remedies: list[ProposedRemedy]


def make_schema() -> dict[str, Any]:
    """Return the form as the plain JSON schema that every server understands.

    All fields are required, nothing has a default, and there is no ``oneOf``, no
    ``$ref`` and no limit on sizes: servers of local models refuse these.
    """
    schema = DiagnosisAnswer.model_json_schema()
    definitions = schema.pop("$defs", {})
    return _plain(schema, definitions)


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(entry, definitions) for entry in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    if node.get("type") == "object":
        fields = {name: _plain(x, definitions) for name, x in node["properties"].items()}
        return {
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": False,
        }
    kept = ("type", "enum", "items", "anyOf")
    return {name: _plain(node[name], definitions) for name in kept if name in node}


def read_answer(text: str) -> DiagnosisAnswer:
    """Read what the model answered; text around the JSON is passed over.

    Raises
    ------
    AnswerError
        There is no JSON object in it, or it does not have the form.

    """
    try:
        return DiagnosisAnswer.model_validate(_find_object(text))
    except ValidationError as exc:
        problems = [
            f"{'.'.join(map(str, error['loc'])) or 'answer'}: {error['msg']}"
            for error in exc.errors(include_url=False, include_input=False)
        ]
        shown = "; ".join(problems[:_MAX_PROBLEMS])
        raise AnswerError(f"The JSON does not have the form: {shown}.") from exc


def _find_object(text: str) -> dict[str, Any]:
    """Return the first JSON object of a text that has the fields."""
    for mark in _THOUGHTS_END:
        text = text.rpartition(mark)[2]
    decoder = json.JSONDecoder()
    problem = "there is none"
    start = text.find("{")
    for _ in range(20):
        if start < 0:
            break
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as exc:
            problem = str(exc)
        else:
            if isinstance(found, dict) and "category" in found:
                return found
        start = text.find("{", start + 1)
    raise AnswerError(f"A JSON object with the field 'category' is needed; {problem}.")


def clean_title(text: str, max_chars: int = MAX_TITLE) -> str:
    """Return a text as one line, without control characters, cut where it is too long."""
    line = " ".join(clean_line(" ".join(text.split()).encode(errors="replace")).split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def clean_markdown(text: str, max_chars: int) -> str:
    """Return a text of several lines without control characters, cut where it is too long."""
    lines = (clean_line(line.encode(errors="replace")) for line in text[:100_000].splitlines())
    cleaned = "\n".join(lines).strip()
    return cleaned if len(cleaned) <= max_chars else cleaned[: max_chars - 1] + "…"
