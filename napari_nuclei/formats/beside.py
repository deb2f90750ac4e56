"""What a file of nuclei does not say itself: where its images lie, how large they are.

Here: looking beside the file, and in a folder that was named. Not here: reading pixels
(`images/`), what a file does say (its own module).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from numpy.typing import NDArray

from ..errors import UserError
from ..images.images import IMAGE_SUFFIXES, image_size
from .categories import Category
from .dataset import ImageRecord

_ADDED = re.compile(
    r"[._-](seg|cp_masks|masks?|labels?|rois?|roiset|nuclei|detections|ome)$", re.IGNORECASE
)
"""What tools add to an image's name when they name a file after it."""

PIXEL_SIZE = "pixel_size_um"
"""Key of the side of a pixel in what a data set says of an image."""

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an image that was uploaded."""


@dataclass
class Beside:
    """What a person can say besides, and what is found beside a file.

    Attributes
    ----------
    images : Path or None
        Folder of the images; by default they are looked for beside the file.
    pixel_size : float or None
        Side of a pixel in µm, where the images do not say it.
    guess_size : bool
        Take the extent of the nuclei where the size of their image is not found, and remark on
        it. Otherwise that is an error.
    remarks : list of str
        What a person should know of what was read and written.
    known : mapping of str to Path
        Images that are known by the stems of their names.
    arrays : mapping of int to array
        Pixels of images, by their ids, for those that have no file.
    strict : bool
        Whether a broken entry of a file is an error; otherwise it is left out or mended, and
        remarked on.
    failed : list of str
        Why some of several files could not be read.
    categories : dict of str to Category
        Ids and colours of categories by their names, for formats with a file an image.
    """

    images: Path | None = None
    pixel_size: float | None = None
    guess_size: bool = False
    remarks: list[str] = field(default_factory=list)
    known: Mapping[str, Path] = field(default_factory=dict)
    arrays: Mapping[int, NDArray[Any] | None] = field(default_factory=dict)
    strict: bool = False
    failed: list[str] = field(default_factory=list)
    categories: dict[str, Category] = field(default_factory=dict)

    @property
    def on_broken(self) -> list[str] | None:
        """Where broken entries are remarked on; None where they are errors."""
        return None if self.strict else self.remarks

    def image(self, source: Path, name: str) -> Path | None:
        """Find an image by the name that a file has for it, or by its stem.

        Parameters
        ----------
        source : Path
            The file that names it.
        name : str
            With folders and ending or without.
        """
        wanted = PurePath(name.replace("\\", "/"))
        if (known := self.known.get(wanted.stem)) is not None:
            return known
        names = [wanted, PurePath(wanted.name)]
        if short := _UPLOAD.sub("", wanted.name):
            names.append(PurePath(short))
        for folder in self._folders(source):
            for each in names:
                path = folder / each
                if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
                    return path
        return next((p for n in names for p in self._by_stem(source, n.name)), None)

    def pixel_size_of(self, image: ImageRecord) -> float | None:
        """Return the side of a pixel in µm, if it was given or the file says it."""
        said = self.pixel_size or image.extra.get(PIXEL_SIZE)
        if isinstance(said, bool) or not isinstance(said, (int, float)) or not said > 0:
            return None
        return float(said)

    def _folders(self, source: Path) -> list[Path]:
        if self.images is not None:
            return [self.images, self.images / "images"]
        here = source.parent
        return [here, here / "images", here.parent / "images", here.parent]

    def _by_stem(self, source: Path, name: str) -> Iterator[Path]:
        for folder in self._folders(source):
            found = self._listed(folder)
            for stem in dict.fromkeys((name, PurePath(name).stem)):
                yield from (p for p in found.get(stem, ()) if p != source)

    def _listed(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._folder_lists:
            stems: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    stems.setdefault(path.stem, []).append(path)
            self._folder_lists[folder] = stems
        return self._folder_lists[folder]

    @cached_property
    def _folder_lists(self) -> dict[Path, dict[str, list[Path]]]:
        return {}

    def record(
        self, source: Path, name: str, extent: tuple[int, int] | None, loose: bool = False
    ) -> ImageRecord:
        """Describe the image of a file that holds the nuclei of one, but not its size.

        Parameters
        ----------
        source : Path
            The file.
        name : str
            What it or its own name says of the image's name.
        extent : (int, int) or None
            Height and width that the nuclei take, if that can be told.
        loose : bool
            Whether they may reach over the edge of the image.

        Raises
        ------
        UserError
            If the image is not found, or the nuclei do not lie in it.
        """
        path = self.image(source, name) or self.image(source, source.stem) or self._only(name)
        if path is not None:
            height, width = image_size(path)
            if extent and not loose and (extent[0] > height or extent[1] > width):
                raise UserError(
                    f"{source}: its nuclei reach to {extent[0]}×{extent[1]} px (height × width), "
                    f"but {path} is {height}×{width}: is it the right image?"
                )
            return ImageRecord(1, path.name, height, width)
        if extent is None or not self.guess_size:
            raise UserError(
                f"{source} does not say how large its image is, and no image named {name!r} lies "
                "beside it: put it there, or name its folder with --images"
            )
        self.remarks.append(
            f"{source.name} does not say how large its image is: the extent of its nuclei is taken."
        )
        return ImageRecord(1, name, max(1, extent[0]), max(1, extent[1]))

    def _only(self, name: str) -> Path | None:
        """Return the only image of the folder that a person has named, with a remark."""
        found = [] if self.images is None else [*self._listed(self.images).values()]
        if len(found) != 1 or len(found[0]) != 1:
            return None
        (path,) = found[0]
        self.remarks.append(
            f"No image is named {name!r}: {path.name}, the only one in {self.images}, is taken."
        )
        return path


def stem_of(path: Path) -> str:
    """Return the name of the image that a file was named after, as far as can be told."""
    stem = path.stem
    if path.suffix.lower() in (".gz", ".zip"):
        stem = re.sub(r"\.(geo)?json$", "", stem, flags=re.IGNORECASE)
    return _ADDED.sub("", stem) or stem
