"""How a person looks at an image: what goes along to the next one, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from ...images.planes import Plane
from ..layers.bridge import Bridge
from ..layers.camera import camera_of
from ..review.reviewing import actions_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

IMAGE = ("visible", "opacity", "gamma", "colormap", "blending", "interpolation2d")
REVIEW = ("visible", "opacity", "contour", "brush_size", "contiguous", "preserve_labels", "mode")


@dataclass(frozen=True, slots=True)
class Looks:
    """Settings of an image layer and of its review layer, to be given to the next ones.

    Attributes
    ----------
    image, review : dict
        Names and values.
    levels : (float, float) or None
        What is shown as black and white, if a person has set it.
    kind : object
        Which images these levels make sense for.
    """

    image: Mapping[str, Any]
    review: Mapping[str, Any]
    levels: tuple[float, float] | None
    kind: object

    @classmethod
    def of(cls, image: Image, bridge: Bridge | None, levels: tuple[float, float]) -> Looks:
        """Take note of settings; `levels` are those that the image came with."""
        names = [name for name in IMAGE if not (image.rgb and name == "colormap")]
        now = tuple(map(float, image.contrast_limits))
        set_by_hand = not image.rgb and not _alike(now, levels)
        shown = {} if bridge is None else {n: getattr(bridge.layer, n) for n in REVIEW}
        limits = (now[0], now[1]) if set_by_hand else None
        return cls({n: getattr(image, n) for n in names}, shown, limits, _kind(image))

    def give(self, image: Image, bridge: Bridge) -> None:
        """Set them; levels only where the values mean the same."""
        for name, value in self.image.items():
            if not (image.rgb and name == "colormap"):
                setattr(image, name, value)
        if self.levels is not None and self.kind == _kind(image):
            image.contrast_limits = self.levels
        for name, value in self.review.items():
            setattr(bridge.layer, name, value)


def _kind(image: Image) -> object:
    return str(image.dtype), bool(image.rgb)


def _alike(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9) for x, y in zip(a, b, strict=True))


@dataclass(frozen=True, slots=True)
class View:
    """Which part of an image is in view.

    Attributes
    ----------
    centre : (float, float)
        In world coordinates, y and x.
    zoom : float
        As of napari's camera.
    plane : tuple of int
        The plane.
    nucleus : int or None
        Where the walk along the doubtful nuclei was.
    """

    centre: tuple[float, float]
    zoom: float
    plane: Plane = ()
    nucleus: int | None = None

    @classmethod
    def of(cls, viewer: Viewer, bridge: Bridge | None) -> View:
        """Take note of the view."""
        camera = camera_of(viewer)
        y, x = (float(c) for c in camera.center[-2:])
        plane = () if bridge is None else bridge.plane
        actions = actions_of(bridge)
        nucleus = None if actions is None else actions.walk.current
        return cls((y, x), float(camera.zoom), plane, nucleus)

    @classmethod
    def read(cls, view: Mapping[str, Any], plane: Plane, nucleus: int | None) -> View | None:
        """Read what `to_json` wrote; None if it is something else."""
        try:
            y, x = (float(c) for c in view["centre"])
            zoom = float(view["zoom"])
        except (KeyError, TypeError, ValueError):
            return None
        if not (zoom > 0 and all(map(math.isfinite, (y, x, zoom)))):
            return None
        return cls((y, x), zoom, plane, nucleus if isinstance(nucleus, int) else None)

    def to_json(self) -> dict[str, Any]:
        """Return centre and zoom as JSON values."""
        return {"centre": list(self.centre), "zoom": self.zoom}

    def give(self, viewer: Viewer, bridge: Bridge) -> None:
        """Show this part, and go on with the walk there."""
        if self.plane and len(self.plane) == bridge.layer.ndim - 2:
            for axis, index in enumerate(self.plane):
                viewer.dims.set_current_step(axis, index)
        camera = camera_of(viewer)
        camera.center = (*camera.center[:-2], *self.centre)
        camera.zoom = self.zoom
        actions = actions_of(bridge)
        if actions is not None and self.nucleus in bridge.review.nuclei:
            assert self.nucleus is not None
            actions.walk.current = self.nucleus
            actions.choose(self.nucleus)
