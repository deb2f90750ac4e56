"""`ResultPanel`: what was found, and what is done with it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...review import Review
from ..layers.keys import filled
from ..qt_helpers import line
from .threshold import ThresholdControl


class ResultPanel(QWidget):
    """Shows one review, or none. Signals: `undo`, `redo`, `export`, `bring_back` are asked for."""

    undo = Signal()
    redo = Signal()
    export = Signal()
    bring_back = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.minimum = ThresholdControl()
        self.slider, self.threshold_box = self.minimum.slider, self.minimum.box
        self.state = line()
        self._controls = QWidget()
        self.undo_button = _button("Undo", self.undo)
        self.redo_button = _button("Redo", self.redo)
        self.export_button = _button("Export…", self.export)
        self.export_button.setToolTip(
            "Write the nuclei: COCO, competition results, label image, GeoJSON, tables …"
        )
        self.back_button = _button("Show the nuclei again", self.bring_back)
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
        form = QFormLayout()
        form.addRow("Minimum score", self.minimum)
        column.addLayout(form)
        buttons = QHBoxLayout()
        for button in (self.undo_button, self.redo_button, self.export_button):
            buttons.addWidget(button, 1)
        column.addLayout(buttons)

    @property
    def threshold(self) -> float:
        """The score threshold that is set."""
        return self.minimum.threshold

    def set_threshold(self, score: float) -> None:
        """Show a threshold without changing anything."""
        self.minimum.show_threshold(score)

    def flush(self) -> None:
        """Let the nuclei follow a move of the slider that is still waited with."""
        self.minimum.flush()

    def show_review(self, review: Review | None, removed: bool = False) -> None:
        """Show the state of a review; `removed`: its layer is gone from the viewer."""
        self.minimum.show_review(review)
        writable = review is not None and not review.read_only
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


def _button(text: str, slot: Any) -> QPushButton:
    button = QPushButton(text)
    button.clicked.connect(slot)
    return button
