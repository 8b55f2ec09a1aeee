"""The examples of the documentation: find them, run them, compare or renew their output.

In a page, a ``python`` block followed by a ``text`` block is code with its output, and a
``console`` block holds commands after ``$`` with theirs. Comments before a block say more:
``<!-- file: NAME -->`` writes it to a file, ``<!-- not run: REASON -->`` only compiles it,
``<!-- environment: A=B -->`` sets a variable for it, ``<!-- last lines: N -->`` shows the
end of its output only. A page runs in a folder of its own
with a copy of ``docs/examples``.

``python -m tests.doc_examples`` renews the outputs that stand in the pages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LIMIT_S = 400

_BLOCK = re.compile(
    r"(?P<marks>(?:^<!-- [^\n]*? -->\n)*)^```(?P<kind>\w+)\n(?P<body>.*?)^```$"
    r"(?P<output>\n\n?^```text\n(?P<expected>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- (file|not run|environment|last lines): (.*?) -->")

# Runs blocks in one namespace and writes what each of them printed, as JSON at the end.
# Where one of them awaits something, all run as in a notebook: while an event loop runs.
_DRIVER = """
import ast, asyncio, contextlib, inspect, io, json, sys
sys.path.insert(0, "")
outputs = []
async def run(codes):
    for code in codes:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            waiting = eval(code, globals())
            if code.co_flags & inspect.CO_COROUTINE:
                await waiting
        outputs.append(out.getvalue())
if __name__ == "__main__":
    awaits = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    codes = [compile(block["body"], block["name"], "exec", flags=awaits)
             for block in json.load(open(".blocks.json"))]
    if any(code.co_flags & inspect.CO_COROUTINE for code in codes):
        asyncio.run(run(codes))
    else:
        with contextlib.suppress(StopIteration):
            run(codes).send(None)
    json.dump(outputs, open(".outputs.json", "w"))
"""


@dataclass
class Example:
    """One block of a page."""

    kind: str
    body: str
    expected: str
    span: tuple[int, int]
    """Where the expected output stands in the page; empty for none."""
    name: str
    marks: dict[str, str] = field(default_factory=dict)
    output: str | None = None
    """What really came out."""


def pages() -> list[Path]:
    """Return all pages with examples."""
    found = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    return sorted([*found, ROOT / "README.md"])


def find_examples(page: Path) -> list[Example]:
    """Return the blocks of a page that are code, commands or files."""
    text = page.read_text()
    examples = []
    for match in _BLOCK.finditer(text):
        marks = dict(_MARK.findall(match["marks"]))
        line = text.count("\n", 0, match.start("kind")) + 1
        example = Example(
            match["kind"], match["body"], "", (0, 0), f"{page.name}:{line}", marks
        )  # fmt: skip
        if match["kind"] == "console":
            first = match["body"].index("\n") + 1
            example.body, example.expected = match["body"][:first], match["body"][first:]
            example.span = (match.start("body") + first, match.end("body"))
        elif match["kind"] == "python" and match["output"] is not None:
            example.expected, example.span = match["expected"], match.span("expected")
        elif match["kind"] != "python" and "file" not in marks:
            continue
        examples.append(example)
    return examples


def run_page(page: Path, folder: Path) -> list[Example]:
    """Run the examples of a page in a folder and return them with their outputs."""
    examples = find_examples(page)
    shutil.copytree(DOCS / "examples", folder, dirs_exist_ok=True)
    for example in examples:
        if "file" in example.marks:
            path = folder / example.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.body)
        elif example.kind == "python" and "not run" in example.marks:
            check_syntax(example)
    run = [e for e in examples if not {"file", "not run"} & set(e.marks)]
    _run_python([e for e in run if e.kind == "python"], folder)
    for example in run:
        if example.kind == "console":
            example.output = _run_command(example, folder)
    return run


def check_syntax(example: Example) -> None:
    """Compile a block that is not run; `await` may stand in it as in a notebook."""
    import ast

    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compile(example.body, example.name, "exec", flags=flags)


def _environment(folder: Path, example: Example | None = None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    extra = example.marks.get("environment", "") if example else ""
    return {
        **kept,
        "HOME": str(folder / ".home"),
        "LLM_SCHEDULER_CONFIG_DIR": str(folder / ".config"),
        "COLUMNS": "86",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **dict(pair.split("=", 1) for pair in extra.split()),
    }


def _run_python(examples: list[Example], folder: Path) -> None:
    if not examples:
        return
    blocks = [{"body": example.body, "name": example.name} for example in examples]
    (folder / ".blocks.json").write_text(json.dumps(blocks))
    (folder / ".driver.py").write_text(_DRIVER)
    done = subprocess.run(
        [sys.executable, ".driver.py"], cwd=folder, env=_environment(folder),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{examples[0].name} and what follows failed:\n{done.stderr}")
    outputs = json.loads((folder / ".outputs.json").read_text())
    for example, output in zip(examples, outputs, strict=True):
        example.output = output


def _run_command(example: Example, folder: Path) -> str:
    program, *arguments = shlex.split(example.body.removeprefix("$ "))
    assert program == "llm-scheduler", example.name
    done = subprocess.run(
        [sys.executable, "-m", "llm_scheduler", *arguments], cwd=folder,
        env=_environment(folder, example), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{example.name}: {example.body}{done.stderr}")
    text = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    lines = text.strip("\n").splitlines()
    n_last = int(example.marks.get("last lines", len(lines)))
    if n_last < len(lines):
        lines = ["...", *lines[-n_last:]]
    return "\n".join(lines) + "\n"


def renew(page: Path) -> bool:
    """Write the real outputs into a page; return whether it changed."""
    with tempfile.TemporaryDirectory() as folder:
        examples = run_page(page, Path(folder))
    text = before = page.read_text()
    for example in reversed(examples):
        if example.span != (0, 0) and example.output is not None:
            text = text[: example.span[0]] + example.output + text[example.span[1] :]
    if text != before:
        page.write_text(text)
    return text != before


def main(names: list[str]) -> int:
    """Renew the pages that are named, or all."""
    for page in [Path(name).absolute() for name in names] or pages():
        print("renewed" if renew(page) else "as it was", page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
