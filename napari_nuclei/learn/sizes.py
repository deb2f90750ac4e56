"""Teaching the size head, with the rest of the network held still."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.losses import Target
from ..models.maskrcnn import MaskRCNN
from ..models.runtime import autocast
from ..models.size_head import CELL
from ..progress import Progress
from .data import Crops
from .examples import Example

NEAR = 1.5 * CELL
"""Nuclei up to here, in px, tell a cell its diameter."""

OCTAVES = 1.6
"""Crops are zoomed by up to so many octaves either way."""


def teach_sizes(
    model: MaskRCNN,
    examples: list[Example],
    device: torch.device,
    steps: int = 1000,
    *,
    rate: float = 2e-3,
    batch: int = 4,
    side: int = 384,
    seed: int = 0,
) -> Generator[Progress, None, float]:
    """Train a network's size head on crops of any scale.

    Parameters
    ----------
    model : MaskRCNN
        With a size head; nothing else of it is changed.
    examples : list of Example
        Images at the network's scale.

    Returns
    -------
    float
        Mean error of the logarithm of diameters over the last tenth, as the generator's value.
    """
    head = model.size_head
    if head is None:
        raise ValueError("this network has no size head")
    model.eval()
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.01)
    errors: list[float] = []
    mean = 0.0
    for step, (images, targets) in enumerate(_crops(examples, batch, side, steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50) * max(0.02, 1 - step / steps)
        with torch.no_grad(), autocast(device):
            maps = model.features(images.to(device, memory_format=torch.channels_last))
        with autocast(device):
            sizes, numbers = head({name: level.detach() for name, level in maps.items()})
        wanted, near, counts = (
            torch.stack(part).to(device)
            for part in zip(*(cells_of(t, sizes.shape[1:]) for t in targets), strict=True)
        )
        error = (sizes - wanted).abs()[near]
        off = F.smooth_l1_loss(sizes, wanted, beta=0.1, reduction="none")[near]
        loss = off.sum() / max(1, len(off)) + 0.3 * F.poisson_nll_loss(
            numbers, counts, log_input=False
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if len(error):
            errors.append(float(error.mean().detach()))
        recent = errors[-max(1, steps // 10) :]
        mean = sum(recent) / max(1, len(recent))
        yield Progress(step + 1, steps, f"diameters off by {100 * mean:.0f} %")
    return mean


def _crops(
    examples: list[Example], batch: int, side: int, steps: int, seed: int
) -> Iterator[tuple[Tensor, list[Target]]]:
    crops = Crops(examples, side, 0.8, 0.0, seed)
    rng = torch.Generator().manual_seed(seed)
    for step in range(steps):
        octaves = OCTAVES * (2 * torch.rand(batch, generator=rng) - 1)
        drawn = [
            crops.draw(step * batch + k, float(octave) * math.log(2))
            for k, octave in enumerate(octaves)
        ]
        yield torch.stack([image for image, _ in drawn]), [target for _, target in drawn]


def cells_of(target: Target, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the cells of a crop shall answer.

    Returns
    -------
    sizes, near, counts : Tensor
        (H, W): mean logarithm of the diameters near a cell, whether there are any, and the number
        of nuclei whose middle it holds. Nuclei that the border cuts count, but have no size.
    """
    height, width = shape
    areas = torch.bincount(target.labels.flatten().long())[target.ids].float()
    sizes = (2 * (areas / math.pi).sqrt()).log()
    middles = (target.boxes[:, :2] + target.boxes[:, 2:]) / 2
    limit = torch.tensor([target.labels.shape[1], target.labels.shape[0]])
    whole = ((target.boxes[:, :2] > 0) & (target.boxes[:, 2:] < limit)).all(1)
    counts = torch.zeros(height * width)
    cell = (middles / CELL).long()
    counts.index_add_(
        0,
        cell[:, 1].clamp(max=height - 1) * width + cell[:, 0].clamp(max=width - 1),
        torch.ones(len(middles)),
    )
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * CELL
    weight = (torch.cdist(grid, middles) < NEAR).float() * whole
    total = weight.sum(1)
    mean = (weight @ sizes) / total.clamp(min=1)
    return mean.view(height, width), (total > 0).view(height, width), counts.view(height, width)
