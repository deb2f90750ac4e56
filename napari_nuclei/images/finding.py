"""Which files of a folder, or of a pattern, are images; and what was left out of them, and why."""

from __future__ import annotations

import glob
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import ImageError
from .own_outputs import is_own_output

IMAGE_SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .tif .tiff .btf .tf2 .tf8 .lsm .svs .ndpi .scn .stk .qptiff "
    ".bmp .dib .gif .webp .jp2 .j2k .jpx .pgm .ppm .pbm .pnm .tga .zarr .ozx".split()
)
"""Endings that count as images when a folder or a pattern is searched; lower case."""

OTHER_SUFFIXES = frozenset(
    ".czi .lif .nd2 .oib .oif .oir .vsi .mrxs .bif .ims .zvi .dv .sld .dcm .dicom .heic .heif "
    ".avif .jxl .svg .pdf .eps .ps .psd .xcf .exr .nii .nrrd .mha .mhd .mrc .h5 .hdf5 .n5 .npy "
    ".npz .dng .nef .cr2 .cr3 .arw .raw .flex .c01 .mp4 .avi .mov .mkv".split()
)
"""Endings of images, or of what may hold some, that are not read."""

ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files by which a folder is known to be a zarr."""

MAX_NAMED = 10
"""Files that are named in a line; of more only the number is given."""

OWN, LINK, OTHER, FOLDER, NO_IMAGE, NO_FILE = (
    "written by napari-nuclei: name it explicitly if you mean it",
    "broken link",
    "unsupported format: export it as OME-TIFF",
    "folder, not searched",
    "not an image, by its extension",
    "pipe or device: name it explicitly",
)
"""Why something is left out, as a person reads it."""


def find_images(
    paths: str | Path | Iterable[str | Path], remarks: list[str] | None = None
) -> list[Path]:
    """List the image files that paths, folders and patterns stand for.

    Parameters
    ----------
    paths : path or iterable of paths
        Files (taken whatever their ending), folders (searched for `IMAGE_SUFFIXES`, not
        below, hidden files skipped) or patterns such as ``"scans/*.tif"``.
    remarks : list of str, optional
        Takes a line for each folder and pattern of which something was left out.

    Returns
    -------
    list of Path
        In the order given, each folder's and pattern's files in natural order, none twice.

    Raises
    ------
    UserError
        If one of them does not exist or stands for no image.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise ImageError("no image was named: name a file, a folder or a pattern")
    said = [] if remarks is None else remarks
    found: dict[Path, Path] = {}
    for path in (path for item in given for path in _find(item, said)):
        found.setdefault(path.absolute(), path)
    return list(found.values())


def _find(item: str | Path, remarks: list[str]) -> list[Path]:
    path = Path(item).expanduser()
    if is_zarr(path):
        return [path]
    if path.is_dir():
        try:
            entries = list(path.iterdir())
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
        return _images_of(path, entries, "no image in this folder", remarks)
    if path.exists():
        return [path]
    if path.is_symlink():
        raise ImageError(f"{path}: a broken link, its target is missing")
    if not glob.has_magic(str(path)):
        raise ImageError(f"{path}: no such file or folder")
    matches = [Path(match) for match in glob.glob(str(path))]
    if matches and all(map(is_own_output, matches)):
        return sorted(matches, key=_natural)  # a pattern of these alone means them
    return _images_of(path, matches, "no image matches", remarks)


def _images_of(place: Path, entries: list[Path], none: str, remarks: list[str]) -> list[Path]:
    """Return the images among these; remark on the others."""
    images: list[Path] = []
    left_out: list[tuple[str, str]] = []
    for entry in entries:
        if entry.name[0] == ".":
            continue
        why = why_not(entry) or (OWN if is_own_output(entry) else "")
        if why:
            left_out.append((entry.name, why))
        else:
            images.append(entry)
    words = left_out_summary(left_out)
    if not images:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"{place}: {none} ({words or f'looked for {endings}'})")
    if words:
        remarks.append(f"{place}: left out {words}.")
    return sorted(images, key=_natural)


def why_not(path: Path) -> str:
    """Say why an entry of a folder is not taken for an image; empty if it is taken."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return "" if is_zarr(path) else FOLDER
    if not path.is_file():  # a pipe would be waited for
        return LINK if not path.exists() else NO_FILE
    if suffix in IMAGE_SUFFIXES or is_zarr(path):
        return ""
    return OTHER if suffix in OTHER_SUFFIXES else NO_IMAGE


def left_out_summary(entries: Iterable[tuple[str, str]]) -> str:
    """Name what was left out and why: the first ten, then a number.

    Parameters
    ----------
    entries : iterable of (name, reason)
        Reasons are said once each, in the order in which they come up.
    """
    listed = sorted(entries, key=lambda entry: (_ORDER.get(entry[1], 0), _natural(Path(entry[0]))))
    if not listed:
        return ""
    reasons: dict[str, list[str]] = {}
    for name, why in listed[:MAX_NAMED]:
        reasons.setdefault(why, []).append(name)
    words = "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())
    if len(listed) > MAX_NAMED:
        words += f"; and {len(listed) - MAX_NAMED:,} more"
    return f"{len(listed):,}: {words}"


_ORDER = {OWN: 0, LINK: 1, NO_FILE: 1, OTHER: 2, NO_IMAGE: 3, FOLDER: 4}


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group, or a zip file holds one."""
    if path.is_dir():
        return any((path / mark).is_file() for mark in ZARR_MARKS)
    return is_zarr_zip(path)


def is_zarr_zip(path: Path) -> bool:
    """Whether a file is a zip with a zarr in it, at its top or in its only folder."""
    if path.suffix.lower() not in (".zip", ".ozx") or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return path.name.lower().endswith((".zarr.zip", ".ozx"))  # opening it says what is wrong
    return any(n.rpartition("/")[2] in ZARR_MARKS and n.count("/") < 2 for n in names)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key in which "b2" comes before "b10"; the plain path breaks ties."""
    parts = re.split(r"([0-9]+)", str(path).casefold())
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], str(path)
