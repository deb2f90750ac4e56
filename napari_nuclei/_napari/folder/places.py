"""`Places`: where the reviewer is in a folder, and how each image was looked at."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from ...workspace.files import Place
from ...workspace.workspace import Workspace
from ..layers.camera import camera_of
from .item_layers import ItemLayers
from .views import View

if TYPE_CHECKING:
    from napari.viewer import Viewer

WAIT_MS = 1000
"""How long the place waits for further moves before it is noted."""


class Places(QObject):
    """The views of a folder's images."""

    def __init__(self, layers: ItemLayers, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._layers, self._viewer = layers, weakref.ref(viewer)
        self._views: dict[int, View] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.note)
        for event in (camera_of(viewer).events, viewer.dims.events.current_step):
            event.connect(self._on_moved)

    def begin(self, workspace: Workspace) -> int:
        """Return the item at which the reviewer was when the workspace was closed."""
        self._views = {}
        place = workspace.place
        if place is None:
            return 0
        found = [k for k, item in enumerate(workspace.items) if str(item.path) == place.image]
        exact = [k for k in found if workspace.items[k].plane in ((), place.plane)]
        number = (exact or found or [0])[0]
        view = View.read(place.view, place.plane, place.nucleus)
        if view is not None:
            self._views[number] = view
        return number

    def of(self, number: int) -> View | None:
        """Return how an item was looked at last; None if it never was."""
        return self._views.get(number)

    def note(self) -> None:
        """Take note of how the item in view is looked at."""
        self._timer.stop()
        viewer, of = self._viewer(), self._layers.of
        if viewer is None or of is None or not self._layers.are_shown:
            return
        workspace, number = of
        view = View.of(viewer, self._layers.bridge)
        self._views[number] = view
        item = workspace.items[number]
        plane = view.plane or item.plane
        workspace.place = Place(str(item.path), plane, view.to_json(), view.nucleus)

    def _on_moved(self, event: Any = None) -> None:
        if self._layers.of is not None and not self._layers.is_turning:
            self._timer.start()
