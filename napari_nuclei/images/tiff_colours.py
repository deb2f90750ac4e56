"""What the samples of a TIFF's page mean: white-is-zero, palettes, CMYK and YCbCr → gray or RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffPage

Pixels = NDArray[Any]

# TIFF's codes for what the samples mean.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_ALPHA = (1, 2)
"""Kinds of extra samples that are see-through; those of kind 0 can be anything."""

_TO_RGB = (6, 7, 34892, 33007, 33005, 50001, 50002, 52546)
"""Compressions whose decoders give RGB, whatever is stored: JPEG, WebP, JPEG XL and others."""

_APERIO_YCBCR = 33003
"""Aperio's JPEG 2000, which holds YCbCr even where it says RGB."""

_LUMA = (0.299, 0.587, 0.114)


def check(page: TiffPage) -> None:
    """Refuse kinds of colours that are not known here.

    Raises
    ------
    UserError
        If a page is of such a kind.
    """
    kinds = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR)
    strange = page.photometric not in kinds
    if page.photometric == _CMYK:
        strange = page.samplesperpixel < 4 or page.dtype is None or page.dtype.kind != "u"
    if page.photometric == _PALETTE and page.colormap is None:
        raise ValueError("its palette is missing")
    if strange or (page.photometric == _YCBCR and page.samplesperpixel < 3):
        raise ImageError("its kind of colours is not supported: save it as RGB")


def samples_axis(page: TiffPage) -> str:
    """Tell whether a page's samples are colours and alpha, S, or channels of their own, C."""
    extra = tuple(page.extrasamples)
    if page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
        return "S" if page.samplesperpixel == 2 and extra and extra[0] in _ALPHA else "C"
    # One extra sample of an unknown kind is mostly alpha as well; of two, one is a channel.
    is_more = page.photometric == _RGB and sum(kind not in _ALPHA for kind in extra) > 1
    return "C" if is_more else "S"


def palette_of(page: TiffPage) -> NDArray[np.uint8] | None:
    """Return a palette, (3, N). ImageJ's do not count: they only show the intensities."""
    table = page.colormap
    if table is None or page.photometric != _PALETTE or page.parent.is_imagej:
        return None
    return (table if table.max() < 256 else table >> 8).astype(np.uint8)


def gray_or_rgb(pixels: Pixels, page: TiffPage) -> Pixels:
    """Bring a page, or a part of it, to gray or RGB; samples are the last axis."""
    if page.photometric == _WHITE_IS_ZERO:
        is_meant = pixels.dtype.kind == "u" or (pixels.dtype.kind == "b" and not is_tifffiles(page))
        return inverted(pixels, page) if is_meant else pixels
    if page.photometric == _CMYK:
        return _from_cmyk(pixels)
    if _is_ycbcr(page) and pixels.dtype.kind == "u":
        return _from_ycbcr(pixels, page)
    palette = palette_of(page)
    return pixels if palette is None else np.moveaxis(palette[:, pixels], 0, -1)


def is_tifffiles(page: TiffPage) -> bool:
    """Whether tifffile wrote a page, which calls bits white-is-zero and means the contrary."""
    return page.parent.is_shaped or page.software.startswith("tifffile")


def inverted(pixels: Pixels, page: TiffPage) -> Pixels:
    """Return whole numbers or bits with black and white exchanged."""
    if pixels.dtype.kind == "b":
        return ~pixels
    top = pixels.dtype.type(2**page.bitspersample - 1)
    exchanged: Pixels = top ^ pixels
    return exchanged


def as_mask(pixels: Pixels, page: TiffPage) -> Pixels:
    """Return the numbers of a label image or mask: 0 is background.

    ImageJ shows its masks by an inverting palette, but their nuclei are 255 all the same; of other
    programs' black and white masks white is meant, however it is stored. Ids are what they are.
    """
    if page.photometric != _WHITE_IS_ZERO or page.parent.is_imagej or is_tifffiles(page):
        return pixels
    top = 2**page.bitspersample - 1
    is_mask = pixels.dtype.kind == "b" or (
        pixels.dtype.kind == "u" and bool(((pixels == 0) | (pixels == top)).all())
    )
    return inverted(pixels, page) if is_mask else pixels


def _from_cmyk(pixels: Pixels) -> Pixels:
    top = np.iinfo(pixels.dtype).max
    light = (top - pixels[..., :4]).astype(np.float64) / top
    return np.rint(light[..., :3] * light[..., 3:] * top).astype(pixels.dtype)


def _is_ycbcr(page: TiffPage) -> bool:
    if page.compression == _APERIO_YCBCR:
        return page.samplesperpixel >= 3
    # Planes that are kept apart are decoded one by one, and not turned into RGB.
    is_done = page.compression in _TO_RGB and page.planarconfig == 1 and not page.extrasamples
    return page.photometric == _YCBCR and not is_done


def _from_ycbcr(pixels: Pixels, page: TiffPage) -> Pixels:
    """Turn YCbCr into RGB as TIFF 6.0 has it (section 21)."""
    top = 2**page.bitspersample - 1
    half = (top + 1) // 2
    red, green, blue = _numbers(page, 529, _LUMA)  # YCbCrCoefficients
    usual = (0, top, half, top, half, top)
    black = np.array(_numbers(page, 532, usual)).reshape(3, 2)  # ReferenceBlackWhite
    if not (black[:, 1] > black[:, 0]).all():
        black = np.array(usual, float).reshape(3, 2)
    scale = np.array([top, half - 1, half - 1]) / (black[:, 1] - black[:, 0])
    y, cb, cr = np.moveaxis((pixels[..., :3] - black[:, 0]) * scale, -1, 0)
    r = y + (2 - 2 * red) * cr
    b = y + (2 - 2 * blue) * cb
    g = (y - red * r - blue * b) / (green or 1)
    rgb: Pixels = np.rint(np.stack([r, g, b], -1).clip(0, top)).astype(pixels.dtype)
    return rgb


def _numbers(page: TiffPage, tag: int, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the fractions of a tag; what is usual where it is missing or odd."""
    flat = page.tags.valueof(tag)
    if not isinstance(flat, tuple) or len(flat) != 2 * len(usual):
        return usual
    if not all(flat[1::2]):
        return usual
    return tuple(a / b for a, b in zip(flat[::2], flat[1::2], strict=True))
