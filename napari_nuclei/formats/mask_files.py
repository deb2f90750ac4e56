"""One mask file: an image in which all that is not black is a nucleus → masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError, ImageMismatchError
from ..images.trouble import one_line
from ..masks import Mask
from ..nuclei.label_check import from_lossy, ids_of_colours, remark_on, softened, whole
from ..nuclei.labels import from_labels
from ..wording import px
from . import bit_png
from .label_files import numbers

_EMPTY = "left out, it has no pixels"


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a mask file.

    Attributes
    ----------
    masks : list of Mask
        One; several where the file is a label image; none where no pixel is set.
    remarks : tuple of str
        What it was taken for, where that is not plain.
    """

    masks: list[Mask]
    remarks: tuple[str, ...] = ()


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """Read all masks of a file as one; see `read_masks`."""
    return Mask.union_of(read_masks(path, shape).masks)


def read_masks(path: Path, shape: tuple[int, int]) -> Found:
    """Read a mask file: every pixel that is not black, in any channel, is one mask.

    A file that was compressed as JPEG is, or has soft edges, is cut at half its brightness; one
    with several values or colours is a label image among the others.

    Raises
    ------
    UserError
        If it cannot be read, is not of `shape`, (height, width), or is a photograph.
    """
    if (mask := _from_png(path, shape)) is not None:
        return Found([mask]) if mask else Found([], (_EMPTY,))
    with one_line(path):
        try:
            return _masks_in(path, shape)
        except ValueError as error:
            raise FormatError(str(error)) from error


def _masks_in(path: Path, shape: tuple[int, int]) -> Found:
    pixels, is_lossy = numbers(path)
    pixels = np.squeeze(pixels) if pixels.ndim > 3 else pixels
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise FormatError(f"a mask has one plane; this is of shape {pixels.shape}")
    if pixels.shape[:2] != shape:
        size = px((pixels.shape[0], pixels.shape[1]))
        raise ImageMismatchError(f"the mask is {size}, its image {shape[0]}×{shape[1]}")
    gray = ids_of_colours(pixels) if pixels.ndim == 3 else pixels
    if is_lossy:
        if pixels.ndim == 3:
            gray = pixels.max(-1)
        mask = Mask.from_array(from_lossy(gray))
        words = "a JPEG, which changes values; what is brighter than half is read as mask"
        return Found([mask] if mask else [], (words if mask else _EMPTY,))
    if gray.dtype.kind == "f":
        gray = whole(gray)
    first = gray.flat[gray.argmax()] if gray.dtype.kind != "b" else True
    if ((gray == 0) | (gray == first)).all():
        mask = Mask.from_array(gray)
        return Found([mask]) if mask else Found([], (_EMPTY,))
    if (soft := softened(gray)) is not None:
        words = "a mask with soft edges; what is brighter than half is read as mask"
        return Found([Mask.from_array(soft)], (words,))
    remark_on(gray)  # refuses a photograph
    masks = [n.mask for n in from_labels(gray)]
    return Found(masks, ("a label image among masks, each value is read as a nucleus",))


def _from_png(path: Path, shape: tuple[int, int]) -> Mask | None:
    """Read a gray PNG of one value by a shorter way; None for all else, and for what is wrong."""
    import imagecodecs
    from PIL import Image

    try:
        content = path.read_bytes()
        if bit_png.size_of(content) != shape or b"eXIf" in content:  # which may turn it
            return None
        if (mask := bit_png.decode(content, shape)) is not None:
            return mask
        pixels = imagecodecs.png_decode(content)
    except (OSError, imagecodecs.PngError):
        return None
    if pixels.shape != shape:
        return None  # colours, perhaps with what is see-through
    box = Image.fromarray(pixels != 0).getbbox()
    if box is None:
        return Mask()
    left, top, right, bottom = box
    crop = pixels[top:bottom, left:right]
    if not ((crop == 0) | (crop == crop.max())).all():
        return None  # several values, to be looked at
    return Mask.from_array(crop, top, left)
