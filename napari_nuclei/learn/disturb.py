"""Images made worse on purpose, always in the same way, to see what a model can bear.

No torch here.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.levels import find_levels
from ..masks import Mask

Bytes = NDArray[np.uint8]
Rng = np.random.Generator

PLAIN = "none"
"""The name of no change at all."""


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which images become worse.

    Attributes
    ----------
    about : str
        What is done, for a person.
    apply : callable
        (H, W) or (H, W, 3) uint8 and a generator of random numbers → the changed image.
    zoom : float
        Px of the changed image per px of the image.
    """

    about: str
    apply: Callable[[Bytes, Rng], Bytes]
    zoom: float = 1.0


def disturb(pixels: NDArray[Any], change: str, name: str) -> Bytes:
    """Change an image.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3)
        Of any real type; what is not uint8 is stretched to it first.
    change : str
        One of `CHANGES`.
    name : str
        Of the image: the same one gets the same noise every time.
    """
    rng = np.random.default_rng(zlib.crc32(f"{change}/{name}".encode("utf-8", "backslashreplace")))
    return CHANGES[change].apply(to_bytes(pixels), rng)


def to_bytes(pixels: NDArray[Any]) -> Bytes:
    """Stretch an image from its least to its greatest value to 0…255; uint8 stays as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    work = np.nan_to_num(pixels.astype(np.float64), posinf=0, neginf=0)
    low, high = float(work.min()), float(work.max())
    return _rounded((work - low) / ((high - low) or 1) * 255)


def resized(mask: Mask, was: tuple[int, int], now: tuple[int, int]) -> Mask:
    """Bring a mask from an image of one size to the same image in another size.

    Each pixel takes the value of the one that its middle falls on. May become empty.

    Parameters
    ----------
    was, now : (int, int)
        Height and width of the images in px.
    """
    if was == now or not mask:
        return mask
    y, rows = _falls_on(mask.y, mask.height, was[0], now[0])
    x, cols = _falls_on(mask.x, mask.width, was[1], now[1])
    return Mask.from_array(mask.to_array()[np.ix_(rows, cols)], y, x)


def _falls_on(start: int, length: int, was: int, now: int) -> tuple[int, NDArray[np.int64]]:
    """First new pixel on one side of a crop, and for each the crop's pixel it falls on."""
    at = np.floor((np.arange(now) + 0.5) * was / now).astype(np.int64) - start
    inside = np.flatnonzero((at >= 0) & (at < length))
    return (int(inside[0]) if len(inside) else 0), at[inside]


def _rounded(values: NDArray[Any]) -> Bytes:
    return values.round().clip(0, 255).astype(np.uint8)


def _same(image: Bytes, _rng: Rng) -> Bytes:
    return image


def _blur(image: Bytes, _rng: Rng, sigma: float) -> Bytes:
    from scipy.ndimage import gaussian_filter

    axes = (sigma, sigma, 0)[: image.ndim]
    return _rounded(gaussian_filter(image.astype(np.float32), axes, mode="nearest"))


def _noise(image: Bytes, rng: Rng, share: float) -> Bytes:
    low, high = find_levels(image)
    gray = image.ndim == 2 or bool((image == image[..., :1]).all())
    shape = image.shape[:2] + (1,) * (image.ndim - 2) if gray else image.shape
    return _rounded(image + rng.normal(0, share * max(high - low, 1), shape))


def _resize(image: Bytes, _rng: Rng, zoom: float) -> Bytes:
    from PIL import Image

    height, width = (max(1, round(n * zoom)) for n in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _jpeg(image: Bytes, _rng: Rng, quality: int) -> Bytes:
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


def _stain(image: Bytes, _rng: Rng) -> Bytes:
    if image.ndim == 2 or (image == image[..., :1]).all():
        return _rounded(255 * (image / 255) ** 1.5)
    from skimage.color import hed2rgb, rgb2hed

    stains = rgb2hed(image) * np.array([0.7, 1.4, 1.0])
    return _rounded(hed2rgb(stains) * 255)


def _invert(image: Bytes, _rng: Rng) -> Bytes:
    return ~image


def _size(zoom: float, about: str) -> Change:
    return Change(about, partial(_resize, zoom=zoom), zoom)


CHANGES: dict[str, Change] = {
    PLAIN: Change("as it is", _same),
    "blur": Change("blurred, σ 1.5 px", partial(_blur, sigma=1.5)),
    "noise": Change("Gaussian noise, σ a tenth of the contrast", partial(_noise, share=0.1)),
    "jpeg": Change("JPEG of quality 30", partial(_jpeg, quality=30)),
    "stain": Change("haematoxylin × 0.7, eosin × 1.4; gray images: gamma 1.5", _stain),
    "invert": Change("inverted", _invert),
    "half": _size(0.5, "half its size"),
    "smaller": _size(0.7, "0.7 of its size"),
    "larger": _size(1.4, "1.4 times its size"),
    "double": _size(2.0, "twice its size"),
}
"""All changes by name, the one that changes nothing first."""
