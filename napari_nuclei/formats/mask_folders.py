"""Folders of masks: a folder an image, with the image and one mask file a nucleus."""

from __future__ import annotations

import filecmp
import shutil
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..atomic_files import unwritable
from ..errors import FormatError, UserError
from ..images.finding import MAX_NAMED
from ..images.images import IMAGE_SUFFIXES, find_images, image_size
from ..nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin
from ..progress import Progress, within
from .dataset import DataSet
from .image_files import lies_in
from .mask_files import Found, read_mask, read_masks

__all__ = ["find_files", "gather", "image_ids", "read", "read_mask"]

IMAGES, MASKS = "images", "masks"
"""Names of the two folders inside of an image's own."""


@dataclass(slots=True)
class Prepared:
    """What was read.

    Attributes
    ----------
    data : DataSet
        Images, numbered from 1 in the order given, and their nuclei.
    remarks : list of str
        What was left out, and why.
    clumped : list of Path
        Masks in several pieces that are the only one of their image: they may hold all of its
        nuclei.
    """

    data: DataSet
    remarks: list[str] = field(default_factory=list)
    clumped: list[Path] = field(default_factory=list)


def read(
    files: Sequence[Path],
    masks: bool = True,
    modalities: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Generator[Progress, None, Prepared]:
    """Read images and their masks into a data set.

    Parameters
    ----------
    files : sequence of Path
        As `find_files` lists them.
    masks : bool
        Whether masks are needed; every image must have a folder of them then, which may be
        empty.
    modalities : mapping of str to str, optional
        File name, with or without its ending → kind of the image.
    strict : bool
        Whether a broken file is an error; otherwise it is left out and remarked on.

    Yields
    ------
    Progress
        In images; `new` of the last one is the value.

    Returns
    -------
    Prepared
        As the generator's value. Masks with no pixel are left out and remarked on; a mask
        in several pieces is one nucleus.

    Raises
    ------
    UserError
        If an image has no folder of masks, a file cannot be read, or a mask is not of its
        image's size; if not `strict`, of all of them.
    """
    kinds = modalities or {}
    out = Prepared(DataSet([], {}))
    said: list[Said] = []
    errors: list[UserError] = []
    for done, path in enumerate(files):
        yield Progress(done, len(files), path.name)
        kind = kinds.get(path.name) or kinds.get(path.stem, "")
        try:
            record = ImageRecord(len(out.data.images) + 1, path.name, *image_size(path), kind)
            if masks:
                steps = _nuclei(path, record.shape, said, out.clumped, strict)
                nuclei = yield from within(steps, done, len(files), path.name)
                out.data.nuclei[record.id] = nuclei
        except UserError as error:
            if strict:
                raise
            said.append((path, _left_out(path, error)))
            errors.append(error)
            continue
        out.data.images.append(record)
    if errors and not out.data.images:
        raise errors[0]
    out.remarks += grouped(said)
    yield Progress(len(files), len(files), "Masks read", out)
    return out


Said = tuple[Path, str]
"""A file, and what is to be said of it."""


def _left_out(path: Path, error: UserError) -> str:
    return f"left out, {str(error).removeprefix(f'{path}: ')}"


def grouped(said: Iterable[Said]) -> Iterator[str]:
    """Say each thing once, of the first ten files and the number of the others."""
    groups: dict[str, list[Path]] = {}
    for path, words in said:
        groups.setdefault(words, []).append(path)
    for words, paths in groups.items():
        names = ", ".join(map(str, paths[:MAX_NAMED]))
        more = f" and {len(paths) - MAX_NAMED:,} more" if len(paths) > MAX_NAMED else ""
        yield f"{names}{more}: {words}"


def find_files(folder: Path, said: list[Said] | None = None) -> list[Path]:
    """List the images of folders of masks, or those that lie in the folder itself.

    Parameters
    ----------
    said : list of (Path, str), optional
        Takes the folders of which it cannot be told which image is meant; without it the first
        one is an error.

    Returns
    -------
    list of Path
        Sorted by their folders' names.

    Raises
    ------
    UserError
        If there is none, a folder has several, or two are called the same.
    """
    if not folder.is_dir():
        raise FormatError(f"{folder}: no such folder")
    every = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    own = [p for p in every if (p / IMAGES).is_dir()]
    files = [file for p in own if (file := _only(p / IMAGES, said))]
    if said is not None:
        bare = (p for p in every if p not in own and (p / MASKS).is_dir())
        said += [(p, f"left out, has no folder {IMAGES}/") for p in bare]
    if own and not files and said:
        path, words = said[0]
        raise FormatError(f"{path}: {words.removeprefix('left out, ')}")
    files = files or _plain(folder)
    if double := next((name for name, n in Counter(f.name for f in files).items() if n > 1), None):
        raise FormatError(f"{folder}: two images are called {double}; give each its own name")
    return files


def _only(folder: Path, said: list[Said] | None) -> Path | None:
    try:
        files = find_images(folder)
        if len(files) > 1:
            raise FormatError(f"{folder}: holds {len(files)} images, but one is expected")
    except UserError as error:
        if said is None:
            raise
        said.append((folder, _left_out(folder, error)))
        return None
    return files[0]


def _plain(folder: Path) -> list[Path]:
    try:
        return find_images(folder)
    except UserError:
        raise FormatError(
            f"{folder}: no images. Expected one folder per image, with {IMAGES}/ and {MASKS}/ in "
            "it, or image files."
        ) from None


def _nuclei(
    image: Path, shape: tuple[int, int], said: list[Said], clumped: list[Path], strict: bool
) -> Generator[Progress, None, Nuclei]:
    folder = image.parent.parent / MASKS
    if image.parent.name != IMAGES or not folder.is_dir():
        raise FormatError(f"{image}: has no {MASKS}/ folder beside its {IMAGES}/ folder")
    files = sorted(p for p in folder.iterdir() if p.name[0] != ".")
    rows: list[Nucleus] = []
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    known = set(images)
    said += [(p, "left out, not an image") for p in files if p not in known]
    # Small files: most of the time goes into waiting for the disk.
    with ThreadPoolExecutor(4, "masks") as pool:
        for done, (path, found) in enumerate(
            zip(images, pool.map(partial(_tried, shape, strict), images), strict=True)
        ):
            yield Progress(done, len(images))
            for mask in found.masks:
                rows.append(Nucleus(len(rows) + 1, mask, origin=Origin(Kind.IMPORT, path.name)))
            said += [(path, words) for words in found.remarks]
    if len(images) == len(rows) == 1 and len(rows[0].mask.parts()) > 1:
        clumped.append(images[0])
    return Nuclei(shape, rows)


def _tried(shape: tuple[int, int], strict: bool, path: Path) -> Found:
    """Read a mask file; if not `strict`, one that cannot be read has no mask, but a remark."""
    try:
        return read_masks(path, shape)
    except UserError as error:
        if strict:
            raise
        return Found([], (_left_out(path, error),))


def image_ids(data: DataSet) -> list[dict[str, Any]]:
    """Return the list of images and ids that competitions hand out beside test images."""
    return [
        {"file_name": i.file_name, "height": i.height, "id": i.id, "width": i.width}
        for i in data.images
    ]


def gather(
    files: Sequence[Path], folder: Path, copy: bool = False, home: Path | None = None
) -> Iterator[Progress]:
    """Link or copy images into one folder, which is made if it is missing.

    Parameters
    ----------
    copy : bool
        Copy instead of linking; links are also copied where they cannot be made.
    home : path, optional
        Folder of the data set, out of which nothing is copied that is but a link there.

    Raises
    ------
    UserError
        If the folder cannot be written, holds another image of the same name, or a link leads out
        of the data set.
    """
    if copy and home is not None:
        home = home.resolve()
        if astray := next((file for file in files if not lies_in(file, [home])), None):
            raise FormatError(f"{astray} is a link that leads out of {home}: omit --copy")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for done, source in enumerate(files):
            yield Progress(done, len(files), source.name)
            target = folder / source.name
            if target.is_symlink() and not source.parent.samefile(folder):
                target.unlink()
            if target.exists():
                check_same(source, target)
            elif copy or not _linked(source, target):
                shutil.copyfile(source, target)
    except OSError as error:
        raise unwritable(folder, error) from error


def check_same(source: Path, target: Path) -> None:
    """Raise `UserError` where a file of this name is there, and is another one."""
    if not filecmp.cmp(source, target, shallow=False):
        raise FormatError(f"{target} exists already, and differs from {source}")


def _linked(source: Path, target: Path) -> bool:
    try:
        target.symlink_to(source.resolve())
    except OSError:
        return False
    return True
