"""`MultiRunManager`: several runs in one panel, each with its failures."""

from __future__ import annotations

from typing import Any

from adaptive_scheduler.server_support import MultiRunManager as EngineMultiRunManager

from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.managers.run_manager import RunManager


class MultiRunManager(EngineMultiRunManager):
    """The engine's `MultiRunManager`; the tab of each run shows its failures, too."""

    run_managers: dict[str, RunManager]

    def add_run_manager(self, run_manager: Any, **kwargs: Any) -> None:
        """Add a run; see the engine's for ``start`` and ``wait_for``."""
        super().add_run_manager(run_manager, **kwargs)
        if isinstance(run_manager, RunManager):
            self._info_widgets[run_manager.job_name] = run_manager.info_box()
            if self._widget is not None:
                self._update_widget()

    def remove_run_manager(self, name: str) -> None:
        """Cancel a run and remove its tab."""
        panel = self._info_widgets.get(name)
        super().remove_run_manager(name)
        if panel is not None:
            panel.close()

    def groups(self) -> dict[str, list[FailureGroup]]:
        """Return the groups of failures of each run, by its name."""
        return {
            name: run_manager.llm_manager.groups()
            for name, run_manager in self.run_managers.items()
            if isinstance(run_manager, RunManager)
        }

    def _update_all_callback(self, _: Any) -> None:
        # The engine looks for its "update info" button at a fixed place in each tab;
        # in ours the engine's panel is the first of two.
        for name, widget in self._info_widgets.items():
            is_ours = isinstance(self.run_managers[name], RunManager)
            engine_panel = widget.children[0] if is_ours else widget
            button = engine_panel.children[0].children[1].children[0]
            assert button.description == "update info"
            button.click()
