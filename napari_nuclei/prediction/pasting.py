"""Soft masks in boxes → masks at the image's own resolution. Nothing else lives here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..models.detector import Detections


def paste(
    found: Detections, zoom: tuple[float, float], shape: tuple[int, int], threshold: float
) -> list[tuple[Mask, float]]:
    """Draw each soft mask into its own box at the image's resolution.

    Parameters
    ----------
    zoom : (float, float)
        Px of the network per px of the image, down and across.
    shape : (int, int)
        Height and width of the image.
    threshold : float
        Soft value from which on a pixel belongs to the nucleus.

    Returns
    -------
    list of (Mask, float)
        Without those of which no pixel is left.
    """
    out = []
    scale = np.array([zoom[1], zoom[0], zoom[1], zoom[0]])
    level = threshold * 255
    for box, score, soft in zip(found.boxes / scale, found.scores, found.masks, strict=True):
        x, across = weights(box[0], box[2], shape[1], soft.shape[1])
        y, down = weights(box[1], box[3], shape[0], soft.shape[0])
        if len(across) and len(down):
            mask = Mask.from_array(down @ soft.astype(np.float32) @ across.T >= level, y, x)
            if mask:
                out.append((mask, float(score)))
    return out


def weights(start: float, end: float, length: int, cells: int) -> tuple[int, NDArray[np.float32]]:
    """Bilinear weights of a mask's cells for the pixels of one side of its box.

    Returns
    -------
    int, (N, cells) float32
        The first pixel whose middle lies in the box, and one row a pixel.
    """
    first = max(0, int(np.ceil(start - 0.5)))
    last = min(length, int(np.floor(end - 0.5)) + 1)
    middle = np.arange(first, last) + 0.5
    at = np.clip((middle - start) / max(end - start, 1e-6) * cells - 0.5, 0, cells - 1)
    distance = np.abs(at[:, None] - np.arange(cells))
    return first, np.maximum(0, 1 - distance).astype(np.float32)
