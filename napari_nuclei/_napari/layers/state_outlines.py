"""`StateOutlines`: a layer that shows by colour how far each nucleus is."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from ...images.planes import Plane
from ...masks.box import Box
from ...nuclei import Kind, Nucleus, State
from .bridge import Bridge
from .overlay_layer import OverlayLayer
from .review_layer import set_pixels

if TYPE_CHECKING:
    from napari.viewer import Viewer

SURE = 0.7
"""Score below which a proposal is called doubtful; scores are calibrated."""


MAX_BOXES = 24
"""Boxes from which on the whole plane is drawn anew, a moment later."""

LATER_MS = 120


class Look(IntEnum):
    """How a nucleus is shown; the value is its pixels' in the layer."""

    PROPOSED = 1
    DOUBTFUL = 2
    ACCEPTED = 3
    EDITED = 4
    SELECTED = 5


COLORS = {
    Look.PROPOSED: "#56B4E9",
    Look.DOUBTFUL: "#D55E00",
    Look.ACCEPTED: "#00C08A",
    Look.EDITED: "#CC79A7",
    Look.SELECTED: "#F0E442",
}
"""After Okabe and Ito, told apart by colour-blind people; a lighter green, for black images."""

WORDS = {
    Look.PROPOSED: "proposed",
    Look.DOUBTFUL: "doubtful",
    Look.ACCEPTED: "accepted",
    Look.EDITED: "corrected or drawn",
    Look.SELECTED: "selected",
}


def look_of(nucleus: Nucleus) -> Look:
    """Return how a nucleus is shown when it is not selected."""
    if nucleus.corrected or nucleus.origin.kind is Kind.HAND:
        return Look.EDITED
    if nucleus.state is State.ACCEPTED:
        return Look.ACCEPTED
    return Look.PROPOSED if nucleus.score >= SURE else Look.DOUBTFUL


class StateOutlines:
    """The outlines of one review layer.

    Parameters
    ----------
    bridge : Bridge
        Of the review layer, on which the outlines lie; its plane in view is outlined.
    """

    def __init__(self, bridge: Bridge, viewer: Viewer) -> None:
        self.bridge = bridge
        self._selected: tuple[int, ...] = ()
        self._plane = bridge.plane
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.draw)
        shown = bridge.layer
        colors = {int(look): color for look, color in COLORS.items()}
        name = f"{shown.name} outlines"
        self._overlay = OverlayLayer(viewer, shown, shown.data.shape, name, colors)
        self.layer = self._overlay.layer
        bridge.drawn.connect(self._on_drawn)
        bridge.changed.connect(self._on_changed)
        bridge.moved.connect(self._on_moved)
        bridge.selected.connect(self._on_selected)
        self.draw()

    @property
    def are_shown(self) -> bool:
        """Whether they are in the viewer: a person may have removed their layer."""
        return self._overlay.is_shown

    def close(self) -> None:
        """Take the layer away."""
        self._timer.stop()
        self.bridge.drawn.disconnect(self._on_drawn)
        self.bridge.changed.disconnect(self._on_changed)
        self.bridge.moved.disconnect(self._on_moved)
        self.bridge.selected.disconnect(self._on_selected)
        self._overlay.remove()

    # -- drawing ----------------------------------------------------------------------

    def draw(self) -> None:
        """Draw the whole plane in view anew."""
        self._timer.stop()
        at = self.bridge.viewport.index(self.bridge.plane)
        if at is None:  # the layer is about to move there
            return
        view = self.layer.data[at]
        height, width = view.shape
        drawn = outlined(self.bridge.layer.data[at], (0, 0, height, width))
        view[...] = self._looks()[drawn]
        self._overlay.refresh()

    def _on_moved(self) -> None:
        """Lie on another part of the image, as the review layer does by now."""
        self._overlay.fit(self.bridge.layer.data.shape)
        self._plane = self.bridge.plane
        self.draw()

    def _looks(self) -> NDArray[np.uint8]:
        """Return how each nucleus is shown, by its id."""
        nuclei = self.bridge.review.nuclei
        looks = np.zeros(nuclei.next_id, np.uint8)
        for nucleus in nuclei.in_box(self.bridge.viewport.box):
            if nuclei.is_shown(nucleus):
                looks[nucleus.id] = look_of(nucleus)
        looks[list(self.bridge.review.selection)] = Look.SELECTED
        return looks

    def _on_drawn(self, plane: Any, boxes: list[Box]) -> None:
        if plane != self.bridge.plane:
            return
        height, width = self.bridge.viewport.shape[-2:]
        area = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in boxes)
        if len(boxes) > MAX_BOXES or 2 * area > height * width:
            self._timer.start(LATER_MS)  # a slider that is being dragged need not wait for it
        else:
            self._draw(boxes)

    def _on_changed(self) -> None:
        if self.bridge.plane != self._plane:
            self._plane = self.bridge.plane
            self.draw()

    def _on_selected(self, ids: tuple[int, ...]) -> None:
        nuclei = self.bridge.review.nuclei
        both = {*self._selected, *ids}
        self._selected = ids
        self._draw([nuclei[i].mask.box for i in both if i in nuclei])

    def _draw(self, boxes: list[Box]) -> None:
        viewport = self.bridge.viewport
        at = viewport.index(self.bridge.plane)
        if at is None:
            return
        around = [(y0 - 1, x0 - 1, y1 + 1, x1 + 1) for y0, x0, y1, x1 in boxes]
        parts = [self._pixels(at, viewport.local(box)) for box in viewport.parts(around)]
        parts = [part for part in parts if len(part[2])]
        if not parts:
            return
        ys, xs, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        lead = tuple(np.full(len(ys), index) for index in at)
        set_pixels(self.layer, (*lead, ys, xs), values)

    def _pixels(self, at: Plane, box: Box) -> tuple[Any, Any, Any]:
        """Return ys, xs and values of the pixels in a box that must change, all in the layer's."""
        nuclei = self.bridge.review.nuclei
        y0, x0, y1, x1 = box
        drawn = outlined(self.bridge.layer.data[at], box)
        ids, where = np.unique(drawn, return_inverse=True)
        chosen = set(self.bridge.review.selection)
        looks = [
            0 if i not in nuclei else Look.SELECTED if i in chosen else look_of(nuclei[i])
            for i in ids.tolist()
        ]
        fresh = np.array(looks, np.uint8)[where].reshape(drawn.shape)
        ys, xs = np.nonzero(self.layer.data[at][y0:y1, x0:x1] != fresh)
        return ys + y0, xs + x0, fresh[ys, xs]


def outlined(labels: NDArray[np.int32], box: Box) -> NDArray[np.int32]:
    """Return the labels of a box's pixels that touch another label; 0 elsewhere."""
    y0, x0, y1, x1 = box
    top, left = min(y0, 1), min(x0, 1)
    around = labels[y0 - top : y1 + 1, x0 - left : x1 + 1]
    edge = np.zeros(around.shape, bool)
    down = around[1:] != around[:-1]
    across = around[:, 1:] != around[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    inner = (slice(top, top + y1 - y0), slice(left, left + x1 - x0))
    out: NDArray[np.int32] = np.where(edge[inner], around[inner], 0)
    return out
