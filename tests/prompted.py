"""A detector that answers prompts about bright discs, and an engine with it; no torch weights."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gui import CARD, FakeEngine
from numpy.typing import NDArray
from scipy import ndimage

from napari_nuclei._napari.segment.llvm import hide_triton_from_mesa
from napari_nuclei.models import Detections
from napari_nuclei.models.prompting import Judged
from napari_nuclei.progress import Progress
from napari_nuclei.prompts.feature_cache import FeatureCache, Identity
from napari_nuclei.prompts.prompter import Prompter

Array = NDArray[Any]


@dataclass(frozen=True)
class Bright:
    """What it makes of a tile: where it is bright."""

    pixels: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


class BrightDetector:
    """Sees the connected bright parts of an image, and both halves of each."""

    def __init__(self) -> None:
        self.card = CARD
        self.stride, self.margin = 32, 64
        self.encoded: list[tuple[int, int]] = []

    def detect(self, tile: Array, core: Any = None, low: float = 0.05) -> Detections:
        raise NotImplementedError

    def encode(self, tile: Array) -> Bright:
        self.encoded.append(tile.shape[:2])
        return Bright(tile[..., 0] > 0.5)

    def proposals(self, encoded: Bright) -> Array:
        found = ndimage.find_objects(ndimage.label(encoded.pixels)[0])
        whole = [(c.start, r.start, c.stop, r.stop) for r, c in found]
        halves = [b for x0, y0, x1, y1 in whole for b in
                  ((x0, y0, (x0 + x1) / 2, y1), ((x0 + x1) / 2, y0, x1, y1))]  # fmt: skip
        return np.array(whole + halves, np.float32).reshape(-1, 4)

    def judge(self, encoded: Bright, boxes: Array) -> Judged:
        """Whole parts score 0.9, halves 0.6, all else by how much of them is bright."""
        own = self.proposals(encoded)
        rank = [self._score(encoded, box, own) for box in boxes]
        sides = boxes[:, 2:] - boxes[:, :2]
        features = np.column_stack([sides.prod(1), sides[:, 0] / sides[:, 1], np.ones(len(boxes))])
        return Judged(boxes, np.array(rank, np.float32), features.astype(np.float32))

    @staticmethod
    def _score(encoded: Bright, box: Array, own: Array) -> float:
        near = np.flatnonzero(np.abs(own - box).max(1) < 1) if len(own) else []
        if len(near):
            return 0.9 if near[0] < len(own) / 3 else 0.6
        x0, y0, x1, y1 = np.round(np.clip(box, 0, 1e4)).astype(int)
        part = encoded.pixels[y0:y1, x0:x1]
        return 0.3 * float(part.mean()) if part.size else 0.0

    def soft_masks(self, encoded: Bright, boxes: Array) -> Array:
        smooth = ndimage.gaussian_filter(encoded.pixels.astype(np.float32), 1.5)
        out = np.zeros((len(boxes), 28, 28), np.float32)
        for k, (x0, y0, x1, y1) in enumerate(boxes):
            ys = y0 + (np.arange(28) + 0.5) / 28 * (y1 - y0) - 0.5
            xs = x0 + (np.arange(28) + 0.5) / 28 * (x1 - x0) - 0.5
            grid = np.meshgrid(ys, xs, indexing="ij")
            out[k] = ndimage.map_coordinates(smooth, grid, order=1, mode="constant")
        return np.round(out * 255).astype(np.uint8)


class PromptEngine(FakeEngine):
    """The fake engine, with a detector that can be asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.detector = BrightDetector()
        self.prompters = 0

    def prompter(
        self,
        image: Array,
        model: str,
        device: str,
        diameter: Any,
        cache: FeatureCache,
        identity: Identity,
    ) -> Generator[Progress, None, Prompter]:
        yield Progress(0, 0, "Loading the model")
        hide_triton_from_mesa()
        if self.error is not None:
            raise self.error
        self.prompters += 1
        diameter = diameter or CARD.diameter
        return Prompter(image, self.detector, diameter, cache, identity=identity)
