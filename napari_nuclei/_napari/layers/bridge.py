"""`Bridge`: keeps a Labels layer and the nuclei that it shows the same.

    napari's tools ─ paint event ─▶ strokes.apply_pixels ─▶ Review.do ─▶ draw the boxes
    Ctrl+Z ─ Labels.undo ─▶ Bridge.undo ─▶ Review.undo ───────────────▶ draw the boxes

The nuclei are the truth. What a stroke painted is drawn anew after it, so that pixels which
made no edit go back to what they were. Boxes and points are those of the image, whichever part
of it the layer holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari import layers
from psygnal import Signal
from qtpy.QtCore import QTimer

from ...errors import UserError
from ...images.planes import Plane
from ...masks.box import Box
from ...masks.mask import enclosing
from ...nuclei import Nuclei
from ...nuclei.edits import Edit
from ...review import Review
from .drawing import Drawing
from .features import Table
from .next_label import NextLabel
from .record import KEY, Record
from .review_layer import give_to
from .strokes import Pixels, UnderWay, apply_pixels, by_plane, differences, pixels_of
from .viewport import Viewport, is_part

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
    moved : Signal
        The layer holds another part of its image.
    selected : Signal
        The ids that are selected in the plane in view.
    went_back : Signal
        What was undone or done again (None: there was nothing), and which of both in a word.
    stroke : UnderWay
        What is being painted.
    in_view : callable
        Returns whether something can be done here at present, and says why where it cannot.
    """

    changed = Signal()
    refused = Signal(str)
    drawn = Signal(tuple, list)
    moved = Signal()
    selected = Signal(tuple)
    went_back = Signal(object, str)

    def __init__(self, layer: layers.Labels, record: Record) -> None:
        self.layer = layer
        self.record = record
        self.plane: Plane = (0,) * (layer.ndim - 2)
        self._slots: dict[Plane, tuple[Callable[[Edit], None], Callable[[Any], None]]] = {}
        self._drawing = Drawing(layer, record)
        self._table = Table()
        self._painting = False
        self.stroke = UnderWay()
        self.in_view: Callable[[], bool] = lambda: True
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
        self._absorb(known=not is_part(record.layer_shape))
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_data)
        layer.events.mode.connect(self._on_mode)
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
        events.mode.disconnect(self._on_mode)
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

    @property
    def viewport(self) -> Viewport:
        """The part of the image that the layer holds."""
        return self._drawing.viewport

    def move(self, box: Box) -> None:
        """Have the layer hold another part of the plane in view."""
        self._give_up_encircling()
        self._drawing.move(replace(self.viewport, box=box))
        self._next_label.leave()
        self._timer.start(SETTLE_MS)
        self.moved.emit()

    def show(self, plane: Plane) -> None:
        """Take note of which plane is in view."""
        if plane != self.plane:
            self._next_label.renew()
        self.plane = plane
        if self.viewport.index(plane) is None:
            self.review_at(plane)
            self._drawing.move(replace(self.viewport, plane=plane))
            self.moved.emit()
        self._next_label.settle(self._painting)
        self.update_features()
        self.changed.emit()
        self.selected.emit(self.review.selection)

    def undo(self) -> None:
        """Take back the last change of the plane in view, whatever made it."""
        self._go_back(self.review.undo, "undone")

    def redo(self) -> None:
        """Do the last undone change of the plane in view again."""
        self._go_back(self.review.redo, "redone")

    def _go_back(self, step: Callable[[], Edit | None], word: str) -> None:
        edits: list[Edit | None] = []
        if self.in_view() and self.attempt(lambda: edits.append(step())):
            self.went_back.emit(edits[0], word)

    def attempt(self, change: Callable[[], Any]) -> bool:
        """Try a change; one that is refused says why. Returns whether it was done."""
        self.review.take_over()  # the window that had it may be closed by now
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
        self.drawn.emit(plane, self._drawing.draw(plane, boxes))

    # -- pixels → nuclei --------------------------------------------------------------

    def begin(self, label: int) -> bool:
        """Take note that a label is being painted; returns whether it may be."""
        if self.in_view():
            self.stroke.note(self.review, label)
            return True
        return False

    def give_up(self) -> None:
        """End a polygon or an outline under way."""
        self.layer.give_up()
        self.stroke.forget()

    def _on_mode(self, event: Any = None) -> None:
        self.stroke.forget()

    def _on_paint(self, event: Any) -> None:
        points, values = pixels_of(event.value)
        new = self.stroke.forget()
        self._apply((points + self.viewport.origin, values), new)

    def _on_data(self, event: Any) -> None:
        """Take a label image that somebody has assigned as a stroke of all that differs."""
        if not self._drawing.busy:
            self._absorb()

    def _absorb(self, known: bool = True) -> None:
        """Draw all anew; take what was there as painted, if it is `known` of which part it is."""
        data = np.asarray(self.layer.data)
        expected = self._drawing.pixels()
        self._drawing.put(expected)
        if known and data.shape == expected.shape and data.dtype.kind in "iu":
            planes = [(p, expected[p]) for p in np.ndindex(*expected.shape[:-2])]
            points, values = differences(data, planes)
            self._apply((points + self.viewport.origin, values))

    def _apply(self, pixels: Pixels, new: Collection[int] = ()) -> None:
        name = STROKE_NAMES.get(str(self.layer.mode), "paint")
        touched: list[tuple[Plane, list[Box]]] = []
        self._painting = True
        try:
            for plane, (points, values) in by_plane(pixels):
                review = self.review_at(plane)
                before = len(review.done)
                self.attempt(partial(apply_pixels, review, (points, values), name, new))
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
        nuclei = self.review.nuclei
        part = self.viewport.box != (0, 0, *nuclei.shape)
        rows = nuclei.in_box(self.viewport.box) if part else nuclei
        self.layer.features = self._table.of([n for n in rows if nuclei.is_shown(n)])


def _boxes(nuclei: Nuclei, edit: Edit) -> list[Box]:
    """Return the boxes in which an edit that was done may be seen."""
    boxes = edit.boxes
    if edit.threshold is not None:
        low, high = sorted(edit.threshold)
        boxes += [n.mask.box for n in nuclei if low <= n.score < high and not n.touched and n.mask]
    return boxes
