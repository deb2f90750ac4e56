"""`Session`: the reviews of one viewer.

Here: which layer shows which record, layers that come and go, the plane in view, and where a
model's result goes. No widgets. Not here: pixels and strokes (`bridge.py`), threads
(`runner.py`).
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from napari.layers import Labels as AnyLabels
from psygnal import Signal

from .. import edits
from .bridge import Bridge
from .layer import Labels, is_review
from .record import KEY, Record
from .source import GEOMETRY, Source, geometry_of, plane_in_view, shape_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..predict import Prediction

_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


class Session:
    """The reviews of one viewer; made with `Session.of`.

    Attributes
    ----------
    bridges : dict of Labels to Bridge
        The review layers that are in the viewer now.
    changed : Signal
        Nuclei have changed, a plane came into view, or a review layer came or went.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self.bridges: dict[AnyLabels, Bridge] = {}
        self._images: WeakKeyDictionary[Image, Record] = WeakKeyDictionary()
        for layer in list(viewer.layers):
            self.adopt(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_dims)

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

    # -- layers that come and go ------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self.adopt(event.value)
        for bridge in self.bridges.values():
            self._link(bridge)
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        bridge = self.bridges.pop(event.value, None)
        if bridge is not None:
            bridge.close()
            self.changed.emit()

    def _on_dims(self, event: Any = None) -> None:
        for bridge in self.bridges.values():
            plane = self._plane_of(bridge.layer)
            if plane != bridge.plane:
                bridge.show(plane)

    def _plane_of(self, layer: AnyLabels) -> tuple[int, ...]:
        return plane_in_view(layer, layer.data.shape, self.viewer.dims.point)

    def adopt(self, layer: Any) -> Bridge | None:
        """Make a layer a review layer if it carries a record; return its bridge.

        A copy of a review layer gets a record of its own, so that the two part.
        """
        record = getattr(layer, "metadata", {}).get(KEY)
        if not isinstance(record, Record) or is_review(layer):
            return self.bridges.get(layer)
        if isinstance(layer, Image) and record not in self._images.values():
            self._images[layer] = record
        if not isinstance(layer, AnyLabels):
            return None
        bridge = Bridge(layer, record.copy() if record.shown else record)
        self.bridges[layer] = bridge
        self._link(bridge)
        bridge.changed.connect(self.changed.emit)
        bridge.show(self._plane_of(layer))
        return bridge

    def _link(self, bridge: Bridge) -> None:
        """Find the image of a review layer that was opened without it."""
        record = bridge.record
        if record in self._images.values():
            return
        for image in self.viewer.layers:
            if (
                isinstance(image, Image)
                and image not in self._images
                and shape_of(image)[-len(record.layer_shape) :] == record.layer_shape
                and Path(_file_name(image)).stem == Path(record.file_name).stem
            ):
                self._images[image] = record
                return

    # -- images and their reviews -----------------------------------------------------

    def record_of(self, image: Image | None) -> Record | None:
        """Return the record of an image's nuclei, whether or not a layer shows it."""
        return self._images.get(image) if image is not None else None

    def bridge_of(self, image: Image | None) -> Bridge | None:
        """Return the bridge of an image's review layer, if it is in the viewer."""
        record = self.record_of(image)
        found = (b for b in self.bridges.values() if b.record is record)
        return next(found, None) if record is not None else None

    def image_of(self, layer: Any) -> Image | None:
        """Return the image of a review layer."""
        bridge = self.bridges.get(layer)
        if bridge is None:
            return None
        return next((i for i, record in self._images.items() if record is bridge.record), None)

    def open(self, image: Image, shape: tuple[int, ...]) -> Bridge:
        """Return the bridge of an image; makes or brings back the layer if it is missing."""
        record = self.record_of(image)
        bridge = self.bridge_of(image)
        if record is None or record.layer_shape != shape:
            record = Record((shape[-2], shape[-1]), _file_name(image), stack=shape[:-2])
        elif bridge is not None:
            return bridge
        self._images[image] = record
        layer = Labels(
            record.draw(),
            name=f"{image.name} nuclei",
            metadata={KEY: record},
            opacity=0.5,
            **geometry_of(image, shape),
        )
        self.viewer.layers.insert(self.viewer.layers.index(image) + 1, layer)
        self._follow(image, layer)
        return self.bridges[layer]

    def _follow(self, image: Image, layer: AnyLabels) -> None:
        """Keep a review layer where its image lies."""
        target = weakref.ref(layer)

        def move(event: Any) -> None:
            layer = target()
            if layer is not None:
                for name, value in geometry_of(image, layer.data.shape).items():
                    setattr(layer, name, value)

        for name in GEOMETRY:
            getattr(image.events, name).connect(move)

    def bring_back(self, image: Image) -> None:
        """Show the nuclei of an image again whose review layer was removed."""
        record = self.record_of(image)
        if record is not None:
            self.activate(self.open(image, record.layer_shape))

    def propose(self, source: Source, result: Prediction, model: str, threshold: float) -> Bridge:
        """Put a model's result into the review of the plane that it was made of."""
        bridge = self.open(source.image, source.shape)
        review = bridge.review_at(source.plane)
        review.do(edits.propose(review.nuclei, result.found, model, threshold))
        bridge.update_features()
        self.activate(bridge)
        return bridge

    def activate(self, bridge: Bridge) -> None:
        """Make a review layer the one that napari's tools and keys work on."""
        self.viewer.layers.selection.active = bridge.layer


def _file_name(image: Image) -> str:
    path = image.source.path
    return str(path).replace("\\", "/").rsplit("/", 1)[-1] if path else image.name
