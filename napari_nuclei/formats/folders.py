"""Folders with a file of nuclei an image: which of their files are read, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import FormatError
from ..images.finding import (
    FOLDER,
    IMAGE_SUFFIXES,
    LINK,
    NO_FILE,
    OWN,
    is_zarr,
    left_out_summary,
    why_not,
)
from ..images.own_outputs import OVERLAY
from ..streams import is_stream
from .detect import detect
from .registry import FORMATS, READABLE, named
from .sidecar import stem_of

NO_NUCLEI, UNMARKED = "not the nuclei of one image, by its extension", "not called a label image"


def files_in(path: Path, source: str | None, remarks: list[str]) -> list[Path]:
    """Return a file, or the files of a folder that is not read as a whole.

    Parameters
    ----------
    source : str, optional
        Name of the format that is wanted.
    remarks : list of str
        Takes a line on what of a folder is left out.

    Raises
    ------
    UserError
        If a folder holds none.
    """
    if not path.is_dir() or is_zarr(path):
        return [path]
    whole = named(source, READABLE) if source else detect(path)
    if whole is not None and not whole.per_image:
        return [path]
    names = [whole.name] if whole else [f.name for f in FORMATS.values() if f.per_image]
    endings = tuple(e for name in names for e in FORMATS[name].endings)
    images = IMAGE_SUFFIXES | {".npz"} if "labels" in names else set()
    files = sorted(
        p
        for p in path.iterdir()
        if p.name.lower().removesuffix(".gz").endswith(endings) or p.suffix.lower() in images
        if not is_stream(p)
    )
    # Of label images only those that are called so: the images themselves may lie beside them.
    marked = [p for p in files if p.suffix.lower() not in images or _is_marked(p)]
    files = marked or files
    files = [p for p in files if p.name[0] != "." and not p.name.lower().endswith(OVERLAY)]
    if not files:
        raise FormatError(f"{path} holds no file of nuclei that can be read: name one")
    other = UNMARKED if "labels" in names else NO_NUCLEI
    if words := left_out_summary(_left_out(path, files, other)):
        remarks.append(f"{path}: left out {words}.")
    return files


def _is_marked(path: Path) -> bool:
    """Whether a file is called as label images are, which OME-TIFF alone does not make it."""
    stem = path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem
    return stem_of(path.with_name(stem + path.suffix)) != stem


def _left_out(folder: Path, taken: Sequence[Path], other: str) -> Iterator[tuple[str, str]]:
    """Tell what of a folder is not read, and why; the images of what is read are no loss."""
    files, stems = set(taken), {stem_of(path) for path in taken}
    for path in folder.iterdir():
        if path in files or path.name[0] == ".":
            continue
        why = why_not(path)
        if why in (LINK, FOLDER, NO_FILE):
            yield path.name, why
        elif why or path.name.lower().endswith(OVERLAY):
            yield path.name, NO_NUCLEI if why else OWN
        elif not {path.stem, stem_of(path)} & stems:
            yield path.name, other
