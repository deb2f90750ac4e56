"""The seam audit: which nuclei look as if a tile line had cut them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask

LONGEST = 0.6
"""Share of a nucleus's height or width along which its outline may follow a line."""

SMALLEST = 6
"""Px along which it must do so at least: the sides of small discs are straight."""


def cut_along(
    masks: Iterable[Mask], rows: Sequence[float], cols: Sequence[float], near: float = 1
) -> list[int]:
    """Find the masks that end straight along a line.

    Parameters
    ----------
    masks : iterable of Mask
        Of one image.
    rows, cols : sequence of float
        Where the lines between tiles lie, down and across, in px of the image.
    near : float
        How far from a line an outline may run to be counted as following it.

    Returns
    -------
    list of int
        Their places in `masks`.
    """
    down, across = np.sort(np.asarray(rows, float)), np.sort(np.asarray(cols, float))
    return [k for k, mask in enumerate(masks) if _is_cut(mask, down, across, near)]


def _is_cut(mask: Mask, rows: NDArray[np.float64], cols: NDArray[np.float64], near: float) -> bool:
    if not _within(rows, mask.y, mask.height, near) and not _within(cols, mask.x, mask.width, near):
        return False
    pixels = mask.to_array()
    return _follows(pixels, mask.y, rows, near) or _follows(pixels.T, mask.x, cols, near)


def _within(lines: NDArray[np.float64], start: int, length: int, near: float) -> bool:
    first, last = np.searchsorted(lines, [start - near, start + length + near])
    return bool(first < last)


def _follows(
    pixels: NDArray[np.bool_], start: int, lines: NDArray[np.float64], near: float
) -> bool:
    """Whether the outline runs along one of the horizontal lines for too long."""
    padded = np.pad(pixels, ((1, 1), (0, 0)))
    # Row k is the edge above row k of the mask; a seam has all of the mask on one side.
    edges = (padded[1:] != padded[:-1]).sum(1)
    at = start + np.arange(len(edges))
    first, last = np.searchsorted(lines, [at - near, at + near + 1e-9])
    limit = max(SMALLEST, LONGEST * pixels.shape[1])
    return bool((edges[first < last] >= limit).any())
