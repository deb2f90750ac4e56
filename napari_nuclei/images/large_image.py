"""`LargeImage`: an image of any size that is read in parts, with its coarser levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..masks.box import Box
from .levels import find_levels

WHOLE = 1 << 24
"""Images up to this number of px are looked at as a whole to find their levels."""

BLOCKS, BLOCK = 16, 128
"""Larger ones are looked at in so many squares down and across, of this side in px."""


class LargeImage:
    """An image that is read in parts.

    Parameters
    ----------
    image : array-like, LargeImage, or list of array-likes
        (H, W) or (H, W, C); of a list the first is the image and the others are the same at
        coarser and coarser scales. Anything that has `shape`, `dtype` and slices will do.

    Raises
    ------
    UserError
        If it has no pixels or other dimensions.
    """

    def __init__(self, image: Any) -> None:
        self.levels: list[Any] = _levels_of(image)
        first = self.levels[0]
        if first.ndim not in (2, 3):
            raise ImageError(
                f"an image has 2 dimensions, or 3 with channels; this has {first.ndim}"
            )
        if not all(first.shape):
            raise ImageError(f"the image is empty (shape {tuple(first.shape)})")
        self.shape: tuple[int, int] = (int(first.shape[0]), int(first.shape[1]))

    @property
    def size(self) -> int:
        """Number of px of the finest level."""
        return self.shape[0] * self.shape[1]

    def read(self, box: Box, level: int = 0) -> NDArray[Any]:
        """Return a part of a level, (h, w) or (h, w, C); the box is in px of that level."""
        y0, x0, y1, x1 = box
        return np.asarray(self.levels[level][y0:y1, x0:x1])

    def without_empty(self) -> LargeImage:
        """Return the image without a third colour that is empty, as of two channels that are shown.

        Only of one in memory, where that is soon seen.
        """
        first = self.levels[0]
        is_rgb = isinstance(first, np.ndarray) and first.shape[2:] == (3,)
        if len(self.levels) > 1 or not is_rgb or first[..., 2].any():
            return self
        return LargeImage(first[..., :2])

    def level_for(self, zoom: float) -> int:
        """Return the coarsest level that is at least as fine as the image resized by `zoom`."""
        fine = [
            k
            for k, level in enumerate(self.levels)
            if level.shape[0] >= zoom * self.shape[0] and level.shape[1] >= zoom * self.shape[1]
        ]
        return fine[-1] if fine else 0

    def find_levels(self) -> tuple[float, float]:
        """Return what becomes 0 and 1: percentiles of all px, or of squares all over the image."""
        if self.size <= WHOLE:
            return find_levels(self.read((0, 0, *self.shape)))
        parts = [self.read(box) for box in self.samples()]
        colours = parts[0].shape[2:]
        return find_levels(np.concatenate([p.reshape(1, -1, *colours) for p in parts], 1))

    def samples(self) -> list[Box]:
        """Return squares all over the image, whose places depend on nothing but its size."""
        rows, cols = (np.linspace(0, n - BLOCK, BLOCKS).astype(int).clip(0) for n in self.shape)
        return [(y, x, y + BLOCK, x + BLOCK) for y in rows.tolist() for x in cols.tolist()]

    def known_by(self) -> NDArray[Any]:
        """Return what names the image: its pixels; of one that is read in parts some of them.

        These are its size and the `samples`, as bytes.
        """
        if isinstance(self.levels[0], np.ndarray) or self.size <= WHOLE:
            return self.read((0, 0, *self.shape))
        parts = [np.array(self.shape), *map(self.read, self.samples())]
        data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        return np.frombuffer(data, np.uint8)

    def window(self, side: int, area: Box | None = None) -> Box:
        """Return a box of this side to look at first.

        In the middle; of a large image, where the middle may be bare, the liveliest one of
        five places. Of an area in its middle.
        """
        if area is not None:
            y, x = ((area[k] + area[k + 2] - side) // 2 for k in (0, 1))
            height, width = self.shape
            y, x = max(0, min(y, height - side)), max(0, min(x, width - side))
            return y, x, min(height, y + side), min(width, x + side)
        places = [(0.5, 0.5)]
        if self.size > WHOLE:
            places += [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)]
        boxes = [self._around(y, x, side) for y, x in places]
        if len(boxes) == 1:
            return boxes[0]
        return max(boxes, key=lambda box: float(np.nan_to_num(self.read(box)).std()))

    def _around(self, y: float, x: float, side: int) -> Box:
        top, left = (
            max(0, int((n - side) * part)) for n, part in zip(self.shape, (y, x), strict=True)
        )
        return top, left, min(self.shape[0], top + side), min(self.shape[1], left + side)


def _levels_of(image: Any) -> list[Any]:
    if isinstance(image, LargeImage):
        return image.levels
    several = isinstance(image, Sequence) and len(image) and hasattr(image[0], "shape")
    if several or type(image).__name__ == "MultiScaleData":  # napari's own
        return list(image)
    return [image if hasattr(image, "shape") and hasattr(image, "dtype") else np.asarray(image)]
