"""`Legend`: what the colours of outlines mean, in words beside swatches."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ..layers.state_outlines import COLORS, WORDS, Look


class Legend(QWidget):
    """One swatch a state, in two columns."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        for k, look in enumerate(Look):
            grid.addWidget(Swatch(look), k // 2, 2 * (k % 2))
            grid.addWidget(QLabel(WORDS[look]), k // 2, 2 * (k % 2) + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)


class Swatch(QWidget):
    """A small ring in the colour of a state."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._color = QColor(COLORS[look])
        side = self.fontMetrics().height()
        self.setFixedSize(side, side)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._color, 2.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(self.rect().adjusted(2, 2, -3, -3))
