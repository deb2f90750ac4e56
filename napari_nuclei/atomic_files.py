"""Whole files: written completely or not at all, and JSON read with clear errors."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from . import streams
from .errors import FileError, UserError

GZIP = b"\x1f\x8b"
"""How compressed files begin."""

LIMIT = 1 << 32
"""Bytes of a compressed file's contents that are read at most."""

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "your disk quota is used up: free some space and try again",
    errno.EACCES: "no permission to write there: choose another place",
    errno.EPERM: "no permission to write there: choose another place",
    errno.EROFS: "the disk is read-only: choose another place",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ENOTDIR: "part of the path is a file, not a folder: choose another place",
}


def unwritable(path: Path, error: OSError) -> UserError:
    """Say in one line why a file cannot be written."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return FileError(f"cannot write {path}: {reason}")


def unreadable(path: str | os.PathLike[str], error: OSError) -> UserError:
    """Say in one line why a file cannot be read."""
    missing = isinstance(error, FileNotFoundError)
    return FileError(
        f"cannot read {path}: {'there is no such file' if missing else error.strerror or error}"
    )


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends without an error.

    Parameters
    ----------
    path : path
        In a folder that exists. What is there already stays untouched until then, and for
        good if the block fails. A pipe or ``/dev/stdout`` gets all of it then.

    Yields
    ------
    BinaryIO
        Writable and seekable.

    Raises
    ------
    UserError
        If the folder is missing, cannot be written, or the disk is full.
    """
    shown = Path(path)
    if streams.is_stream(shown):
        with streams.filling(shown) as stream:
            yield stream
        return
    target = shown.resolve()  # a link stays a link, its target is replaced
    try:
        if target.is_dir():
            raise FileError(f"cannot write {shown}: it is a folder; name a file in it")
        if not target.parent.exists():
            raise FileError(
                f"cannot write {shown}: the folder {shown.parent} does not exist; create it first"
            )
        with _beside(target) as stream:
            yield stream
    except OSError as error:
        raise unwritable(shown, error) from error


@contextmanager
def _beside(target: Path) -> Iterator[BinaryIO]:
    # Not tempfile: its files can be read by their owner alone, and would stay so.
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


ODD = "backslashreplace"
"""How text is encoded: file names that are no UTF-8 have letters that UTF-8 does not know.

What becomes of them is also how JSON writes them.
"""


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as JSON, whole or not at all; see `replacing` for the errors.

    What is called ``….gz`` is compressed.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = text.encode("utf-8", ODD)
    if Path(path).suffix.lower() == ".gz":
        data = gzip.compress(data, 6, mtime=0)
    with replacing(path) as stream:
        stream.write(data)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file, which may be compressed by gzip.

    NaN and infinite numbers, which JSON does not have but some programs write, are read as such.

    Raises
    ------
    UserError
        If it cannot be read, or is not JSON.
    """
    name = streams.name_of(Path(path))
    try:
        data = streams.content_of(Path(path))
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_json(unpacked(data, name), name)


def unpacked(data: bytes, path: str | os.PathLike[str]) -> bytes:
    """Return what gzip has compressed; all else as it is.

    Raises
    ------
    UserError
        If it is damaged, or larger than any file of nuclei.
    """
    if data[: len(GZIP)] != GZIP:
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            out = stream.read(LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path} is damaged or cut short: write it again") from error
    if len(out) > LIMIT:
        raise FileError(f"{path} holds more than 4 GB: unpack it first")
    return out


def parse_json(data: bytes, path: str | os.PathLike[str]) -> Any:
    """Make sense of a JSON file's bytes; see `read_json`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise FileError(
            f"{path} is not a JSON file, or is cut short{where}: write it again"
        ) from error
