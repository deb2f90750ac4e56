"""Small Qt pieces that the panels share. Nothing here knows of nuclei."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QSlider,
    QWidget,
)

_WATCHED = "napari_nuclei_watched"
_KEYS = "napari_nuclei_keys"
_NO_MODIFIER = Qt.KeyboardModifier.NoModifier

NARROW = 160
"""Width in px at which a wrapped text must still fit its place."""


def line(text: str = "") -> QLabel:
    """Make a label that wraps its text and never widens its panel."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(NARROW)  # Qt reserves the height of the narrowest form
    return label


class _Column(QScrollArea):
    """A column that scrolls up and down alone: whatever the font, nothing lies beside it."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keep as wide as the column has to be, which Qt tells of by this event."""
        inside = self.widget()
        if event is not None and event.type() == QEvent.Type.LayoutRequest and inside is not None:
            bar = self.verticalScrollBar()
            beside = bar.sizeHint().width() if bar is not None else 0
            self.setMinimumWidth(inside.minimumSizeHint().width() + beside)
        return super().eventFilter(watched, event)


def scroll(outside: QWidget, inside: QWidget, width: int) -> None:
    """Put a column of panels into a dock widget, where it scrolls if it is too long."""
    area = _Column()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(inside)
    calm(inside)
    whole = QHBoxLayout(outside)
    whole.setContentsMargins(0, 0, 0, 0)
    whole.addWidget(area)
    outside.setMinimumWidth(width)


def confirmed(parent: QWidget, title: str, question: str) -> bool:
    """Ask before something that cannot be taken back; Return alone is no answer to it."""
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(parent, title, question, buttons.Yes | buttons.No, buttons.No)
    return answer == buttons.Yes


class _Calm(QObject):
    """Leaves the wheel to what scrolls below a control that does not have the focus."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Pass the wheel on."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and watched.hasFocus():
            return False
        event.ignore()
        return True


def calm(root: QWidget, *others: QWidget) -> None:
    """Have the wheel scroll over sliders, number boxes and lists, and not change them.

    It does that in all of a widget; once a control has the focus, by a click or a key, the wheel is
    its own. `others` take the wheel too, though they have no use for it.
    """
    kinds = (QSlider, QAbstractSpinBox, QComboBox)
    keeper = _Calm(root)
    for widget in (*(w for kind in kinds for w in root.findChildren(kind)), *others):
        if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(keeper)


def combo(tooltip: str) -> QComboBox:
    """Make a combo box whose long entries do not widen its panel."""
    box = QComboBox()
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def refill(box: QComboBox, items: Iterable[tuple[str, Any]]) -> bool:
    """Replace a combo box's entries, keep the choice if it is still there.

    Returns whether another object is chosen now.
    """
    before = box.currentData()
    entries = list(items)
    with quiet(box):
        box.clear()
        for k, (text, data) in enumerate(entries):
            box.addItem(text, data)
            box.setItemData(k, text, Qt.ItemDataRole.ToolTipRole)
        same = [k for k, (_, data) in enumerate(entries) if data is before or data == before]
        box.setCurrentIndex(same[0] if same else (0 if entries else -1))
    return box.currentData() is not before


@contextmanager
def quiet(widget: QObject) -> Iterator[None]:
    """Change a widget without its signals."""
    before = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(before)


def canvas_of(widget: QWidget) -> QWidget | None:
    """Return the canvas of the window that a widget is docked in."""
    window = main_window_of(widget)
    center = window.centralWidget() if window is not None else None
    found = center.findChildren(QWidget) if center is not None else ()
    return next((child for child in found if child.inherits("QOpenGLWidget")), None)


def focus_canvas(widget: QWidget) -> None:
    """Give the keys to napari's canvas: in the layer list, Delete would remove the layer."""
    canvas = canvas_of(widget)
    if canvas is not None:
        canvas.setFocus()


def main_window_of(widget: QWidget) -> QMainWindow | None:
    """Return the main window that a widget is docked in."""
    parent: QObject | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        try:
            parent = parent.parent()
        except RuntimeError:  # PySide6 says so of a widget that is being destroyed
            return None
    return parent


class _Keys(QObject):
    """Calls functions when keys are pressed on the widget that it is a child of."""

    def __init__(self, target: QWidget, calls: dict[Qt.Key, Callable[[], object]]) -> None:
        super().__init__(target)
        self.setObjectName(_KEYS)
        self._calls = calls
        target.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take what is ours, and leave the rest."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            call = self._calls.get(Qt.Key(event.key()))
            plain = event.modifiers() in (_NO_MODIFIER, Qt.KeyboardModifier.KeypadModifier)
            if call is not None and plain:
                call()
                return True
        return False


def on_keys(widget: QWidget, calls: dict[Qt.Key, Callable[[], object]]) -> None:
    """Call functions when keys are pressed on the canvas of the window that a widget is in."""
    canvas = canvas_of(widget)
    if canvas is not None and canvas.findChild(QObject, _KEYS) is None:
        _Keys(canvas, calls)


def when_closed(widget: QWidget, call: Callable[[], None]) -> None:
    """Call a function once the main window that a widget is docked in is gone."""
    window = main_window_of(widget)
    if window is not None and not window.property(_WATCHED):
        window.setProperty(_WATCHED, True)
        window.destroyed.connect(call)
