"""`PromptableDetector`: what an architecture must do to answer prompts. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from .detector import Detector

Boxes = NDArray[np.float32]
"""(N, 4): (x0, y0, x1, y1) in px of the tile."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a detector says of boxes.

    Attributes
    ----------
    boxes : (N, 4) float32
        The boxes, refined.
    scores : (N,) float32
        0…1, on the scale of detections.
    features : (N, F) float32
        What the scores are made of; alike for nuclei that look alike.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)


class Encoded(Protocol):
    """What a detector has computed of a tile, to be asked again and again."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it holds."""


class PromptableDetector(Detector, Protocol):
    """A detector that works in two steps: the expensive one once a tile, the cheap one a prompt.

    An `Encoded` goes back only to the detector that made it.
    """

    def encode(self, tile: NDArray[np.float32]) -> Any:
        """Compute an `Encoded` of a (H, W, 3) float32 tile, as `Detector.detect` takes it."""

    def proposals(self, encoded: Any) -> Boxes:
        """Return the boxes that were thought of before any suppression, likeliest first."""

    def judge(self, encoded: Any, boxes: Boxes) -> Judged:
        """Score and refine boxes, none suppressed, in their order."""

    def soft_masks(self, encoded: Any, boxes: Boxes) -> NDArray[np.uint8]:
        """Return (N, M, M) soft masks inside boxes, 255 = certain."""


def is_promptable(detector: Detector) -> TypeGuard[PromptableDetector]:
    """Whether a detector answers prompts."""
    return all(hasattr(detector, name) for name in ("encode", "proposals", "judge", "soft_masks"))
