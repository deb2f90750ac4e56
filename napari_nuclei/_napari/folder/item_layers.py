"""`ItemLayers`: the layers of the one item of a workspace that is in view."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from napari.layers import Image

from ...workspace.workspace import Workspace
from ..layers.bridge import Bridge
from ..layers.layer_list import turning
from ..layers.record import Record
from ..session.session import Session
from .item_reading import Loaded
from .loading import ItemReviews
from .views import Looks


class ItemLayers:
    """The layers of an item.

    Attributes
    ----------
    image : Image or None
        The image layer; the person may have removed it from the viewer.
    of : (Workspace, int) or None
        Whose item it is, and its number there.
    is_turning : bool
        Whether layers come and go just now: the camera's moves are not the reviewer's then.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.image: Image | None = None
        self.of: tuple[Workspace, int] | None = None
        self._record: Record | None = None
        self.is_turning = False
        self._levels = (0.0, 1.0)

    @property
    def bridge(self) -> Bridge | None:
        """The bridge of the review layer; that of a copy of it is another one."""
        found = (b for b in self._session.bridges.values() if b.record is self._record)
        return next(found, None)

    @property
    def are_shown(self) -> bool:
        """Whether image and review are in the viewer."""
        return self.image in self._session.viewer.layers and self.bridge is not None

    def show(self, workspace: Workspace, number: int, loaded: Loaded) -> Bridge:
        """Bring the layers of an item, and take away those of the one before."""
        item, before = workspace.items[number], self.image
        looks = None if before is None else Looks.of(before, self.bridge, self._levels)
        limits = None if loaded.rgb else loaded.levels
        image = Image(
            loaded.pixels,
            name=item.path.stem,
            rgb=loaded.rgb,
            contrast_limits=limits,
            multiscale=isinstance(loaded.pixels, list),
        )
        reviews = ItemReviews(workspace, item, loaded.lead, self._session.tell)
        id = number + 1 if item.record is None else item.record.id
        with self._turn(), turning(self._session.viewer):
            bridge = self._session.attach(image, reviews, item.name, id, loaded.lead)
            bridge.record.categories = workspace.categories
            if before is not None:
                self._remove(before)
        self.image, self._record, self._levels = image, bridge.record, loaded.levels
        self.of = workspace, number
        self._session.offers.put(image, loaded.offer)
        if looks is not None:
            looks.give(image, bridge)
        self._session.activate(bridge)
        return bridge

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        if self.image is not None:
            with self._turn():
                self._remove(self.image)
            self.image = self.of = None

    def forget(self) -> None:
        """Leave the layers to a window that is closing."""
        self.image = self.of = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self.is_turning = True
        gc.freeze()  # napari collects at each removal, through all there is
        try:
            yield
        finally:
            gc.unfreeze()
            self.is_turning = False

    def _remove(self, image: Image) -> None:
        self._session.detach(image)
        if image in self._session.viewer.layers:
            self._session.viewer.layers.remove(image)
