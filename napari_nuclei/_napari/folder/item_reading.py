"""An item of a workspace as a layer takes it: its pixels, or the levels of a large one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...images.images import image_info
from ...images.large_files import open_image
from ...images.large_image import WHOLE, LargeImage
from ...images.levels import find_levels, normalize
from ...images.planes import Plane
from ...journal.lost import Trace
from ...workspace.files import Item
from ..layers.lazy_layers import levels_of

MAX_BYTES = 1 << 30
"""Size up to which a stack is read as a whole."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item, ready to be shown.

    Attributes
    ----------
    pixels : ndarray or list of dask arrays
        (H, W), (H, W, 3) or, of a stack, (N, H, W) or (N, H, W, 3); levels of a large image.
    rgb : bool
        Whether the last axis is that of colours.
    lead : tuple of int
        How many planes there are; () for an ordinary image.
    levels : (float, float)
        What is shown as black and as white.
    notices : tuple of str
        What the person should be told of its reviews.
    read_only : bool
        Whether another window had its review open.
    offer : Trace or None
        A review of the same content that it may begin with, where it has none.
    """

    pixels: NDArray[Any] | list[Any]
    rgb: bool
    lead: Plane
    levels: tuple[float, float]
    notices: tuple[str, ...] = ()
    read_only: bool = False
    offer: Trace | None = None


def read_plane(item: Item, plane: Plane) -> NDArray[Any] | LargeImage:
    """Read one plane of an item as it is shown and segmented: separate channels as colours.

    A large one that can be read in parts is only opened.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    channels = image_info(item.path).channels
    named = () if item.record is None else item.record.channels
    chosen = list(named or range(min(3, channels))) if channels > 1 else None
    number = (plane or item.plane)[0] if plane or item.plane else None
    picture = open_image(item.path, plane=number, channels=chosen)
    if isinstance(picture.levels[0], np.ndarray) or picture.size <= WHOLE:
        return picture.read((0, 0, *picture.shape))
    return picture


def read_item(item: Item) -> Loaded:
    """Read the pixels of an item; of a large one that can be read in parts, only open it.

    Raises
    ------
    UserError
        If they cannot be read, or a stack is too large.
    """
    info = image_info(item.path)
    planes = info.planes if not item.plane else 1
    lead: Plane = (planes,) if planes > 1 else ()
    first = read_plane(item, (0,) if lead else ())
    if isinstance(first, LargeImage):
        return _opened(item, first, lead)
    pixels = first
    if lead:
        if planes * first.nbytes > MAX_BYTES:
            raise UserError(
                f"{item.path}: {planes} planes of {info.height}×{info.width} px are too many to "
                "read at once: save it as several files, or list single planes in a COCO file"
            )
        rest = [np.asarray(read_plane(item, (k,))) for k in range(1, planes)]
        pixels = np.stack([first, *rest])
    rgb = pixels.ndim == 3 + len(lead)
    # napari takes colours by the range of their type, and wants three of them.
    if rgb and (pixels.dtype != np.uint8 or pixels.shape[-1] != 3):
        shown = [normalize(p) for p in (pixels if lead else [pixels])]
        pixels = np.clip(np.stack(shown) if lead else shown[0], 0, 1)
    return Loaded(pixels, rgb, lead, _ends(find_levels(pixels[0] if lead else pixels)))


def _opened(item: Item, first: LargeImage, lead: Plane) -> Loaded:
    """Return levels that are read where they are looked at."""
    rest = [read_plane(item, (k,)) for k in range(1, lead[0])] if lead else []
    pictures = [first, *(p for p in rest if isinstance(p, LargeImage))]
    levels = levels_of(pictures, lead)
    return Loaded(levels, levels[0].ndim == 3 + len(lead), lead, _ends(first.find_levels()))


def _ends(levels: tuple[float, float]) -> tuple[float, float]:
    low, high = levels
    return (low, high) if high > low else (low, low + 1)
