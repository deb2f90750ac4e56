"""`AllPanel`: the buttons that segment and export all images of a folder."""

from __future__ import annotations

import logging
import threading
from functools import partial

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import UserError
from ...progress import Progress
from ..background.runner import Runner
from ..background.time_left import TimeLeft, spoken
from ..qt_helpers import line
from ..segment.engine import Engine
from ..segment.settings_panel import SettingsPanel
from .export_all import ask_export_all, export_all
from .folder import Folder
from .segment_all import SegmentAll
from .segment_job import Options, Summary

SEGMENT = (
    "Segment all images that this model has not segmented yet, with the model, device and "
    "diameter below, while you keep reviewing. What you have accepted, corrected or drawn "
    "stays; images marked complete are left alone."
)


class AllPanel(QWidget):
    """Segments and exports all images. Signal: `said` (text, whether it is a problem)."""

    said = Signal(str, bool)

    def __init__(self, folder: Folder, engine: Engine, settings: SettingsPanel) -> None:
        super().__init__()
        self.folder, self.settings = folder, settings
        self.segmenting = SegmentAll(folder, engine, self)
        self.exporting = Runner(self)
        self.segment_button = QPushButton("Segment all")
        self.segment_button.setToolTip(SEGMENT)
        self.more_button = QToolButton()
        self.export_button = QPushButton("Export all…")
        self.bar = QProgressBar()
        self.message = line()
        self._writing = threading.Event()
        self._time = TimeLeft()
        self._lay_out()
        self.segment_button.clicked.connect(self._on_segment)
        self.export_button.clicked.connect(self._on_export)
        self.segmenting.progressed.connect(self._on_progress)
        self.segmenting.ended.connect(self._on_segmented)
        self.exporting.progressed.connect(self._on_export_progress)
        self.exporting.succeeded.connect(self._on_exported)
        self.exporting.failed.connect(self._on_export_failed)
        self.exporting.ended.connect(self.show_state)
        folder.ending.connect(self._on_ending)

    def _lay_out(self) -> None:
        menu = QMenu(self)
        menu.addAction("Segment all again, including what this model has segmented", self._again)
        self.more_button.setMenu(menu)
        self.more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more_button.setToolTip("More ways to segment all")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.segment_button, 1)
        row.addWidget(self.more_button)
        row.addWidget(self.export_button, 1)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        self.bar.hide()
        self.message.hide()

    def show_state(self) -> None:
        """Bring the buttons up to date."""
        running, writing = self.segmenting.running, self.exporting.running
        self.segment_button.setText("Cancel" if running else "Segment all")
        self.segment_button.setEnabled(running or self.settings.card is not None)
        self.more_button.setEnabled(not running and self.settings.card is not None)
        self.export_button.setText("Cancel export" if writing else "Export all…")
        self.bar.setVisible(running)

    def say(self, text: str, problem: bool = False) -> None:
        """Show one line below the buttons."""
        self.message.setText(f"⚠ {text}" if problem else text)
        self.message.setVisible(bool(text))

    def cancel(self) -> None:
        """Stop what is running."""
        self.segmenting.cancel()
        self.exporting.cancel()

    def _on_ending(self) -> None:
        self.cancel()
        self.say("")

    # -- segmenting -------------------------------------------------------------------

    def _on_segment(self) -> None:
        if self.segmenting.running:
            self.segmenting.cancel()
        else:
            self.segment()

    def _again(self) -> None:
        self.segment(again=True)

    def segment(self, again: bool = False) -> None:
        """Segment all images in the background."""
        card = self.settings.card
        if card is None:
            return
        self.bar.setRange(0, 0)
        self.say("Starting")
        self._time = TimeLeft(least=1)  # a few images tell
        self.segmenting.start(Options(card, self.settings.device, self.settings.diameter, again))
        self.show_state()

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, 1000 if progress.total else 0)
        if not progress.total:
            self.say(progress.message)
            return
        self.bar.setValue(round(1000 * progress.done / progress.total))
        seconds = self._time.seconds(progress)
        left = "" if seconds is None else f", {spoken(seconds)} left"
        at = f"{int(progress.done) + 1:,} of {int(progress.total):,}"
        self.say(f"Segmenting {at}{left}")

    def _on_segmented(self, summary: Summary) -> None:
        self.settings.load_devices()
        self.say(summary.summary(), problem=bool(summary.failed))
        self.message.setToolTip("\n".join(summary.failed.values()))
        self.show_state()

    # -- exporting --------------------------------------------------------------------

    def _on_export(self) -> None:
        if self.exporting.running and self._writing.is_set():
            self.said.emit("The file is already being written: too late to cancel.", False)
            return
        if self.exporting.running:
            self.exporting.cancel()
            self.said.emit("Cancelled: nothing was written.", False)
            return
        workspace = self.folder.workspace
        if workspace is None:
            return
        request = ask_export_all(workspace, self)
        if request is not None:
            self._writing = threading.Event()
            work = partial(export_all, workspace, workspace.live(), request, self._writing)
            self.exporting.start(work)
            self.show_state()

    def _on_export_progress(self, progress: Progress) -> None:
        at = f" {int(progress.done) + 1:,} of {int(progress.total):,}" if progress.total else ""
        self.said.emit(f"Exporting{at}: {progress.message}", False)

    def _on_exported(self, text: str) -> None:
        self.said.emit(text, False)

    def _on_export_failed(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            logging.getLogger(__name__).error("export failed", exc_info=error)
        self.said.emit(str(error) or type(error).__name__, True)
