"""RoI pooling for inference: the features inside boxes, from all levels of a pyramid."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import MultiScaleRoIAlign

CANONICAL_SCALE, CANONICAL_LEVEL = 112, 4
FINEST_LEVEL = 2
"""log2 of the stride of the first level."""


class Pyramid(Protocol):
    """The feature maps of one tile, from which boxes are read."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""
        ...

    def pool(self, boxes: Tensor, bins: int) -> Tensor:
        """Return the features of boxes.

        Parameters
        ----------
        boxes : Tensor
            (N, 4) float32, (x0, y0, x1, y1) in px of the network's input.
        bins : int
            Samples along each side.

        Returns
        -------
        Tensor
            (N, C, bins, bins).
        """
        ...


def pyramid_of(maps: list[Tensor], size: tuple[int, int]) -> Pyramid:
    """Choose the pooling that is fast on the maps' device.

    Parameters
    ----------
    maps : list of Tensor
        (1, C, h, w) of strides 4, 8, 16 and 32.
    size : (int, int)
        Height and width of the network's input.
    """
    return FeatureTable(maps) if maps[0].device.type == "cpu" else AlignedMaps(maps, size)


class AlignedMaps:
    """A pyramid that torchvision reads boxes from."""

    def __init__(self, maps: list[Tensor], size: tuple[int, int]) -> None:
        # RoIAlign works on plain float32 maps: convert them once, not for every chunk.
        self.maps = {str(k): level.float().contiguous() for k, level in enumerate(maps)}
        self.size = size
        self._align = partial(
            MultiScaleRoIAlign,
            list(self.maps),
            sampling_ratio=1,
            canonical_scale=CANONICAL_SCALE,
            canonical_level=CANONICAL_LEVEL,
        )

    @property
    def nbytes(self) -> int:
        """See `Pyramid.nbytes`."""
        return sum(level.nbytes for level in self.maps.values())

    def pool(self, boxes: Tensor, bins: int) -> Tensor:
        """See `Pyramid.pool`."""
        pooled: Tensor = self._align(output_size=bins)(self.maps, [boxes], [self.size])
        return pooled


class FeatureTable:
    """A pyramid as one table of feature vectors, a row a cell, which boxes are read from.

    torchvision's pooling walks through the maps channel by channel and needs float32. A cell's
    channels side by side make every sample a weighted sum of four rows, for which
    `embedding_bag` has fast kernels in reduced precision too.

    Parameters
    ----------
    maps : list of Tensor
        (1, C, h, w) of strides 4, 8, 16 and 32.
    """

    def __init__(self, maps: list[Tensor]) -> None:
        self.sizes = [(m.shape[-2], m.shape[-1]) for m in maps]
        self.rows = torch.cat([m[0].permute(1, 2, 0).flatten(0, 1) for m in maps])
        device = self.rows.device
        self._heights = torch.tensor([h for h, _ in self.sizes], device=device)
        self._widths = torch.tensor([w for _, w in self.sizes], device=device)
        cells = self._heights * self._widths
        self._starts = cells.cumsum(0) - cells

    @property
    def nbytes(self) -> int:
        """See `Pyramid.nbytes`."""
        return self.rows.nbytes

    def pool(self, boxes: Tensor, bins: int) -> Tensor:
        """See `Pyramid.pool`; the features lie channels last in memory."""
        level = level_of(boxes, len(self.sizes))
        scale = torch.exp2(-(level + FINEST_LEVEL).float())
        x = _Taps(boxes[:, 0] * scale, boxes[:, 2] * scale, self._widths[level], bins)
        y = _Taps(boxes[:, 1] * scale, boxes[:, 3] * scale, self._heights[level], bins)
        width, start = self._widths[level], self._starts[level]
        # (N, bins, bins, 4): the four cells around each sample, and their weights.
        rows = (start[:, None, None] + y.cells * width[:, None, None])[:, :, None, :, None]
        cells = (rows + x.cells[:, None, :, None, :]).flatten(3)
        weights = (y.weights[:, :, None, :, None] * x.weights[:, None, :, None, :]).flatten(3)
        out = F.embedding_bag(
            cells.reshape(-1, 4),
            self.rows,
            per_sample_weights=weights.reshape(-1, 4).to(self.rows.dtype),
            mode="sum",
        )
        return out.view(len(boxes), bins, bins, -1).permute(0, 3, 1, 2)


def level_of(boxes: Tensor, levels: int) -> Tensor:
    """Say which level boxes are read from, from 0: large ones from coarse ones.

    As in the feature pyramid's paper.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    level = torch.floor(CANONICAL_LEVEL + torch.log2(area.sqrt() / CANONICAL_SCALE) + 1e-6)
    return level.clamp(FINEST_LEVEL, FINEST_LEVEL + levels - 1).long() - FINEST_LEVEL


class _Taps:
    """For each sample along one side: its two cells and their weights, (N, bins, 2)."""

    def __init__(self, first: Tensor, last: Tensor, length: Tensor, bins: int) -> None:
        step = (last - first).clamp(min=1) / bins
        at = first[:, None] + (torch.arange(bins, device=first.device) + 0.5) * step[:, None]
        end = (length - 1)[:, None]
        outside = (at < -1) | (at > length[:, None])
        at = torch.minimum(at.clamp(min=0), end.to(at.dtype))
        low = at.long()
        high = torch.minimum(low + 1, end)
        part = at - low
        self.cells = torch.stack([low, high], -1)
        self.weights = torch.stack([1 - part, part], -1).masked_fill(outside[..., None], 0)
