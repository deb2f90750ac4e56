"""Other outlines for a mask: filled, smooth, larger, smaller, divided at its waists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .mask import Mask


def filled(mask: Mask) -> Mask:
    """Fill the holes: background that is walled in, corners included."""
    from scipy import ndimage

    return Mask.from_array(ndimage.binary_fill_holes(mask.to_array()), mask.y, mask.x)


def largest(mask: Mask) -> Mask:
    """Return the largest 8-connected part."""
    return mask.parts()[0] if mask else mask


def grown(mask: Mask, px: float) -> Mask:
    """Add all pixels at most this far from the mask."""
    from scipy import ndimage

    pixels, y, x = _padded(mask, math.ceil(px))
    return Mask.from_array(ndimage.distance_transform_edt(~pixels) <= px, y, x)


def shrunk(mask: Mask, px: float) -> Mask:
    """Drop all pixels at most this far from the background."""
    from scipy import ndimage

    pixels, y, x = _padded(mask, 1)
    return Mask.from_array(ndimage.distance_transform_edt(pixels) > px, y, x)


def polygon(points: Sequence[tuple[float, float]], shape: tuple[int, int]) -> Mask:
    """Return the pixels of an image of this shape that lie inside a polygon of (y, x)."""
    from skimage.draw import polygon as draw_polygon

    corners = np.asarray(points, float).reshape(-1, 2)
    if len(corners) < 3:
        return Mask()
    y, x = np.floor(corners.min(0)).astype(int)
    ys, xs = draw_polygon(corners[:, 0] - y, corners[:, 1] - x)
    return Mask.from_pixels(ys + y, xs + x).clip(shape)


def smoothed(mask: Mask, radius: float) -> Mask:
    """Round an outline off, on a scale of some pixels."""
    from scipy import ndimage

    pixels, y, x = _padded(mask, math.ceil(2 * radius))
    soft = ndimage.gaussian_filter(pixels.astype(np.float32), radius / 2, mode="constant")
    return Mask.from_array(soft >= 0.5, y, x)


def by_seeds(mask: Mask, seeds: Sequence[tuple[float, float]]) -> list[Mask]:
    """Divide a mask by a watershed of its depth, flooded from seeds.

    Parameters
    ----------
    seeds : sequence of (y, x)
        In px of the image. Those outside of the mask do not count; a part of the mask that
        no seed reaches goes to the largest part.

    Returns
    -------
    list of Mask
        One for each seed, largest first, together exactly this mask; fewer where seeds
        share a pixel.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    pixels, y, x = _padded(mask, 1)
    markers = np.zeros(pixels.shape, np.int32)
    inside = {(round(sy), round(sx)) for sy, sx in seeds if mask.contains(round(sy), round(sx))}
    for number, (sy, sx) in enumerate(sorted(inside), 1):
        markers[sy - y, sx - x] = number
    if len(inside) < 2:
        return [mask] if mask else []
    depth = ndimage.distance_transform_edt(pixels)
    labels = watershed(-depth, markers, mask=pixels, connectivity=2)
    parts = [Mask.from_array(labels == k, y, x) for k in range(1, len(inside) + 1)]
    parts = sorted((p for p in parts if p), key=lambda m: -m.area)
    unreached = Mask.from_array(pixels & (labels == 0), y, x)
    return [parts[0].union(unreached), *parts[1:]] if unreached else parts


def _padded(mask: Mask, by: int) -> tuple[NDArray[np.bool_], int, int]:
    return np.pad(mask.to_array(), by), mask.y - by, mask.x - by
