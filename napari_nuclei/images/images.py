"""Reading images: path → array of one plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .decoders import Channels, ImageInfo, Pixels, decode, inspect
from .finding import IMAGE_SUFFIXES, ZARR_MARKS, find_images, is_zarr

__all__ = [
    "IMAGE_SUFFIXES",
    "ZARR_MARKS",
    "Channels",
    "ImageInfo",
    "Pixels",
    "find_images",
    "image_info",
    "image_size",
    "is_zarr",
    "read_image",
]


def image_info(path: str | Path) -> ImageInfo:
    """Tell the size, planes and channels of an image file without decoding its pixels.

    Raises
    ------
    UserError
        As `read_image`.
    """
    if is_zarr(Path(path)):
        from .large_files import zarr_info

        return zarr_info(Path(path))
    return inspect(Path(path))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) of an image file in px, without decoding its pixels.

    Raises
    ------
    UserError
        As `read_image`.
    """
    info = image_info(path)
    return info.height, info.width


def read_image(
    path: str | Path, *, plane: int | None = None, channels: Channels | None = None
) -> Pixels:
    """Read one plane of an image file.

    Parameters
    ----------
    path : path
        TIFF, PNG, JPEG, BMP, zarr and others; judged by content, not by name.
    plane : int, optional
        Which plane of a stack or film, from 0, counted in the file's own order.
    channels : int or sequence of int, optional
        Which channel of a multichannel or RGB image, or up to three, shown as R, G, B.

    Returns
    -------
    ndarray, (H, W) or (H, W, 3)
        In the file's own data type and native byte order, upright as EXIF and TIFF note it.
        Palettes are looked up, CMYK and YCbCr become RGB, alpha is dropped, white-is-zero is
        inverted. Of two channels the third colour is zero.

    Raises
    ------
    UserError
        If the file is missing, broken, cut short, empty or no image, if there is no such
        plane or channel, or if there are several and none is named.
    """
    if is_zarr(Path(path)):
        from .large_files import open_zarr

        levels = open_zarr(Path(path), plane, channels)
        pixels = levels.read((0, 0, *levels.shape))
    else:
        pixels = decode(Path(path), plane, channels)
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        return np.pad(pixels, ((0, 0), (0, 0), (0, 1)))
    return pixels
