"""`Companions`: what is seen with each review layer: outlines by state, a moving pane, a guard."""

from __future__ import annotations

import weakref
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image

from ..layers.bridge import Bridge
from ..layers.guard import MOVED, Guard
from ..layers.source import follow
from ..layers.state_outlines import StateOutlines
from ..layers.viewport import is_large
from ..layers.viewport_follower import ViewportFollower
from .host import Host


class Companions:
    """The companions of the review layers of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._outlines: dict[Bridge, StateOutlines] = {}
        self._followers: dict[Bridge, ViewportFollower] = {}
        self._guards: dict[Bridge, Guard] = {}
        self._images: WeakKeyDictionary[Image, Guard] = WeakKeyDictionary()
        self._leaders: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._outlined = True

    def join(self, bridge: Bridge) -> None:
        """Give a new review layer its companions."""
        self._guards[bridge] = Guard(bridge.layer, bridge.refused.emit)
        if is_large(bridge.viewport.whole):
            follower = ViewportFollower(bridge, self._host.viewer, self._host.hint)
            self._followers[bridge] = follower
        self._show(bridge)

    def leave(self, bridge: Bridge) -> None:
        """Take away what goes with a review layer that is going."""
        guard = self._guards.pop(bridge, None)
        if guard is not None:
            guard.close()
        follower = self._followers.pop(bridge, None)
        if follower is not None:
            follower.close()
        self._hide(bridge)

    def lie_on(self, bridge: Bridge, image: Image) -> None:
        """Have a review layer lie on its image, and both stay where they are."""
        layer = bridge.layer
        if self._leaders.get(layer) == weakref.ref(image):
            return
        self._leaders[layer] = weakref.ref(image)
        follow(image, layer, lambda: bridge.refused.emit(MOVED.format(layer.name)))
        if image not in self._images:
            host, of = weakref.ref(self._host), weakref.ref(image)

            def is_reviewed() -> bool:
                here = host()
                return here is not None and here.bridge_of(of()) is not None

            self._images[image] = Guard(image, self._host.tell, is_reviewed)
        self._images[image].look()

    def follower_of(self, bridge: Bridge) -> ViewportFollower | None:
        """Return what moves the pane of a review layer; None where it holds all."""
        return self._followers.get(bridge)

    # -- outlines ---------------------------------------------------------------------

    @property
    def outlined(self) -> bool:
        """Whether nuclei have outlines by state."""
        return self._outlined

    @outlined.setter
    def outlined(self, shown: bool) -> None:
        self._outlined = shown
        for bridge in self._host.bridges.values():
            self._show(bridge)

    def _show(self, bridge: Bridge) -> None:
        """Bring the outlines of a review layer, or take them away, as is wanted."""
        outlines = self._outlines.get(bridge)
        if outlines is not None and outlines.are_shown:
            if not self._outlined:
                self._hide(bridge)
            return
        self._hide(bridge)
        if self._outlined:
            self._outlines[bridge] = StateOutlines(bridge, self._host.viewer)

    def _hide(self, bridge: Bridge) -> None:
        outlines = self._outlines.pop(bridge, None)
        if outlines is not None:
            outlines.close()
