"""`Guard`: refuses, in words, what napari offers that would set nuclei and image apart."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

MOVED = "“{}” cannot be moved while its nuclei are under review: they would mark the wrong pixels."
ONE_PLANE = "Each plane has its own nuclei: a stroke changes only the plane in view."


class Guard:
    """Guards one layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        A review layer, or its image.
    tell : callable
        Gets a line for the person.
    wanted : callable
        Returns whether there is something to guard at present.
    """

    def __init__(
        self,
        layer: Any,
        tell: Callable[[str], object],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._layer = weakref.ref(layer)
        self._tell, self._wanted = tell, wanted
        self._mode = "pan_zoom"
        layer.events.mode.connect(self._on_mode)
        if hasattr(layer, "n_edit_dimensions"):
            layer.events.n_edit_dimensions.connect(self._on_dimensions)
        self.look()

    def close(self) -> None:
        """Guard no more."""
        layer = self._layer()
        if layer is not None:
            layer.events.mode.disconnect(self._on_mode)
            if hasattr(layer, "n_edit_dimensions"):
                layer.events.n_edit_dimensions.disconnect(self._on_dimensions)

    def look(self) -> None:
        """Refuse what is on by now."""
        self._on_mode()
        self._on_dimensions()

    def _on_mode(self, event: Any = None) -> None:
        layer = self._layer()
        if layer is None:
            return
        mode = str(layer.mode)
        if mode != "transform" or not self._wanted():
            self._mode = mode
            return
        layer.mode = "pan_zoom" if self._mode == "transform" else self._mode
        if event is not None:
            event.blocked = True  # all have been told of the mode that it has now
        self._tell(MOVED.format(layer.name))

    def _on_dimensions(self, event: Any = None) -> None:
        layer = self._layer()
        if layer is not None and getattr(layer, "n_edit_dimensions", 2) != 2 and self._wanted():
            layer.n_edit_dimensions = 2
            self._tell(ONE_PLANE)
