"""The built-in causes in one file that is quick to read.

Parsing fifty TOML files takes a third of a second, in every worker and for every
command. The snapshot holds the same causes, with what else can be told of their
patterns, and is only used as long as it was made from the files as they are.

``make catalog`` makes it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_scheduler.diagnosis import patterns
from llm_scheduler.diagnosis.catalog_files import Entry, Place
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.logs.alarms import WORDS

NAME = "snapshot.json"
"""Name of the file, in the folder of the TOML files."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one folder of TOML files says."""

    entries: tuple[tuple[Cause, Entry], ...]
    """Each cause, with the place where it stands."""
    literals: Mapping[str, frozenset[str]]
    """The plain texts of each pattern, see `patterns.literals_of`."""


def read_snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot of a folder; ``None`` when there is none or it is out of date."""
    try:
        values = json.loads((folder / NAME).read_bytes())
        if values["sources"] != hash_sources(folder):
            return None
        entries = tuple(_read_entry(folder, line) for line in values["causes"])
        literals = {key: frozenset(texts) for key, texts in values["literals"].items()}
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None  # the TOML files are there
    return Snapshot(entries, literals)


def _read_entry(folder: Path, line: Mapping[str, Any]) -> tuple[Cause, Entry]:
    place = Place(str(folder / line["file"]), line["line"])
    return Cause.model_validate(line["cause"]), Entry("cause", line["cause"], place, ())


def hash_sources(folder: Path) -> str:
    """Return a name of all that a snapshot is made from: the files, and our own words."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.toml")):
        whole.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    whole.update("\0".join(WORDS).encode())
    whole.update(Path(patterns.__file__).read_bytes())
    return whole.hexdigest()


def write_snapshot(folder: Path, entries: Sequence[tuple[Cause, Place]]) -> Path:
    """Write the snapshot of a folder, a cause a line; returns its path."""
    causes = [
        {
            "file": Path(place.file).name,
            "line": place.line,
            "cause": cause.model_dump(mode="json", exclude_defaults=True),
        }
        for cause, place in entries
    ]
    literals = {
        pattern: sorted(patterns.literals_of(pattern))
        for cause, _ in entries
        for pattern in cause.patterns
    }
    lines = [json.dumps(cause, ensure_ascii=False) for cause in causes]
    body = ",\n".join(lines)
    text = (
        f'{{"sources": "{hash_sources(folder)}",\n"causes": [\n{body}\n],\n'
        f'"literals": {json.dumps(literals, ensure_ascii=False, indent=0)}}}\n'
    )
    path = folder / NAME
    path.write_text(text, encoding="utf-8")
    return path
