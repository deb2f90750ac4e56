"""Pipes, devices and the streams of this process, read and written as if they were files."""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import FileError, UserError

STDIN, STDOUT = Path("/dev/stdin"), Path("/dev/stdout")
"""What ``-`` stands for."""

_NUMBERED = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_NAMED = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def _descriptor(path: Path) -> int | None:
    """Return the number of an open file of this process that a path stands for."""
    text = path.as_posix()
    numbered = _NUMBERED.fullmatch(text)
    return int(numbered[1]) if numbered else _NAMED.get(text)


def is_stream(path: Path) -> bool:
    """Whether a path is no file or folder that can be replaced, or read twice."""
    if _descriptor(path) is not None:
        return True
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:
        return False


def name_of(path: Path) -> str:
    """Return what a person calls it."""
    number = _descriptor(path)
    return ("stdin", "stdout", "stderr")[number] if number in (0, 1, 2) else str(path)


def check_open(path: Path) -> None:
    """Find out before the work whether a stream of this process takes anything.

    Raises
    ------
    UserError
        If it is closed.
    """
    number = _descriptor(path)
    if number is None:
        return
    try:
        closed = number == 1 and sys.__stdout__ is None  # its number may be another file's by now
        os.fstat(number)
    except OSError:
        closed = True
    if closed:
        raise FileError(f"cannot write to {name_of(path)}: it is closed")


@contextmanager
def filling(path: Path) -> Iterator[BinaryIO]:
    """Open what is written to a stream as a whole when the block ends without an error.

    Yields
    ------
    BinaryIO
        Writable and seekable, which streams are not.

    Raises
    ------
    BrokenPipeError
        If nobody reads it any more.
    UserError
        If it cannot be written.
    """
    check_open(path)
    content = io.BytesIO()
    yield content
    try:
        number = _descriptor(path)
        if number == 1 and hasattr(sys.stdout, "buffer"):
            sys.stdout.flush()
            sys.stdout.buffer.write(content.getbuffer())
            sys.stdout.buffer.flush()
            return
        opened = path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")
        with opened as stream:
            stream.write(content.getbuffer())
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"cannot write to {name_of(path)}: {error.strerror or error}") from error


def content_of(path: Path) -> bytes:
    """Return all bytes of a file or stream. Raises `OSError`."""
    if _descriptor(path) == 0 and hasattr(sys.stdin, "buffer"):
        return sys.stdin.buffer.read()
    return path.read_bytes()


@contextmanager
def at_rest(path: Path) -> Iterator[Path]:
    """Yield a file that can be read again and again: of a stream, a copy of all that comes.

    Raises
    ------
    UserError
        If nothing comes, or what the block raises, with the stream's own name.
    """
    if not is_stream(path):
        yield path
        return
    name = name_of(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, Path(name).name)
        try:
            copy.write_bytes(content_of(path))
        except OSError as error:
            raise FileError(f"cannot read {name}: {error.strerror or error}") from error
        if not copy.stat().st_size:
            raise FileError(f"nothing came from {name}")
        try:
            yield copy
        except UserError as error:
            raise FileError(str(error).replace(str(copy), name)) from error
