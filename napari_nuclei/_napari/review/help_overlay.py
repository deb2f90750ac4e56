"""`HelpOverlay`: the keys, over the canvas."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from ..layers.keys import filled, listed
from ..qt_helpers import canvas_of

STYLE = """
QFrame#keys { background: rgba(20, 22, 26, 235); border: 1px solid #8a8f98; border-radius: 8px; }
QLabel { color: #f0f1f2; background: transparent; }
"""

HINT = "Change them under Preferences ▸ Shortcuts. {show_keys} or a click closes this."

SMALLER = ("", "QLabel { font-size: 11px; }", "QLabel { font-size: 9px; }")
"""Fonts that are tried until the list fits on the canvas."""


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
        canvas = self.parentWidget()
        for small in SMALLER:
            self.setStyleSheet(STYLE + small)
            self._fill()
            self.adjustSize()
            if canvas is None or canvas.rect().contains(self.rect()):
                break
        self._centre()
        self.show()
        self.raise_()

    def _fill(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (label := item.widget()) is not None:
                label.hide()  # it goes later
                label.deleteLater()
        title = QLabel("<b>Keys while the nuclei layer is active</b>")
        self._grid.addWidget(title, 0, 0, 1, 2)
        rows = [(QLabel(f"<b>{key}</b>", self), QLabel(text, self)) for key, text in listed()]
        hint = QLabel(filled(HINT), self)
        for label in (hint, *(label for row in rows for label in row)):
            label.ensurePolished()  # the style has fonts of its own
        keys = max(key.sizeHint().width() for key, _ in rows)
        for row, (name, what) in enumerate(rows, 1):
            self._wrap(what, keys + self._grid.horizontalSpacing())
            self._grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(what, row, 1)
        self._wrap(hint, 0)
        self._grid.addWidget(hint, len(rows) + 1, 0, 1, 2)

    def _wrap(self, label: QLabel, beside: int) -> None:
        """Break a text into lines where the canvas is too narrow for it and what is beside it."""
        canvas, edges = self.parentWidget(), self._grid.contentsMargins()
        width = 0 if canvas is None else canvas.width()
        room = max(120, width - beside - edges.left() - edges.right() - 4)
        if label.sizeHint().width() > room:
            label.setWordWrap(True)
            label.setFixedWidth(room)

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


class Help:
    """The list of keys over the canvas beside a widget, made when it is first asked for."""

    def __init__(self, widget: QWidget) -> None:
        self._widget = widget
        self._overlay: HelpOverlay | None = None

    def toggle(self) -> None:
        """Show the list, or take it away; nothing where there is no canvas."""
        canvas = canvas_of(self._widget)
        if canvas is not None:
            if self._overlay is None:
                self._overlay = HelpOverlay(canvas)
            self._overlay.toggle()
