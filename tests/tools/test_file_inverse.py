"""Whatever is changed, undoing it gives back the bytes that were there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.change import PlannedChange, invert
from llm_scheduler.tools.file_changes import apply, finish, plan_file_change, states_now
from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import snapshot

NAMES = st.sampled_from(["a.txt", "b.py", "sub/a.txt", "sub/c", "new/x.txt", "new/deep", "sub"])
TEXTS = st.text(st.sampled_from("ab\n\r é"), max_size=20)
CONTENTS = st.one_of(
    TEXTS.map(str.encode), TEXTS.map(lambda text: text.encode("latin-1")), st.binary(max_size=20)
)
CALLS = st.one_of(
    st.tuples(
        st.just("replace_text"),
        st.fixed_dictionaries({"path": NAMES, "old_text": TEXTS, "new_text": TEXTS}),
    ),
    st.tuples(st.just("write_file"), st.fixed_dictionaries({"path": NAMES, "content": TEXTS})),
    st.tuples(st.just("move_file"), st.fixed_dictionaries({"path": NAMES, "new_path": NAMES})),
    st.tuples(st.just("delete_file"), st.fixed_dictionaries({"path": NAMES})),
    st.tuples(st.just("make_directory"), st.fixed_dictionaries({"path": NAMES})),
)
MODES = st.sampled_from([0o644, 0o600, 0o755])


@settings(max_examples=60)
@given(
    files=st.dictionaries(
        st.sampled_from(["a.txt", "b.py", "sub/a.txt"]), st.tuples(CONTENTS, MODES)
    ),
    calls=st.lists(CALLS, min_size=1, max_size=6),
)
def test_undoing_all_changes_gives_back_what_was_there(files, calls):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "sub").mkdir()
        for path, (content, mode) in files.items():
            (folder / path).write_bytes(content)
            (folder / path).chmod(mode)
        workspace = Workspace([folder])
        snapshots, done = [snapshot(folder)], []
        for tool, arguments in calls:
            try:
                change = plan_file_change(workspace, tool, arguments)
            except ToolError:
                assert snapshot(folder) == snapshots[-1]
                continue
            kept = PlannedChange.model_validate_json(change.model_dump_json())
            apply(workspace, kept)
            assert states_now(workspace, kept) == kept.after
            done.append(kept)
            snapshots.append(snapshot(folder))
        for change in reversed(done):
            assert snapshot(folder) == snapshots.pop()
            undo = invert(change)
            finish(workspace, undo)  # from the state after to the one before
            assert states_now(workspace, change) == change.before
        assert snapshot(folder) == snapshots.pop()
