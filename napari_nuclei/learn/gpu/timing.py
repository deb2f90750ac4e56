"""What a fresh network is worth, and how fast it predicts: on the GPU and on the processor.

Needs neither pydantic nor pycocotools.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ...masks import Mask
from ...models.maskrcnn import MaskRCNN
from ...models.maskrcnn_detector import MaskRCNNDetector
from ...prediction.predict import segment
from ...scoring.match import match
from ...synthetic.scenes import make_sample
from ..calibrate import best_threshold
from .pack import Annotated

if TYPE_CHECKING:
    from ...models.card import Card

SIDE = 1000
"""Of the fields that prediction is timed by, in px."""

Found = list[tuple[Mask, float]]


def detector_of(model: MaskRCNN, diameter: float, device: torch.device) -> MaskRCNNDetector:
    """Make a detector of a network that has no card yet."""
    card = SimpleNamespace(
        name="fresh", diameter=diameter, calibration={}, threshold=0.5, mask_threshold=0.5
    )
    return MaskRCNNDetector(model, cast("Card", card), device)


def judge(
    detector: MaskRCNNDetector, checks: Sequence[Annotated], until: float
) -> dict[str, Any] | None:
    """Return F1 at IoU 0.5 on annotated images, at the best threshold; None without any.

    Stops at a time of `time.monotonic`, and says of how many images the figure is.
    """
    scores, right, truth, images = [], [], 0, 0
    for check in checks:
        if time.monotonic() > until:
            break
        true = masks_of(check.labels)
        found = segment(check.pixels, detector).found
        hit = np.zeros(len(found), bool)
        hit[match(true, [mask for mask, _ in found]).predicted] = True
        scores += [score for _, score in found]
        right.append(hit)
        truth, images = truth + len(true), images + 1
    if not images:
        return None
    threshold, f1 = best_threshold(np.array(scores, float), np.concatenate(right), truth)
    return {"f1_50": round(f1, 4), "threshold": threshold, "images": images, "of": len(checks)}


def masks_of(labels: NDArray[np.int32]) -> list[Mask]:
    """Return the nuclei of a label image."""
    from scipy import ndimage

    found: list[tuple[slice, slice] | None] = ndimage.find_objects(labels)  # type: ignore[assignment]
    return [
        Mask.from_array(labels[box] == value, box[0].start, box[1].start)
        for value, box in enumerate(found, 1)
        if box is not None
    ]


def fields(count: int, side: int = SIDE) -> list[NDArray[np.uint8]]:
    """Draw crowded fields, fluorescence and histology by turns."""
    kinds = ("fluorescence-crowded", "histology-crowded")
    return [make_sample(kinds[k % 2], k, side)[0] for k in range(count)]


def time_prediction(
    detectors: dict[str, MaskRCNNDetector],
    images: Sequence[NDArray[np.uint8]],
    seconds: float,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Time whole predictions, from pixels to masks, and compare what was found.

    Parameters
    ----------
    detectors : dict of MaskRCNNDetector
        By name; the first one is compared with each other one.
    seconds : float
        For each of them, about.
    """
    out: dict[str, Any] = {"side": images[0].shape[0]}
    first: dict[int, Found] = {}
    for name, detector in detectors.items():
        segment(images[0], detector)  # the first time, kernels and memory are chosen
        done, begun, found = 0, time.monotonic(), {}
        while done == 0 or time.monotonic() - begun < seconds:
            row = done % len(images)
            found[row] = segment(images[row], detector).found
            done += 1
        spent = time.monotonic() - begun
        figures = {"fields_per_second": round(done / spent, 3), "fields": done}
        if first:
            figures["f1_with_first"] = agreement(first, found)
        else:
            first = found
        out[name] = figures
        say(f"prediction, {name}: {done / spent:.2f} fields of {out['side']}² px a second")
    return out


def agreement(one: dict[int, Found], other: dict[int, Found], score: float = 0.5) -> float:
    """Return F1 at IoU 0.5 between nuclei at a score and above, of the images that both saw."""
    both = total = 0
    for row in one.keys() & other.keys():
        a, b = ([mask for mask, s in found[row] if s >= score] for found in (one, other))
        both, total = both + len(match(a, b)), total + len(a) + len(b)
    return round(2 * both / total, 4) if total else 1.0
