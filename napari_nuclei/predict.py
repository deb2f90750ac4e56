"""From an image to its nuclei: scale, tiles, detections, masks.

Here: everything between a detector's single tile and a whole image. Not here: reading and
normalising images (`images.py`), networks (`models/`), many images (`batch.py`). Loads
torch.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional as F
from torchvision.ops import nms

from .images import normalize
from .mask import Mask
from .models.detector import Detections, Detector
from .progress import Progress, result_of
from .suppress import distinct
from .tiles import Tile, cut

TILE = 1280
"""Largest side of what the network sees at once, in px."""

LOW = 0.05
"""Detections below this score are not kept."""

SMALLEST_ZOOM, LARGEST_ZOOM = 0.1, 4.0
PROBE = 384
"""Side of the window by which the size of nuclei is estimated, in px of the network."""

LOOKS = (0.5, 1.0, 2.0)
"""Zooms at which that window is looked at."""

SURE = 0.3
"""Detections from this score on count in the estimate."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found in an image.

    Attributes
    ----------
    found : list of (Mask, float)
        Masks and scores, best first, down to a low score.
    diameter : float
        Diameter of the typical nucleus that the image was scaled by, in px of the image.
    """

    found: list[tuple[Mask, float]]
    diameter: float


def segment(
    image: ArrayLike, detector: Detector, diameter: float | None = None, low: float = LOW
) -> Prediction:
    """Find the nuclei of an image; see `segment_steps`."""
    return result_of(segment_steps(image, detector, diameter, low))


def segment_steps(
    image: ArrayLike,
    detector: Detector,
    diameter: float | None = None,
    low: float = LOW,
) -> Generator[Progress, None, Prediction]:
    """Find the nuclei of an image step by step.

    Parameters
    ----------
    image : (H, W) or (H, W, C)
        Gray or RGB, of any numeric type.
    detector : Detector
        A loaded model.
    diameter : float, optional
        Diameter of the typical nucleus in px of the image; estimated by default.
    low : float
        Lowest score that is kept.

    Yields
    ------
    Progress
        After each tile.

    Returns
    -------
    Prediction
        As the generator's value.
    """
    pixels = normalize(np.asarray(image))
    yield Progress(0, 0, "Segmenting")
    if diameter is None:
        diameter = yield from estimate_diameter(pixels, detector)
    scaled = resample(pixels, detector.card.diameter / diameter)
    zoom = (scaled.shape[0] / pixels.shape[0], scaled.shape[1] / pixels.shape[1])
    tiles = cut((scaled.shape[0], scaled.shape[1]), TILE, detector.margin, detector.stride)
    parts: list[Detections] = []
    for done, tile in enumerate(tiles):
        yield Progress(done, len(tiles), "Segmenting")
        y0, x0, y1, x1 = tile.box
        found = detector.detect(scaled[y0:y1, x0:x1], tile.local_core, low)
        parts.append(_moved(found, tile))
    yield Progress(len(tiles), len(tiles), "Drawing masks")
    merged = joined(parts)
    shape = (pixels.shape[0], pixels.shape[1])
    masks = paste(merged, zoom, shape, detector.card.mask_threshold)
    return Prediction(distinct(masks, shape), diameter)


def resample(pixels: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Resize a normalised (H, W, 3) image by a factor, smoothed where it shrinks."""
    zoom = min(max(zoom, SMALLEST_ZOOM), LARGEST_ZOOM)
    size = [max(1, round(n * zoom)) for n in pixels.shape[:2]]
    if size == list(pixels.shape[:2]):
        return pixels
    # What `normalize` returns may be read-only, which torch cannot share.
    tensor = torch.from_numpy(np.require(pixels, requirements="W")).permute(2, 0, 1)[None]
    gray = bool(
        (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
    )
    out = F.interpolate(
        tensor[:, :1] if gray else tensor,
        size,
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    array: NDArray[np.float32] = out.expand(-1, 3, -1, -1)[0].permute(1, 2, 0).numpy()
    return array


def estimate_diameter(
    pixels: NDArray[np.float32], detector: Detector
) -> Generator[Progress, None, float]:
    """Estimate the diameter of the typical nucleus, in px of the image.

    Looks at a window in the middle at half, one and two times the image's size. The look
    that finds the most sure nuclei of the size that the detector knows best decides: a
    detector finds something of its own size at any scale, but is surer at the right one.

    Returns
    -------
    float
        As the generator's value; the detector's own diameter where nothing is found.
    """
    own = detector.card.diameter
    best, most = own, 0.0
    for done, zoom in enumerate(LOOKS):
        yield Progress(done, 0, "Measuring the size of nuclei")
        diameters, scores, area = _look(pixels, detector, zoom)
        fit = np.exp(-0.5 * (np.log(diameters / own) / 0.5) ** 2)
        # Per px of the image: more nuclei are better, but not many small bits of them.
        found = float((fit * scores**2 * (diameters / zoom) ** 0.75).sum()) * zoom**2 / area
        if found > most:
            best, most = float(np.median(diameters)) / zoom, found
    return best


def _look(
    pixels: NDArray[np.float32], detector: Detector, zoom: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Diameters and scores of what is found in the middle of an image, and the area seen.

    Diameters and area are in px of the network.
    """
    side = round(PROBE / zoom)
    y, x = (max(0, (n - side) // 2) for n in pixels.shape[:2])
    window = resample(np.ascontiguousarray(pixels[y : y + side, x : x + side]), zoom)
    found = detector.detect(window, None, SURE)
    sides = np.maximum(found.boxes[:, 2:] - found.boxes[:, :2], 1e-3)
    share = (found.masks >= 255 * detector.card.mask_threshold).mean((1, 2))
    areas = np.maximum(share * sides[:, 0] * sides[:, 1], 1)
    return 2 * np.sqrt(areas / np.pi), found.scores.astype(float), window.shape[0] * window.shape[1]


def _moved(found: Detections, tile: Tile) -> Detections:
    y, x = tile.box[:2]
    return Detections(found.boxes + np.array([x, y, x, y], np.float32), found.scores, found.masks)


def joined(parts: list[Detections], overlap: float = 0.5) -> Detections:
    """Put the detections of all tiles together, each nucleus once, best first."""
    boxes = np.concatenate([p.boxes for p in parts])
    scores = np.concatenate([p.scores for p in parts])
    masks = np.concatenate([p.masks for p in parts])
    keep = nms(torch.from_numpy(boxes), torch.from_numpy(scores), overlap).numpy()
    return Detections(boxes[keep], scores[keep], masks[keep])


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
        x, across = _weights(box[0], box[2], shape[1], soft.shape[1])
        y, down = _weights(box[1], box[3], shape[0], soft.shape[0])
        if len(across) and len(down):
            mask = Mask.from_array(down @ soft.astype(np.float32) @ across.T >= level, y, x)
            if mask:
                out.append((mask, float(score)))
    return out


def _weights(start: float, end: float, length: int, cells: int) -> tuple[int, NDArray[np.float32]]:
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
