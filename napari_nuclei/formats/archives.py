"""Zip files: what is in them, read with limits and clear errors."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ..atomic_files import LIMIT, parse_json, read_json, unreadable
from ..errors import FormatError
from .structure import HEAD, UNSURE, kind_of, kind_of_value

DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
"""What reading a damaged, or an encrypted, entry raises."""


LOOKED_AT = 1000
"""JSON files in a zip that are looked into at most."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading.

    Raises
    ------
    UserError
        If it cannot be read, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as z:
            yield z
    except OSError as error:
        raise unreadable(path, error) from error
    except DAMAGED as error:
        raise FormatError(f"{path} is a damaged zip file: write it again") from error


def entries(z: zipfile.ZipFile, *endings: str) -> list[zipfile.ZipInfo]:
    """List the files of these endings, without what macOS adds for itself.

    Raises
    ------
    UserError
        If they are larger, all together, than any file of nuclei.
    """
    found = [e for e in z.infolist() if e.filename.lower().endswith(endings) and _is_own(e)]
    if sum(e.file_size for e in found) > LIMIT:
        raise FormatError(f"{z.filename} holds more than 4 GB: unpack it first")
    return found


def _is_own(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    return not path.name.startswith("._") and "__MACOSX" not in path.parts


def json_entries(z: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the JSON files in a zip."""
    return entries(z, ".json", ".geojson")


def kind_in(z: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str | None:
    """Tell the format of a JSON file in a zip; see `structure.kind_of`."""
    with z.open(entry) as stream:
        kind = kind_of(stream.read(HEAD), entry.file_size <= HEAD)
    if kind != UNSURE:
        return kind
    return kind_of_value(parse_json(z.read(entry), f"{entry.filename} in {z.filename}"))


def json_of(path: Path, kind: str) -> tuple[Any, str]:
    """Read a JSON file, also from inside of a zip, where it must be the only one of its kind.

    Returns
    -------
    object, str
        What it holds, and its name.

    Raises
    ------
    UserError
        If it cannot be read, or there are several.
    """
    if not zipfile.is_zipfile(path):
        return read_json(path), path.name
    with opened(path) as z:
        every = json_entries(z)
        found = [e for e in every[:LOOKED_AT] if kind_in(z, e) == kind] or every
        if not found:
            raise FormatError(f"{path} holds no JSON file: name one that does")
        if len(found) > 1:
            raise FormatError(
                f"{path} holds {len(found)} JSON files: unpack it and name one of them"
            )
        return parse_json(z.read(found[0]), f"{found[0].filename} in {path}"), found[0].filename
