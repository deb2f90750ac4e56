"""Bringing pixels to the range that the network wants: array → normalised (H, W, 3) float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ImageError
from .decoders import Channels, Pixels, check_type
from .planes import pick_channels

PERCENTILES = (1.0, 99.8)
"""Levels that become 0 and 1."""

LOW, HIGH = -0.3, 1.5
"""Ends of the normalised range; 0 and 1 are the percentiles."""


def normalize(
    pixels: ArrayLike,
    channels: Channels | None = None,
    *,
    levels: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Bring an image to the range that the network was trained on.

    Parameters
    ----------
    pixels : array-like, (H, W) or (H, W, C)
        Numbers of any real type. Of more than three channels the first three are taken.
    channels : int or sequence of int, optional
        Which channels to take, up to three; one is repeated.
    levels : (float, float), optional
        Levels that become 0 and 1, for a part of a larger image; by default `find_levels`.

    Returns
    -------
    ndarray, (H, W, 3) float32
        `LOW` … `HIGH`; gray repeated. NaN and infinite pixels are 0.

    Raises
    ------
    UserError
        If this is no image: empty, complex, or of other dimensions.
    """
    image = _as_image(pixels, channels)
    low, high = levels or find_levels(image)
    wide = image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2) or max(high, -low) > 1e18
    work: NDArray[np.floating] = image.astype(np.float64 if wide else np.float32)
    if image.dtype.kind == "f":
        work[~_usable(image)] = low
    # The limit is relative as well, so that rounding errors are not blown up to contrast.
    least = 1e-6 * max(high, -low) if image.dtype.kind == "f" else 1e-6
    np.subtract(work, low, out=work)
    np.divide(work, max(high - low, least) or 1.0, out=work)
    result = np.clip(work, LOW, HIGH, out=work).astype(np.float32, copy=False)
    if result.shape[2] == 2:
        result = np.pad(result, ((0, 0), (0, 0), (0, 1)))
    if result.shape[2] == 3:
        return result
    return np.ascontiguousarray(np.broadcast_to(result, (*result.shape[:2], 3)))


def find_levels(pixels: ArrayLike, channels: Channels | None = None) -> tuple[float, float]:
    """Return the percentiles 1 and 99.8 over all channels that `normalize` takes.

    NaN and infinite pixels do not count; with no other pixel both levels are 0. Nor does a third
    colour that is empty, as where two channels are shown as colours.
    """
    image = _as_image(pixels, channels)
    if image.shape[2] == 3 and not image[..., 2].any():
        image = image[..., :2]
    if image.dtype.kind == "b":
        image = image.astype(np.uint8)  # Pillow's true is 255
    if image.dtype.kind == "f":
        usable = _usable(image)
        values = image.ravel() if usable.all() else image[usable]
        if not values.size:
            return 0.0, 0.0
    else:
        low = int(image.min())
        if int(image.max()) - low < 1 << 16:
            return _histogram_levels(image, low)
        values = image.ravel()
    first, second = np.percentile(values.astype(np.float64), PERCENTILES)
    return float(first), float(second)


def _histogram_levels(image: Pixels, low: int) -> tuple[float, float]:
    """Exact percentiles of integers, many times faster than by sorting."""
    if low < 0 or image.dtype.itemsize > 2:
        own = image if image.dtype.itemsize == 8 else image.astype(np.int64)
        image = (own - own.dtype.type(low)).astype(np.int64)
    else:
        low = 0
    parts = np.array_split(image.ravel(), image.size // (1 << 22) + 1)  # bincount widens each
    ends = np.cumsum(sum(np.bincount(part, minlength=1 << 16) for part in parts))
    place = np.array(PERCENTILES) / 100 * (image.size - 1)
    below = np.searchsorted(ends, np.floor(place), side="right")
    above = np.searchsorted(ends, np.ceil(place), side="right")
    first, second = below + (above - below) * (place % 1) + low
    return float(first), float(second)


def _usable(image: Pixels) -> NDArray[np.bool_]:
    """Tell which floating-point pixels are numbers whose differences are numbers too."""
    usable: NDArray[np.bool_] = np.abs(image) <= min(1e300, float(np.finfo(image.dtype).max))
    return usable


def _as_image(pixels: ArrayLike, channels: Channels | None) -> Pixels:
    """Return (H, W, 1…3) of native byte order."""
    array = np.asarray(pixels)
    check_type(array.dtype)
    if array.ndim not in (2, 3):
        raise ImageError(f"an image has 2 dimensions, or 3 with channels; this has {array.ndim}")
    if not array.size:
        raise ImageError(f"the image is empty (shape {array.shape})")
    if array.ndim == 2:
        array = array[..., None]
    if channels is not None:
        array = pick_channels(array, channels)
        array = array if array.ndim == 3 else array[..., None]
    return array[..., :3].astype(array.dtype.newbyteorder("="), copy=False)
