"""How an image is laid out for the network, and reading it so, tile by tile.

Loads torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..images.large_image import LargeImage
from ..images.levels import normalize
from .resampling import Taps, resized, sizes, three, without_repeats
from .tiles import Tile

BARE = 0.03
"""A tile in which squares of `PATCH` px differ by less, on a scale where the image's
percentiles are 0 and 1, holds no nucleus."""

PATCH = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image is laid out for the network.

    Attributes
    ----------
    picture : LargeImage
        The image.
    levels : (float, float)
        What becomes 0 and 1.
    shape : (int, int)
        Height and width of the image resized for the network.
    level : int
        Level of the picture that is read.
    """

    picture: LargeImage
    levels: tuple[float, float]
    shape: tuple[int, int]
    level: int

    @classmethod
    def of(cls, picture: LargeImage, zoom: float, levels: tuple[float, float]) -> Frame:
        """Lay out an image that is resized by a factor."""
        shape = sizes(picture.shape, zoom)
        return cls(picture, levels, shape, picture.level_for(shape[0] / picture.shape[0]))

    @property
    def zoom(self) -> tuple[float, float]:
        """Px of the network per px of the image, down and across."""
        height, width = self.picture.shape
        return self.shape[0] / height, self.shape[1] / width

    def read(self, tile: Tile) -> NDArray[np.float32] | None:
        """Read, normalise and resize what the network sees; None where it is bare."""
        pixels = self.pixels(tile)
        return None if bare(pixels) else three(pixels)

    def pixels(self, tile: Tile) -> NDArray[np.float32]:
        """Read, normalise and resize a tile, (h, w, 1) or (h, w, 3)."""
        old = self.picture.levels[self.level].shape[:2]
        y0, x0, y1, x1 = tile.box
        rows = Taps.of(y0, y1, self.shape[0], old[0])
        cols = Taps.of(x0, x1, self.shape[1], old[1])
        raw = self.picture.read((rows.first, cols.first, rows.last, cols.last), self.level)
        pixels = without_repeats(normalize(raw, levels=self.levels))
        if self.shape != tuple(old):
            pixels = resized(pixels, rows, cols)
        return pixels


def bare(pixels: NDArray[np.float32]) -> bool:
    """Whether a normalised (H, W, C) tile is too even to hold a nucleus.

    Looks at means of small squares, in which noise is small. Of the 6,385 nuclei in the
    validation images of dsb2018 and vrdl three lie in a surrounding so even, specks of 21 to
    26 px; a tile must be so as a whole.
    """
    height, width = (max(n // PATCH, 1) * PATCH if n >= PATCH else n for n in pixels.shape[:2])
    some = pixels[:height, :width]
    step = PATCH if min(height, width) >= PATCH else 1
    means = some.reshape(height // step, step, width // step, step, -1).mean((1, 3))
    return bool((means.max((0, 1)) - means.min((0, 1))).max() < BARE)
