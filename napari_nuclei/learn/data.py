"""Annotated images as training crops."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from ..models.losses import Target
from ..models.maskrcnn import INPUT_MEAN
from .augment import crop, recolour
from .augment_nuclei import defocus, dim, paste
from .examples import LOCKED, Example

if TYPE_CHECKING:
    from .recipe import Augment

DRAWS = 2**40
"""Added to a crop's seed: what is sampled in it shall not depend on how it was cut."""

MAX_ZOOM = 0.8
"""Limit of the logarithm of the random zoom."""


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
        zoom = math.exp(max(-MAX_ZOOM, min(MAX_ZOOM, spread)))
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
