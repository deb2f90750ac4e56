"""From an image to its nuclei, whatever its size.

Loads torch.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from ..images.large_image import LargeImage
from ..images.levels import normalize
from ..masks import Mask
from ..masks.box import Box, has_middle
from ..models.detector import Detector
from ..progress import Progress, result_of
from . import LOW as LOW
from .diameter import LOOKS, PROBE, estimate_diameter
from .suppress import ScoredMask, best_first
from .tiling import Tiling


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
    picture = LargeImage(image).without_empty()
    levels, diameter = yield from measure_steps(picture, detector, diameter, area)
    zoom = detector.card.diameter / diameter
    found: list[ScoredMask] = []
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
