"""Values in quotes over several lines: secrets are hidden whole, the rest is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.file_changes import plan_file_change
from llm_scheduler.tools.file_tools import file_tools
from llm_scheduler.tools.job_tools import job_tools
from llm_scheduler.tools.quoted_secrets import hide_quoted
from llm_scheduler.tools.text_files import find_hidden
from llm_scheduler.tools.workspace import Workspace
from tests.tools.fake_run import make_fake_run

SECRETS = [
    "export SECRET_THING='§\n§'",
    'declare -x DB_PASSWORD="§\n§ \\" §"',
    "  MY_PASSWORD='\n§\n§\n'",
    "export API_KEY=$'§\n§'",
    'A=1 CLIENT_SECRET="§\n§" python run.py',
    "python run.py --password '§\n§'",
    "python run.py --password='§\n§' --steps 4",
]
PLAIN = [
    "export NOTE='first line\nsecond line'",
    'echo "don\'t stop\nhere"',
    "# it's the password='\nexport OMP_NUM_THREADS=4",
    "SECRET_FILE=/home/ann/x\nexport B='1\n2'",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_hidden_whole(line: str, tmp_path: Path) -> None:
    script = "#!/bin/bash\n" + line.replace("§", "horse battery") + "\nexport FOO=1\n"
    hidden = hide_quoted(script)
    assert "battery" not in hidden
    assert hidden.count("\n") == script.count("\n")
    assert hidden.endswith("\nexport FOO=1\n")
    run = make_fake_run("held")
    run.scripts = {"100": script}
    (details,) = (x for x in job_tools(run, 6000) if x.name == "job_details")
    shown = str(details.invoke({"job": "learner 0"}))
    assert "export FOO=1" in shown
    assert "battery" not in shown
    (tmp_path / "run.sh").write_text(script)
    (read,) = (x for x in file_tools(Workspace([tmp_path]), 6000) if x.name == "read_file")
    assert "battery" not in str(read.invoke({"path": "run.sh"}))


@pytest.mark.parametrize("line", PLAIN)
def test_what_is_no_secret_stays(line: str) -> None:
    script = f"#!/bin/bash\n{line}\nexport FOO=1\n"
    assert hide_quoted(script) == script
    assert find_hidden(script) == []


def test_a_change_can_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("export SECRET_THING='horse\nbattery staple'\nexport FOO=1\n")
    workspace = Workspace([tmp_path])
    renamed = {"path": "run.sh", "old_text": "SECRET_THING", "new_text": "NOTE"}
    with pytest.raises(ToolError, match="would show"):
        plan_file_change(workspace, "replace_text", renamed)
    guessed = {"path": "run.sh", "old_text": "battery staple", "new_text": "x"}
    with pytest.raises(ToolError, match="does not occur"):
        plan_file_change(workspace, "replace_text", guessed)
    other = {"path": "run.sh", "old_text": "FOO=1", "new_text": "FOO=2"}
    assert plan_file_change(workspace, "replace_text", other).after[0].content
