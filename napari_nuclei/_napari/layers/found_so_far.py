"""`Arrivals`: what has been found so far is outlined while the rest is being looked for.

They are no nuclei yet, so nothing works on them.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...masks import Mask
from .overlay_layer import OverlayLayer
from .state_outlines import outlined

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .bridge import Bridge
    from .source import Source

COLOR = "#FFFFFF"
OPACITY = 0.7


class Arrivals:
    """The nuclei found so far in one plane."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self._masks: list[Mask] = []
        self._bridge: Bridge | None = None
        self._source: Source | None = None
        self._overlay: OverlayLayer | None = None

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def are_shown(self) -> bool:
        """Whether they have a layer."""
        return self._overlay is not None

    def add(self, masks: Sequence[Mask]) -> None:
        """Outline some more, once it has begun."""
        self._masks += masks
        self._draw(masks)

    def clear(self) -> None:
        """Take them away."""
        self._masks = []
        bridge, overlay = self._bridge, self._overlay
        self._bridge, self._overlay = None, None
        if bridge is not None:
            bridge.moved.disconnect(self._draw_all, missing_ok=True)
            bridge.changed.disconnect(self._on_changed, missing_ok=True)
        if overlay is not None:
            overlay.remove()

    def begin(self, bridge: Bridge, source: Source) -> None:
        """Lie over the review layer of what is being segmented."""
        viewer = self._viewer()
        if viewer is None:
            return
        self._bridge, self._source = bridge, source
        name = f"{source.image.name} found so far"
        shape = bridge.viewport.shape
        self._overlay = OverlayLayer(viewer, bridge.layer, shape, name, {1: COLOR}, OPACITY)
        bridge.moved.connect(self._draw_all)
        bridge.changed.connect(self._on_changed)

    def _on_changed(self) -> None:
        """Show them over their own plane alone."""
        if self._overlay is not None and self._bridge is not None and self._source is not None:
            self._overlay.layer.visible = self._bridge.plane == self._source.plane

    def _draw_all(self) -> None:
        if self._overlay is not None and self._bridge is not None:
            self._overlay.fit(self._bridge.viewport.shape)
            self._overlay.layer.data[...] = 0
            self._draw(self._masks)
            self._overlay.refresh()

    def _draw(self, masks: Sequence[Mask]) -> None:
        assert self._bridge is not None
        assert self._overlay is not None
        assert self._source is not None
        viewport = self._bridge.viewport
        at = viewport.index(self._source.plane)
        if at is None:
            return
        view = self._overlay.layer.data[at]
        top, left = viewport.box[:2]
        for mask in masks:
            y0, x0, y1, x1 = mask.box
            if not viewport.parts([mask.box]):
                continue
            drawn = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.int32)
            mask.paint(drawn, 1, y0 - 1, x0 - 1)
            ys, xs = np.nonzero(outlined(drawn, (0, 0, *drawn.shape)))
            ys, xs = ys + y0 - 1 - top, xs + x0 - 1 - left
            held = (ys >= 0) & (xs >= 0) & (ys < view.shape[0]) & (xs < view.shape[1])
            view[ys[held], xs[held]] = 1
        self._overlay.refresh()
