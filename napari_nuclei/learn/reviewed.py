"""What a person has said of an image: its true nuclei, and where nothing is missing.

No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from ..formats.dataset import DataSet
from ..formats.image_files import files_in
from ..masks import Mask
from ..masks.box import Box, touches
from ..nuclei import ImageRecord, Kind, Nuclei, Nucleus, State
from ..nuclei.counts import is_complete
from ..progress import Progress
from ..scoring.compared import MOSTLY
from ..scoring.match import shares_in
from ..wording import are, counted, worded
from .locked import Grid, Tile, digest_of

KINDS = ("accepted", "corrected", "hand-made", "imported", "unchanged", "rejected")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One image, as far as a person has looked at it.

    Attributes
    ----------
    record : ImageRecord
        The image.
    grid : Grid
        Its tiles.
    areas : tuple of Box
        Where nothing is missing.
    truth : tuple of Nucleus
        What a person has drawn, corrected or accepted, wherever it lies, and what else is
        shown in the areas.
    rejected : tuple of Mask
        What a person has said is no nucleus.
    doubtful : tuple of Mask
        Proposals that reach into an area, but lie outside: their pixels say nothing.
    crowds : tuple of Mask
        Areas whose nuclei nobody has told apart: neither nucleus nor background.
    """

    record: ImageRecord
    grid: Grid
    areas: tuple[Box, ...]
    truth: tuple[Nucleus, ...]
    rejected: tuple[Mask, ...] = ()
    doubtful: tuple[Mask, ...] = ()
    crowds: tuple[Mask, ...] = ()

    @classmethod
    def of(cls, record: ImageRecord, nuclei: Nuclei, digest: str, foreign: bool) -> Reviewed:
        """Sort the nuclei of an image.

        Parameters
        ----------
        foreign : bool
            The file is another tool's, which knows no areas: all of it counts as complete.
        """
        height, width = nuclei.shape
        areas = ((0, 0, height, width),) if foreign or is_complete(nuclei) else nuclei.complete
        truth, doubtful = [], []
        for nucleus in (n for n in nuclei.shown() if n.mask):
            inside = sum(_overlap(nucleus.mask, area) for area in areas)
            # Areas may overlap, and then count twice: all the surer is it looked at.
            if nucleus.touched or 2 * inside >= nucleus.mask.area:
                truth.append(nucleus)
            elif inside:
                doubtful.append(nucleus.mask)
        rejected = tuple(n.mask for n in nuclei if n.state is State.REJECTED and n.mask)
        grid = Grid(digest, nuclei.shape)
        crowds = tuple(c.mask for c in nuclei.crowds)
        return cls(record, grid, areas, tuple(truth), rejected, tuple(doubtful), crowds)

    def looked(self, ignore: bool = True) -> NDArray[np.bool_]:
        """Return where a missing label means that there is nothing, (H, W).

        Parameters
        ----------
        ignore : bool
            False takes the whole image as looked at, but for crowds, as most programs do.
        """
        out = np.full(self.record.shape, not ignore)
        for y0, x0, y1, x1 in self.areas:
            out[y0:y1, x0:x1] = True
        for mask in self.doubtful if ignore else ():
            mask.paint(out, False)
        for mask in self.rejected:
            mask.paint(out, True)
        for mask in self.crowds:
            mask.paint(out, False)
        return out

    def is_complete_at(self, y: float, x: float) -> bool:
        """Whether a point lies where nothing is missing."""
        return any(y0 <= y < y1 and x0 <= x < x1 for y0, x0, y1, x1 in self.areas)

    def is_complete_in(self, box: Box) -> bool:
        """Whether nothing is missing in some part of a box."""
        return any(touches(area, box) for area in self.areas)

    def holds(self, mask: Mask) -> bool:
        """Whether a detection is judged: its middle lies where nothing is missing."""
        return self.is_complete_at(*_middle(mask))

    def ignores(self, masks: Sequence[Mask]) -> NDArray[np.bool_]:
        """Whether each detection, if it is no nucleus, lies mostly in a crowd, (N,)."""
        return shares_in(self.crowds, masks) >= MOSTLY

    def tile_of(self, mask: Mask) -> Tile:
        """Return the tile that a nucleus belongs to: that of its middle."""
        return self.grid.at(*_middle(mask))

    def judged(self, tiles: Collection[Tile]) -> list[Nucleus]:
        """Return the true nuclei that belong to some tiles, where nothing is missing."""
        return [n for n in self.truth if self.tile_of(n.mask) in tiles and self.holds(n.mask)]

    def kinds(self) -> Counter[str]:
        """Count what was done to its nuclei."""
        out = Counter(_kind(n) for n in self.truth)
        out["rejected"] = len(self.rejected)
        return out


def _is_begun(nuclei: Nuclei) -> bool:
    """Whether a person has said anything about an image."""
    return bool(nuclei.complete) or any(n.touched for n in nuclei)


def _middle(mask: Mask) -> tuple[float, float]:
    y, x = mask.centroid
    return y + 0.5, x + 0.5


def _kind(nucleus: Nucleus) -> str:
    if nucleus.origin.kind is Kind.HAND:
        return "hand-made"
    if nucleus.corrected:
        return "corrected"
    if nucleus.state is State.ACCEPTED:
        return "accepted"
    return "imported" if nucleus.origin.kind is Kind.IMPORT else "unchanged"


def _overlap(mask: Mask, box: Box) -> int:
    y0, x0, y1, x1 = box
    top, left, bottom, right = mask.box
    if y0 <= top and x0 <= left and y1 >= bottom and x1 >= right:
        return mask.area
    if y0 >= bottom or x0 >= right or y1 <= top or x1 <= left:
        return 0
    pixels = mask.to_array()
    part = pixels[max(0, y0 - top) : max(0, y1 - top), max(0, x0 - left) : max(0, x1 - left)]
    return int(part.sum())


def review_of(
    data: DataSet, folder: Path, source: str
) -> Generator[Progress, None, list[Reviewed]]:
    """Look through a data set; the value lists the images in which something is reviewed.

    Parameters
    ----------
    folder : Path
        Of the images.
    source : str
        Name of the data set, for messages.

    Raises
    ------
    UserError
        If there are no images, some are missing or changed, or nothing is reviewed.
    """
    from .examples import pixels_of

    if not data.images:
        raise TrainingError(f"{source}: lists no images, so there is nothing to learn from.")
    if not folder.is_dir():
        raise TrainingError(
            f"{folder}: no such folder of images." + worded(" Name it with --images.", "", "")
        )
    begun = [i for i in data.images if data.foreign or _is_begun(data.of(i))]
    located = files_in(folder).find_all(image.file_name for image in begun)
    if located.gaps:
        raise TrainingError(
            f"{folder}: {len(located.gaps):,} of {counted(len(begun), 'image')} "
            f"{are(len(located.gaps))} missing "
            f"({located.summary()}). "
            + worded(
                "Name their folder with --images.",
                "Name their folder.",
                "Have they been moved? Open them from where they are now.",
            )
        )
    out = []
    for done, record in enumerate(begun):
        yield Progress(done, len(begun), "Reading the images")
        pixels: NDArray[Any] = pixels_of(record, folder)
        out.append(Reviewed.of(record, data.of(record), digest_of(pixels), data.foreign))
    if not any(found.areas for found in out):
        raise TrainingError(
            f"{source}: no area is marked complete, so nothing says where a nucleus is missing. "
            "Review a whole image or rectangle and mark it complete."
        )
    return out
