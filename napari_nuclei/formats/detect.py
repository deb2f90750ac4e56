"""Which format a file is of, by what it holds; names only help."""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import suppress
from pathlib import Path

from ..atomic_files import GZIP, read_json, unreadable
from ..errors import UserError
from ..images.decoders import TIFF_MAGIC
from ..images.finding import is_zarr
from . import archives
from .format import Format
from .registry import FORMATS
from .sidecar import stem_of
from .structure import HEAD, UNSURE, kind_of, kind_of_value, text_of

PICTURE_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"\0\0\0\x0cjP")
"""How PNG, JPEG, BMP, GIF and JPEG 2000 begin."""


def detect(path: Path) -> Format | None:
    """Tell a file's format by what it holds; None if it is none of these.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    if path.is_dir():
        return _detect_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise unreadable(path, error) from error
    if head[:6] == b"\x93NUMPY":
        # Cellpose saves a Python object; a plain array of numbers is a label image.
        return FORMATS["cellpose" if re.search(rb"'descr':\s*'\|?O'", head[:256]) else "labels"]
    if head.startswith(TIFF_MAGIC):
        return FORMATS["labels"]
    if head.startswith(PICTURE_MAGIC):  # mostly an image: labels only where it is called so
        return FORMATS["labels"] if stem_of(path) != path.stem else None
    if head[:4] == b"Iout":
        return FORMATS["imagej"]
    if head[:4] == b"PK\3\4" or head[:4] == b"PK\5\6":
        return _detect_zip(path)
    is_packed = head[:2] == GZIP
    if is_packed:
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
            head = stream.read(HEAD)
    if text_of(head[:64]).lstrip()[:1] in ("{", "["):
        return _detect_json(head, path)
    return FORMATS["dsb"] if _is_dsb(head) and not is_packed else None


def _detect_json(head: bytes, path: Path) -> Format | None:
    kind = kind_of(head, len(head) < HEAD)
    if kind == UNSURE:  # may say it further down
        try:
            kind = kind_of_value(read_json(path))
        except UserError:
            return None
    if kind is None and ".geojson" in "".join(path.suffixes).lower():
        kind = "geojson"
    return None if kind is None else FORMATS[kind]


def _is_dsb(head: bytes) -> bool:
    from .run_lengths import form_of

    return form_of(head) is not None


def _detect_zip(path: Path) -> Format | None:
    """Tell what a zip holds: ROIs, JSON of some kind, or arrays."""
    if is_zarr(path):
        return FORMATS["labels"]
    try:
        with archives.opened(path) as z:
            if archives.entries(z, ".roi"):
                return FORMATS["imagej"]
            if archives.entries(z, ".npy"):
                return FORMATS["labels"]
            kinds: list[str | None] = []
            for entry in archives.json_entries(z)[: archives.LOOKED_AT]:
                with suppress(UserError):  # one that is no JSON
                    kinds.append(archives.kind_in(z, entry))
    except UserError:
        return FORMATS["imagej"]  # damaged, as its reader will say
    return next((FORMATS[k] for k in ("coco", "geojson", "results") if k in kinds), None)


def _detect_folder(folder: Path) -> Format | None:
    if is_zarr(folder):
        from ..images.zarr_files import holds_labels

        return FORMATS["labels"] if holds_labels(folder) else None
    if any((folder / "annotations").glob("*.json")) or (folder / "result.json").is_file():
        return FORMATS["coco"]
    try:
        if any((p / "masks").is_dir() for p in folder.iterdir() if p.is_dir()):
            return FORMATS["masks"]
    except OSError:
        return None
    return None
