"""Changes to single nuclei of a training crop: dimmer, out of focus, pasted beside others.

What a detector misses on images that it was not tuned to are pale, blurred and overlapping
nuclei: here they are made of the ones that there are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .augment import blur, uniform

MAX_HIDDEN = 0.4
"""A pasted nucleus may hide at most this share of another one."""


def dim(image: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """Bring some nuclei nearer to what lies around them.

    Parameters
    ----------
    image, labels : Tensor
        (3, H, W) float32, and (H, W) with 0 as background.
    """
    count = int(labels.max()) + 1
    chosen = torch.rand(count, generator=rng) < uniform(rng, 0.15, 0.6)
    factor = torch.where(chosen, uniform_many(count, 0.2, 0.85, rng), torch.ones(count))
    factor[0] = 1
    soft = blur(factor[labels.long()][None], 1.0)
    around = surroundings(image, labels)
    return around + (image - around) * soft


def defocus(image: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """Blur some nuclei, and what lies at their edges."""
    count = int(labels.max()) + 1
    chosen = torch.rand(count, generator=rng) < uniform(rng, 0.15, 0.5)
    chosen[0] = False
    wide = F.max_pool2d(chosen[labels.long()].float()[None], 5, 1, 2)
    soft = blur(wide, 1.5)
    return image + soft * (blur(image, uniform(rng, 1.2, 3.5)) - image)


def paste(
    image: Tensor, labels: Tensor, rng: torch.Generator, most: int = 8
) -> tuple[Tensor, Tensor]:
    """Copy some of a crop's nuclei to the edges of others, flipped and turned.

    Light adds up and stain multiplies, as in a microscope; the copy lies on top. The one below
    keeps what is still seen of it, and no copy is made that would hide much of it.

    Returns
    -------
    image, labels : Tensor
        With new labels behind the old ones.
    """
    from scipy import ndimage

    array = labels.numpy()
    found = [
        (value, place)
        for value, place in enumerate(ndimage.find_objects(array), 1)
        if _whole(place, array.shape)
    ]
    if not found:
        return image, labels
    image, labels = image.clone(), labels.clone()
    around = surroundings(image, labels)
    areas = torch.bincount(labels.flatten().long().clamp(min=0)).float()
    number = int(labels.max())
    for _ in range(int(torch.randint(1, most + 1, (1,), generator=rng))):
        value, place = found[int(torch.randint(len(found), (1,), generator=rng))]
        _, (rows, cols) = found[int(torch.randint(len(found), (1,), generator=rng))]
        mask = torch.from_numpy(array[place] == value)
        ratio = (image[:, *place] + 0.02) / (around[:, *place] + 0.02)
        excess = image[:, *place] - around[:, *place]
        if torch.rand(1, generator=rng) < 0.5:
            mask, ratio, excess = (t.transpose(-1, -2) for t in (mask, ratio, excess))
        if torch.rand(1, generator=rng) < 0.5:
            mask, ratio, excess = (t.flip(-1) for t in (mask, ratio, excess))
        height, width = mask.shape
        # Its middle comes to about the edge of the other one.
        angle = uniform(rng, 0, 2 * torch.pi)
        reach = uniform(rng, 0.7, 1.15) * (rows.stop - rows.start + height) / 2
        reach_x = reach * (cols.stop - cols.start + width) / (rows.stop - rows.start + height)
        y = round((rows.start + rows.stop - height) / 2 + reach * torch.tensor(angle).sin().item())
        x = round((cols.start + cols.stop - width) / 2 + reach_x * torch.tensor(angle).cos().item())
        if y < 0 or x < 0 or y + height > labels.shape[0] or x + width > labels.shape[1]:
            continue
        target = labels[y : y + height, x : x + width]
        hidden = torch.bincount(target[mask].long().clamp(min=0), minlength=len(areas)).float()
        share = hidden[: len(areas)][1:] / areas[1:].clamp(min=1)
        if (target[mask] < 0).any() or (len(share) and share.max() > MAX_HIDDEN):
            continue
        window = image[:, y : y + height, x : x + width]
        strength = uniform(rng, 0.6, 1.1) * blur(mask.float()[None], 0.6)
        if excess[:, mask].mean() < 0:
            window *= 1 + strength * (ratio.clamp(0, 1.5) - 1)
        else:
            window += strength * excess
        number += 1
        target[mask] = number
        areas = torch.bincount(labels.flatten().long().clamp(min=0)).float()
    return image, labels


def surroundings(image: Tensor, labels: Tensor, sigma: float = 8.0) -> Tensor:
    """Estimate the image without its nuclei, (3, H, W)."""
    # At a quarter of the size, where a wide blur costs little.
    size = image.shape[-2:]
    outside = F.max_pool2d((labels > 0).float()[None, None], 3, 1, 1)[0] == 0
    weight = F.avg_pool2d(outside.float()[None], 4, ceil_mode=True)[0]
    value = F.avg_pool2d((image * outside)[None], 4, ceil_mode=True)[0]
    whole = (image * outside).mean((1, 2)) / outside.float().mean().clamp(min=1e-3)
    weight, value = blur(weight, sigma / 4), blur(value, sigma / 4)
    small = (value + 1e-3 * whole[:, None, None]) / (weight + 1e-3)
    out: Tensor = F.interpolate(small[None], size, mode="bilinear", align_corners=False)[0]
    return out


def uniform_many(count: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    """Draw (count,) numbers evenly between two."""
    return low + (high - low) * torch.rand(count, generator=rng)


def _whole(place: tuple[slice, ...] | None, shape: tuple[int, ...]) -> bool:
    """Whether a nucleus is there, lies within the crop, and is large enough to copy."""
    if place is None:
        return False
    inside = all(s.start > 0 and s.stop < n for s, n in zip(place, shape, strict=True))
    return inside and min(s.stop - s.start for s in place) >= 5
