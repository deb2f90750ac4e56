"""Annotated images as training crops.

Here: reading a COCO data set into memory at the network's scale, and drawing balanced
random crops from it. Not here: how a crop is changed (`learn/augment.py`), what is learned
from it (`models/losses.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from ..errors import UserError
from ..formats.dataset import DataSet, ImageRecord
from ..formats.image_files import all_in, image_in
from ..images.images import is_zarr, normalize, read_image
from ..images.large_files import open_zarr
from ..mask import Mask
from ..models.losses import Target
from ..models.maskrcnn import INPUT_MEAN
from .augment import crop, recolour
from .augment_nuclei import defocus, dim, paste

if TYPE_CHECKING:
    from .recipe import Augment

DRAWS = 2**40
"""Added to a crop's seed: what is sampled in it shall not depend on how it was cut."""

MOST_ZOOM = 0.8
"""Limit of the logarithm of the random zoom."""

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
            _outside(image.shape, [c.mask for c in data.of(image).crowds]),
        )
        for image in data.images
    ]


def _outside(shape: tuple[int, int], crowds: list[Mask]) -> NDArray[np.bool_] | None:
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
        height, width = pixels.shape[:2]
        raise UserError(
            f"{path}: is {height}×{width} px, its data set says {image.height}×{image.width} "
            "(height × width). Is it the right image?"
        )
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
    labels = np.zeros(pixels.shape[:2], np.int32)
    # Large ones first, so that a small nucleus inside a large one stays visible.
    masks = sorted(masks, key=lambda m: -m.area)
    for value, mask in enumerate(masks, 1):
        mask.paint(labels, value)
    sizes = [2 * math.sqrt(mask.area / math.pi) for mask in masks]
    zoom = min(diameter / float(np.median(sizes)), 4.0) if sizes else 1.0
    seen = np.require(normalize(pixels), requirements="W")
    if locked is not None:
        seen = np.where(locked[..., None], np.float32(INPUT_MEAN), seen)
        labels[locked] = LOCKED
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


class Crops(IterableDataset[tuple[Tensor, Target]]):
    """An endless stream of random crops, seeded crop by crop.

    Parameters
    ----------
    examples : list of Example
        What is drawn from.
    side : int
        Side of a crop in px.
    balance : float
        0 draws every image equally often, 1 every group equally often.
    zoom_spread : float
        Standard deviation of the logarithm of the random zoom.
    seed, start, batch : int
        Crops are numbered from `start` on, each drawn from a generator seeded by `seed` and
        its own number. A worker draws `batch` crops in a row, as many as its loader puts
        together: so the batches do not depend on the number of workers.
    rank, size : int
        Of several processes that train together, each draws its own part of every batch.
    augment : Augment, optional
        How often crops are made hard; never by default.
    """

    def __init__(
        self,
        examples: list[Example],
        side: int = 256,
        balance: float = 0.4,
        zoom_spread: float = 0.3,
        seed: int = 0,
        start: int = 0,
        batch: int = 1,
        rank: int = 0,
        size: int = 1,
        augment: Augment | None = None,
    ) -> None:
        self.examples, self.side, self.zoom_spread = examples, side, zoom_spread
        self.seed, self.start, self.batch = seed, start, batch
        self.augment = augment
        self.part = batch // size
        self.first = rank * self.part
        groups = Counter(e.group for e in examples)
        # Larger images hold more to see: draw them more often, by the root of their side.
        weights = torch.tensor(
            [groups[e.group] ** -balance * max(e.labels.numel(), side**2) ** 0.25 for e in examples]
        )
        self.weights = weights / weights.sum()

    def __iter__(self) -> Iterator[tuple[Tensor, Target]]:
        worker = torch.utils.data.get_worker_info()
        first, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for block in count(first, workers):
            for place in range(self.first, self.first + self.part):
                yield self.draw(self.start + block * self.batch + place)

    def draw(self, number: int, zoom_by: float | None = None) -> tuple[Tensor, Target]:
        """Return crop `number`: a (3, side, side) image and its truth.

        `zoom_by` is the logarithm of its zoom, which is drawn too by default.
        """
        seed = self.seed * 1_000_003 + number
        rng = torch.Generator().manual_seed(seed)
        example = self.examples[int(torch.multinomial(self.weights, 1, generator=rng))]
        height, width = example.labels.shape
        spread = self.zoom_spread * torch.randn(1, generator=rng).item()
        zoom = math.exp(max(-MOST_ZOOM, min(MOST_ZOOM, spread)))
        # A small image fills the crop, so that no work is spent on padding.
        zoom = max(zoom, min(2.2, 0.85 * self.side / min(height, width)))
        zoom = zoom if zoom_by is None else math.exp(zoom_by)
        x, y = (torch.rand(2, generator=rng) * torch.tensor([width, height])).tolist()
        if len(example.centres) and torch.rand(1, generator=rng).item() < 0.75:
            row = int(torch.randint(len(example.centres), (1,), generator=rng))
            x, y = example.centres[row].tolist()
            reach = 0.35 * self.side / zoom
            x += reach * (2 * torch.rand(1, generator=rng).item() - 1)
            y += reach * (2 * torch.rand(1, generator=rng).item() - 1)
        x, y = (_keep_in(v, n, self.side / zoom) for v, n in ((x, width), (y, height)))
        image, labels, known, inside = crop(
            example.image.float().expand(3, -1, -1),
            example.labels,
            example.known,
            (x, y),
            zoom,
            self.side,
            rng,
        )
        image, labels = self._harder(image, labels, rng)
        gray = example.image.shape[0] == 1
        stain, jpeg = (getattr(self.augment, name, 0) for name in ("stain", "jpeg"))
        image = recolour(image, gray, rng, stain, jpeg)
        image = torch.where(inside & (labels != LOCKED), image, torch.tensor(INPUT_MEAN))
        labels = labels.clamp(min=0)
        boxes, ids = boxes_of(labels)
        return image, Target(boxes, ids, labels.int(), known | ~inside, seed + DRAWS)

    def _harder(self, image: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        def chance(share: float) -> bool:
            return share > 0 and bool(torch.rand(1, generator=rng).item() < share)

        if self.augment is None or labels.max() < 1:
            return image, labels
        if chance(self.augment.paste):
            image, labels = paste(image, labels, rng)
        if chance(self.augment.dim):
            image = dim(image, labels, rng)
        if chance(self.augment.defocus):
            image = defocus(image, labels, rng)
        return image, labels


def _keep_in(position: float, length: int, window: float) -> float:
    """Move a window's middle so that little of it lies outside of 0…length."""
    if window >= length:
        slack = (window - length) / 2
        return min(max(position, length / 2 - slack), length / 2 + slack)
    return min(max(position, window / 2), length - window / 2)


def boxes_of(labels: Tensor, smallest: int = 9) -> tuple[Tensor, Tensor]:
    """Find the boxes of a label image's nuclei of at least `smallest` px.

    Returns
    -------
    boxes, ids : Tensor
        (N, 4) float32 and (N,) int64.
    """
    from scipy import ndimage

    array = labels.numpy()
    most = int(array.max(initial=0))
    found = ndimage.find_objects(array, max_label=most)
    areas = np.bincount(array.ravel(), minlength=most + 1)
    rows = [
        (s[1].start, s[0].start, s[1].stop, s[0].stop, value)
        for value, s in enumerate(found, 1)
        if areas[value] >= smallest
    ]
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return table[:, :4].contiguous(), table[:, 4].long()
