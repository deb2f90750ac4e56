"""`ChosenImage`: the image that the panel works on follows the active layer, and its review."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from .layers.bridge import Bridge
from .layers.layer_list import below
from .layers.record import KEY
from .qt_helpers import focus_canvas
from .segment.settings_panel import SettingsPanel
from .session.hand import is_typing
from .session.session import Session


class ChosenImage:
    """The image that is chosen in the settings of a widget.

    Parameters
    ----------
    session : Session
        Of the viewer.
    settings : SettingsPanel
        Where it is chosen.
    widget : QWidget
        That gives the focus to the canvas.
    """

    def __init__(self, session: Session, settings: SettingsPanel, widget: QWidget) -> None:
        self._session, self._settings, self._widget = session, settings, widget

    @property
    def bridge(self) -> Bridge | None:
        """Of its review layer; where no image is chosen, of the layer that is active."""
        image = self._settings.image
        if image is None:
            return self._session.bridges.get(self._session.viewer.layers.selection.active)
        return self._session.bridge_of(image)

    def load(self) -> None:
        """Offer the images that are in the viewer."""
        images = [x for x in self._session.viewer.layers if isinstance(x, Image) and x.ndim > 1]
        for image in images:
            image.events.name.disconnect(self._on_name)
            image.events.name.connect(self._on_name)
        self._settings.load_images(images)

    def _on_name(self, event: Any = None) -> None:
        self.load()

    def has_lost(self, layer: Any) -> bool:
        """Whether a layer that has gone was that of its nuclei."""
        record = self._session.record_of(self._settings.image)
        known = getattr(layer, "metadata", {}).get(KEY)
        return record is not None and known is record and self.bridge is None

    def follow_active(self) -> None:
        """Follow the user to another image, or to the image of another review layer."""
        active = self._session.viewer.layers.selection.active
        bridge = self._session.bridges.get(below(active))
        if bridge is not None:  # on what lies on its layer no key would work
            self._session.activate(bridge)
            return
        self._session.use(active)
        if active in self._session.bridges:
            QTimer.singleShot(0, self._focus)
        image = active if isinstance(active, Image) else self._session.image_of(active)
        if image is not None:
            self._settings.choose_image(image)

    def _focus(self) -> None:
        if not is_typing():
            focus_canvas(self._widget)

    def resume(self) -> Bridge | None:
        """Go on with the review that it has from before, if that is not open yet."""
        image = self._settings.image
        bridge = None if image is None else self._session.resume(image)
        if bridge is not None:
            # Once the image is in: what is put into napari's list is active in the end.
            QTimer.singleShot(0, partial(self._come_to, bridge, image))
        return bridge

    def _come_to(self, bridge: Bridge, image: Image | None) -> None:
        """Have the keys work on a review that was opened with its image."""
        active = self._session.viewer.layers.selection.active
        busy = active in self._session.bridges or is_typing()
        if bridge.layer in self._session.bridges and self._settings.image is image and not busy:
            self._session.activate(bridge)
