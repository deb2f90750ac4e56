"""`Journal`: the file in which every edit of a review is kept, for good.

The first line says of which image it is and with which nuclei the review began. Each other
line is an edit, an undo, a redo, or the image's new fingerprint; ``n`` counts them. A
snapshot beside it saves replaying a long beginning, and may be thrown away at any time.
"""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from psygnal import EmitLoopError, Signal

from ..atomic_files import replacing, unwritable
from ..errors import UserError
from ..nuclei import Nuclei
from ..nuclei.edit import Edit, login_name
from ..nuclei.history import History
from .contents import remember
from .fingerprint import Fingerprint, fingerprint_soon
from .lines import as_line, edit_row, nuclei_row
from .naming import snapshot_of as snapshot_of
from .place import Claim, kept_as, rescue
from .safe_file import KEEPER, SafeFile
from .subject import Subject as Subject

VERSION = 1
SNAPSHOT_BYTES = 4 << 20
"""Bytes of journal after which a snapshot is made while the review goes on."""
MIN_SNAPSHOT_BYTES = 64 << 10
"""Bytes of journal that make a snapshot worthwhile when the review is closed."""
CHECKED = 4096
"""Bytes before the end of a beginning, whose CRC-32 tells it from another one."""

Row = dict[str, Any]


class Journal:
    """A journal that is open; made by `opening.open_journal`.

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
        self._moves_to = claim.moves_to
        self._told = ""
        self._image: Row | None = None
        self._hash: Future[Fingerprint] | None = None
        self._remembered: Row | None = None
        self._snapped = 0
        self._snapshot: Callable[[], Row] | None = None
        self._snapping = threading.Lock()

    def resume(self, id: str, size: int, count: int, snapped: int, image: Row | None) -> None:
        """Go on with a file of which `size` bytes and `count` lines after the first are good."""
        self.id, self.count, self._image = id, count, image
        self._snapped = snapped
        self._file = SafeFile(self.path, size)

    def take_over(self, lock: FileLock) -> None:
        """Write it from now on, since whoever held it has let go."""
        self._lock, self.read_only, self.notices = lock, False, []
        self.id, self.count, self._image, self._snapped = "", 0, None, 0
        self._file = SafeFile(self.path)

    def leave(self, notices: list[str]) -> None:
        """Only look at it again: what `take_over` was called for has failed."""
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

    def prepare(self) -> None:
        """Do what is to come before the next change: its own name, and the image's hash."""
        if self._lock is None:
            return
        if self._moves_to is not None:
            self._move(*self._moves_to)
            self._moves_to = None
        if self._file.exists and (found := self._hashed(wait=False)):
            self.image(asdict(found))

    def _move(self, path: Path, lock: FileLock) -> None:
        """Give a journal that is called otherwise the name of what it is of."""
        assert self._lock is not None
        try:
            if path.exists():
                raise FileExistsError(path)
            self.path.rename(path)
        except OSError:  # it goes on under its old name
            lock.release()
            return
        with contextlib.suppress(OSError):
            snapshot_of(self.path).rename(snapshot_of(path))
        self._lock.release()
        self._lock, self.path = lock, path
        self._file = SafeFile(path, self._file.size)

    def _hashed(self, wait: bool) -> Fingerprint | None:
        """Return the image's hash if the journal lacks it and it is known by now."""
        path, said = self.subject.path, self._image
        if path is None or (said is not None and said["digest"]):
            return None
        if self._hash is None:
            self._hash = fingerprint_soon(path)
        if not wait and not self._hash.done():
            return None
        with contextlib.suppress(OSError):
            found = self._hash.result()
            if said is None or Fingerprint(**said).looks_like(found):
                return found
        return None

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

    def channels(self, seen: tuple[int, ...]) -> None:
        """Record which channels of the image a model has seen."""
        row = {"image": self._image, "channels": list(seen)}
        self.append(self._line({**row, "time": time.time(), "by": login_name()}))

    def _line(self, row: Row, ahead: int = 1) -> bytes:
        return as_line({"n": self.count + ahead, **row})

    def append(self, line: bytes) -> None:
        """Append the next line; never fails, see `trouble`."""
        data = b""
        if not self._file.exists:
            header = self._header()
            self.id, self._image = header["id"], header["image"]
            data = as_line(header)
        self.count += 1
        self._file.append(data + line)
        self._tell()
        KEEPER.remember(self._keep)

    def _tell(self) -> None:
        problem = self._file.problem
        if problem != self._told:
            self._told = problem
            more = ". Your work is kept in memory and written as soon as the disk allows."
            try:
                self.trouble.emit(problem + more if problem else "")
            except EmitLoopError as error:
                if not isinstance(error.__cause__, ReferenceError):  # who listened has just gone
                    raise

    def _keep(self) -> bool:
        """Do what the thread does for it; whether nothing is left to do."""
        if self._lock is None:
            return True
        good = self._file.sync()
        self._tell()
        self._remember()
        with self._snapping:  # whoever closes it waits for the thread
            if good and (snapshot := self._snapshot) is not None:
                self._snapshot = None
                with contextlib.suppress(OSError, UserError, ValueError):  # it only saves time
                    row = snapshot()
                    with replacing(snapshot_of(self.path)) as stream:
                        stream.write(as_line(row))
        return good

    def _remember(self) -> None:
        """Have the image found again when it is called otherwise."""
        path, said = self.subject.path, self._image
        if path is None or said is None or not said["digest"] or said == self._remembered:
            return
        self._remembered = said
        remember(kept_as(path), Fingerprint(**said))

    # -- snapshots and the end --------------------------------------------------------

    def offer(
        self, nuclei: Nuclei, done: History, undone: History, least: int | None = None
    ) -> None:
        """Have the thread make a snapshot if `least` bytes (`SNAPSHOT_BYTES`) are new."""
        size = self._file.size
        least = SNAPSHOT_BYTES if least is None else least
        if self.read_only or size - self._snapped < max(least, 1):
            return
        self._snapped = size
        now = nuclei_row(nuclei)
        row: Row = {
            "id": self.id,
            "size": size,
            "count": self.count,
            "done": [len(done), done.last_summary],
            "undone": [len(undone), undone.last_summary],
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
        if self._file.exists and (found := self._hashed(wait=True)):
            self.image(asdict(found))
        if not self._keep() or not self._file.close():
            try:
                content = self._file.content()
            except OSError as error:
                raise unwritable(self.path, error) from error
            about, path = self.subject, self.subject.path
            path = None if path is None else kept_as(path)
            moved = str(rescue(content, path, about.plane, about.part))
        self._lock.release()
        if self._moves_to is not None:
            self._moves_to[1].release()
        self._lock = self._moves_to = None
        self.read_only = self.closed = True
        return moved
