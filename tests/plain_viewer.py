"""A viewer without a canvas: napari's model in a plain window, in a hundredth of the time."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from pydantic import PrivateAttr
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget


class Dock(QDockWidget):
    """A dock that lets its widget go before it closes, as napari's does; plugins hear of it so."""

    def destroyOnClose(self) -> None:  # noqa: N802 (napari's name)
        if (widget := self.widget()) is not None:
            widget.setParent(None)
        self.close()
        self.deleteLater()


class PlainWindow:
    """What the plugin needs of napari's window."""

    def __init__(self) -> None:
        self._qt_window = QMainWindow()
        self._qt_window.resize(1100, 760)
        self._closed = False

    def add_dock_widget(
        self, widget: QWidget, name: str = "", area: str = "right", **_: Any
    ) -> QDockWidget:
        dock = Dock(name, self._qt_window)
        dock.setWidget(widget)
        self._qt_window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        return dock

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for dock in self._qt_window.findChildren(QDockWidget):
            if (widget := dock.widget()) is not None:
                widget.setParent(None)  # as napari does, which tells plugins that it closes
                widget.close()
                widget.deleteLater()
        self._qt_window.close()
        self._qt_window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


class PlainViewer(ViewerModel):
    """napari's model of a viewer, with a plain window."""

    _window: PlainWindow = PrivateAttr(default_factory=PlainWindow)

    @property
    def window(self) -> PlainWindow:
        return self._window

    def close(self) -> None:
        self.layers.clear()
        self._window.close()
