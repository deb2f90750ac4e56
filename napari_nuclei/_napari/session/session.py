"""`Session`: the reviews of one viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image
from psygnal import Signal

from ...images.planes import Plane
from ..layers.bridge import Bridge
from ..layers.drawing import first_pixels
from ..layers.layer_list import insert
from ..layers.record import KEY, Opener, Record
from ..layers.review_layer import Labels
from ..layers.source import geometry_of, name_of, shape_of, shapes_of
from .companions import Companions
from .hand import Hand
from .host import PromptService
from .offers import Offers
from .openers import is_cheap, reviews_of
from .preferences import apply_folder
from .review_layers import ReviewLayers
from .taking_over import TakingOver

if TYPE_CHECKING:
    from napari.viewer import Viewer


OPACITY = 0.4
"""Of review layers: what lies below must stay visible."""

_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


class Session(ReviewLayers):
    """The reviews of one viewer; made with `Session.of`.

    Attributes
    ----------
    closing : Signal
        The reviews are about to be closed, since the window is.
    freed : Signal
        Loaded models shall be let go, since another process wants the memory.
    models_changed : Signal
        Another model is in use, or one has come or gone.
    """

    closing = Signal()
    freed = Signal()
    models_changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        apply_folder()
        super().__init__(viewer)
        self.hand = Hand(viewer, self.bridges)
        self.companions = Companions(self)
        self._prompt_service: weakref.ref[PromptService] | None = None
        self._looked_up: WeakSet[Image] = WeakSet()
        self._taking_over = TakingOver(self)
        self.offers = Offers(self)
        self.watch()

    @staticmethod
    def of(viewer: Any) -> Session:
        """Return the session of a viewer, or of the proxy that a plugin gets of it."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        if viewer not in _sessions:
            _sessions[viewer] = Session(viewer)
        return _sessions[viewer]

    @property
    def prompt_service(self) -> PromptService | None:
        """Who asks the detector; None where no widget is open."""
        return None if self._prompt_service is None else self._prompt_service()

    @prompt_service.setter
    def prompt_service(self, service: PromptService | None) -> None:
        self._prompt_service = None if service is None else weakref.ref(service)

    def free_models(self) -> None:
        """Have loaded models let go."""
        self.freed.emit()

    # -- the end ----------------------------------------------------------------------

    def close(self) -> None:
        """Close all reviews, since the window is closing; others may open them then."""
        self._taking_over.close()
        self.hand.close()
        self.offers.close()
        self.closing.emit()
        for bridge in list(self.bridges.values()):
            self.let_go(bridge)
        self.bridges.clear()
        for record in self.records:
            self.close_record(record)

    # -- images and their reviews -----------------------------------------------------

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
