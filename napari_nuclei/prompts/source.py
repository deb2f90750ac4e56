"""Where a prompter takes pixels from: an image in memory, or a large one read in parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images.large_image import LargeImage
from ..masks.box import Box
from ..prediction.tiles import Tile


class Whole:
    """An image whose pixels, normalised and resized, lie in memory."""

    def __init__(self, image: ArrayLike, zoom: float) -> None:
        from ..images.levels import normalize
        from ..prediction.resampling import resample

        self._normal = normalize(np.asarray(image))
        self._pixels = resample(self._normal, zoom)
        self.shape = (self._normal.shape[0], self._normal.shape[1])
        self.size = (self._pixels.shape[0], self._pixels.shape[1])

    def tile(self, tile: Tile) -> NDArray[np.float32]:
        """Return the normalised, resized pixels of a tile."""
        y0, x0, y1, x1 = tile.box
        return self._pixels[y0:y1, x0:x1]

    def normal(self, box: Box) -> NDArray[np.float32]:
        """Return the normalised pixels of a box, of the image's own size."""
        y0, x0, y1, x1 = box
        return np.ascontiguousarray(self._normal[y0:y1, x0:x1])


class InParts:
    """A large image, read where it is asked about."""

    def __init__(self, image: LargeImage, zoom: float) -> None:
        from ..prediction.frame import Frame

        self._image, self._levels = image, image.find_levels()
        self._frame = Frame.of(image, zoom, self._levels)
        self.shape, self.size = image.shape, self._frame.shape

    def tile(self, tile: Tile) -> NDArray[np.float32]:
        """Return the normalised, resized pixels of a tile."""
        from ..prediction.resampling import three

        y0, x0, y1, x1 = tile.box
        seen = self._frame.pixels(tile)[: y1 - y0, : x1 - x0]  # may hold a px or two more
        return three(np.ascontiguousarray(seen))

    def normal(self, box: Box) -> NDArray[np.float32]:
        """Return the normalised pixels of a box, of the image's own size."""
        from ..images.levels import normalize

        return normalize(self._image.read(box), levels=self._levels)


def source_of(image: ArrayLike | LargeImage, zoom: float) -> Whole | InParts:
    """Return what gives the pixels of an image, resized by `zoom`."""
    return InParts(image, zoom) if isinstance(image, LargeImage) else Whole(image, zoom)
