"""What was changed since YOLO mode was switched on, whoever looked or switched."""

from __future__ import annotations

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say
from llm_scheduler.widgets.chat import ChatPanel
from tests.widgets.chat_front import record_comms, until
from tests.widgets.chat_runs import SOURCE, close_manager, edit_of, make_manager


async def test_yolo_counts_from_when_it_was_switched_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record_comms(monkeypatch)
    second = tmp_path / "second.py"
    second.write_text(SOURCE)
    with ScriptedModel() as model:
        model.script(
            call_tools(edit_of(tmp_path / "physics.py")), say("Done."),
            call_tools(edit_of(second)), say("Done."),
        )  # fmt: skip
        manager = make_manager(tmp_path, model=model, mode="yolo")
        assert manager.yolo_since is not None
        await manager.chat("mend", thread_id="chat")  # with no panel there
        try:
            for _ in range(2):  # closing the panel does not forget
                panel = ChatPanel(manager)
                await until(lambda panel=panel: panel.overview["mode"] == "yolo" and panel.changes)
                assert panel.overview["yolo_changes"] == 1
                (made,) = panel.changes
                assert panel.overview["yolo_since"] <= made["made_at"]
                run_id = panel.overview["run_id"]
                panel.close()
            manager.mode = "approve"
            assert manager.yolo_since is None
            panel = ChatPanel(manager)
            await until(lambda: panel.overview["run"])
            assert panel.overview["yolo_since"] == ""
            manager.mode = "yolo"  # in a cell, where nobody tells the panel
            since = manager.yolo_since
            manager.mode = "yolo"
            assert manager.yolo_since == since
            await manager.chat("mend", thread_id="chat")
            await until(lambda: len(panel.changes) == 2 and panel.overview["mode"] == "yolo")
            assert panel.overview["yolo_changes"] == 1
            newer = [c for c in panel.changes if c["made_at"] >= panel.overview["yolo_since"]]
            assert [c["targets"] for c in newer] == [[str(second)]]
            assert len(run_id) == 16
            assert panel.overview["run_id"] == run_id
            panel.close()
        finally:
            close_manager(manager)
