"""Files of nuclei → one data set → files of another format.

Here: reading whatever is given, numbering images as a list of ids has them. Not here: formats
(`registry.py` knows them), the command line (`commands/convert.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from ..collector import without_collector
from ..errors import UserError
from ..images.finding import IMAGE_SUFFIXES, is_zarr
from ..shape_edits import pieces
from .beside import Beside
from .dataset import DataSet, ImageRecord
from .detect import detect
from .registry import FORMATS, READABLE, WRITABLE, Format, by_ending, function, named, write


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
    """

    images: int
    nuclei: int
    source: str
    target: str
    written: list[Path]
    remarks: list[str] = field(default_factory=list)


def convert(
    paths: Path | Sequence[Path],
    out: Path,
    to: str | None = None,
    *,
    source: str | None = None,
    images: Path | None = None,
    image_ids: Path | None = None,
    pixel_size: float | None = None,
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
    target = named(to, WRITABLE) if to else by_ending(out.name)
    if target is None:
        raise UserError(f"{out} does not say its format by its ending: name one with --to")
    if out.exists() and any(p.exists() and out.samefile(p) for p in given):
        raise UserError(f"{out} is one of the files to read: name another one to write")
    beside = Beside(images, pixel_size, split=split)
    data, found = read(given, beside, source)
    if image_ids is not None:
        data = numbered(data, image_ids)
    if beside.images is None:
        beside.images = _folder_of(given, data, beside)
    written = write(out, data, target, beside)
    nuclei = sum(1 for image in data.images for _ in data.of(image).shown())
    remarks = list(dict.fromkeys(beside.remarks))
    return Converted(len(data.images), nuclei, found.name, target.name, written, remarks)


def _folder_of(given: list[Path], data: DataSet, beside: Beside) -> Path | None:
    """Return where the first image lies, for writers that want pixels."""
    if not data.images:
        return None
    found = beside.image(given[0], data.images[0].file_name)
    return found.parent if found else None


def read(
    paths: Sequence[Path], beside: Beside, source: str | None = None
) -> tuple[DataSet, Format]:
    """Read files of nuclei, whatever their format.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders, all of the same format. Of a format with a file an image there may be
        many; they are numbered from 1 on.
    beside : Beside
        Where images lie; takes remarks.
    source : str, optional
        Name of the format; found out by default.

    Raises
    ------
    UserError
        If one is of none of the formats, of another one than the rest, or broken.
    """
    files = [file for path in paths for file in _files(path, source)]
    if not files:
        raise UserError("nothing to read was named: name a file of nuclei")
    formats = [named(source, READABLE) if source else _detected(file) for file in files]
    first = formats[0]
    if other := next((k for k, f in enumerate(formats) if f != first), None):
        raise UserError(
            f"{files[0]} is {first.title}, {files[other]} is {formats[other].title}: "
            "convert them one after the other"
        )
    reader = function(first.reader)
    with without_collector():
        if first.per_image:
            data = _together([reader(file, beside) for file in files], files)
        elif len(files) > 1:
            raise UserError(f"{first.title} holds many images already: name one file of it")
        else:
            data = reader(files[0], beside)
        return (_in_pieces(data) if beside.split else data), first


def _in_pieces(data: DataSet) -> DataSet:
    """Make each separate piece of a nucleus one of its own; the largest keeps the id."""
    for nuclei in data.nuclei.values():
        if edit := pieces(nuclei, [n.id for n in nuclei]):
            nuclei.apply(edit)
    return data


def _files(path: Path, source: str | None) -> list[Path]:
    """Return a file, or the files of a folder that is not read as a whole."""
    if not path.is_dir() or is_zarr(path):
        return [path]
    whole = named(source, READABLE) if source else detect(path)
    if whole is not None and not whole.per_image:
        return [path]
    names = [whole.name] if whole else [f.name for f in FORMATS.values() if f.per_image]
    endings = tuple(e for name in names for e in FORMATS[name].endings)
    images = IMAGE_SUFFIXES | {".npz"} if "labels" in names else set()
    entries = sorted(path.iterdir())
    files = [p for p in entries if p.name.lower().endswith(endings) or p.suffix.lower() in images]
    # Of label images only those that are called so: the images themselves may lie beside them.
    marked = [p for p in files if p.suffix.lower() not in images or _is_marked(p)]
    files = marked or files
    files = [p for p in files if p.name[0] != "."]
    if not files:
        raise UserError(f"{path} holds no file of nuclei that can be read: name one")
    return files


def _is_marked(path: Path) -> bool:
    from .beside import stem_of

    return stem_of(path) != path.stem


def _detected(path: Path) -> Format:
    found = detect(path)
    if found is None:
        raise UserError(
            f"{path} is not a file of nuclei that can be read: name its format with --from "
            f"({', '.join(READABLE)}) if it is one"
        )
    return found


def _together(read: list[tuple[ImageRecord, object]], files: list[Path]) -> DataSet:
    out = DataSet([], {})
    names: dict[str, Path] = {}
    for id, ((image, nuclei), file) in enumerate(zip(read, files, strict=True), 1):
        if image.file_name in names:
            raise UserError(
                f"{names[image.file_name]} and {file} are both of the image {image.file_name}: "
                "convert one of them"
            )
        names[image.file_name] = file
        out.images.append(replace(image, id=id))
        out.nuclei[id] = nuclei  # type: ignore[assignment]
    return out


def numbered(data: DataSet, image_ids: Path) -> DataSet:
    """Give images the names and ids of a competition's list, in its order.

    Raises
    ------
    UserError
        If an image is not listed, listed with another size, or its name is not clear.
    """
    from .results import read_image_ids

    listed = read_image_ids(image_ids)
    names: dict[str, list[ImageRecord]] = {}
    for record in listed:
        name = PurePath(record.file_name)
        for key in {name.name, name.stem, f"image {record.id}"}:
            names.setdefault(key, []).append(record)
    out = DataSet([], {}, data.about, data.categories)
    for image in data.images:
        name = PurePath(image.file_name.replace("\\", "/"))
        found = names.get(name.name) or names.get(name.stem) or []
        if len(found) != 1:
            problem = "lists more than once" if found else "does not list"
            raise UserError(f"{image_ids} {problem} the image {image.file_name}")
        (record,) = found
        if record.shape != image.shape:
            raise UserError(
                f"{image_ids} says that {record.file_name} is {record.height}×{record.width} px, "
                f"but its nuclei are of an image of {image.height}×{image.width}"
            )
        if record.id in out.nuclei:
            raise UserError(f"two images are {record.file_name} of {image_ids}: convert one")
        out.images.append(replace(image, id=record.id, file_name=record.file_name))
        out.nuclei[record.id] = data.of(image)
    order = {record.id: k for k, record in enumerate(listed)}
    out.images.sort(key=lambda i: order[i.id])
    return out
