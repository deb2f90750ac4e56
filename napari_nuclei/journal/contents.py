"""Which images were reviewed on this machine, by their content."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from .away import user_folder
from .fingerprint import Fingerprint

NEAR = 3_000_000_000
"""Ns by which the time of a file may differ once it lies on a disk that keeps it less exactly."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An image that was reviewed: what it was called, and what it held."""

    image: Path
    known: Fingerprint


class _Lines:
    """The lines of one file, which only grows; they are read once."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._read = 0
        self._by_time: dict[int, list[Reviewed]] = defaultdict(list)

    def update(self) -> None:
        """Read what has come since."""
        with self._path.open("rb") as stream:
            stream.seek(self._read)
            data = stream.read()
        end = data.rfind(b"\n") + 1
        self._read += end
        for line in data[:end].splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                known = Fingerprint(self._size, int(row["modified"]), str(row["digest"]))
                self._by_time[known.modified // NEAR].append(Reviewed(Path(row["image"]), known))

    def all(self) -> Iterator[Reviewed]:
        """Yield all of them."""
        return (seen for row in list(self._by_time.values()) for seen in row)

    def near(self, modified: int) -> Iterator[Reviewed]:
        """Yield those of about the same time."""
        at = modified // NEAR
        rows = (self._by_time.get(k, ()) for k in (at - 1, at, at + 1))
        return (seen for row in rows for seen in row if is_near(seen.known.modified, modified))


_files: dict[Path, _Lines] = {}
_busy = threading.Lock()


def _lines(size: int) -> _Lines | None:
    path = user_folder() / "contents" / f"{size}.jsonl"
    try:
        if path not in _files and not path.is_file():
            return None
        with _busy:
            lines = _files.setdefault(path, _Lines(path, size))
            lines.update()
    except OSError:
        return None
    return lines


def is_near(one: int, other: int) -> bool:
    """Whether two times of a file are the same, as exactly as all disks keep them."""
    return abs(one - other) <= NEAR


def seen(size: int, modified: int | None = None) -> list[Reviewed]:
    """List the images of some size that were reviewed, all or those of about one time."""
    lines = _lines(size)
    if lines is None:
        return []
    return list(lines.all() if modified is None else lines.near(modified))


def remember(image: Path, known: Fingerprint) -> None:
    """Note that an image with this content has a review; failing costs only a later hint."""
    new = Reviewed(image.absolute(), known)
    if new in seen(known.bytes, known.modified):
        return
    row = {"digest": known.digest, "modified": known.modified, "image": str(new.image)}
    path = user_folder() / "contents" / f"{known.bytes}.jsonl"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=5), path.open("ab") as stream:
            stream.write(json.dumps(row).encode() + b"\n")
