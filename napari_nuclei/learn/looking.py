"""What a model sees in reviewed images, counted by tile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ..formats import coco
from ..masks import Mask
from ..models.detector import Detector
from ..prediction.predict import segment_steps
from ..progress import Progress, within
from ..resources import resource_folder
from .examples import pixels_of
from .locked import Tile, digest_of
from .reviewed import Reviewed
from .tally import Tally, matched

Found = list[tuple[Mask, float]]


def look(
    images: Sequence[Reviewed], folder: Path, detector: Detector, message: str
) -> Generator[Progress, None, list[Found]]:
    """Segment images as a user would; the value has each one's masks and scores, best first."""
    out = []
    for done, image in enumerate(images):
        steps = segment_steps(pixels_of(image.record, folder), detector)
        out.append((yield from within(steps, done, len(images), message)).found)
    return out


def tally(
    images: Sequence[Reviewed],
    every: Sequence[Found],
    tiles_of: Callable[[Reviewed], Sequence[Tile]],
) -> Tally:
    """Count hits and misses by tile.

    Parameters
    ----------
    every : sequence of Found
        What was found in each image, best first.
    tiles_of : callable
        Returns the tiles of an image that count.

    Notes
    -----
    A detection belongs to the tile of its nucleus; without one, to that of its own middle, and
    then it only counts where nothing is missing and no crowd is.
    """
    tiles: list[Tile] = []
    truth: list[Tile] = []
    rows: list[tuple[float, bool, Tile]] = []
    for image, found in zip(images, every, strict=True):
        wanted = tiles_of(image)
        tiles += wanted
        truth += [image.tile_of(n.mask) for n in image.judged(wanted)]
        masks = [mask for mask, _ in found]
        ids = matched([n.mask for n in image.truth], masks)
        each = zip(found, ids, image.ignores(masks), strict=True)
        for (mask, score), row, is_ignored in each:
            right = bool(row >= 0)
            counted = image.truth[row].mask if right else mask
            if image.holds(counted) and (right or not is_ignored):
                rows.append((score, right, image.tile_of(counted)))
    return Tally.of(tiles, truth, rows)


def sample_images() -> tuple[list[Reviewed], Path]:
    """Return the bundled sample images and their folder."""
    folder = resource_folder("sample_data")
    truth = coco.read(folder / "truth.json")
    return [
        Reviewed.of(record, truth.of(record), digest_of(pixels_of(record, folder)), True)
        for record in truth.images
    ], folder
