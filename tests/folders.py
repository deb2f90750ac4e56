"""A folder of small images. No tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (60, 80)


def write_images(folder: Path, count: int, shape: tuple[int, int] = SHAPE) -> None:
    """Write gray images `cell1.png`, … whose pixels tell which one it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        pixels = np.zeros(shape, np.uint8)
        pixels[10:30, 10:30] = 100 + number
        Image.fromarray(pixels).save(folder / f"cell{number}.png")
