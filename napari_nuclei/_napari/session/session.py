"""`Session`: the reviews of one viewer.

No widgets.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image
from napari.layers import Labels as AnyLabels
from psygnal import Signal

from ...images.planes import Plane
from ..layers.bridge import Bridge
from ..layers.drawing import first_pixels
from ..layers.layer_list import insert
from ..layers.record import KEY, Opener, Record
from ..layers.review_layer import Labels, is_review
from ..layers.source import geometry_of, name_of, plane_in_view, shape_of, shapes_of
from .companions import Companions
from .hand import Hand
from .host import PromptService
from .keeping import kept
from .offers import Offers
from .openers import is_cheap, reviews_of
from .preferences import apply_folder
from .records import Records
from .taking_over import TakingOver
from .voice import Voice

if TYPE_CHECKING:
    from napari.viewer import Viewer


OPACITY = 0.4
"""Of review layers: what lies below must stay visible."""

COPIED = (
    "“{}” is a copy with its own history: the panel and the keys work on whichever of the two "
    "is selected. Selecting the image brings back the first."
)

_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


class Session(Voice):
    """The reviews of one viewer; made with `Session.of`.

    Attributes
    ----------
    bridges : dict of Labels to Bridge
        The review layers that are in the viewer now.
    bridge_added, bridge_removing : Signal
        The bridge of a review layer that has come, or is about to go.
    view_changed : Signal
        The axes in view are others, or a review layer was shown or hidden.
    closing : Signal
        The reviews are about to be closed, since the window is.
    changed : Signal
        Nuclei have changed, a plane came into view, or a review layer came or went.
    freed : Signal
        Loaded models shall be let go, since another process wants the memory.
    models_changed : Signal
        Another model is in use, or one has come or gone.
    """

    bridge_added = Signal(object)
    bridge_removing = Signal(object)
    view_changed = Signal()
    closing = Signal()
    changed = Signal()
    freed = Signal()
    models_changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        apply_folder()
        self._viewer = weakref.ref(viewer)
        self.bridges: dict[AnyLabels, Bridge] = {}
        self.records = Records()
        self.hand = Hand(viewer, self.bridges)
        self.companions = Companions(self)
        self._prompt_service: weakref.ref[PromptService] | None = None
        self._looked_up: WeakSet[Image] = WeakSet()
        self._taking_over = TakingOver(self)
        self.offers = Offers(self)
        for layer in list(viewer.layers):
            self.adopt(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_dims)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self._on_view)

    @staticmethod
    def of(viewer: Any) -> Session:
        """Return the session of a viewer, or of the proxy that a plugin gets of it."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        if viewer not in _sessions:
            _sessions[viewer] = Session(viewer)
        return _sessions[viewer]

    @property
    def viewer(self) -> Viewer:
        """The viewer itself."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        return viewer

    @property
    def prompt_service(self) -> PromptService | None:
        """Who asks the detector; None where no widget is open."""
        return None if self._prompt_service is None else self._prompt_service()

    @prompt_service.setter
    def prompt_service(self, service: PromptService | None) -> None:
        self._prompt_service = None if service is None else weakref.ref(service)

    def _on_changed(self) -> None:
        # Not `changed.emit` itself: psygnal calls an emit that it connects, to learn what it takes.
        self.changed.emit()

    def held(self) -> set[Path]:
        """Return the journals that are open for the layers of this viewer."""
        records = [*self.records, *(bridge.record for bridge in self.bridges.values())]
        reviews = [review for record in records for review in record.reviews.values()]
        return {r.journal.path for r in reviews if r.journal is not None}

    def free_models(self) -> None:
        """Have loaded models let go."""
        self.freed.emit()

    # -- layers that come and go ------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self.adopt(event.value)
        for bridge in self.bridges.values():
            self._link(bridge)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        bridge = self.bridges.pop(event.value, None)
        if bridge is not None:
            self._let_go(bridge)
            self._use_another(bridge.record)
            self.changed.emit()
        records = [bridge.record] if bridge else self.records.all_of(event.value)
        for record in records:
            if self.records.image_of(record) not in self.viewer.layers and not record.shown:
                self._close(record)

    def _use_another(self, record: Record) -> None:
        """Have an image go on with a copy that is still shown, where one is."""
        image = self.records.image_of(record)
        shown = next((r for r in self.records.all_of(image) if r.shown), None)
        if image is not None and shown is not None and self.record_of(image) is record:
            self.records.use(image, shown)

    def _let_go(self, bridge: Bridge) -> None:
        self.bridge_removing.emit(bridge)
        self.companions.leave(bridge)
        bridge.close()

    def _close(self, record: Record) -> None:
        """Close the reviews of a record that nobody can see any more."""
        for line in record.close():
            self.tell(line)

    def close(self) -> None:
        """Close all reviews, since the window is closing; others may open them then."""
        self._taking_over.close()
        self.hand.close()
        self.offers.close()
        self.closing.emit()
        for bridge in list(self.bridges.values()):
            self._let_go(bridge)
        self.bridges.clear()
        for record in self.records:
            self._close(record)

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

    # -- images and their reviews -----------------------------------------------------

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

    def open(self, image: Image, shape: tuple[int, ...], record: Record | None = None) -> Bridge:
        """Return the bridge of an image; makes or brings back the layer if it is missing.

        `record` is the one that is wanted, if the image has several; then another one may stay
        in use.
        """
        wanted = next((b for b in self.bridges.values() if b.record is record), None)
        if wanted is not None:
            return wanted
        record = record or self.record_for(image, shape)
        if record is None:
            record = Record((shape[-2], shape[-1]), name_of(image), stack=shape[:-2])
            record.opener = opener = reviews_of(image, shape, self)
            record.describe = opener.describe
        return self._show(image, record)

    def attach(
        self, image: Image, opener: Opener, file_name: str, image_id: int = 1, lead: Plane = ()
    ) -> Bridge:
        """Make the review layer of an image whose reviews come from somewhere else.

        Parameters
        ----------
        image : napari.layers.Image
            A layer; it is put into the viewer if it is not there yet.
        opener : Opener
            Opens the review of a plane, and lists those that have one.
        file_name, image_id : str, int
            What the image is called in exports.
        lead : tuple of int
            Size of the review layer along all axes but the last two.
        """
        height, width = shape_of(image)[-2:]
        record = Record((height, width), file_name, image_id, stack=lead, opener=opener)
        record.borrowed = True
        self.records.use(image, record)  # before the viewer has it: nobody looks for another
        if image not in self.viewer.layers:
            self.viewer.layers.append(image)
        return self._show(image, record)

    def detach(self, image: Image) -> None:
        """Take an image's review layers and records out; whoever opened the reviews closes them."""
        records = self.records.forget(image)
        for layer in [x for x, bridge in self.bridges.items() if bridge.record in records]:
            self.viewer.layers.remove(layer)

    def _show(self, image: Image, record: Record) -> Bridge:
        """Show a record over its image, all planes that have a review."""
        self.records.use(image, record)
        bridge = self.bridge_of(image)
        if bridge is not None:
            return bridge
        if record.opener is not None:
            for plane in record.opener.begun():
                record.review(plane)
        shape = record.layer_shape
        layer = Labels(
            first_pixels(record),
            name=f"{image.name} nuclei",
            metadata={KEY: record},
            opacity=OPACITY,
            **geometry_of(image, shape),
        )
        insert(self.viewer, self.viewer.layers.index(image) + 1, layer)
        return self.bridges[layer]

    def bring_back(self, image: Image) -> None:
        """Show the nuclei of an image again whose review layer was removed."""
        record = self.record_of(image)
        if record is not None:
            self.activate(self.open(image, record.layer_shape))

    def resume(self, image: Image) -> Bridge | None:
        """Go on with the review that an image has on disk; None if it has none."""
        if self.record_of(image) is not None or image in self._looked_up:
            return None
        self._looked_up.add(image)
        if self.offers.hash_first(image):
            return None
        for wanted in shapes_of(image):
            opener = reviews_of(image, wanted, self)
            if (opener.origin.file or is_cheap(image)) and opener.begun():
                return self.open(image, wanted)
        self.offers.look(image)
        return None

    def look_again(self, image: Image) -> Bridge | None:
        """Go on with a review that has been found by now."""
        self._looked_up.discard(image)
        bridge = self.resume(image)
        self.changed.emit()
        return bridge

    def activate(self, bridge: Bridge) -> None:
        """Make a review layer the one that napari's tools and keys work on."""
        self.viewer.layers.selection.active = bridge.layer
