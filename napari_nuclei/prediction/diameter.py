"""How large an image's nuclei are, which decides the scale at which it is looked at."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from ..models.detector import Detector, SizingDetector, tells_sizes
from ..progress import Progress
from .resampling import resample

PROBE = 384
"""Side of the window by which the size of nuclei is estimated, in px of the network."""

LOOKS = (0.5, 1.0, 2.0)
"""Zooms at which that window is looked at."""

SURE = 0.3
"""Detections from this score on count in the estimate."""

TRUST = 0.5
"""How fast the trust in what is told of a diameter falls with its distance from the network's own,
as the standard deviation of the logarithm."""


def estimate_diameter(
    pixels: NDArray[np.float32], detector: Detector
) -> Generator[Progress, None, float]:
    """Estimate the diameter of the typical nucleus, in px of the image.

    Looks at a window in the middle at half, one and two times the image's size. Where the network
    has learned to tell sizes, all looks vote; else the look that finds the most sure nuclei of
    the size that the detector knows best decides: a detector finds something of its own size at
    any scale, but is surer at the right one.

    Returns
    -------
    float
        As the generator's value; the detector's own diameter where nothing is found.
    """
    if tells_sizes(detector):
        told = yield from _told(pixels, detector)
        if told is not None:
            return told
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


def _told(
    pixels: NDArray[np.float32], detector: SizingDetector
) -> Generator[Progress, None, float | None]:
    """Return the weighted median of what the size head says at all zooms; None if it has none."""
    own = detector.card.diameter
    diameters, weights = [], []
    for done, zoom in enumerate(LOOKS):
        yield Progress(done, 0, "Measuring the size of nuclei")
        window = _window(pixels, zoom)
        votes = detector.sizes(window)
        if votes is None:
            return None
        # At each zoom it knows nuclei of about its own diameter best.
        trust = np.exp(-0.5 * (np.log(votes.diameters / own) / TRUST) ** 2)
        area = window.shape[0] * window.shape[1] / zoom**2
        diameters.append(votes.diameters / zoom)
        weights.append(votes.numbers * trust / area)
    every, weight = np.concatenate(diameters), np.concatenate(weights)
    if weight.sum() <= 0:
        return own
    order = np.argsort(every)
    reached = np.cumsum(weight[order])
    return float(every[order][np.searchsorted(reached, reached[-1] / 2)])


def _window(pixels: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Cut the middle out of an image, and bring it to a zoom."""
    side = round(PROBE / zoom)
    y, x = (max(0, (n - side) // 2) for n in pixels.shape[:2])
    return resample(np.ascontiguousarray(pixels[y : y + side, x : x + side]), zoom)


def _look(
    pixels: NDArray[np.float32], detector: Detector, zoom: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Diameters and scores of what is found in the middle of an image, and the area seen.

    Diameters and area are in px of the network.
    """
    window = _window(pixels, zoom)
    found = detector.detect(window, None, SURE)
    sides = np.maximum(found.boxes[:, 2:] - found.boxes[:, :2], 1e-3)
    share = (found.masks >= 255 * detector.card.mask_threshold).mean((1, 2))
    areas = np.maximum(share * sides[:, 0] * sides[:, 1], 1)
    return 2 * np.sqrt(areas / np.pi), found.scores.astype(float), window.shape[0] * window.shape[1]
