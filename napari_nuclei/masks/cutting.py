"""Taking pixels apart: into connected parts, and along a line. Arrays only, no `Mask` here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def connected(inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the 8-connected parts of a 2-D array: 0 outside, then from 1 on."""
    from scipy import ndimage

    labels, _ = ndimage.label(inside, np.ones((3, 3)))
    return labels.astype(np.int32)


def along(inside: NDArray[np.bool_], line: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
    """Number the parts into which a polyline of (y, x) cuts an array.

    Returns
    -------
    (H, W) int32
        0 outside, then 1, 2, …; the line's own pixels go to the nearest part. At most 1
        where the line does not cut through.
    """
    from scipy import ndimage
    from skimage.draw import line as draw_line

    cut = np.zeros_like(inside)
    points = [(round(y), round(x)) for y, x in line]
    for start, end in pairwise(points):
        ys, xs = draw_line(*start, *end)
        seen = (ys >= 0) & (ys < inside.shape[0]) & (xs >= 0) & (xs < inside.shape[1])
        cut[ys[seen], xs[seen]] = True
    # 4-connected parts, so that a diagonal line of single pixels separates them.
    labels, count = ndimage.label(inside & ~cut)
    if count < 2:
        return inside.astype(np.int32)
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    whole: NDArray[np.int32] = labels[tuple(nearest)] * inside
    return whole
