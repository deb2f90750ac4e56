"""Which image file some nuclei belong to: the one answer for all formats, commands and windows.

By the path as it is written, then relative to the folder of the images, then by a name that only
one file has; never by the stem where a name has an ending, and never one of several. What is not
found, or cannot be told, is a gap that says why.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path, PurePath
from urllib.parse import unquote

from ..errors import FormatError
from ..images.images import IMAGE_SUFFIXES, is_zarr
from ..images.own_outputs import is_own_output
from ..nuclei import ImageRecord
from ..wording import are, counted
from .image_names import Level, Match, Names, has_ending, last_of, listed, parts_of, settled, shown

MAX_FILES = 200_000
"""Files below a folder that are looked through for a name."""

MISSING = "is not there"
"""Why a name has no file, mostly."""

MAX_PARTS = 16
"""Last parts of a path that are looked for."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the images of some records lie.

    Attributes
    ----------
    files : dict of str to Path
        The files, by the names that the records have.
    gaps : dict of str to str
        The other names, and why there is no file: a clause that goes on after the name.
    """

    files: dict[str, Path] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """List the first gaps for a message about what is missing."""
        some = list(self.gaps.items())[:2]
        first = [shown(name) + ("" if why == MISSING else f" {why}") for name, why in some]
        more = f"; {len(self.gaps) - 2:,} more" if len(self.gaps) > 2 else ""
        return "; ".join(first) + more


class ImageFiles:
    """The image files that names of a file may mean.

    Parameters
    ----------
    folders : sequence of Path
        Where they are looked for, the first one first.
    deep : bool
        Whether also in folders below, for names that are not there.
    homes : sequence of Path
        Folders, without links, out of which no file is copied, whatever a name says.

    Notes
    -----
    What is in the folders is listed once, when a name is first looked for in the list.
    """

    def __init__(
        self, folders: Sequence[Path], deep: bool = False, homes: Sequence[Path] = ()
    ) -> None:
        self.folders = list(dict.fromkeys(folders))
        self.homes = tuple(homes)
        self._deep = deep
        self._lists: dict[tuple[Path, str | None], Names[Path]] = {}

    def find(self, name: str, but: Path | None = None) -> Match[Path]:
        """Find the file of a name by itself; see `find_all` for those of a whole file.

        Parameters
        ----------
        but : Path, optional
            A file that is not meant: the one that has the name.
        """
        but = None if but is None else self._as_listed(but)
        match = self._written(name, but)
        if match is not None:
            return match
        places = [self._near(name)] + [self._below] * self._deep
        ways = list(product((Level.PLACED, Level.CASE, Level.UPLOAD, Level.STEM), places))
        if not has_ending(name):  # nothing is called just so: the nearest goes first
            ways.sort(key=lambda way: way[1] == self._below)
        for level, lists in ways:
            for names in lists():
                match = names.find_at(level, name, but)
                if match.value is not None or match.rivals:
                    return match
        bare = None if has_ending(name) else self._direct(name, but, bare=True)
        return Match() if bare is None else Match(bare)

    def find_all(self, names: Iterable[str]) -> Located:
        """Find the files of all names of a file: no two of them mean the same one."""
        found = settled({name: self.find(name) for name in dict.fromkeys(names)})
        out = Located()
        for name, match in found.items():
            if match.value is not None:
                out.files[name] = match.value
            else:
                out.gaps[name] = self.why(name, match)
        return out

    def why(self, name: str, match: Match[Path]) -> str:
        """Say why a name has no file: a clause that goes on after it."""
        if match.rivals and name in match.rivals:
            others = [other for other in match.rivals if other != name]
            return f"cannot be told from {listed(others)}: there is one file for both"
        if match.rivals:
            return f"may be {listed(match.rivals)}: it is not clear which"
        stem = PurePath(last_of(name)).stem
        near = [self._listed(f, "").find_at(Level.STEM, stem).value for f in self.folders]
        other = next((path.name for path in near if path is not None), "")
        return f"{MISSING}; {shown(other)} is another file" if other else MISSING

    def only(self) -> Path | None:
        """Return the image that is alone in the first of the folders."""
        files = [path for path in _in(self.folders[0]) if not is_own_output(path)]
        return files[0] if len(files) == 1 else None

    # -- as it is written -------------------------------------------------------------

    def _written(self, name: str, but: Path | None) -> Match[Path] | None:
        """Find a file by what is written: the whole path, or its last parts, in the folders."""
        path = self._direct(name, but)
        if path is not None:
            return Match(path)
        parts = parts_of(name)
        for first in range(max(0, len(parts) - MAX_PARTS), len(parts)):
            for folder in self.folders:
                for form in ("NFC", "NFD"):
                    rest = folder / unicodedata.normalize(form, "/".join(parts[first:]))
                    if rest != but and _may_be_image(rest):
                        return Match(rest, Level.PLACED if first else Level.CLEAN)
        return None

    def _direct(self, name: str, but: Path | None, bare: bool = False) -> Path | None:
        """Find a file by exactly what is written."""
        whole = Path(unquote(name.removeprefix("file://")) if name.startswith("file:///") else name)
        paths = [whole] if whole.is_absolute() else [folder / whole for folder in self.folders]
        return next((p for p in paths if p != but and _may_be_image(p, bare)), None)

    def _as_listed(self, path: Path) -> Path:
        """Return a file's path as it is made here, where it lies in one of the folders."""
        real = _real(path.parent) / path.name
        for folder in self.folders:
            if real.is_relative_to(_real(folder)):
                return folder / real.relative_to(_real(folder))
        return path

    # -- by its name ------------------------------------------------------------------

    def _near(self, name: str) -> Callable[[], Iterator[Names[Path]]]:
        """Return what lists the folders, and those in them that a name tells of."""
        parts = parts_of(name)[-MAX_PARTS:-1]
        subs = ["", *("/".join(parts[first:]) for first in range(len(parts)))]

        def lists() -> Iterator[Names[Path]]:
            return (self._listed(folder, sub) for sub in subs for folder in self.folders)

        return lists

    def _below(self) -> Iterator[Names[Path]]:
        """List all that is below the folders."""
        return (self._listed(folder, None) for folder in self.folders)

    def _listed(self, folder: Path, sub: str | None) -> Names[Path]:
        """List the images in a folder of a folder, or all below it, with their places in it."""
        key = folder, sub
        if key not in self._lists:
            files = _below(folder) if sub is None else _in(folder / sub)
            self._lists[key] = Names(
                ((str(p.relative_to(folder)), p) for p in files if not is_own_output(p)),
                strict=True,
            )
        return self._lists[key]


NO_IMAGES = frozenset(
    ".json .jsonl .geojson .csv .tsv .parquet .txt .xml .zip .gz .roi .npy .npz .toml .md".split()
)
"""Endings of files that are never images, whatever a file says."""


def _may_be_image(path: Path, bare: bool = False) -> bool:
    """Whether a path is a file that may be an image; `bare`: also without an ending."""
    if path.suffix.lower() in NO_IMAGES or not (path.suffix or bare):
        return False
    try:
        return path.is_file() or is_zarr(path)
    except (OSError, ValueError):  # what is no name of a file
        return False


def _in(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except (OSError, ValueError):
        return []
    return [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]


def _below(folder: Path) -> list[Path]:
    """List the images below a folder; none where there are too many to look through."""
    out: list[Path] = []
    seen = 0
    for here, folders, files in os.walk(folder):
        zarrs = [name for name in folders if is_zarr(Path(here, name))]
        folders[:] = sorted(n for n in folders if n[0] != "." and n not in zarrs)
        seen += len(files) + len(folders)
        if seen > MAX_FILES:
            return []
        found = (Path(here, name) for name in sorted([*files, *zarrs]) if name[0] != ".")
        out += [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    return out


# -- where they are looked for ------------------------------------------------------------


def files_near(source: Path, images: Path | None = None) -> ImageFiles:
    """Return the images that a file may mean: in the folder that was named, or beside the file."""
    if images is not None:
        return files_in(images)
    here = source.parent
    above = here.parent if here.name not in ("", "..") else here / ".."
    near = [here, here / "images", above / "images", above]
    return ImageFiles(near, homes=[_real(here), _real(above) / "images"])


def files_in(folder: Path, deep: bool = True) -> ImageFiles:
    """Return the images that a file may mean in one folder, or in its folder ``images``."""
    return ImageFiles([folder, folder / "images"], deep, [_real(folder)])


def image_in(folder: Path, name: str) -> Path:
    """Return the file that a name means in a folder of images.

    What is in the folder is listed once for all names.

    Raises
    ------
    UserError
        If there is none, or it cannot be told.
    """
    files = _kept(folder)
    match = files.find(name)
    if match.value is None:
        raise FormatError(f"{folder}: the image {shown(name)} {files.why(name, match)}")
    return match.value


def all_in(folder: Path, images: Iterable[ImageRecord]) -> dict[str, Path]:
    """Return the files of all images of a data set in a folder, by their names.

    Raises
    ------
    UserError
        If there is none for one of them, or it cannot be told.
    """
    located = files_in(folder).find_all(image.file_name for image in images)
    if located.gaps:
        raise FormatError(
            f"{folder}: {counted(len(located.gaps), 'image')} {are(len(located.gaps))} missing "
            f"({located.summary()})"
        )
    return located.files


@lru_cache(maxsize=4)
def _kept(folder: Path) -> ImageFiles:
    return files_in(folder)


def lies_in(path: Path, homes: Iterable[Path]) -> bool:
    """Whether a file really lies in one of some folders, not behind a link or a ``..``."""
    return any(_real(path).is_relative_to(home) for home in homes)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike `resolve`, it bears links in a circle
