"""`Journal`: the file in which every edit of a review is kept, for good.

Here: appending to it, and telling when the disk fails. Not here: opening one
(`opening.py`), what its lines say (`lines.py`), where it lies
(`place.py`), writing to disks that fail (`safe_file.py`).

The first line says of which image it is and with which nuclei the review began. Each other
line is an edit, an undo, a redo, or the image's new fingerprint; ``n`` counts them. A
snapshot beside it saves replaying a long beginning, and may be thrown away at any time.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from psygnal import Signal

from ..edit import Edit, login_name
from ..errors import UserError
from ..formats.files import replacing, unwritable
from ..history import History
from ..nuclei import Nuclei
from .lines import edit_row, nuclei_row
from .place import Claim, Plane, rescue
from .safe_file import KEEPER, SafeFile

VERSION = 1
OFTEN = 4 << 20
"""Bytes of journal after which a snapshot is made while the review goes on."""
LEAST = 64 << 10
"""Bytes of journal that make a snapshot worthwhile when the review is closed."""
CHECKED = 4096
"""Bytes before the end of a beginning, whose CRC-32 tells it from another one."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a journal is about: one plane of one image.

    Attributes
    ----------
    shape : (int, int)
        Height and width in px.
    path : Path or None
        The image file, if there is one.
    plane : tuple of int
        Which plane of it; () where there is but one.
    """

    shape: tuple[int, int]
    path: Path | None = None
    plane: Plane = ()


class Journal:
    """A journal that is open; made by `journal_open.open_journal`.

    Attributes
    ----------
    notices : list of str
        What the person should be told on opening, one line each.
    where : str
        That one of them which only says where the journal lies; empty beside the image.
    read_only : bool
        Whether another window holds the journal, so that nothing may be changed here.
    closed : bool
        Whether it was closed here.

    Notes
    -----
    `trouble` is emitted with one line for the person when the disk begins to fail, and with
    "" when everything is written again; it may come from a thread. Nothing is lost as long
    as the process lives: what could not be written is tried again every second.
    """

    trouble = Signal(str)

    def __init__(self, claim: Claim, subject: Subject, header: Callable[[], Row]) -> None:
        self.path = claim.path
        self.notices = claim.notices
        self.where = claim.where
        self.read_only = claim.lock is None
        self.closed = False
        self.subject = subject
        self.count = 0
        self.id = ""
        self._lock = claim.lock
        self._header = header
        self._file = SafeFile(self.path)
        self._told = ""
        self._image: Row | None = None
        self._snapped = 0
        self._snapshot: Callable[[], Row] | None = None

    def resume(self, id: str, size: int, count: int, snapped: int, image: Row | None) -> None:
        """Go on with a file of which `size` bytes and `count` lines after the first are good."""
        self.id, self.count, self._image = id, count, image
        self._snapped = snapped
        self._file = SafeFile(self.path, size)

    def take(self, lock: FileLock) -> None:
        """Write it from now on, since whoever held it has let go."""
        self._lock, self.read_only, self.notices = lock, False, []
        self.id, self.count, self._image, self._snapped = "", 0, None, 0
        self._file = SafeFile(self.path)

    def leave(self, notices: list[str]) -> None:
        """Only look at it again: what `take` was called for has failed."""
        if self._lock is not None:
            self._lock.release()
        self._lock, self.read_only, self.notices = None, True, notices

    @property
    def warnings(self) -> list[str]:
        """What the person should know before they do anything: all that is uncertain here."""
        return [line for line in self.notices if line != self.where]

    @property
    def problem(self) -> str:
        """Why not everything is written at present; empty when all is well."""
        return self._file.problem

    # -- writing ----------------------------------------------------------------------

    def line_of(self, edit: Edit, ahead: int = 1) -> bytes:
        """Return the line that records an edit, as the next one or one further ahead.

        Raises `ValueError` if it cannot be recorded.
        """
        return self._line(edit_row(edit, self.subject.shape), ahead)

    def undo(self) -> None:
        """Record that the last edit was taken back."""
        self.append(self._line({"undo": time.time(), "by": login_name()}))

    def redo(self) -> None:
        """Record that the last undone edit was done again."""
        self.append(self._line({"redo": time.time(), "by": login_name()}))

    def image(self, fingerprint: Row) -> None:
        """Record that the image file is another one now."""
        self._image = fingerprint
        row = {"image": fingerprint, "time": time.time(), "by": login_name()}
        self.append(self._line(row))

    def _line(self, row: Row, ahead: int = 1) -> bytes:
        return _as_line({"n": self.count + ahead, **row})

    def append(self, line: bytes) -> None:
        """Append the next line; never fails, see `trouble`."""
        data = b""
        if not self._file.exists:
            header = self._header()
            self.id, self._image = header["id"], header["image"]
            data = _as_line(header)
        self.count += 1
        self._file.append(data + line)
        self._tell()
        KEEPER.remember(self._keep)

    def _tell(self) -> None:
        problem = self._file.problem
        if problem != self._told:
            self._told = problem
            more = ". Your work is kept in memory and written as soon as the disk lets it."
            self.trouble.emit(problem + more if problem else "")

    def _keep(self) -> bool:
        """Do what the thread does for it; whether nothing is left to do."""
        if self._lock is None:
            return True
        good = self._file.sync()
        self._tell()
        if good and (snapshot := self._snapshot) is not None:
            self._snapshot = None
            with contextlib.suppress(OSError, UserError, ValueError):  # it only saves time
                row = snapshot()
                with replacing(snapshot_of(self.path)) as stream:
                    stream.write(_as_line(row))
        return good

    # -- snapshots and the end --------------------------------------------------------

    def offer(
        self, nuclei: Nuclei, done: History, undone: History, least: int | None = None
    ) -> None:
        """Have a snapshot made by the thread if `least` bytes (`OFTEN`) came since the last."""
        size = self._file.size
        least = OFTEN if least is None else least
        if self.read_only or size - self._snapped < max(least, 1):
            return
        self._snapped = size
        now = nuclei_row(nuclei)
        row: Row = {
            "id": self.id,
            "size": size,
            "count": self.count,
            "done": [len(done), done.last_words],
            "undone": [len(undone), undone.last_words],
            "image": self._image,
        }
        self._snapshot = lambda: {**row, "check": self._check(size), "nuclei": now()}

    def _check(self, size: int) -> int:
        with self.path.open("rb") as stream:
            stream.seek(max(0, size - CHECKED))
            return zlib.crc32(stream.read(min(size, CHECKED)))

    def close(self) -> str:
        """Bring everything to the disk and give the lock back.

        Returns
        -------
        str
            Where the journal was written instead, if its own place failed; else empty.

        Raises
        ------
        UserError
            If it could be written nowhere; then it stays open, nothing is lost yet.
        """
        if self._lock is None:
            self.closed = True
            return ""
        moved = ""
        if not self._keep() or not self._file.close():
            try:
                content = self._file.content()
            except OSError as error:
                raise unwritable(self.path, error) from error
            moved = str(rescue(content, self.subject.path, self.subject.plane))
        self._lock.release()
        self._lock = None
        self.read_only = self.closed = True
        return moved


def snapshot_of(path: Path) -> Path:
    """Return where the snapshot of a journal lies."""
    return path.with_suffix(".snapshot")


def _as_line(row: Row) -> bytes:
    # In ASCII, since a remark may hold what UTF-8 cannot say (half of an emoji).
    return json.dumps(row, allow_nan=False, separators=(",", ":")).encode() + b"\n"
