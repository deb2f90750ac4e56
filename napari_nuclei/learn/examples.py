"""Annotated images at the network's scale, as training takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..formats.dataset import DataSet
from ..formats.image_files import all_in, image_in
from ..formats.image_sizes import other_size
from ..images.images import is_zarr, read_image
from ..images.large_files import open_zarr
from ..images.levels import normalize
from ..masks import Mask
from ..models.maskrcnn import INPUT_MEAN
from ..nuclei import ImageRecord

LOCKED = -1
"""Label of what is kept for judging: never seen by the network, as what lies beyond the border."""


@dataclass(frozen=True, slots=True)
class Example:
    """One annotated image, resized so that its median nucleus has the wanted diameter.

    Attributes
    ----------
    image : Tensor
        (1 or 3, H, W) float16, percentile-normalised.
    labels : Tensor
        (H, W) int16, 0 = background, `LOCKED` where the image must not be seen.
    known : Tensor
        (H, W) bool: where somebody has looked.
    centres : Tensor
        (N, 2) float32: x, y of each nucleus.
    group : str
        The modality, for balanced sampling.
    """

    image: Tensor
    labels: Tensor
    known: Tensor
    centres: Tensor
    group: str


def load_examples(data: DataSet, images: Path, diameter: float) -> list[Example]:
    """Read the images of a data set, at the network's scale.

    Parameters
    ----------
    data : DataSet
        The truth; what is shown of it counts.
    images : Path
        The folder of the images.
    diameter : float
        Wanted diameter of an image's median nucleus, in px of the network's input.

    Raises
    ------
    UserError
        If an image cannot be found or read, or is of another size than the data set says.
    """
    all_in(images, data.images)
    return [
        example_of(
            pixels_of(image, images),
            [n.mask for n in data.of(image).shown()],
            image.modality,
            diameter,
            outside(image.shape, [c.mask for c in data.of(image).crowds]),
        )
        for image in data.images
    ]


def outside(shape: tuple[int, int], crowds: list[Mask]) -> NDArray[np.bool_] | None:
    """Return where no crowd is, (H, W); None if there are none."""
    if not crowds:
        return None
    out = np.ones(shape, bool)
    for crowd in crowds:
        crowd.paint(out, False)
    return out


def pixels_of(image: ImageRecord, folder: Path) -> NDArray[Any]:
    """Read the image of a data set's record, or the plane that it is of.

    Raises
    ------
    UserError
        If it cannot be found or read, or is of another size than the record says.
    """
    path = image_in(folder, image.file_name)
    channels = image.channels or None
    if is_zarr(path):
        picture = open_zarr(path, image.plane, channels)
        pixels: NDArray[Any] = picture.read((0, 0, *picture.shape))
    else:
        pixels = read_image(path, plane=image.plane, channels=channels)
    if pixels.shape[:2] != image.shape:
        size = (pixels.shape[0], pixels.shape[1])
        raise other_size(path, size, image.shape, "its data set")
    return pixels


def example_of(
    pixels: NDArray[Any],
    masks: list[Mask],
    group: str,
    diameter: float,
    known: NDArray[np.bool_] | None = None,
    locked: NDArray[np.bool_] | None = None,
) -> Example:
    """Bring an image and its nuclei to the network's scale.

    Parameters
    ----------
    pixels : (H, W) or (H, W, C)
        As read.
    masks : list of Mask
        Its nuclei; their median diameter becomes `diameter`.
    known : (H, W) bool, optional
        Where somebody has looked; everywhere by default.
    locked : (H, W) bool, optional
        What must not be seen: blanked here, before anything is made of the pixels but the
        two levels that the whole image is normalised by.
    """
    labels, zoom = flattened(pixels.shape[:2], masks, diameter)
    return scaled(pixels, labels, zoom, group, known, locked)


def flattened(
    shape: tuple[int, ...], masks: list[Mask], diameter: float
) -> tuple[NDArray[np.int32], float]:
    """Paint nuclei into one label image, and say by what factor the image is to be resized."""
    labels = np.zeros(shape, np.int32)
    # Large ones first, so that a small nucleus inside a large one stays visible.
    masks = sorted(masks, key=lambda m: -m.area)
    for value, mask in enumerate(masks, 1):
        mask.paint(labels, value)
    sizes = [2 * math.sqrt(mask.area / math.pi) for mask in masks]
    return labels, min(diameter / float(np.median(sizes)), 4.0) if sizes else 1.0


def scaled(
    pixels: NDArray[Any],
    labels: NDArray[np.int32],
    zoom: float,
    group: str,
    known: NDArray[np.bool_] | None = None,
    locked: NDArray[np.bool_] | None = None,
) -> Example:
    """Resize an image and its labels, both as they are; see `example_of`."""
    seen = np.require(normalize(pixels), requirements="W")
    if locked is not None:
        seen = np.where(locked[..., None], np.float32(INPUT_MEAN), seen)
        labels = np.where(locked, LOCKED, labels)
    image = torch.from_numpy(seen).permute(2, 0, 1)
    gray = bool((image[0] == image[1]).all() and (image[0] == image[2]).all())
    size = [max(1, round(n * zoom)) for n in pixels.shape[:2]]
    resized = F.interpolate(
        image[: 1 if gray else 3][None], size, mode="bilinear", antialias=True, align_corners=False
    )[0]
    flat = _resized(labels, size).to(torch.int16)
    looked = torch.ones_like(flat, dtype=torch.bool)
    if known is not None:
        looked = _resized(known, size).bool() & (flat != LOCKED)
    return Example(resized.half(), flat, looked, _centres(flat), group)


def _resized(array: NDArray[Any], size: list[int]) -> Tensor:
    tensor = torch.from_numpy(array)[None, None].double()
    return F.interpolate(tensor, size, mode="nearest-exact")[0, 0]


def _centres(labels: Tensor) -> Tensor:
    ids, where = torch.unique(labels[labels > 0], return_inverse=True)
    y, x = torch.nonzero(labels > 0, as_tuple=True)
    count = torch.zeros(len(ids)).index_add_(0, where, torch.ones(len(where)))
    sums = torch.stack([torch.zeros(len(ids)).index_add_(0, where, v.float()) for v in (x, y)], 1)
    return sums / count[:, None]
