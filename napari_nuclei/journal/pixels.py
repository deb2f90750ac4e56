"""The pixels and the size of what is reviewed, from its file or as they are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ReviewError
from .place import Pixels
from .subject import Subject


def shape_of(image: Path | None, pixels: NDArray[Any] | Pixels | None) -> tuple[int, int]:
    """Return the height and width of what is reviewed, in px."""
    if image is not None:
        from ..images.images import image_size

        return image_size(image)
    if pixels is None:
        raise ReviewError("neither an image file nor pixels are given")
    height, width = (pixels() if callable(pixels) else pixels).shape[:2]
    return int(height), int(width)


def pixels_of(subject: Subject, pixels: NDArray[Any] | Pixels | None) -> NDArray[Any]:
    """Return what names an image that no file stands for: its pixels, or some of them."""
    if pixels is not None:
        return pixels() if callable(pixels) else pixels
    from ..images.large_files import open_image

    if subject.path is None or len(subject.plane) > 1:
        raise ReviewError("the pixels of this plane are needed to find its review")
    picture = open_image(subject.path, subject.plane[0] if subject.plane else None)
    return picture.known_by()
