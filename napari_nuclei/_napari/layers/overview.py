"""`Overview`: where the nuclei of a large image lie, and how far each is, seen from afar.

Nothing can be edited in it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from .drawing import linear_of
from .overlay_layer import OverlayLayer
from .source import GEOMETRY
from .state_outlines import COLORS, look_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .bridge import Bridge

SIDE = 2048
"""Longest side of the picture in its own px."""

DOT = 12
"""Px of the image that a dot covers, or one of the picture where that is more."""

LATER_MS = 500
"""How long it waits for further changes before it is drawn anew."""


class Overview:
    """The overview of one review layer; hidden at first."""

    def __init__(self, bridge: Bridge, viewer: Viewer) -> None:
        self._bridge, self._viewer = bridge, weakref.ref(viewer)
        self._overlay: OverlayLayer | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)

    def show(self) -> None:
        """Show it."""
        viewer = self._viewer()
        if viewer is None or (self._overlay is not None and self._overlay.is_shown):
            return
        height, width = self._bridge.viewport.whole[-2:]
        by = self._by
        over = self._bridge.layer
        shape = (*(1,) * (over.ndim - 2), -(-height // by), -(-width // by))
        colors = {int(look): color for look, color in COLORS.items()}
        name = f"{over.name} from afar"
        self._overlay = OverlayLayer(viewer, over, shape, name, colors, beneath=True)
        self._bridge.moved.connect(self._place)
        self._bridge.changed.connect(self._later)
        self._place()
        self._draw()

    def hide(self) -> None:
        """Take it away."""
        self._timer.stop()
        self._bridge.moved.disconnect(self._place, missing_ok=True)
        self._bridge.changed.disconnect(self._later, missing_ok=True)
        overlay, self._overlay = self._overlay, None
        if overlay is not None:
            overlay.remove()

    @property
    def _by(self) -> int:
        """Px of the image for one px of the picture."""
        return -(-max(self._bridge.viewport.whole[-2:]) // SIDE)

    def _place(self) -> None:
        """Lie where the whole image lies, which the review layer is a part of."""
        if self._overlay is None:
            return
        over, layer = self._bridge.layer, self._overlay.layer
        for name in GEOMETRY:
            setattr(layer, name, getattr(over, name))
        corner = -np.array(self._bridge.viewport.origin, float)
        corner[:-2] = 0
        corner[-2:] += (self._by - 1) / 2  # the middle of its first px
        layer.translate = np.asarray(over.translate) + linear_of(over) @ corner
        layer.scale = np.asarray(over.scale) * ([1.0] * (over.ndim - 2) + [float(self._by)] * 2)

    def _later(self) -> None:
        self._timer.start(LATER_MS)

    def _draw(self) -> None:
        if self._overlay is None:
            return
        nuclei, by = self._bridge.review.nuclei, self._by
        rows = [(*n.mask.box, look_of(n)) for n in nuclei.shown()]
        found: Any = np.array(rows, np.int64).reshape(-1, 5)
        view = self._overlay.layer.data[(0,) * (self._bridge.layer.ndim - 2)]
        view[...] = 0
        ys, xs = ((found[:, k] + found[:, k + 2]) // 2 for k in (0, 1))
        reach = max(0, DOT // by // 2)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                at_y = (ys // by + dy).clip(0, view.shape[0] - 1)
                at_x = (xs // by + dx).clip(0, view.shape[1] - 1)
                view[at_y, at_x] = found[:, 4]
        self._overlay.refresh()
