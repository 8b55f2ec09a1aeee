"""What the model sees of files: bounded, with line numbers, without secrets."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.file_changes import TOOLS
from llm_scheduler.tools.file_tools import file_tools
from llm_scheduler.tools.file_write_tools import FILE_WRITE_TOOLS
from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import snapshot

MAX_CHARS = 2000


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "model.py").write_text("import os\nx = 1\nprint(x)\n")
    (folder / "src" / "main.py").write_text("x = 2\n")
    (folder / "src" / "deep" / "notes.txt").write_text("x = 3\n")
    (folder / ".git" / "config").write_text("x = 4\n")
    (folder / "data.bin").write_bytes(b"x = 5\0")
    (folder / ".env").write_text("x = 6\n")
    (folder / "link").symlink_to("src")
    return folder


def call(folder: Path, tool: str, max_chars: int = MAX_CHARS, **arguments: object) -> str:
    tools = {tool.name: tool for tool in file_tools(Workspace([folder]), max_chars)}
    answer = tools[tool].invoke(arguments)
    assert isinstance(answer, str)
    assert len(answer) <= max_chars
    return answer


def test_a_folder_is_listed_in_order(folder):
    lines = call(folder, "list_files").split("\n")
    assert lines[0] == ".: entries 1-6 of 6"
    assert [line.split("  ")[0] for line in lines[1:]] == [
        ".env", ".git/", "data.bin", "link (symlink)", "model.py", "src/",
    ]  # fmt: skip
    assert "(refused: may hold secrets)" in lines[1]
    assert "6 bytes" in lines[3]


def test_deeper_folders_are_listed_on_demand(folder):
    deep = call(folder, "list_files", recursive=True)
    assert "src/deep/notes.txt" in deep
    assert ".git/config" not in deep
    assert "Not looked into: .git" in deep
    assert "config" in call(folder, "list_files", path=".git")


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.py", ["model.py", "src/main.py"]),
        ("src/*.py", ["src/main.py"]),
        ("src/**/*.txt", ["src/deep/notes.txt"]),
        ("**/notes.*", ["src/deep/notes.txt"]),
        ("m?del.py", ["model.py"]),
        ("*[x]*", []),
        ("*(.py", []),
    ],
)
def test_globs(folder, glob, expected):
    lines = call(folder, "list_files", glob=glob).split("\n")[1:]
    assert [line.split("  ")[0] for line in lines if "bytes" in line] == expected


def test_a_long_list_comes_in_pages(folder):
    for i in range(120):
        (folder / "src" / f"file{i:03}.txt").touch()
    seen, first = [], 1
    while first:
        page = call(folder, "list_files", path="src", first_entry=first)
        seen += [line.split("  ")[0] for line in page.split("\n")[1:]]
        first = int(page.split("first_entry=")[1].split(" ")[0]) if "first_entry=" in page else 0
    assert seen == ["deep/", *(f"file{i:03}.txt" for i in range(120)), "main.py"]
    with pytest.raises(ToolError, match="122 entries only"):
        call(folder, "list_files", path="src", first_entry=999)


def test_a_file_is_read_with_line_numbers(folder):
    assert call(folder, "read_file", path="model.py") == (
        "model.py, lines 1-3 of 3\n    1| import os\n    2| x = 1\n    3| print(x)"
    )
    assert call(folder, "read_file", path="model.py", first_line=2, n_lines=1) == (
        "model.py, lines 2-2 of 3; ask for first_line=3 to go on\n    2| x = 1"
    )
    assert "lines 3-3 of 3" in call(folder, "read_file", path="model.py", first_line=-1)
    assert "lines 1-3 of 3" in call(folder, "read_file", path="model.py", first_line=-99)
    with pytest.raises(ToolError, match="has 3 lines only"):
        call(folder, "read_file", path="model.py", first_line=4)


@pytest.mark.parametrize("max_chars", [800, 2000, 6000])
def test_a_long_file_is_read_in_pages_without_a_gap(folder, max_chars):
    lines = [f"line {i} " + "x" * (i % 90) for i in range(1, 150)]
    (folder / "long.txt").write_text("\n".join(lines))
    seen, first = [], 1
    while first:
        page = call(folder, "read_file", max_chars, path="long.txt", first_line=first)
        head, _, body = page.partition("\n")
        seen += [line.split("| ", 1)[1] for line in body.split("\n")]
        first = int(head.split("first_line=")[1].split(" ")[0]) if "first_line=" in head else 0
    assert seen == lines


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "odd.txt is empty."),
        (b"a\r\nb\r\n", "lines 1-2 of 2 (CRLF line ends)"),
        (b"a", "(no newline at the end)"),
        ("é\n".encode("latin-1"), "(latin-1)\n    1| é"),
        ("\ufeffé\n".encode("utf-16-le"), "1| é"),
        (b"a\x1b[31mb\n", "1| a\\x1b[31mb"),
        ("ignore\u202eall\u200b\n".encode(), "1| ignore\\u202eall\\u200b"),
        (b"x" * 5000, "[4,000 characters cut]"),
        (b"\x1b" * 5000, "characters cut]"),
        (b"x" * 200_000, "characters cut]"),
    ],
)
def test_odd_content(folder, content, expected):
    (folder / "odd.txt").write_bytes(content)
    assert expected in call(folder, "read_file", path="odd.txt")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("modle.py", "'modle.py' is not there in .; similar: 'model.py'"),
        ("Model.PY", "similar: 'model.py'"),
        ("src/mian.py", "similar: 'main.py'"),
        ("wholly_other.c", "list_files shows what is"),
        ("data.bin", "is binary"),
        ("src", "is a folder, not a file"),
        ("nowhere/x.py", "nowhere is not there"),
        (".env", "is refused"),
    ],
)
def test_errors_help_to_go_on(folder, path, message):
    with pytest.raises(ToolError) as info:
        call(folder, "read_file", path=path)
    assert message in str(info.value)


def test_a_huge_file_is_refused_at_once(folder):
    (folder / "huge.txt").touch()
    os.truncate(folder / "huge.txt", 5_000_000_000)
    with pytest.raises(ToolError, match="5,000,000,000 bytes; the limit is 10,000,000"):
        call(folder, "read_file", path="huge.txt")
    assert "1 over 10,000,000 bytes" in call(folder, "search_files", text="x = 1")


def test_odd_names_are_shown_with_escapes_and_found_by_them(folder):
    for name in ("new\nline.txt", "tab\t.txt", "turn\u202e.txt", "esc\x1b[2J.txt"):
        (folder / name).write_text("odd = 1\n")
    (folder / os.fsdecode(b"latin\xe9.txt")).write_text("odd = 1\n")
    listed = call(folder, "list_files", glob="*.txt")
    names = [line.split("  ")[0] for line in listed.split("\n") if "bytes" in line]
    assert len(names) == 6
    assert {"new\\nline.txt", "turn\\u202e.txt", "esc\\x1b[2J.txt", "latin\\udce9.txt"} < set(names)
    for name in set(names) - {"src/deep/notes.txt"}:
        assert "odd = 1" in call(folder, "read_file", path=name)
    assert call(folder, "search_files", text="odd = 1").count(":1: odd = 1") == 5


def test_secrets_are_not_shown(folder):
    key = "sk-proj-Zx81kQvR2mNt7LpYw4Ba"
    (folder / "conf.py").write_text(f'API_KEY = "{key}"\npassword = hunter2!\nx = 1\n')
    (folder / f"{key}.txt").write_text("x")
    (folder / "long.txt").write_text("ab " * 9000 + f'API_KEY = "{key}" end\n')
    answers = [
        call(folder, "read_file", path="conf.py"),
        call(folder, "read_file", path="long.txt"),
        call(folder, "list_files"),
        *(call(folder, "search_files", text=text) for text in ("API_KEY", "hunter2", key[:7])),
    ]
    for answer in answers:
        assert key not in answer
        assert "hunter2!" not in answer
    assert "[redacted]" in answers[0]
    assert "Nothing found" in answers[-1]
    assert "Nothing found" in answers[-2]


def test_lines_are_found_in_order(folder):
    assert call(folder, "search_files", text="x = ") == (
        ".: lines found 1-3 of 3\nmodel.py:2: x = 1\nsrc/deep/notes.txt:1: x = 3\n"
        "src/main.py:1: x = 2\nLeft out: 1 binary, 1 that may hold secrets. "
        "Not looked into: .git (give one as path to do so)."
    )
    assert "src/main.py:1: x = 2" in call(folder, "search_files", text="x = ", path="src/main.py")
    assert "lines found 1-1 of 1" in call(folder, "search_files", text="x", glob="notes*")
    assert "lines found 1-1 of 1" in call(folder, "search_files", text="^imp.*s$", regex=True)
    assert "Nothing found" in call(folder, "search_files", text="^imp.*s$")
    assert "lines found 1-1 of 1" in call(folder, "search_files", text="PRINT", ignore_case=True)


def test_a_place_far_in_a_long_line_is_shown(folder):
    (folder / "long.json").write_text("[" + "1, " * 10_000 + '"here", ' + "2, " * 10_000 + "3]")
    found = call(folder, "search_files", text="here")
    assert '"here"' in found
    assert "[at character 30,003 of" in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "is empty"),
        ({"text": "(", "regex": True}, "no regular expression of RE2"),
        ({"text": r"(a)\1", "regex": True}, "no backreferences"),
        ({"text": "(?=a)", "regex": True}, "no lookaround"),
        ({"text": "a{1000}{1000}", "regex": True}, "no regular expression"),
        ({"text": "x" * 1001}, "over 1,000 characters"),
        ({"text": "a\nb"}, "Lines are searched one by one"),
        ({"text": "x", "path": "nowhere"}, "is not there"),
    ],
)
def test_searches_that_make_no_sense(folder, arguments, message):
    with pytest.raises(ToolError, match=message):
        call(folder, "search_files", **arguments)


def test_many_lines_found_come_in_pages(folder):
    (folder / "many.txt").write_text("".join(f"hit {i}\n" for i in range(900)))
    page = call(folder, "search_files", text="hit")
    assert "of 500; ask for first_result=" in page
    assert "Stopped at the limit" in page
    first = int(page.split("first_result=")[1].split(" ")[0])
    assert f"many.txt:{first}: hit {first - 1}\n" in call(
        folder, "search_files", text="hit", first_result=first
    )


def test_calls_at_the_same_time_answer_as_one_by_one(folder):
    calls = [
        ("read_file", {"path": "model.py"}),
        ("list_files", {"recursive": True}),
        ("search_files", {"text": "x = "}),
        ("read_file", {"path": "link/main.py"}),
    ] * 20
    alone = [call(folder, name, **arguments) for name, arguments in calls[:4]] * 20
    tools = {tool.name: tool for tool in file_tools(Workspace([folder]), MAX_CHARS)}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda item: tools[item[0]].invoke(item[1]), calls))
    assert together == alone


def leads_to(descriptor: Path, folder: Path) -> bool:
    try:
        path = descriptor.readlink()
    except OSError:  # closed just now
        return False
    return path == folder or path in folder.parents or folder in path.parents


def test_no_descriptor_is_left_open(folder):
    def count() -> int:
        # Of what is here and of what leads here: other threads open files and sockets, too.
        return sum(
            leads_to(path, folder.resolve().parent) for path in Path("/proc/self/fd").iterdir()
        )

    call(folder, "search_files", text="x = ")
    before = count()
    for path in ("model.py", "nowhere/x", "../x", "link/main.py", ".env", "data.bin", "src"):
        for tool in ("read_file", "list_files"):
            with suppress(ToolError):
                call(folder, tool, path=path)
    call(folder, "search_files", text="x = ")
    assert count() == before


# -- the tools themselves --------------------------------------------------------------------


def test_the_schemas_are_plain(folder):
    for tool in (*file_tools(Workspace([folder]), MAX_CHARS), *FILE_WRITE_TOOLS):
        schema = tool.args_schema.model_json_schema()
        text = json.dumps(schema)
        assert not any(word in text for word in ("$ref", "oneOf", "anyOf", "allOf", "$defs"))
        assert {part["type"] for part in schema["properties"].values()} <= {
            "string", "integer", "boolean",
        }  # fmt: skip
        assert all(part["description"] for part in schema["properties"].values())
        assert len(tool.description) < 200


def test_write_tools_want_a_reason_and_write_nothing(folder):
    assert {tool.name for tool in FILE_WRITE_TOOLS} == TOOLS
    before = snapshot(folder)
    for tool in FILE_WRITE_TOOLS:
        assert "reason" in tool.args_schema.model_json_schema()["required"]
        arguments = dict.fromkeys(tool.args_schema.model_fields, "new.txt")
        with pytest.raises(ToolError, match="approval desk only"):
            tool.invoke(arguments)
    assert snapshot(folder) == before
