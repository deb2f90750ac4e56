"""`Window`: a part of an image that the detector encoded; `SeenNucleus`: what it sees there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from .soft_mask import SoftMask

Boxes = NDArray[np.float32]
"""(N, 4): (y0, x0, y1, x1) in px of the image, not whole ones."""


@dataclass(frozen=True, slots=True)
class SeenNucleus:
    """One nucleus as the detector sees it.

    Attributes
    ----------
    mask : Mask
        Its pixels.
    score : float
        0…1.
    soft : SoftMask
        How sure the detector is of each pixel.
    """

    mask: Mask
    score: float
    soft: SoftMask


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the image that the detector has encoded, and where it lies.

    Attributes
    ----------
    encoded : object
        What the detector made of it.
    y, x : float
        Its corner in px of the image.
    zoom : (float, float)
        Px of the network per px of the image, down and across.
    """

    encoded: Any
    y: float
    x: float
    zoom: tuple[float, float]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""
        return int(self.encoded.nbytes)

    def inwards(self, boxes: Boxes) -> NDArray[np.float32]:
        """Turn boxes of the image into the detector's: (x0, y0, x1, y1) in px of the window."""
        down, across = self.zoom
        corner = np.array([self.x, self.y, self.x, self.y])
        out: NDArray[np.float32] = (boxes[:, [1, 0, 3, 2]] - corner) * [across, down, across, down]
        return out.astype(np.float32)

    def outwards(self, boxes: NDArray[np.float32]) -> Boxes:
        """Turn boxes of the detector into the image's."""
        down, across = self.zoom
        out = boxes[:, [1, 0, 3, 2]] / [down, across, down, across]
        moved: Boxes = (out + np.array([self.y, self.x, self.y, self.x])).astype(np.float32)
        return moved
