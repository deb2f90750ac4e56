"""From an image to its nuclei, whatever its size.

Here: the scale of an image, and the one call that segments it. Not here: reading and
normalising images (`images/`), its tiles (`tiling.py`), networks (`models/`), many images
(`batch/`). Loads torch.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..box import Box, has_middle
from ..images.images import normalize
from ..images.large_image import LargeImage
from ..mask import Mask
from ..models.detector import Detector
from ..progress import Progress, result_of
from . import LOW as LOW
from .resampling import resample
from .suppress import Scored, best_first
from .tiling import Tiling

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
    image: Any,
    detector: Detector,
    diameter: float | None = None,
    low: float = LOW,
    *,
    side: int | None = None,
    shift: tuple[int, int] = (0, 0),
    area: Box | None = None,
) -> Prediction:
    """Find the nuclei of an image; see `segment_steps`."""
    return result_of(
        segment_steps(image, detector, diameter, low, side=side, shift=shift, area=area)
    )


def segment_steps(
    image: Any,
    detector: Detector,
    diameter: float | None = None,
    low: float = LOW,
    *,
    side: int | None = None,
    shift: tuple[int, int] = (0, 0),
    area: Box | None = None,
) -> Generator[Progress, None, Prediction]:
    """Find the nuclei of an image step by step.

    Parameters
    ----------
    image : array-like or LargeImage
        (H, W) or (H, W, C): gray or RGB, of any numeric type. Arrays of zarr and dask and
        multiscale lists are read tile by tile.
    detector : Detector
        A loaded model.
    diameter : float, optional
        Diameter of the typical nucleus in px of the image; estimated by default.
    low : float
        Lowest score that is kept.
    side, shift : int, (int, int)
        Largest side of a tile in px of the network, and where the lines between tiles lie;
        see `tiles.cut`. The nuclei found do not depend on them.
    area : Box, optional
        (y0, x0, y1, x1) in px: only nuclei that have the middle of their box there count, and
        no more of the image is looked at than they take. Levels and scale are the image's.

    Yields
    ------
    Progress
        In tiles; `new` is the list of (Mask, float) that have become ready.

    Returns
    -------
    Prediction
        As the generator's value.
    """
    yield Progress(0, 0, "Segmenting")
    picture = LargeImage(image)
    levels, diameter = yield from measure_steps(picture, detector, diameter, area)
    zoom = detector.card.diameter / diameter
    found: list[Scored] = []
    for step in Tiling(picture, detector, zoom, levels, side, shift, area).steps(low):
        new = step.new
        if new and area is not None:
            new = [item for item in new if has_middle(area, item[0].box)]
        found += new or []
        yield replace(step, new=new)
    return Prediction(best_first(found), diameter)


def measure_steps(
    picture: LargeImage,
    detector: Detector,
    diameter: float | None = None,
    area: Box | None = None,
) -> Generator[Progress, None, tuple[tuple[float, float], float]]:
    """Find what has to be known of an image before its tiles are looked at.

    Where an `area` is asked for, its middle tells the diameter.

    Returns
    -------
    levels, diameter : (float, float), float
        What becomes 0 and 1, and the diameter of the typical nucleus in px of the image, as the
        generator's value.
    """
    levels = picture.find_levels()
    if diameter is None:
        box = picture.window(round(PROBE / min(LOOKS)), area)
        window = normalize(picture.read(box), levels=levels)
        diameter = yield from estimate_diameter(window, detector)
    return levels, diameter


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
