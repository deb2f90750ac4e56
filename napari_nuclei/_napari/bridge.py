"""`Bridge`: keeps a Labels layer and the nuclei that it shows the same.

Here: edits → pixels, strokes → edits, the features table. Not here: which layer shows what
(`session.py`), parsing strokes (`strokes.py`), which label is painted next (`next_label.py`).

    napari's tools ─ paint event ─▶ strokes.take ─▶ Review.do ─ changed ─▶ draw the boxes
    Ctrl+Z ─ Labels.undo ─▶ Bridge.undo ─▶ Review.undo ─ changed ──────────▶ draw the boxes

The nuclei are the truth. What a stroke painted is drawn anew after it, so that pixels which
made no edit go back to what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari import layers
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QTimer

from .. import labels
from ..edits import Edit
from ..errors import UserError
from ..mask import Box, enclosing
from ..nuclei import Nuclei
from ..review import Review
from .layer import give_to
from .next_label import NextLabel
from .record import KEY, Plane, Record
from .strokes import Pixels, by_plane, differences, pixels_of, take
from .table import Table

if TYPE_CHECKING:
    from .actions import Actions

MANY = 200_000
"""Changed pixels from which on a whole redraw is cheaper than `data_setitem`."""

MANY_BOXES = 1000
"""Boxes from which on the whole plane is drawn anew."""

SETTLE_MS = 150
"""How long the features table waits for further changes."""

STROKE_NAMES = {"fill": "fill", "polygon": "polygon"}


class Bridge:
    """One review layer and its record.

    Parameters
    ----------
    layer : napari.layers.Labels
        (…, H, W); what differs in it from the nuclei is taken as painted by somebody.
    record : Record
        Of the layer's shape.

    Attributes
    ----------
    plane : Plane
        The plane in view: undo, redo, the next label and the features are of this one.
    changed : Signal
        After every change of the nuclei, and when another plane comes into view.
    refused : Signal
        A line for the person: why something that they did changes nothing.
    drawn : Signal
        A plane, and the boxes of it that were brought up to date.
    selected : Signal
        The ids that are selected in the plane in view.
    actions : Actions or None
        What keys do here; the session's.
    """

    changed = Signal()
    refused = Signal(str)
    drawn = Signal(tuple, list)
    selected = Signal(tuple)

    def __init__(self, layer: layers.Labels, record: Record) -> None:
        self.layer = layer
        self.record = record
        self.plane: Plane = (0,) * (layer.ndim - 2)
        self.actions: Actions | None = None
        self._slots: dict[Plane, tuple[Callable[[Edit], None], Callable[[Any], None]]] = {}
        self._drawing = False
        self._table = Table()
        self._painting = False
        self._unsettled: list[tuple[Plane, list[Box]]] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.update_features)
        for plane in record.reviews:
            self.review_at(plane)
        record.shown = True
        layer.metadata = {**layer.metadata, KEY: record}
        layer.n_edit_dimensions = 2
        give_to(layer, self)
        self._next_label = NextLabel(layer, lambda: self.review)
        self._absorb()
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_data)
        self.show(self.plane)

    def close(self) -> None:
        """Let the layer go; the record keeps its nuclei."""
        self._timer.stop()
        for plane, (on_edit, on_selection) in self._slots.items():
            self.record.reviews[plane].changed.disconnect(on_edit)
            self.record.reviews[plane].selected.disconnect(on_selection)
        self._slots.clear()
        events = self.layer.events
        events.paint.disconnect(self._on_paint)
        events.data.disconnect(self._on_data)
        self._next_label.close()
        self.record.shown = False
        give_to(self.layer, None)

    # -- reviews ----------------------------------------------------------------------

    def review_at(self, plane: Plane) -> Review:
        """Return the review of a plane, which this layer shows."""
        review = self.record.review(plane)
        if plane not in self._slots:
            on_edit, on_selection = slots = (
                partial(self._on_edit, plane),
                partial(self._on_selection, plane),
            )
            self._slots[plane] = slots
            review.changed.connect(on_edit)
            review.selected.connect(on_selection)
        return review

    @property
    def review(self) -> Review:
        """The review of the plane in view."""
        return self.review_at(self.plane)

    def show(self, plane: Plane) -> None:
        """Take note of which plane is in view."""
        if plane != self.plane:
            self._next_label.renew()
        self.plane = plane
        self._next_label.settle(self._painting)
        self.update_features()
        self.changed.emit()
        self.selected.emit(self.review.selection)

    def undo(self) -> None:
        """Take back the last change of the plane in view, whatever made it."""
        self.attempt(self.review.undo)

    def redo(self) -> None:
        """Do the last undone change of the plane in view again."""
        self.attempt(self.review.redo)

    def attempt(self, change: Callable[[], Any]) -> bool:
        """Try a change; one that is refused says why. Returns whether it was done."""
        try:
            change()
        except UserError as error:
            self.refused.emit(str(error))
            return False
        return True

    def _on_selection(self, plane: Plane, ids: tuple[int, ...]) -> None:
        if plane == self.plane:
            self.selected.emit(ids)

    # -- nuclei → pixels --------------------------------------------------------------

    def _on_edit(self, plane: Plane, edit: Edit) -> None:
        self._give_up_encircling()
        nuclei = self.record.reviews[plane].nuclei
        self._draw(plane, _boxes(nuclei, edit))
        if plane == self.plane:
            self._next_label.settle(self._painting)
        self._timer.start(SETTLE_MS)
        self.changed.emit()

    def _give_up_encircling(self) -> None:
        """End an encircle-and-fill under way: its Escape would put back pixels of before."""
        if not self._painting and self.layer.mode == "paint":
            self.layer.mode = "pan_zoom"
            self.layer.mode = "paint"

    def _draw(self, plane: Plane, boxes: list[Box]) -> None:
        """Bring the pixels of some boxes of a plane up to date."""
        nuclei = self.record.reviews[plane].nuclei
        height, width = nuclei.shape
        area = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in boxes)
        if len(boxes) > MANY_BOXES or area > height * width // 2:
            boxes = [(0, 0, height, width)]
        view = self.layer.data[plane]
        fresh = [(box, labels.draw(nuclei, box)) for box in boxes]
        parts = [_changes(view, box, drawn) for box, drawn in fresh]
        if sum(len(values) for _, _, values in parts) > MANY:
            for (y0, x0, y1, x1), drawn in fresh:
                view[y0:y1, x0:x1] = drawn
            self.layer.refresh(extent=False)
        elif parts:
            ys, xs, values = (np.concatenate(part) for part in zip(*parts, strict=True))
            lead = tuple(np.full(len(ys), index) for index in plane)
            with self.layer.events.paint.blocker():
                self.layer.data_setitem((*lead, ys, xs), values)
        self.drawn.emit(plane, boxes)

    def _set_data(self, data: NDArray[np.int32]) -> None:
        self._drawing = True
        try:
            self.layer.data = data
        finally:
            self._drawing = False

    # -- pixels → nuclei --------------------------------------------------------------

    def _on_paint(self, event: Any) -> None:
        self._take(pixels_of(event.value))

    def _on_data(self, event: Any) -> None:
        """Take a label image that somebody has assigned as a stroke of all that differs."""
        if not self._drawing:
            self._absorb()

    def _absorb(self) -> None:
        data = np.asarray(self.layer.data)
        expected = self.record.draw()
        self._set_data(expected)
        if data.shape == expected.shape and data.dtype.kind in "iu":
            planes = [(p, expected[p]) for p in np.ndindex(*expected.shape[:-2])]
            self._take(differences(data, planes))

    def _take(self, pixels: Pixels) -> None:
        name = STROKE_NAMES.get(str(self.layer.mode), "paint")
        touched: list[tuple[Plane, list[Box]]] = []
        self._painting = True
        try:
            for plane, (points, values) in by_plane(pixels):
                review = self.review_at(plane)
                before = len(review.done)
                self.attempt(partial(take, review, (points, values), name))
                boxes = [enclosing([(*points.min(0), *(points.max(0) + 1))])]
                boxes += [box for edit in review.done[before:] for box in edit.boxes]
                touched.append((plane, boxes))
                self._draw(plane, boxes)
        finally:
            self._painting = False
        self._unsettled = touched
        self._next_label.settle(self._painting)

    def settle(self) -> None:
        """Draw what the last stroke touched, now that napari has written its pixels too."""
        touched, self._unsettled = self._unsettled, []
        for plane, boxes in touched:
            self._draw(plane, boxes)

    # -- features ---------------------------------------------------------------------

    def update_features(self) -> None:
        """Bring the layer's features table up to date now."""
        self._timer.stop()
        self.layer.features = self._table.of(self.review.nuclei)


def _boxes(nuclei: Nuclei, edit: Edit) -> list[Box]:
    """Return the boxes in which an edit that was done may be seen."""
    boxes = edit.boxes
    if edit.threshold is not None:
        low, high = sorted(edit.threshold)
        boxes += [n.mask.box for n in nuclei if low <= n.score < high and not n.touched and n.mask]
    return boxes


def _changes(view: NDArray[np.int32], box: Box, drawn: NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """Return ys, xs and values of the pixels of a box that are not as drawn."""
    y0, x0, y1, x1 = box
    ys, xs = np.nonzero(view[y0:y1, x0:x1] != drawn)
    return ys + y0, xs + x0, drawn[ys, xs]
