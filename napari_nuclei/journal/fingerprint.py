"""What tells whether an image is still the same, wherever it lies and whatever it is called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

from numpy.typing import NDArray

_WHOLE = 64 << 20  # bytes of a file up to which all of it is hashed
_SOON = 8 << 20  # bytes of a file up to which nobody notices that it is hashed
_MOST = 1024  # hashes that are remembered
_FILES = 256  # files of a folder that count
_PIECES = 16  # of these, files whose content counts
_SMALL = 64 << 10  # bytes of a file whose content counts in any case


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether a file is still the same.

    Attributes
    ----------
    bytes : int
        Its size.
    modified : int
        Time of its last change in ns.
    digest : str
        SHA-256 of the file; above 64 MiB of its first and last 32 MiB; of a folder (a zarr) of
        the names and sizes of its first 256 files, the content of the small ones of these, and
        of 16 others.
    """

    bytes: int
    modified: int
    digest: str = ""

    @classmethod
    def of(cls, path: Path, digest: bool = True) -> Fingerprint:
        """Look at a file. Raises `OSError`."""
        about = path.stat()
        key = path.absolute(), about.st_size, about.st_mtime_ns
        return cls(about.st_size, about.st_mtime_ns, _known_digest(key) if digest else "")

    def looks_like(self, other: Fingerprint) -> bool:
        """Whether size and time are the same, so that nobody needs to read the file."""
        return (self.bytes, self.modified) == (other.bytes, other.modified)


def is_soon_hashed(path: Path) -> bool:
    """Whether a window may wait for a file's hash: it is small, or hashed. Raises `OSError`."""
    about = path.stat()
    if about.st_size <= _SOON and not path.is_dir():
        return True
    return (path.absolute(), about.st_size, about.st_mtime_ns) in _hashed


def fingerprint_soon(path: Path) -> Future[Fingerprint]:
    """Have a file hashed: at once if it is small, else by a thread."""
    found: Future[Fingerprint] = Future()

    def work() -> None:
        try:
            found.set_result(Fingerprint.of(path))
        except OSError as error:
            found.set_exception(error)

    try:
        soon = is_soon_hashed(path)
    except OSError:
        soon = True
    if soon:
        work()
    else:
        Thread(target=work, name="journal-hash", daemon=True).start()
    return found


_hashed: dict[tuple[Path, int, int], str] = {}  # each plane of a stack asks for it


def _known_digest(key: tuple[Path, int, int]) -> str:
    found = _hashed.get(key)
    if found is None:
        found = _digest(*key[:2])
        while len(_hashed) >= _MOST:
            _hashed.pop(next(iter(_hashed)), None)
        _hashed[key] = found
    return found


def _digest(path: Path, size: int) -> str:
    out = hashlib.sha256()
    if path.is_dir():
        for piece in _pieces(path):
            out.update(piece)
        return out.hexdigest()
    with path.open("rb") as stream:
        if size <= _WHOLE:
            out.update(stream.read())
        else:
            out.update(stream.read(_WHOLE // 2))
            stream.seek(-(_WHOLE // 2), os.SEEK_END)
            out.update(stream.read())
    return out.hexdigest()


def _pieces(folder: Path) -> Iterator[bytes]:
    """Yield what a folder is known by: a huge one is not read as a whole."""
    files = list(islice(_files(folder), _FILES))
    sizes = [path.stat().st_size for path in files]
    large = [k for k, size in enumerate(sizes) if size > _SMALL]
    read = {k for k, size in enumerate(sizes) if size <= _SMALL}
    read |= set(large[:: max(1, len(large) // _PIECES)])
    for k, (path, size) in enumerate(zip(files, sizes, strict=True)):
        yield f"{path.relative_to(folder).as_posix()} {size}\n".encode("utf-8", "surrogatepass")
        if k in read:
            yield path.read_bytes()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those in it, in an order that is always the same."""
    found = sorted(p for p in folder.iterdir() if not p.name.startswith(".napari"))
    yield from (path for path in found if not path.is_dir())
    for path in found:
        if path.is_dir():
            yield from _files(path)


def digest_of_pixels(pixels: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's shape, type and values."""
    import numpy as np

    array = np.ascontiguousarray(pixels)
    out = hashlib.sha256(f"{array.shape} {array.dtype.str} ".encode())
    out.update(array.view(np.uint8).reshape(-1).data if array.size else b"")
    return out.hexdigest()
