"""`Viewport`: the part of an image that a review layer holds.

Of images of ordinary size it is all of it, so that both are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...images.planes import Plane
from ...masks.box import Box

LARGE = 8192**2
"""Px of a plane above which a review layer holds but a part of it."""

LONGEST = 16384
"""Side in px above which it does so too: graphics cards show no more of one layer."""

LARGE_STACK = 1 << 28
"""Px of a stack above which a review layer holds a single plane of it."""

FIRST = 512
"""Side in px of what is held before anybody has looked anywhere."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """A part of an image.

    Attributes
    ----------
    whole : tuple of int
        Size of the image along all axes of the layer: (…, H, W).
    box : Box
        The part of each plane, in px of the image.
    plane : Plane or None
        The only plane that is held; None where all are.
    """

    whole: tuple[int, ...]
    box: Box
    plane: Plane | None = None

    @classmethod
    def first(cls, whole: Sequence[int]) -> Viewport:
        """Return what a layer of an image of this size holds at first."""
        shape = tuple(int(n) for n in whole)
        height, width = shape[-2:]
        if is_large(shape):
            return cls(shape, (0, 0, min(height, FIRST), min(width, FIRST)), (0,) * len(shape[:-2]))
        alone = math.prod(shape) > LARGE_STACK
        return cls(shape, (0, 0, height, width), (0,) * len(shape[:-2]) if alone else None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the layer's data."""
        y0, x0, y1, x1 = self.box
        lead = self.whole[:-2] if self.plane is None else (1,) * len(self.plane)
        return (*lead, y1 - y0, x1 - x0)

    @property
    def origin(self) -> tuple[int, ...]:
        """The first px of the layer's data, in px of the image along all axes."""
        lead = (0,) * len(self.whole[:-2]) if self.plane is None else self.plane
        return (*lead, *self.box[:2])

    def index(self, plane: Plane) -> Plane | None:
        """Return where a plane of the image lies in the layer's data; None if it does not."""
        if self.plane is None:
            return plane
        return (0,) * len(plane) if plane == self.plane else None

    def parts(self, boxes: Iterable[Box]) -> list[Box]:
        """Return what of some boxes is held; all in px of the image."""
        top, left, bottom, right = self.box
        cut = [(max(a, top), max(b, left), min(c, bottom), min(d, right)) for a, b, c, d in boxes]
        return [box for box in cut if box[0] < box[2] and box[1] < box[3]]

    def local(self, box: Box) -> Box:
        """Turn a box of the image into one of the layer's data."""
        y, x = self.box[:2]
        return box[0] - y, box[1] - x, box[2] - y, box[3] - x


def is_large(shape: Sequence[int]) -> bool:
    """Whether planes of this size are held in parts."""
    height, width = shape[-2:]
    return height * width > LARGE or max(height, width) > LONGEST


def is_part(shape: Sequence[int]) -> bool:
    """Whether a review layer of this size holds but a part: of each plane, or of the stack."""
    return Viewport.first(shape).shape != tuple(shape)


def origin_of(layer: Any) -> NDArray[np.int64]:
    """Return the first px of a layer's data in px of its image, along all axes."""
    viewport: Viewport | None = getattr(layer, "viewport", None)
    return np.array((0,) * layer.ndim if viewport is None else viewport.origin, np.int64)


def to_image(layer: Any, world: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """Return the point of a layer's image, in px along all axes, that lies at a world point."""
    return np.asarray(layer.world_to_data(world), float) + origin_of(layer)


def to_world(layer: Any, point: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """Return where a point of a layer's image lies in the world."""
    return np.asarray(layer.data_to_world(np.asarray(point) - origin_of(layer)), float)
