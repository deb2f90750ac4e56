"""`ReviewLayers`: the review layers of a viewer, as they come, go and follow what is in view."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.layers import Labels as AnyLabels
from psygnal import Signal

from ..layers.bridge import Bridge
from ..layers.record import KEY, Record
from ..layers.review_layer import is_review
from ..layers.source import plane_in_view
from .keeping import kept
from .records import Records
from .voice import Voice

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .companions import Companions

COPIED = (
    "“{}” is a copy with its own history: the panel and the keys work on whichever of the two "
    "is selected. Selecting the image brings back the first."
)


class ReviewLayers(Voice):
    """The review layers of one viewer.

    Attributes
    ----------
    bridges : dict of Labels to Bridge
        Those that are in the viewer now.
    records : Records
        Which records the images have.
    companions : Companions
        What is seen with each of them; set by who makes it.
    bridge_added, bridge_removing : Signal
        The bridge of a review layer that has come, or is about to go.
    view_changed : Signal
        The axes in view are others, or a review layer was shown or hidden.
    changed : Signal
        Nuclei have changed, a plane came into view, or a review layer came or went.
    """

    bridge_added = Signal(object)
    bridge_removing = Signal(object)
    view_changed = Signal()
    changed = Signal()
    companions: Companions

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self.bridges: dict[AnyLabels, Bridge] = {}
        self.records = Records()

    def watch(self) -> None:
        """Make review layers of the layers that are there, and of those that come."""
        viewer = self.viewer
        for layer in list(viewer.layers):
            self.adopt(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_dims)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self._on_view)

    @property
    def viewer(self) -> Viewer:
        """The viewer itself."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        return viewer

    def held(self) -> set[Path]:
        """Return the journals that are open for the layers of this viewer."""
        records = [*self.records, *(bridge.record for bridge in self.bridges.values())]
        reviews = [review for record in records for review in record.reviews.values()]
        return {r.journal.path for r in reviews if r.journal is not None}

    # -- which is which -----------------------------------------------------------------

    def record_of(self, image: Image | None) -> Record | None:
        """Return the record of an image's nuclei, whether or not a layer shows it."""
        return self.records.of(image)

    def record_for(self, image: Image, shape: tuple[int, ...]) -> Record | None:
        """Return the record of an image for a review layer of this shape."""
        return self.records.of_shape(image, shape)

    def bridge_of(self, image: Image | None) -> Bridge | None:
        """Return the bridge of an image's review layer, if it is in the viewer."""
        record = self.record_of(image)
        found = (b for b in self.bridges.values() if b.record is record)
        return next(found, None) if record is not None else None

    def image_of(self, layer: Any) -> Image | None:
        """Return the image of a review layer."""
        bridge = self.bridges.get(layer)
        return self.records.image_of(bridge.record) if bridge is not None else None

    def use(self, layer: Any) -> None:
        """Make a review layer the one that counts, if its image has several."""
        image = self.image_of(layer)
        if image is not None and self.record_of(image) is not self.bridges[layer].record:
            self.records.use(image, self.bridges[layer].record)
            self.changed.emit()

    # -- layers that come and go ------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self.adopt(event.value)
        for bridge in self.bridges.values():
            self._link(bridge)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        bridge = self.bridges.pop(event.value, None)
        if bridge is not None:
            self.let_go(bridge)
            self._use_another(bridge.record)
            self.changed.emit()
        records = [bridge.record] if bridge else self.records.all_of(event.value)
        for record in records:
            if self.records.image_of(record) not in self.viewer.layers and not record.shown:
                self.close_record(record)

    def _use_another(self, record: Record) -> None:
        """Have an image go on with a copy that is still shown, where one is."""
        image = self.records.image_of(record)
        shown = next((r for r in self.records.all_of(image) if r.shown), None)
        if image is not None and shown is not None and self.record_of(image) is record:
            self.records.use(image, shown)

    def let_go(self, bridge: Bridge) -> None:
        """Leave a layer to itself, with all that goes with it."""
        self.bridge_removing.emit(bridge)
        self.companions.leave(bridge)
        bridge.close()

    def close_record(self, record: Record) -> None:
        """Close the reviews of a record that nobody can see any more."""
        for line in record.close():
            self.tell(line)

    def _on_dims(self, event: Any = None) -> None:
        for bridge in self.bridges.values():
            plane = self._plane_of(bridge.layer)
            if plane != bridge.plane:
                bridge.show(plane)

    def _on_view(self, event: Any = None) -> None:
        self.view_changed.emit()
        self.changed.emit()  # the panel says whether keys work

    def _plane_of(self, layer: AnyLabels) -> tuple[int, ...]:
        return plane_in_view(layer, self.bridges[layer].viewport.whole, self.viewer.dims.point)

    def adopt(self, layer: Any) -> Bridge | None:
        """Make a layer a review layer if it carries a record; return its bridge.

        A copy of a review layer gets a record of its own, so that the two part.
        """
        record = getattr(layer, "metadata", {}).get(KEY)
        if not isinstance(record, Record) or is_review(layer):
            return self.bridges.get(layer)
        if isinstance(layer, Image) and self.records.image_of(record) is None:
            self.records.use(layer, record)
        if not isinstance(layer, AnyLabels):
            return None
        original = record
        if record.shown:
            record = record.copy()
        self._keep(record)
        bridge = Bridge(layer, record)
        self.bridges[layer] = bridge
        self._link(bridge)
        bridge.changed.connect(self._on_changed)
        bridge.refused.connect(self.tell)
        layer.events.visible.connect(self._on_view)
        bridge.show(self._plane_of(layer))
        self.bridge_added.emit(bridge)
        self.companions.join(bridge)
        if record is not original:
            self._add_copy(bridge, original)
        return bridge

    def _add_copy(self, bridge: Bridge, original: Record) -> None:
        """Have a copy of a review layer lie on the same image; the panel follows the active one."""
        image = self.records.image_of(original)
        if image is not None:
            self.records.add(image, bridge.record)
            self._link(bridge)
        self.hint(COPIED.format(bridge.layer.name))

    def _keep(self, record: Record) -> None:
        """Have a record that was read from a file kept in journals from now on."""
        if record.opener is None:
            told = kept(record, self._image_for(record), self)
            if told:
                self.tell(told)

    def _image_for(self, record: Record) -> Image | None:
        return self.records.find_image(record, self.viewer.layers)

    def _link(self, bridge: Bridge) -> None:
        """Put a review layer on its image."""
        image = self._image_for(bridge.record)
        if image is not None:
            self.companions.lie_on(bridge, image)

    def _on_changed(self) -> None:
        # Not `changed.emit` itself: psygnal calls an emit that it connects, to learn what it takes.
        self.changed.emit()
