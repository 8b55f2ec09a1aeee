"""The panel of a run: the engine's, with the failures below."""

from __future__ import annotations

from typing import Any

import ipywidgets

from llm_scheduler.widgets.failures import FailureSource, failures_panel


def run_panel(engine_panel: ipywidgets.Widget, llm_manager: FailureSource) -> RunPanel:
    """Return the engine's panel with the failures of its run below."""
    return RunPanel([engine_panel, failures_panel(llm_manager)])


class RunPanel(ipywidgets.VBox):
    """Two panels, one above the other; ``close()`` ends both."""

    _skip_once = False

    def was_shown(self) -> None:
        """Do not show it once more when it is the value of the cell that has shown it."""
        self._skip_once = True

    def _ipython_display_(self, **_: Any) -> None:
        if self._skip_once:
            self._skip_once = False
            return
        from IPython import display

        data = self._repr_mimebundle_()
        display.display(data, raw=True)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"RunPanel({self.children[1]!r})"

    def close(self) -> None:
        """End the updates and free the widgets."""
        for child in self.children:
            child.close()
        super().close()
