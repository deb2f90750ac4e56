"""Which format a file is of, by what it holds; names only help. Not here: reading it."""

from __future__ import annotations

import csv
import gzip
import zlib
from contextlib import suppress
from pathlib import Path

from ..errors import UserError
from . import archives
from .files import GZIP, read_json, unreadable
from .registry import FORMATS, Format
from .structure import HEAD, UNSURE, kind_of, kind_of_value, text_of


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
        return FORMATS["cellpose"]
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return FORMATS["labels"]
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
    from .run_lengths import IMAGE, PIXELS

    line = text_of(head).lstrip().split("\n", 1)[0].strip()
    try:
        return {IMAGE, PIXELS} <= {name.strip() for name in next(csv.reader([line]), [])}
    except csv.Error:
        return False


def _detect_zip(path: Path) -> Format | None:
    """Tell what a zip holds: ROIs, or JSON of some kind."""
    try:
        with archives.opened(path) as z:
            if archives.entries(z, ".roi"):
                return FORMATS["imagej"]
            some = archives.json_entries(z)[: archives.LOOKED_AT]
            kinds = [archives.kind_in(z, entry) for entry in some]
    except UserError:
        return FORMATS["imagej"]  # damaged, as its reader will say
    return next((FORMATS[k] for k in ("coco", "geojson", "results") if k in kinds), None)


def _detect_folder(folder: Path) -> Format | None:
    if any((folder / "annotations").glob("*.json")) or (folder / "result.json").is_file():
        return FORMATS["coco"]
    try:
        if any((p / "masks").is_dir() for p in folder.iterdir() if p.is_dir()):
            return FORMATS["masks"]
    except OSError:
        return None
    return None
