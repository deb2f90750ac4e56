"""Random crops of training images, changed as microscopes and stains change them."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb_from_hed
from torch import Tensor
from torch.nn import functional as F


def crop(
    image: Tensor,
    labels: Tensor,
    known: Tensor,
    centre: tuple[float, float],
    zoom: float,
    side: int,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cut a rotated, flipped, slightly stretched square out of an image.

    Parameters
    ----------
    image : Tensor
        (3, H, W) float32.
    labels, known : Tensor
        (H, W) int32 and bool.
    centre : (float, float)
        x and y in px of `image` that come to the middle of the crop.
    zoom : float
        Px of the crop per px of the image.
    side : int
        Side of the crop in px.

    Returns
    -------
    image, labels, known, inside : Tensor
        (3, side, side), and three (side, side); `inside` is False beyond the image's border.
    """
    turn = torch.randint(4, (1,), generator=rng).item() * math.pi / 2
    if torch.rand(1, generator=rng).item() < 0.5:
        turn += uniform(rng, -math.pi / 4, math.pi / 4)
    flip = -1.0 if torch.rand(1, generator=rng).item() < 0.5 else 1.0
    stretch = math.exp(uniform(rng, -0.12, 0.12))
    height, width = labels.shape
    # The crop's grid in px about its middle, turned into px of the image.
    steps = torch.arange(side) - (side - 1) / 2
    v, u = torch.meshgrid(steps / stretch, steps * stretch * flip, indexing="ij")
    cos, sin = math.cos(turn) / zoom, math.sin(turn) / zoom
    x = cos * u - sin * v + centre[0]
    y = sin * u + cos * v + centre[1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)[None]
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    out = F.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    xi = x.round().long().clamp(0, width - 1)
    yi = y.round().long().clamp(0, height - 1)
    return out, labels[yi, xi] * inside, known[yi, xi] & inside, inside


def recolour(
    image: Tensor, gray: bool, rng: torch.Generator, stain: float = 0, artefacts: float = 0
) -> Tensor:
    """Change colours, light, sharpness and noise of a (3, H, W) image of about 0…1.

    Parameters
    ----------
    stain, artefacts : float
        How often stains are mixed anew widely (`restain`), and an image is compressed (`jpeg`).
    """

    def chance(p: float) -> bool:
        return bool(torch.rand(1, generator=rng).item() < p)

    x = image
    if gray:
        if chance(0.1):  # a stain shown in one colour
            x = x * torch.rand(3, 1, 1, generator=rng).pow(2)
    elif chance(0.12):
        x = x.mean(0, keepdim=True).expand(3, -1, -1)
    elif stain and chance(stain):
        x = restain(x, rng)
    elif chance(0.75):  # stains: optical densities mixed and scaled
        density = -torch.log(x.clamp(min=0) * 0.95 + 0.05)
        mix = torch.eye(3) + 0.12 * torch.randn(3, 3, generator=rng)
        gain = torch.exp(0.2 * torch.randn(3, 1, generator=rng))
        density = (mix @ (gain * density.flatten(1))).view_as(x)
        x = (torch.exp(-density) - 0.05) / 0.95
    if chance(0.12):
        x = 1 - x
    if chance(0.7):
        x = x.clamp(min=0).pow(math.exp(uniform(rng, -0.5, 0.5)))
    if chance(0.6):
        x = x * math.exp(uniform(rng, -0.35, 0.2)) + uniform(rng, -0.1, 0.1)
    if chance(0.25):
        x = x * _uneven_light(x.shape[-1], rng)
    if chance(0.3):
        x = blur(x, uniform(rng, 0.4, 1.6))
    if chance(0.35):
        sigma = uniform(rng, 0.01, 0.08)
        channels = 1 if gray else 3
        noise = torch.randn(channels, *x.shape[1:], generator=rng)
        x = x + sigma * (noise if chance(0.7) else blur(noise, 0.7) * 2)
    if artefacts and chance(artefacts):
        x = jpeg(x, rng)
    return x.clamp(-0.3, 1.5)


def restain(image: Tensor, rng: torch.Generator) -> Tensor:
    """Mix haematoxylin and eosin of an H&E image anew, widely.

    Stains are told apart in optical density by the vectors of Ruifrok and Johnston (2001).
    """
    stains = torch.from_numpy(rgb_from_hed).float()
    density = -torch.log(image.clamp(min=0) * 0.95 + 0.05)
    amounts = torch.linalg.solve(stains.T, density.flatten(1))
    gain = torch.exp(torch.tensor([0.35, 0.5, 0.2])[:, None] * torch.randn(3, 1, generator=rng))
    turned = stains + 0.06 * torch.randn(3, 3, generator=rng)
    turned = turned / turned.norm(dim=1, keepdim=True)
    density = (turned.T @ (gain * amounts)).view_as(image)
    return (torch.exp(-density.clamp(min=-0.4)) - 0.05) / 0.95


def jpeg(image: Tensor, rng: torch.Generator) -> Tensor:
    """Compress an image of about 0…1 as JPEG, and read it again."""
    flat = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(flat.numpy()).save(file, "JPEG", quality=int(uniform(rng, 25, 90)))
    with Image.open(file) as read:
        return torch.from_numpy(np.array(read)).permute(2, 0, 1).float() / 255


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """Draw a number evenly between two."""
    return low + (high - low) * torch.rand(1, generator=rng).item()


def _uneven_light(side: int, rng: torch.Generator) -> Tensor:
    coarse = 1 + 0.35 * torch.randn(1, 1, 3, 3, generator=rng).clamp(-1.5, 1.5)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[0]


def blur(x: Tensor, sigma: float) -> Tensor:
    """Blur a (C, H, W) image by a Gaussian."""
    radius = max(1, math.ceil(2.5 * sigma))
    taps = torch.exp(-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps = taps / taps.sum()
    c = x.shape[0]
    x = F.pad(x[None], (radius,) * 4, mode="replicate")
    x = F.conv2d(x, taps.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c)
    return F.conv2d(x, taps.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)[0]
