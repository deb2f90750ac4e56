"""`Preloading`: the chosen model is loaded while nobody waits for it.

What goes wrong is said when somebody asks for the model: then it is tried again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]

from ..background.tasks import step_back
from .engine import Engine
from .settings_panel import SettingsPanel

SWITCH = "NAPARI_NUCLEI_PRELOAD"
"""Variable of the environment that turns it off with 0, for tests."""

IDLE_MS = 1500
"""How long after the widget has come, or another model was chosen, loading begins.

Importing torch holds Python up for moments: not while the window is being put together.
"""


class Preloading(QObject):
    """Loads what the settings say. Signal: `loaded`, on the main thread."""

    loaded = Signal()

    _done = Signal()

    def __init__(self, engine: Engine, settings: SettingsPanel, parent: QObject) -> None:
        super().__init__(parent)
        self._engine, self._settings = engine, settings
        self._known: tuple[str, str] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)
        self._done.connect(self.loaded, Qt.ConnectionType.QueuedConnection)
        settings.model_changed.connect(self.soon)
        settings.device_box.currentIndexChanged.connect(self.soon)

    def soon(self, *_: Any) -> None:
        """Load before long."""
        if os.environ.get(SWITCH) != "0" and hasattr(self._engine, "preload"):
            self._timer.start(IDLE_MS)

    def cancel(self) -> None:
        """Begin nothing any more; what is under way ends by itself."""
        self._timer.stop()

    def _begin(self) -> None:
        card = self._settings.card
        wanted = (card.name, self._settings.device) if card is not None else None
        if wanted is None or wanted == self._known:
            return
        self._known = wanted
        threading.Thread(target=self._load, args=wanted, name="nuclei-preload").start()

    def _load(self, model: str, device: str) -> None:
        step_back()
        try:
            self._engine.preload(model, device)  # type: ignore[attr-defined]
        except Exception as error:
            logging.getLogger(__name__).debug("%s could not be loaded", model, exc_info=error)
            return
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._done.emit()
