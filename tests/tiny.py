"""Small real things for the tests of the network side: a network, its files, a detector of discs.

Here: what several tests share. No tests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.masks import Mask
from napari_nuclei.models import Card, Detections
from napari_nuclei.models.maskrcnn import Architecture, MaskRCNN
from napari_nuclei.models.weights import save_model
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.synthetic.scenes import make_sample

torch.set_num_threads(1)  # so small networks gain nothing by more, and cores may be few

SMALL = Architecture(channels=16, box_hidden=16, mask_channels=8, mask_layers=1)
CARD = Card(name="tiny", architecture={}, diameter=20, licence="CC0-1.0", description="Random.")


def network(seed: int = 0, arch: Architecture = SMALL) -> MaskRCNN:
    """A network with random weights that float16 can hold, and lived-in normalisation layers."""
    torch.manual_seed(seed)
    model = MaskRCNN(arch).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    rounded = {k: t.half().float() if t.is_floating_point() else t
               for k, t in model.state_dict().items()}  # fmt: skip
    model.load_state_dict(rounded)
    return model


def write_model(folder: Path, name: str = "tiny", seed: int = 0) -> Path:
    """Write a model with random weights; return its weights file."""
    card = save_model(network(seed), CARD.model_copy(update={"name": name}), folder)
    return card.weights


def write_data(folder: Path, count: int = 2, size: int = 96) -> Path:
    """Write fluorescence samples as images and COCO JSON; return the JSON file."""
    data = DataSet([], {})
    for id in range(1, count + 1):
        pixels, masks = make_sample("fluorescence", id, size)
        data.images.append(ImageRecord(id, f"{id}.png", size, size, "fluorescence"))
        data.nuclei[id] = Nuclei((size, size), (Nucleus(i, m) for i, m in enumerate(masks, 1)))
        Image.fromarray(pixels).save(folder / f"{id}.png")
    coco.write(folder / "truth.json", data)
    return folder / "truth.json"


def disc(y: float, x: float, diameter: float) -> Mask:
    """Pixels whose middle lies in a disc; (y, x) counts from the image's corner."""
    top, left, side = int(y - diameter), int(x - diameter), int(2 * diameter) + 2
    rows, cols = np.arange(top, top + side) + 0.5 - y, np.arange(left, left + side) + 0.5 - x
    return Mask.from_array(rows[:, None] ** 2 + cols**2 < diameter**2 / 4, top, left)


def picture(shape: tuple[int, int], masks: list[Mask]) -> NDArray[np.uint8]:
    """Bright discs on a dark ground."""
    out = np.zeros(shape, np.uint8)
    for mask in masks:
        mask.paint(out, 200)
    return out


class DiscDetector:
    """Finds what is bright, in one tile and no further, as a network does; no torch weights."""

    def __init__(
        self, diameter: float = 26, margin: int = 48, sees: tuple[float, float] = (4, 400)
    ) -> None:
        self.card = Card(name="discs", architecture={}, diameter=diameter)
        self.stride, self.margin, self.sees = 32, margin, sees
        self.tiles: list[tuple[int, int]] = []

    def detect(
        self,
        tile: NDArray[np.float32],
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        """Return the connected bright parts of fitting size whose boxes are centred in `core`."""
        self.tiles.append(tile.shape[:2])
        bright = tile[..., 0] > 0.5
        numbered, _ = ndimage.label(bright)
        y0, x0, y1, x1 = core or (0, 0, *tile.shape[:2])
        boxes, masks = [], []
        for value, (rows, cols) in enumerate(ndimage.find_objects(numbered), 1):
            box = (cols.start, rows.start, cols.stop, rows.stop)
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            one = torch.from_numpy(numbered[rows, cols] == value).float()
            fits = self.sees[0] <= 2 * (one.sum() / np.pi) ** 0.5 <= self.sees[1]
            if fits and y0 <= y < y1 and x0 <= x < x1:
                soft = F.interpolate(one[None, None], (28, 28), mode="bilinear", antialias=True)
                boxes.append(box)
                masks.append((soft[0, 0] * 255).round().byte().numpy())
        count = len(boxes)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(count, 0.9, np.float32),
            np.array(masks, np.uint8).reshape(-1, 28, 28),
        )
