"""Files of nuclei → one data set → files of another format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ..collector import without_collector
from ..errors import FormatError, UserError
from ..nuclei import ImageRecord, Nuclei
from ..nuclei.shape_edits import pieces
from ..wording import worded
from .categories import with_ids
from .dataset import DataSet
from .detect import detect
from .folders import files_in
from .format import Format, function
from .image_sizes import check_sizes
from .images_of import find_images_of, numbered
from .registry import READABLE, named, odd_ending, target_of
from .sidecar import Sidecar
from .writing import write

T = TypeVar("T")
Read = tuple[ImageRecord, Nuclei]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was converted.

    Attributes
    ----------
    images, nuclei : int
        How many were written.
    source, target : str
        Names of the formats.
    written : list of Path
        Files and folders.
    remarks : list of str
        What the target cannot hold, and what was left out.
    failed : list of str
        Why files could not be read, one line each.
    """

    images: int
    nuclei: int
    source: str
    target: str
    written: list[Path]
    remarks: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def convert(
    paths: Path | Sequence[Path],
    out: Path,
    to: str | None = None,
    *,
    source: str | None = None,
    images: Path | None = None,
    image_ids: Path | None = None,
    pixel_size: float | None = None,
    strict: bool = False,
    split: bool = False,
) -> Converted:
    """Read files of nuclei and write them in another format.

    Parameters
    ----------
    paths : path or sequence of paths
        Files, or folders, all of the same format.
    out : path
        What to write: a file, or a folder for formats with a file an image.
    to, source : str, optional
        Names of formats (see `registry.FORMATS`); by default told by the ending of `out`, and
        by what the files hold.
    images : path, optional
        Folder of the images; by default they are looked for beside the files.
    image_ids : path, optional
        A competition's list of images or a COCO file, for names and ids.
    pixel_size : float, optional
        Side of a pixel in µm.
    strict : bool
        Whether a broken entry is an error; otherwise it is left out or mended, with a remark,
        and of several files those that cannot be read are left out.
    split : bool
        Make each separate piece of a nucleus one of its own, as masks of one value want it.

    Returns
    -------
    Converted

    Raises
    ------
    UserError
        If something cannot be read or written, or would be lost without a word.
    """
    given = [paths] if isinstance(paths, Path) else list(paths)
    target = target_of(out, to, "--to")
    if out.exists() and any(p.exists() and out.samefile(p) for p in given):
        raise FormatError(f"{out} is one of the input files: name another output")
    sidecar = Sidecar(images, pixel_size, strict=strict, split=split)
    data, found = read(given, sidecar, source)
    if image_ids is not None:
        data = numbered(data, image_ids, given[0], sidecar)
    sidecar.remarks += filter(None, [odd_ending(out, target)])
    written = write(out, data, target, sidecar)
    nuclei = sum(1 for image in data.images for _ in data.of(image).shown())
    remarks = list(dict.fromkeys(sidecar.remarks))
    return Converted(
        len(data.images), nuclei, found.name, target.name, written, remarks, sidecar.failed
    )


def read(
    paths: Sequence[Path], sidecar: Sidecar, source: str | None = None, compare: bool = True
) -> tuple[DataSet, Format]:
    """Read files of nuclei, whatever their format.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders, all of the same format. Of a format with a file an image there may be
        many; they are numbered from 1 on.
    sidecar : Sidecar
        Where images lie; takes remarks, and the images that are found.
    source : str, optional
        Name of the format; found out by default.
    compare : bool
        Whether the images that are at hand must be of the sizes that a file of many says.

    Raises
    ------
    UserError
        If none of them can be read, one is of another format than the rest, or an image is at
        hand and of another size.
    """
    files = [file for path in paths for file in files_in(path, source, sidecar.remarks)]
    if not files:
        raise FormatError("no input was named: name a file of nuclei")
    files, formats = _with_formats(files, source, sidecar)
    first = formats[0]
    if other := next((k for k, f in enumerate(formats) if f != first), None):
        raise FormatError(
            f"{files[0]} is {first.title}, {files[other]} is {formats[other].title}: convert "
            "them separately"
        )
    reader = function(first.reader)
    if len(files) > 1 and not first.per_image:
        raise FormatError(f"{first.title} holds many images already: name one file of it")
    sidecar.known = sidecar.homes = None
    data: DataSet
    with without_collector():
        if first.per_image:
            each = _read_each(files, reader, sidecar)
            data = _together(each, sidecar)
            find_images_of(data, [file for file, _ in each], sidecar)
        else:
            data = reader(files[0], sidecar)
            if sidecar.known is None:
                find_images_of(data, files * len(data.images), sidecar, compare)
        return (_in_pieces(data) if sidecar.split else data), first


def _in_pieces(data: DataSet) -> DataSet:
    """Make each separate piece of a nucleus one of its own; the largest keeps the id."""
    for nuclei in data.nuclei.values():
        if edit := pieces(nuclei, [n.id for n in nuclei]):
            edit.apply_to(nuclei)
    return data


def _detected(path: Path) -> Format:
    found = detect(path)
    if found is None:
        raise FormatError(
            f"{path} is not a readable file of nuclei"
            + worded(
                f": name its format with --from ({', '.join(READABLE)}) if it is one",
                f": name its format with format= ({', '.join(READABLE)}) if it is one",
                "",
            )
        )
    return found


def _with_formats(
    files: list[Path], source: str | None, sidecar: Sidecar
) -> tuple[list[Path], list[Format]]:
    """Return the files that are of a format, and which."""
    if source:
        return files, [named(source, READABLE)] * len(files)
    found = [
        (file, format) for file in files if (format := _tried(_detected, file, files, sidecar))
    ]
    if not found:
        raise FormatError(sidecar.failed[0])
    return [file for file, _ in found], [format for _, format in found]


def _read_each(files: list[Path], reader: Any, sidecar: Sidecar) -> list[tuple[Path, Read]]:
    """Read files of an image each; what cannot be read does not stop the others."""
    out = []

    def of_its_size(path: Path) -> Read:
        image, nuclei = reader(path, sidecar)
        sidecar.remarks += check_sizes([image], sidecar.locate(path, [image]).files, path)
        return image, nuclei

    for file in files:
        found = _tried(of_its_size, file, files, sidecar)
        if found is not None:
            out.append((file, found))
    if not out:
        raise FormatError(sidecar.failed[0])
    return out


def _tried(
    do: Callable[[Path], T], file: Path, files: Sequence[Path], sidecar: Sidecar
) -> T | None:
    """Do something with one of several files; None if it fails, which is noted."""
    try:
        return do(file)
    except UserError as error:
        if sidecar.strict or len(files) == 1:
            raise
        sidecar.failed.append(str(error))
        return None


def _together(read: list[tuple[Path, Read]], sidecar: Sidecar) -> DataSet:
    out = DataSet([], {}, categories=())
    names: dict[str, Path] = {}
    for id, (file, (image, nuclei)) in enumerate(read, 1):
        if image.file_name in names:
            raise FormatError(
                f"{names[image.file_name]} and {file} both belong to the image "
                f"{image.file_name}: convert one of them"
            )
        names[image.file_name] = file
        out.images.append(replace(image, id=id))
        out.nuclei[id] = nuclei
    known = (sidecar.categories[name] for name in out.in_use if name in sidecar.categories)
    out.categories = with_ids(known, out.in_use)
    return out
