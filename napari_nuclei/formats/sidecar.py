"""What a file of nuclei does not say itself: where its images lie, how large they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from numpy.typing import NDArray

from ..errors import FormatError
from ..images.images import image_size
from ..nuclei import ImageRecord
from ..wording import worded
from .categories import Category
from .image_files import MISSING, ImageFiles, Located, files_near, lies_in
from .image_names import Match, has_ending, last_of, listed
from .image_sizes import reach_beyond

_ADDED = re.compile(
    r"[._-](seg|cp_masks|masks?|labels?|rois?|roiset|nuclei|detections|ome)$", re.IGNORECASE
)
"""What tools add to an image's name when they name a file after it."""

PIXEL_SIZE = "pixel_size_um"
"""Key of the side of a pixel in what a data set says of an image."""


@dataclass
class Sidecar:
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
    split : bool
        Make each separate piece of a nucleus one of its own.
    known : mapping of str to Path, optional
        The images' files, by the names that the records have for them. Where it is given, no
        other is looked for.
    gaps : dict of str to str
        Names that no file was found for, and why.
    homes : sequence of Path, optional
        Out of which no image is copied; by default the folders that were named, or those beside
        the file. None at all says that the person named the images themselves.
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
    known: Mapping[str, Path] | None = None
    gaps: dict[str, str] = field(default_factory=dict)
    homes: Sequence[Path] | None = None
    arrays: Mapping[int, NDArray[Any] | None] = field(default_factory=dict)
    strict: bool = False
    split: bool = False
    failed: list[str] = field(default_factory=list)
    categories: dict[str, Category] = field(default_factory=dict)

    @property
    def on_broken(self) -> list[str] | None:
        """Where broken entries are remarked on; None where they are errors."""
        return None if self.strict else self.remarks

    def image(self, source: Path, name: str) -> Path | None:
        """Find an image by the name that a file has for it; see `image_files.py`.

        Parameters
        ----------
        source : Path
            The file that names it.
        name : str
            With folders and ending or without.
        """
        return self._match(source, name).value

    def _match(self, source: Path, name: str) -> Match[Path]:
        if self.known is not None:
            return Match(self.known.get(name))
        files = self.files(source)
        match = files.find(name, source)
        if match.value is None:
            self.gaps[name] = files.why(name, match)
        return match

    def image_of(self, source: Path, *names: str) -> Path | None:
        """Find the image of a file that holds the nuclei of one.

        Parameters
        ----------
        source : Path
            The file, which is named after the image if `names` do not lead to one.
        names : str
            What it says itself.
        """
        match = self._match_of(source, names)
        if match.rivals:
            self.remarks.append(f"{source.name}: {_doubt(source, match)}.")
        return match.value

    def _match_of(self, source: Path, names: Sequence[str]) -> Match[Path]:
        missing = {PurePath(last_of(name)).stem for name in names if has_ending(name)}
        after = [name for name in (stem_of(source), source.stem) if name not in missing]
        match: Match[Path] = Match()
        for name in dict.fromkeys((*names, *after)):
            match = self._match(source, name)
            if match.value is not None or match.rivals:
                break
        return match

    def locate(self, source: Path, records: Iterable[ImageRecord]) -> Located:
        """Find the images of all records of a file: no two names mean the same image."""
        names = list(dict.fromkeys(record.file_name for record in records))
        if self.known is None:
            return self.files(source).find_all(names)
        return Located(
            {name: self.known[name] for name in names if name in self.known},
            {n: self.gaps.get(n, MISSING) for n in names if n not in self.known},
        )

    def may_copy(self, source: Path, path: Path) -> bool:
        """Whether an image may be copied: not one that a name in a file leads astray to."""
        homes = self.files(source).homes if self.homes is None else self.homes
        return not homes or lies_in(path, homes)

    def files(self, source: Path) -> ImageFiles:
        """Return the images that a file may mean."""
        folder = source.parent
        if folder not in self._files:
            self._files[folder] = files_near(source, self.images)
        return self._files[folder]

    @cached_property
    def _files(self) -> dict[Path, ImageFiles]:
        return {}

    def pixel_size_of(self, image: ImageRecord) -> float | None:
        """Return the side of a pixel in µm, if it was given or the file says it."""
        said = self.pixel_size or image.extra.get(PIXEL_SIZE)
        if isinstance(said, bool) or not isinstance(said, (int, float)) or not said > 0:
            return None
        return float(said)

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
        match = self._match_of(source, [name])
        if (path := match.value or self._only(source, name, match)) is not None:
            height, width = image_size(path)
            if extent and not loose and (extent[0] > height or extent[1] > width):
                raise reach_beyond(source, extent, path, (height, width))
            return ImageRecord(1, path.name, height, width)
        if match.rivals:
            doubt = f"{source} does not say how large its image is, and {_doubt(source, match)}"
            if extent is None or not self.guess_size:
                raise FormatError(doubt)
            self.remarks.append(f"{source.name}: {_doubt(source, match)}.")
        if extent is None or not self.guess_size:
            raise FormatError(
                f"{source} does not say how large its image is, and no image named {name!r} is "
                + worded(
                    "beside it: put it there, or name its folder with --images",
                    "beside it: put it there, or name its folder with images=",
                    "beside it: put it there",
                )
            )
        self.remarks.append(
            f"{source.name} does not say how large its image is: the extent of its nuclei is used."
        )
        return ImageRecord(1, name, max(1, extent[0]), max(1, extent[1]))

    def _only(self, source: Path, name: str, match: Match[Path]) -> Path | None:
        """Return the only image of the folder that a person has named, with a remark."""
        path = None if self.images is None or match.rivals else self.files(source).only()
        if path is not None:
            self.remarks.append(
                f"No image is named {name!r}: {path.name}, the only one in {self.images}, is used."
            )
        return path


def _doubt(source: Path, match: Match[Path]) -> str:
    example = f"{PurePath(match.rivals[0]).name}{''.join(source.suffixes[-1:])}"
    return (
        f"its image may be {listed(match.rivals)}: name the file after the right one, such as "
        f"{example}"
    )


def stem_of(path: Path) -> str:
    """Return the name of the image that a file was named after, as far as can be told."""
    stem = path.stem
    if path.suffix.lower() in (".gz", ".zip"):
        stem = re.sub(r"\.(geo)?json$", "", stem, flags=re.IGNORECASE)
    return _ADDED.sub("", stem) or stem
