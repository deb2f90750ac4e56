"""`HelpOverlay`: the keys, over the canvas. Not here: which keys there are (`keys.py`)."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from .keys import listed

STYLE = """
QFrame#keys { background: rgba(20, 22, 26, 235); border: 1px solid #8a8f98; border-radius: 8px; }
QLabel { color: #f0f1f2; background: transparent; }
"""


class HelpOverlay(QFrame):
    """Lists the keys in the middle of the canvas; a click or H takes it away."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setObjectName("keys")
        self.setStyleSheet(STYLE)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(18, 14, 18, 14)
        self._grid.setHorizontalSpacing(18)
        self._grid.setVerticalSpacing(3)
        self.hide()
        canvas.installEventFilter(self)

    def toggle(self) -> None:
        """Show it, or take it away."""
        if self.isVisible():
            self.hide()
            return
        self._fill()
        self.adjustSize()
        self._centre()
        self.show()
        self.raise_()

    def _fill(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (label := item.widget()) is not None:
                label.deleteLater()
        title = QLabel("<b>Keys while the nuclei's layer is active</b>")
        self._grid.addWidget(title, 0, 0, 1, 2)
        for row, (key, text) in enumerate(listed(), 1):
            self._grid.addWidget(QLabel(f"<b>{key}</b>"), row, 0, Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(QLabel(text), row, 1)
        hint = QLabel("Change them under Preferences ▸ Shortcuts. H or a click closes this.")
        self._grid.addWidget(hint, self._grid.rowCount(), 0, 1, 2)

    def _centre(self) -> None:
        canvas = self.parentWidget()
        if canvas is not None:
            free = canvas.size() - self.size()
            self.move(max(0, free.width() // 2), max(0, free.height() // 2))

    def mousePressEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Close on a click."""
        self.hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Stay in the middle when the canvas is resized."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self._centre()
        return False
