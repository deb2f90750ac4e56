"""Image layers that are read where they are looked at, and planes of them for a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...images.large_image import LargeImage
from ...images.levels import normalize

if TYPE_CHECKING:
    from dask.array import Array

BLOCK = 1024
"""Side in px of what is read at once for the screen."""

COARSEST = 2048
"""Longest side in px of the coarsest level; more levels are made by leaving out px."""

STEP = 4
"""Px down and across for one px of a level that is made so."""


class LazyPlane:
    """A plane of a lazy array of more dimensions, (H, W) or (H, W, C), read where it is sliced.

    Parameters
    ----------
    array : array-like
        Anything with `shape` and `dtype` that slices.
    index : sequence of int or slice
        What is taken along each axis; all of y and x.
    y : int
        The axis of y; that of x follows it.
    first : bool
        Whether the first axis that is left is that of channels.
    """

    def __init__(self, array: Any, index: Sequence[int | slice], y: int, first: bool) -> None:
        self._array, self._index, self._y, self._first = array, tuple(index), y, first
        sizes = zip(self._index, array.shape, strict=True)
        left = [len(range(n)[i]) for i, n in sizes if isinstance(i, slice)]
        self.shape = (*left[1:], left[0]) if first else tuple(left)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype)

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        full = list(self._index)
        full[self._y : self._y + 2] = key[:2]
        pixels = np.asarray(self._array[tuple(full)])
        return np.moveaxis(pixels, 0, -1) if self._first else pixels


def levels_of(pictures: Sequence[LargeImage], lead: tuple[int, ...]) -> list[Array]:
    """Return the levels of an image, or of a stack of equal ones, as napari takes them.

    Parameters
    ----------
    pictures : sequence of LargeImage
        One for each plane.
    lead : tuple of int
        How many planes there are; () for an ordinary image.

    Returns
    -------
    list of dask arrays
        (H, W), (H, W, 3), (N, H, W) or (N, H, W, 3), finer ones first. Colours are as they
        are if they are bytes, else 0 to 1 between the image's percentiles.
    """
    import dask.array as da

    levels = [[_shown(p, level) for level in p.levels] for p in pictures]
    count = min(map(len, levels))
    stacks = [da.stack([p[k] for p in levels]) if lead else levels[0][k] for k in range(count)]
    while max(stacks[-1].shape[len(lead) : len(lead) + 2]) > COARSEST:
        thin = (slice(None),) * len(lead) + (slice(None, None, STEP),) * 2
        stacks.append(stacks[-1][thin])
    return stacks


def _shown(picture: LargeImage, level: Any) -> Array:
    import dask.array as da

    chunks = tuple(min(n, BLOCK) for n in level.shape[:2]) + level.shape[2:]
    meta = np.zeros((0,) * level.ndim, level.dtype)
    array = da.from_array(level, chunks=chunks, meta=meta, name=False)
    if level.ndim == 2 or (level.dtype == np.uint8 and level.shape[2] == 3):
        return array
    ends = picture.find_levels()

    def bytes_of(block: NDArray[Any]) -> NDArray[np.float32]:
        return np.clip(normalize(block, levels=ends), 0, 1)

    end = (*array.chunks[:2], (3,))
    return array.map_blocks(bytes_of, dtype=np.float32, chunks=end, meta=meta.astype(np.float32))
