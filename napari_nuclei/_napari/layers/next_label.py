"""`NextLabel`: the label that the next stroke on a review layer paints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import layers

from ...review import Review
from .strokes import is_seen


class NextLabel:
    """Watches over the selected label of a review layer.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    review : callable
        Returns the review of the plane in view.
    """

    def __init__(self, layer: layers.Labels, review: Callable[[], Review]) -> None:
        self._layer = layer
        self._review = review
        self._label = 0
        self._new = True
        layer.events.selected_label.connect(self._on_selected)

    def close(self) -> None:
        """Let the layer go."""
        self._layer.events.selected_label.disconnect(self._on_selected)

    def renew(self) -> None:
        """Draw a new nucleus next: the same number is another nucleus in another plane."""
        self._new = True

    def settle(self, painting: bool) -> None:
        """After a change: who was about to draw a new nucleus still is."""
        review = self._review()
        label = int(self._layer.selected_label)
        drawn = painting and is_seen(review, label)
        if label and not drawn and (self._new or not is_seen(review, label)):
            self._layer.selected_label = review.nuclei.next_id
        self._label = int(self._layer.selected_label)
        self._new = self._label == review.nuclei.next_id

    def _on_selected(self, event: Any = None) -> None:
        """Lead a label that is not to be seen to one that is, or to a new one.

        napari's M and + go by the pixels in view, where ids that were deleted or lie below
        the threshold look free.
        """
        old, label = self._label, int(self._layer.selected_label)
        review = self._review()
        if self._is_above_all(label) and label not in review.selection:
            label = review.nuclei.next_id
        if label and not is_seen(review, label) and label != review.nuclei.next_id:
            shown = [n.id for n in review.nuclei.shown()]
            if label < old:
                label = max((i for i in shown if i < label), default=0)
            else:
                label = min((i for i in shown if i > label), default=review.nuclei.next_id)
        self._label = label
        self._new = label == review.nuclei.next_id
        self._layer.selected_label = label

    def _is_above_all(self, label: int) -> bool:
        """Whether a label is napari's word for a new one, where others lie out of its sight."""
        viewport = getattr(self._layer, "viewport", None)
        if viewport is None or viewport.shape == viewport.whole:
            return False
        return label == int(np.max(self._layer.data)) + 1

    def leave(self) -> None:
        """Draw a new nucleus next if the one in hand has gone out of what the layer holds."""
        label, review = int(self._layer.selected_label), self._review()
        viewport = getattr(self._layer, "viewport", None)
        if viewport is None or not label or label not in review.nuclei:
            return
        if not viewport.parts([review.nuclei[label].mask.box]):
            self.renew()
            self.settle(False)
