"""`ThresholdControl`: the slider and the number that set the minimum score of a review."""

from __future__ import annotations

import time

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QSlider, QWidget

from ...nuclei import edits
from ...nuclei.edits import Edit
from ...review import Review
from ..qt_helpers import quiet

STEPS = 100
"""Steps of the slider from 0 to 1."""

SETTLE_MS = 40
"""How long the slider waits for a further move before the nuclei follow."""

ONE_CHANGE = 1.0
"""Moves without the mouse (keys, wheel) within this time in s are one change."""

HIDES = (
    "Nuclei with lower scores are hidden and not exported.\nWhat you have accepted, corrected or "
    "drawn stays."
)


class ThresholdControl(QWidget):
    """Shows the threshold of one review, and changes it."""

    def __init__(self) -> None:
        super().__init__()
        self._review: Review | None = None
        self._moves = ThresholdMoves()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.box = QDoubleSpinBox()
        self.box.setRange(0, 1)
        self.box.setSingleStep(1 / STEPS)
        self.box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.box.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.box)
        for control in (self.slider, self.box):
            control.setToolTip(HIDES)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._apply)
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderPressed.connect(self._moves.end)
        self.slider.sliderReleased.connect(self._on_released)
        self.box.valueChanged.connect(self._on_box)

    @property
    def threshold(self) -> float:
        """The score threshold that is set."""
        return round(self.box.value(), 2)

    def show_threshold(self, score: float) -> None:
        """Show a threshold without changing anything."""
        with quiet(self.slider), quiet(self.box):
            self.slider.setValue(round(score * STEPS))
            self.box.setValue(score)

    def flush(self) -> None:
        """Let the nuclei follow a move of the slider that is still waited with."""
        if self._timer.isActive():
            self._apply()

    def show_review(self, review: Review | None) -> None:
        """Show the threshold of a review, if the person is not changing it just now."""
        if review is not self._review:
            self.flush()
            self._moves.end()
        self._review = review
        for control in (self.slider, self.box):
            control.setEnabled(review is not None and not review.read_only)
        if review is not None and not self._timer.isActive() and not self.slider.isSliderDown():
            self.show_threshold(review.nuclei.threshold)

    def _on_slider(self, value: int) -> None:
        with quiet(self.box):
            self.box.setValue(value / STEPS)
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
