"""What a plane of an image layer is known by: its pixels, of a large one some of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...errors import UserError
from ...images.images import read_image
from ...images.large_files import open_image
from ...images.large_image import LargeImage
from ...images.planes import Plane
from .source import shape_of
from .viewport import is_large


def is_equal(
    path: Path, plane: int | None, channel: int, own: NDArray[Any], full: Sequence[int]
) -> bool:
    try:
        if own.ndim == 2:
            return np.array_equal(read_image(path, plane=plane, channels=channel), own)
        return np.array_equal(_known(open_image(path, plane, channel), full), own)
    except UserError:
        return False


def _known(picture: Any, full: Sequence[int]) -> NDArray[Any]:
    """Return what `known_at` returns of a large plane."""
    parts = [_bytes(np.array(full)), *(_bytes(picture.read(b)) for b in picture.samples())]
    return np.concatenate(parts)


def pixels_at(image: Image, shape: Sequence[int], plane: Plane) -> NDArray[Any]:
    """Return all channels of a plane of a review layer that has this shape."""
    data = image.data[0] if image.multiscale else image.data
    return np.asarray(data[_at(image, shape, plane)])


def known_at(image: Image, shape: Sequence[int], plane: Plane) -> NDArray[Any]:
    """Return what a plane is known by: its pixels; of a large one, some of them.

    These are its size and squares all over it, as bytes.
    """
    full = shape_of(image)
    if not is_large(full):
        return pixels_at(image, shape, plane)
    data = image.data[0] if image.multiscale else image.data
    at = _at(image, shape, plane)
    boxes = LargeImage(np.broadcast_to(np.uint8(0), full[-2:])).samples()
    parts = [np.asarray(data[(*at, slice(a, c), slice(b, d))]) for a, b, c, d in boxes]
    return np.concatenate([_bytes(np.array(full)), *map(_bytes, parts)])


def _at(image: Image, shape: Sequence[int], plane: Plane) -> tuple[int | slice, ...]:
    lead = len(shape_of(image)) - len(shape)
    inner = [slice(None) if n == 1 else k for n, k in zip(shape[:-2], plane, strict=True)]
    return (*[slice(None)] * lead, *inner)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
