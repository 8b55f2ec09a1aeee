"""The panel of a run: the engine's, with the failures below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from llm_scheduler.widgets.failures import FailureSource, failures_panel
from llm_scheduler.widgets.fallback_html import Row, with_fallback


def run_panel(
    engine_panel: ipywidgets.Widget,
    llm_manager: FailureSource,
    rows: Callable[[], Sequence[Row]] = tuple,
) -> RunPanel:
    """Return the engine's panel with the failures of its run below.

    Parameters
    ----------
    engine_panel
        The engine's.
    llm_manager
        The manager of the run's failures.
    rows
        Returns what each job does, for places where widgets can't be shown.

    """
    panel = RunPanel([engine_panel, failures_panel(llm_manager)])
    panel.describe(llm_manager, rows)
    return panel


class RunPanel(ipywidgets.VBox):
    """Two panels, one above the other; ``close()`` ends both."""

    _skip_once = False
    _shown_in: int | None = None
    """Number of the cell that has shown it."""
    _source: tuple[FailureSource, Callable[[], Sequence[Row]]] | None = None

    def describe(self, manager: FailureSource, rows: Callable[[], Sequence[Row]]) -> None:
        """Say what is told about the run where widgets can't be shown."""
        self._source = manager, rows

    def was_shown(self) -> None:
        """Do not show it once more when it is the value of the cell that has shown it."""
        self._skip_once = True
        self._shown_in = _cell_number()

    def _ipython_display_(self, **_: Any) -> None:
        is_same_cell = self._skip_once and self._shown_in == _cell_number()
        self._skip_once = False
        if is_same_cell:
            return
        from IPython import display

        data, metadata = self._repr_mimebundle_()
        display.display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        found = {} if self.is_closed else super()._repr_mimebundle_()
        if self._source is None:
            return found, {}
        manager, rows = self._source
        return with_fallback(found, repr(self), manager, rows())

    @property
    def is_closed(self) -> bool:
        """Whether it can't be shown any more."""
        return self.comm is None

    def __repr__(self) -> str:
        return f"RunPanel({self.children[1]!r})"

    def close(self) -> None:
        """End the updates and free the widgets."""
        for child in self.children:
            child.close()
        super().close()
        # Widgets hide it then; a notebook that displays this is shown the text.
        self.__dict__.pop("_repr_mimebundle_", None)


def _cell_number() -> int | None:
    from IPython import get_ipython

    shell = get_ipython()
    return None if shell is None else shell.execution_count
