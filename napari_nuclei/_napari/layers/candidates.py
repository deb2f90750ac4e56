"""`Candidates`: faint outlines of candidates below the threshold, which come and go."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

from ...nuclei import Nucleus, State
from .bridge import Bridge
from .overlay_layer import OverlayLayer
from .state_outlines import outlined

if TYPE_CHECKING:
    from napari.viewer import Viewer

COLOR = "#FFFFFF"
OPACITY = 0.55

COVERED = 0.5
"""Share of a candidate that shown nuclei may cover: others only repeat them."""


class Candidates:
    """The candidates of one review layer; hidden at first."""

    def __init__(self, bridge: Bridge, viewer: Viewer) -> None:
        self.bridge = bridge
        self._viewer = weakref.ref(viewer)
        self._overlay: OverlayLayer | None = None

    def candidates(self) -> list[Nucleus]:
        """Return the candidates that could be nuclei of their own, where the layer is."""
        nuclei = self.bridge.review.nuclei

        def covered(candidate: Nucleus) -> float:
            near = [n for n in nuclei.in_box(candidate.mask.box) if nuclei.is_shown(n)]
            return sum(candidate.mask.overlap(n.mask) for n in near) / candidate.mask.area

        here = nuclei.in_box(self.bridge.viewport.box)
        hidden = [n for n in here if not nuclei.is_shown(n) and n.state is State.PROPOSED]
        return [n for n in hidden if n.mask and covered(n) < COVERED]

    def show(self) -> bool:
        """Show them; returns whether there are any."""
        viewer = self._viewer()
        if viewer is None:
            return False
        found = self.candidates()
        viewport = self.bridge.viewport
        overlay = self._shown(viewer)
        overlay.fit(viewport.shape)
        at = viewport.index(self.bridge.plane)
        assert at is not None
        view = overlay.layer.data[at]
        view[...] = 0
        if found:
            drawn = np.zeros(view.shape, np.int32)
            for candidate in sorted(found, key=lambda n: n.score):
                candidate.mask.paint(drawn, candidate.id, *viewport.box[:2])
            view[...] = outlined(drawn, (0, 0, *view.shape)) > 0
        overlay.refresh()
        for signal in (self.bridge.changed, self.bridge.moved):
            signal.disconnect(self._again, missing_ok=True)
            signal.connect(self._again)
        return bool(found)

    def _again(self) -> None:
        if self._overlay is not None:
            self.show()

    def hide(self) -> None:
        """Take them away."""
        for signal in (self.bridge.changed, self.bridge.moved):
            signal.disconnect(self._again, missing_ok=True)
        overlay, self._overlay = self._overlay, None
        if overlay is not None:
            overlay.remove()

    def at(self, y: int, x: int) -> list[int]:
        """Return the likeliest ghost at a pixel, as a list of one id or none."""
        here = [n for n in self.candidates() if n.mask.contains(y, x)]
        return [n.id for n in sorted(here, key=lambda n: -n.score)[:1]]

    def _shown(self, viewer: Viewer) -> OverlayLayer:
        if self._overlay is None or not self._overlay.is_shown:
            over = self.bridge.layer
            name = f"{over.name} candidates"
            self._overlay = OverlayLayer(viewer, over, over.data.shape, name, {1: COLOR}, OPACITY)
        return self._overlay
