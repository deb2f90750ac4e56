"""Tiles whose pixels are at hand → their nuclei, in less at a time where memory runs out.

Loads torch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..models.detector import Detections, Detector, is_batched
from ..models.memory import free, on_cpu, ran_out
from ..progress import Progress
from ..wording import counted
from .frame import Frame
from .pasting import paste
from .suppress import ScoredMask
from .tiles import Tile, quarters

TilePixels = tuple[Tile, NDArray[np.float32]]
"""A tile, and the pixels that the network sees of it."""


class Detecting:
    """A detector at work on the tiles of one image.

    Parameters
    ----------
    frame : Frame
        How the image is laid out.
    detector : Detector
        A loaded model; another one, on the CPU, once its device's memory was too small.
    """

    def __init__(self, frame: Frame, detector: Detector) -> None:
        self.frame, self.detector = frame, detector

    def together(self, tiles: Sequence[Tile]) -> int:
        """Return how many of these tiles, from the first one on, can be taken at once."""
        first = self._input_size(tiles[0])
        most = self.detector.batch_for(first) if is_batched(self.detector) else 1
        same = 1
        while same < min(most, len(tiles)) and self._input_size(tiles[same]) == first:
            same += 1
        return same

    def found(
        self, seen: Sequence[TilePixels], low: float
    ) -> Generator[Progress, None, list[list[ScoredMask]]]:
        """Find the nuclei of tiles that can be taken at once.

        Out of memory, it goes on with fewer tiles, then with smaller ones, then on the CPU.

        Yields
        ------
        Progress
            What to tell the user.

        Returns
        -------
        list of list of (Mask, float)
            Those of each tile, as the generator's value.

        Raises
        ------
        MemoryError
            If nothing helps.
        """
        out: list[list[ScoredMask]] = [[] for _ in seen]
        jobs = deque([[(k, tile) for k, (tile, _) in enumerate(seen)]] if seen else [])
        while jobs:
            job = jobs.popleft()
            if is_batched(self.detector) and len(job) > (self.detector.batch or len(job)):
                most = self.detector.batch  # less than when they were put together
                jobs.extendleft([job[most:], job[:most]])
                continue
            try:
                answers = self._detect([(part, self._crop(*seen[k], part)) for k, part in job], low)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                error.__traceback__ = None  # it holds the tensors
                free()
                less, told = self._less(job, seen)
                jobs.extendleft(reversed(less))
                yield Progress(0, 0, told)
                continue
            for (k, part), answer in zip(job, answers, strict=True):
                out[k] += self._drawn(answer, part)
        return out

    def _input_size(self, tile: Tile) -> tuple[int, int]:
        stride = self.detector.stride
        y0, x0, y1, x1 = tile.box
        return (y1 - y0) + (y0 - y1) % stride, (x1 - x0) + (x0 - x1) % stride

    def _crop(self, tile: Tile, pixels: NDArray[np.float32], part: Tile) -> NDArray[np.float32]:
        y, x = part.box[0] - tile.box[0], part.box[1] - tile.box[1]
        height, width = part.box[2] - part.box[0], part.box[3] - part.box[1]
        return pixels[y : y + height, x : x + width]

    def _detect(self, seen: list[TilePixels], low: float) -> list[Detections]:
        pixels, cores = [p for _, p in seen], [tile.local_core for tile, _ in seen]
        if len(seen) > 1 and is_batched(self.detector):
            return self.detector.detect_many(pixels, cores, low)
        return [self.detector.detect(p, c, low) for p, c in zip(pixels, cores, strict=True)]

    def _less(
        self, job: list[tuple[int, Tile]], seen: Sequence[TilePixels]
    ) -> tuple[list[list[tuple[int, Tile]]], str]:
        """Return what to try instead of what was too much, and what to tell the user."""
        if len(job) > 1 and is_batched(self.detector):
            most = (len(job) + 1) // 2
            self.detector.batch = most  # for the images to come, too
            told = f"Out of memory: continuing with {counted(most, 'tile')} at a time"
            return [job[:most], job[most:]], told
        ((k, part),) = job
        smaller = self._quarters(part, seen[k][0])
        if smaller:
            return [[(k, one)] for one in smaller], "Out of memory: continuing with smaller tiles"
        self.detector = on_cpu(self.detector)
        return [job], "Out of memory: continuing on the CPU"

    def _quarters(self, part: Tile, tile: Tile) -> list[Tile]:
        """Cut in four what was too much, in the pixels that are at hand."""
        y0, x0, y1, x1 = tile.box
        margin, stride = self.detector.margin, self.detector.stride
        smaller = quarters(part, self.frame.shape, margin, stride)
        inside = [
            Tile((max(a, y0), max(b, x0), min(c, y1), min(d, x1)), one.core)
            for one in smaller
            for a, b, c, d in [one.box]
        ]
        whole = (part.box[2] - part.box[0]) * (part.box[3] - part.box[1])
        less = all((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) < 0.8 * whole for t in inside)
        return inside if less else []

    def _drawn(self, found: Detections, tile: Tile) -> list[ScoredMask]:
        y, x = tile.box[:2]
        boxes = found.boxes + np.array([x, y, x, y], np.float32)
        moved = Detections(boxes, found.scores, found.masks)
        threshold = self.detector.card.mask_threshold
        return paste(moved, self.frame.zoom, self.frame.picture.shape, threshold)
