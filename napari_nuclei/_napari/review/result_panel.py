"""`ResultPanel`: what was found, and what is done with it."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ...nuclei import edits
from ...nuclei.edits import Edit
from ...review import Review
from ..layers.keys import filled
from ..qt_helpers import line, quiet

STEPS = 100
"""Steps of the slider from 0 to 1."""

SETTLE_MS = 40
"""How long the slider waits for a further move before the nuclei follow."""

ONE_CHANGE = 1.0
"""Moves without the mouse (keys, wheel) within this time in s are one change."""


class ResultPanel(QWidget):
    """Shows one review, or none. Signals: `undo`, `redo`, `export`, `bring_back` are asked for."""

    undo = Signal()
    redo = Signal()
    export = Signal()
    bring_back = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._review: Review | None = None
        self._moves = ThresholdMoves()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.threshold_box = QDoubleSpinBox()
        self.threshold_box.setRange(0, 1)
        self.threshold_box.setSingleStep(1 / STEPS)
        self.threshold_box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.threshold_box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for control in (self.slider, self.threshold_box):
            control.setToolTip(
                "Nuclei with lower scores are hidden and not exported.\nWhat you have accepted, "
                "corrected or drawn stays."
            )
        self.state = line()
        self._controls = QWidget()
        self.undo_button = _button("Undo", self.undo)
        self.redo_button = _button("Redo", self.redo)
        self.export_button = _button("Export…", self.export)
        self.export_button.setToolTip(
            "Write the nuclei: COCO, competition results, label image, GeoJSON, tables …"
        )
        self.back_button = _button("Show the nuclei again", self.bring_back)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._apply)
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderPressed.connect(self._moves.end)
        self.slider.sliderReleased.connect(self._on_released)
        self.threshold_box.valueChanged.connect(self._on_box)
        self._lay_out()
        self.show_review(None)

    def _lay_out(self) -> None:
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.state)
        whole.addWidget(self.back_button)
        whole.addWidget(self._controls)
        column = QVBoxLayout(self._controls)
        column.setContentsMargins(0, 0, 0, 0)
        threshold = QHBoxLayout()
        threshold.addWidget(self.slider, 1)
        threshold.addWidget(self.threshold_box)
        form = QFormLayout()
        form.addRow("Minimum score", threshold)
        column.addLayout(form)
        buttons = QHBoxLayout()
        for button in (self.undo_button, self.redo_button, self.export_button):
            buttons.addWidget(button, 1)
        column.addLayout(buttons)

    @property
    def threshold(self) -> float:
        """The score threshold that is set."""
        return round(self.threshold_box.value(), 2)

    def set_threshold(self, score: float) -> None:
        """Show a threshold without changing anything."""
        with quiet(self.slider), quiet(self.threshold_box):
            self.slider.setValue(round(score * STEPS))
            self.threshold_box.setValue(score)

    def flush(self) -> None:
        """Let the nuclei follow a move of the slider that is still waited with."""
        if self._timer.isActive():
            self._apply()

    def show_review(self, review: Review | None, removed: bool = False) -> None:
        """Show the state of a review; `removed`: its layer is gone from the viewer."""
        if review is not self._review:
            self.flush()
            self._moves.end()
        self._review = review
        writable = review is not None and not review.read_only
        for control in (self.slider, self.threshold_box):
            control.setEnabled(writable)
        done = review.done.last_summary if review and writable else ""
        undone = review.undone.last_summary if review and writable else ""
        self.undo_button.setEnabled(bool(done))
        self.redo_button.setEnabled(bool(undone))
        keys = {name: f" ({filled(f'{{{name}}}')})" for name in ("undo", "redo")}
        self.undo_button.setToolTip(f"Undo: {done}{keys['undo']}" if done else "Nothing to undo")
        self.redo_button.setToolTip(f"Redo: {undone}{keys['redo']}" if undone else "")
        self.export_button.setEnabled(review is not None)
        self.back_button.setVisible(removed)
        self.setVisible(review is not None or removed)
        self._controls.setVisible(review is not None)
        if review is None:
            self.state.setText("The layer with the nuclei was removed. Nothing is lost.")
            return
        counts = review.counts
        hidden = f"\n{counts.hidden:,} with lower scores are hidden" if counts.hidden else ""
        self.state.setText(counts.summary() + hidden)
        if not self._timer.isActive() and not self.slider.isSliderDown():
            self.set_threshold(review.nuclei.threshold)

    def _on_slider(self, value: int) -> None:
        with quiet(self.threshold_box):
            self.threshold_box.setValue(value / STEPS)
        self._timer.start(SETTLE_MS)

    def _on_box(self, value: float) -> None:
        with quiet(self.slider):
            self.slider.setValue(round(value * STEPS))
        self._timer.start(SETTLE_MS)

    def _on_released(self) -> None:
        self._apply()
        self._moves.end()

    def _apply(self) -> None:
        self._timer.stop()
        if self._review is not None and not self._review.read_only:
            self._moves.move(self._review, self.threshold, self.slider.isSliderDown())


class ThresholdMoves:
    """Makes one edit of all moves of a slider that belong together."""

    def __init__(self) -> None:
        self._edit: Edit | None = None
        self._time = 0.0

    def move(self, review: Review, score: float, dragging: bool) -> None:
        """Set the threshold; a move that continues the one before is one edit with it."""
        now = time.monotonic()
        goes_on = self._edit is not None and now - self._time < ONE_CHANGE
        goes_on = goes_on and len(review.done) > 0 and review.done[-1] is self._edit
        if score != review.nuclei.threshold:
            edit = edits.set_threshold(review.nuclei, score)
            if goes_on:
                edit = review.amend(edit)
            else:
                review.do(edit)
            self._edit = edit
        self._time = float("inf") if dragging else now

    def end(self) -> None:
        """Let the next move be a change of its own."""
        self._edit = None


def _button(text: str, slot: Any) -> QPushButton:
    button = QPushButton(text)
    button.clicked.connect(slot)
    return button
