"""`NucleiWidget`: the dock widget.

Here: the panels put together, and what each button sets going. Not here: the panels
themselves, threads (`runner.py`), reviews and layers (`session.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..errors import UserError
from ..models.card import Card
from ..progress import Progress
from . import export
from .bridge import Bridge
from .engine import Engine, ModelEngine, read_and_segment
from .export_dialog import ask_export
from .parts import focus_canvas, line, when_closed
from .result_panel import ResultPanel
from .runner import Runner
from .session import Session
from .settings_panel import SettingsPanel
from .source import Source, source_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..predict import Prediction

SETTLE_MS = 100
"""How long the counts wait for further changes."""

OPEN = (
    "<b>Open an image</b><br>Drop one on the window, use File ▸ Open, or try one under "
    "File ▸ Open Sample ▸ Nuclei."
)
PRESS = "<b>Press Segment</b><br>The nuclei that are found come as a Labels layer."
CORRECT = (
    "Correct them with napari's brush, eraser, fill and polygon: M starts a new label; L, then a "
    "click, takes the one you point at; 2 goes back to the brush; Ctrl+Z undoes."
)

RESUMED = "This image's review goes on where you left it; Ctrl+Z reaches back to its first edit."
NOTHING_TO_SEGMENT = "There is no image to segment: open one first."
NO_MODEL = "There is no model to segment with: reinstall napari-nuclei."
NOTHING_FOUND = "No nuclei were found. Set the diameter, or choose other channels or another model."


class NucleiWidget(QWidget):
    """Segments nuclei, and shows how far their review is.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose images are segmented.
    engine : Engine, optional
        What finds the nuclei; the project's own models by default.
    """

    _told = Signal(str)

    def __init__(self, napari_viewer: Viewer, engine: Engine | None = None) -> None:
        super().__init__()
        self.session = Session.of(napari_viewer)
        self.engine = engine or ModelEngine()
        self.settings = SettingsPanel(self.engine)
        self.result = ResultPanel()
        self.runner = Runner(self)
        self._run: _Run | None = None
        self.advice = line()
        self.segment_button = QPushButton("Segment")
        self.bar = QProgressBar()
        self.message = line()
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.show_state)
        self._connect()
        self._load_images()
        self.follow_active()
        self._on_model()

    # -- putting it together ----------------------------------------------------------

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(8)
        column.addWidget(self.advice)
        column.addWidget(self.settings)
        column.addWidget(self.segment_button)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        column.addWidget(self.result)
        column.addStretch(1)
        self.bar.hide()
        self.message.hide()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        outside = QHBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(area)
        self.setMinimumWidth(290)

    def _connect(self) -> None:
        self.segment_button.clicked.connect(self._on_segment)
        self.settings.image_changed.connect(self._on_image)
        self.settings.model_changed.connect(self._on_model)
        self.result.undo.connect(lambda: self._on_history("undo"))
        self.result.redo.connect(lambda: self._on_history("redo"))
        self.result.export.connect(self._on_export)
        self.result.bring_back.connect(self._on_bring_back)
        self.runner.progressed.connect(self._on_progress)
        self.runner.succeeded.connect(self._on_result)
        self.runner.failed.connect(self._on_failure)
        self.runner.ended.connect(self._on_end)
        self.session.changed.connect(self._on_session)
        # What is told may come from a thread: queued, it arrives on the main one.
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)
        self.session.told.connect(self._pass_on)
        layers = self.session.viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._on_layers)
        layers.selection.events.active.connect(self._on_active)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Stop what is running when the window closes."""
        self.runner.cancel()
        super().closeEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Stop what is running when napari takes the widget out of its dock, to close it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if not self.parent():
                self.runner.cancel()
            when_closed(self, self.session.close)
        super().changeEvent(event)

    # -- what the viewer says ---------------------------------------------------------

    def _on_layers(self, event: Any = None) -> None:
        self._load_images()
        source = self._run.source if self._run else None
        if self.runner.running and source and source.image not in self.session.viewer.layers:
            self.runner.cancel()
            self.say("Stopped: the image was removed.")
        self.show_state()

    def _load_images(self) -> None:
        images = [x for x in self.session.viewer.layers if isinstance(x, Image) and x.ndim > 1]
        for image in images:
            image.events.name.disconnect(self._on_name)
            image.events.name.connect(self._on_name)
        self.settings.load_images(images)

    def _on_name(self, event: Any = None) -> None:
        self._load_images()

    def _on_active(self, event: Any = None) -> None:
        self.follow_active()

    def follow_active(self) -> None:
        """Follow the user to another image, or to the image of another review layer."""
        active = self.session.viewer.layers.selection.active
        self.session.use(active)
        image = active if isinstance(active, Image) else self.session.image_of(active)
        if image is not None:
            self.settings.choose_image(image)

    def _on_image(self) -> None:
        """Go on with the review that an image has from before."""
        image = self.settings.image
        if image is not None and not self.runner.running:
            bridge = self.session.resume(image)
            if bridge is not None:
                self.say(RESUMED)
        self.show_state()

    def _pass_on(self, text: str) -> None:
        self._told.emit(text)

    def _on_told(self, text: str) -> None:
        self.say(text, problem=True)

    def _on_session(self) -> None:
        self._timer.start(SETTLE_MS)

    def _on_model(self) -> None:
        card = self.settings.card
        if card is not None and self.bridge is None:
            self.result.set_threshold(card.threshold)
        self.show_state()

    # -- what is shown ----------------------------------------------------------------

    @property
    def bridge(self) -> Bridge | None:
        """The bridge of the chosen image's review layer."""
        return self.session.bridge_of(self.settings.image)

    def say(self, text: str, problem: bool = False) -> None:
        """Show one line below the button."""
        self.message.setText(f"⚠ {text}" if problem else text)
        self.message.setVisible(bool(text))

    def show_state(self) -> None:
        """Bring everything that depends on the chosen image up to date."""
        image, bridge = self.settings.image, self.bridge
        running = self.runner.running
        self.settings.setEnabled(image is not None and not running)
        self.segment_button.setText("Cancel" if running else "Segment")
        self.segment_button.setEnabled(image is not None and self.settings.card is not None)
        self.bar.setVisible(running)
        removed = bridge is None and self.session.record_of(image) is not None
        self.advice.setText(OPEN if image is None else PRESS)
        self.advice.setVisible(bridge is None and not running and not removed)
        self.result.show_review(bridge.review if bridge else None, removed)

    # -- what the buttons do ----------------------------------------------------------

    def _on_segment(self) -> None:
        if self.runner.running:
            self.runner.cancel()
            self.say("Cancelled.")
        else:
            self.segment()

    def segment(self) -> None:
        """Segment the chosen image in the background."""
        image, card = self.settings.image, self.settings.card
        if image is None or card is None:
            self.say(NOTHING_TO_SEGMENT if image is None else NO_MODEL, problem=True)
            return
        try:
            source = source_of(image, self.settings.channels, self.session.viewer.dims.point)
        except UserError as error:
            self.say(str(error), problem=True)
            return
        diameter = self.settings.diameter
        options = (card.name, self.settings.device, diameter)
        make = partial(read_and_segment, self.engine, source.read, *options)
        self.bar.setRange(0, 0)
        self.say("Starting")
        self.runner.start(make)
        self._run = _Run(source, card, diameter is None)
        self.show_state()

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, 1000 if progress.total else 0)
        if progress.total:
            self.bar.setValue(round(1000 * progress.done / progress.total))
        self.say(progress.message)

    def _on_result(self, result: Prediction) -> None:
        assert self._run is not None
        card, source = self._run.card, self._run.source
        self.result.flush()
        threshold = self.session.threshold_of(source, card)
        self.session.propose(source, result, card.name, threshold)
        if self._run.auto:
            self.settings.show_found_diameter(result.diameter)
        self.settings.load_devices()
        self.say(CORRECT if result.found else NOTHING_FOUND)
        focus_canvas(self)

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            logging.getLogger(__name__).error("segmentation failed", exc_info=error)
        self.say(str(error) or type(error).__name__, problem=True)

    def _on_end(self) -> None:
        self._run = None
        self.show_state()

    def _on_history(self, action: str) -> None:
        if self.bridge is not None:
            getattr(self.bridge, action)()
            self.show_state()

    def _on_bring_back(self) -> None:
        if self.settings.image is not None:
            self.session.bring_back(self.settings.image)
            focus_canvas(self)

    def _on_export(self) -> None:
        bridge = self.bridge
        if bridge is None:
            return
        request = ask_export(bridge.record, self)
        if request is None:
            return
        try:
            self.say(export.save(bridge.record, bridge.plane, request))
        except UserError as error:
            self.say(str(error), problem=True)


@dataclass(frozen=True, slots=True)
class _Run:
    """What is being segmented, by which model, and whether its diameter is to be found."""

    source: Source
    card: Card
    auto: bool
