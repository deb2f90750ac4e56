"""Which format a file is of, by its first bytes; names only help. Not here: reading it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from ..images.decoders import TIFF_MAGIC
from ..images.finding import is_zarr
from .beside import stem_of
from .files import unreadable
from .registry import FORMATS, Format

HEAD = 1 << 16
"""Bytes of a file that are looked at."""

PICTURE_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"\0\0\0\x0cjP")
"""How PNG, JPEG, BMP, GIF and JPEG 2000 begin."""


def detect(path: Path) -> Format | None:
    """Tell a file's format by its first bytes and its ending; None if it is none of these.

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
        return FORMATS[_of_zip(path)]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in (b"{", b"["):
        return _detect_json(text, path)
    if b"EncodedPixels" in text.split(b"\n", 1)[0]:
        return FORMATS["dsb"]
    return None


def _detect_json(text: bytes, path: Path) -> Format | None:
    is_list = text.startswith(b"[")
    if path.suffix.lower() == ".geojson" or b'"Feature' in text or b'"geometry"' in text:
        return FORMATS["geojson"]
    if is_list and (b'"image_id"' in text or text.strip() == b"[]"):
        return FORMATS["results"]
    words = (b'"images"', b'"annotations"', b'"segmentation"', b'"categories"', b'"info"')
    if not is_list and any(word in text for word in words):
        return FORMATS["coco"]
    if not is_list and len(text) == HEAD:  # may say it further down
        try:
            keys = json.loads(path.read_bytes()).keys()
        except (ValueError, OSError):
            return None
        return FORMATS["coco"] if {"images", "annotations"} <= keys else None
    return None


def _of_zip(path: Path) -> str:
    if is_zarr(path):
        return "labels"
    try:
        with zipfile.ZipFile(path) as z:
            names = z.namelist()
    except (zipfile.BadZipFile, OSError):
        return "imagej"
    if names and all(name.endswith(".npy") for name in names):
        return "labels"
    return "coco" if any(name.endswith(".json") for name in names) else "imagej"


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
