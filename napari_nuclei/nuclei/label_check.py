"""What an image given as labels is: one value a nucleus, one value for all, a photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[Any]

MAX_CLASSES = 32
"""Values up to which an image may be a mask or a map of classes, and hardly a photograph."""

SCATTERED = 4
"""Pieces a value, on average, from which on many values are no nuclei."""

SPECK = 4
"""Area in px up to which a piece, on average, is noise and no nucleus."""

COMPACT = 2.0
"""Runs of a nucleus, in square roots of its area, up to which its pieces need not be counted."""

LOSSY_DARK, LOSSY_BRIGHT = 64, 192
"""Up to the one, and from the other on, a pixel of a compressed mask is black, or white."""


def whole(pixels: ArrayLike) -> Pixels:
    """Return labels as whole numbers; floating-point ones are, if nothing is lost by it.

    Raises
    ------
    ValueError
        If they are no whole numbers.
    """
    array = np.asarray(pixels)
    if array.dtype.kind in "iub":
        return array
    if array.dtype.kind != "f":
        raise ValueError(f"it holds {array.dtype}, and labels are whole numbers")
    if not np.isfinite(array).all():
        raise ValueError("it holds pixels that are not numbers (NaN or infinite)")
    odd = array != np.rint(array)
    if odd.any():
        raise ValueError(f"it holds values like {array[odd][0]:g}, and labels are whole numbers")
    if array.size and np.abs(array).max() > np.iinfo(np.int32).max:
        raise ValueError("labels lie between 0 and 2147483647")
    return array.astype(np.int32)


def remark_on(labels: Pixels) -> str:
    """Look at labels before they are taken for nuclei, one for each value.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.

    Returns
    -------
    str
        What a person should know: that nuclei are clumped in one value. Mostly empty.

    Raises
    ------
    ValueError
        If they look like a photograph.
    """
    count, runs, areas = _counted(labels)
    if not count:
        return ""
    if count > 100 and labels.size < 3 * areas.sum() < 3 * SPECK * count:
        raise ValueError(_photograph(count, int(areas.sum())))
    if count > MAX_CLASSES and runs <= COMPACT * np.sqrt(areas).sum():
        return ""
    pieces = _pieces(labels)
    is_dust = count > 2 and areas.sum() < SPECK * pieces
    if pieces > SCATTERED * count and (count > MAX_CLASSES or is_dust):
        raise ValueError(_photograph(count, pieces))
    if count == 1 and pieces > 1:
        value = int(labels.max())
        return f"holds one value ({value}) in {pieces:,} separate pieces"
    if pieces >= 2 * count:
        return f"holds {count:,} values in {pieces:,} separate pieces"
    return ""


def _photograph(values: int, pieces: int) -> str:
    return (
        f"it looks like a photograph and not like labels: its {values:,} values lie in {pieces:,} "
        "pieces, where each nucleus has a value of its own, and 0 is background"
    )


def _counted(labels: Pixels) -> tuple[int, int, NDArray[np.int64]]:
    """Return how many values other than 0 there are, their runs along rows, and their areas."""
    flat = np.ascontiguousarray(labels).ravel()
    borders = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    values = flat[borders[:-1]] if flat.size else flat
    lengths = np.diff(borders)[: len(values)]
    seen = values != 0
    found, owner = np.unique(values[seen], return_inverse=True)
    areas = np.bincount(owner, lengths[seen], len(found)).astype(np.int64)
    return len(found), int(seen.sum()), areas


def _pieces(labels: Pixels) -> int:
    from skimage.measure import label

    array = labels.astype(np.uint8) if labels.dtype.kind == "b" else labels
    return int(label(array, connectivity=2, background=0, return_num=True)[1])


def softened(gray: Pixels) -> NDArray[np.bool_] | None:
    """Return the mask in a gray image of one whose edges were smoothed; None if it is none.

    Parameters
    ----------
    gray : (H, W) uint8
        Of other types none is.
    """
    if gray.dtype != np.uint8 or gray.max(initial=0) != 255:
        return None
    core = gray >= 128
    between = np.bincount(gray.ravel(), minlength=256)[1:255]
    is_soft = np.count_nonzero(between) >= 3 and 4 * between.sum() <= 3 * np.count_nonzero(core)
    if not is_soft or gray[_beyond(core, 3)].any() or (gray[_deep(core, 2)] != 255).any():
        return None
    return core


def from_lossy(gray: Pixels) -> NDArray[np.bool_]:
    """Return the mask in a gray image whose values were changed by its compression.

    Raises
    ------
    ValueError
        If it is not black and white: which number a pixel had is lost then.
    """
    core = gray >= 128
    dark, bright = gray <= LOSSY_DARK, gray >= LOSSY_BRIGHT
    # What is neither lies along edges alone, and these are short.
    is_mask = _nearly_all(bright[_deep(core, 2)]) and _nearly_all(dark[_beyond(core, 3)])
    is_mask = is_mask and bool(4 * np.count_nonzero(~dark & ~bright) <= 3 * np.count_nonzero(core))
    if not is_mask or (gray.max(initial=0) > 8 and not core.any()):
        raise ValueError("it is compressed as JPEG is, which loses ids: save labels as PNG or TIFF")
    return core


def _nearly_all(true: NDArray[np.bool_]) -> bool:
    return not true.size or bool(np.count_nonzero(true) >= 0.98 * true.size)


def _beyond(core: NDArray[np.bool_], px: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    if not core.any():
        return ~core
    far: NDArray[np.bool_] = ~ndimage.binary_dilation(core, np.ones((3, 3), bool), px)
    return far


def _deep(core: NDArray[np.bool_], px: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    inside: NDArray[np.bool_] = ndimage.binary_erosion(
        core, np.ones((3, 3), bool), px, border_value=True
    )
    return inside


def ids_of_colours(pixels: Pixels) -> Pixels:
    """Return ids for the colours of an image that shows each nucleus in one of its own.

    Parameters
    ----------
    pixels : (H, W, 1…4)
        Gray, or RGB, with or without alpha. Black, and what is see-through, is background.

    Returns
    -------
    (H, W)
        Gray as it is; of colours red + 256 green + 65536 blue, as panoptic masks are written.
    """
    samples = pixels.shape[2]
    colours = pixels[..., : samples - (samples in (2, 4))]
    if samples in (2, 4) and (pixels[..., -1] == 0).any():
        colours = np.where(pixels[..., -1:] == 0, 0, colours)
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    if pixels.dtype == np.uint8:
        red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
        packed: Pixels = red + (green << 8) + (blue << 16)
        return packed
    flat = colours.reshape(-1, colours.shape[2])
    found, number = np.unique(flat, axis=0, return_inverse=True)
    shift = 0 if (found[0] == 0).all() else 1  # black comes first where there is any
    return (number.reshape(pixels.shape[:2]) + shift).astype(np.int32)
