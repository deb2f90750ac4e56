"""Pictures of images with the outlines of their nuclei. Nothing else lives here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import replacing
from ..images.levels import normalize
from ..nuclei import Nuclei
from ..nuclei.labels import draw

OUTLINE = (255, 176, 0)
"""A yellow that the colour-blind tell from stains and from gray."""


def overlay(pixels: NDArray[np.generic], nuclei: Nuclei) -> NDArray[np.uint8]:
    """Draw the outlines of the nuclei that are shown into an image.

    Parameters
    ----------
    pixels : (H, W) or (H, W, C)
        The image.

    Returns
    -------
    (H, W, 3) uint8
    """
    from skimage.segmentation import find_boundaries

    out = (normalize(pixels).clip(0, 1) * 255).astype(np.uint8)
    out[find_boundaries(draw(nuclei), mode="inner")] = OUTLINE
    return out


def write_overlay(path: Path, pixels: NDArray[np.generic], nuclei: Nuclei) -> None:
    """Write the overlay as PNG, whole or not at all."""
    from PIL import Image

    with replacing(path) as file:
        Image.fromarray(overlay(pixels, nuclei)).save(file, "PNG")
