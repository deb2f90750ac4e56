"""`SafeFile`: a file that only grows, and that forgets nothing when the disk fails it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..atomic_files import unwritable

PAUSE = 0.5
"""Seconds between two rounds of the thread that syncs."""


class SafeFile:
    """A file to which lines are appended.

    Parameters
    ----------
    path : Path
        Made by the first `append` if it does not exist; its folder too, but not the folder
        above that.
    size : int
        How many bytes at its beginning are good; what follows is overwritten.

    Attributes
    ----------
    problem : str
        Why not all is written at present, for a person; empty when all is well.

    Notes
    -----
    Bytes stay in memory until they are synced, so that a failed sync loses none either.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.problem = ""
        self._stream: BinaryIO | None = None
        self._pending = bytearray()
        self._synced = self._written = size
        self._busy = threading.RLock()

    @property
    def size(self) -> int:
        """Number of bytes, those that wait to be written included."""
        return self._synced + len(self._pending)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written or is to be."""
        return self.size > 0

    def __del__(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def append(self, data: bytes) -> bool:
        """Write bytes; whether all is written. What is not, is by a later `append` or `sync`."""
        with self._busy:
            self._pending += data
            return self._write()

    def sync(self) -> bool:
        """Write what waits, and have the system bring it to the disk; whether all is there."""
        with self._busy:
            if not self.exists:
                return True
            if not (self._is_in_place() and self._write()):
                return False
            if not self._pending or self._stream is None:
                return True
            written = self._written
            copy = os.dup(self._stream.fileno())
        try:
            os.fsync(copy)  # not while holding the lock: the window does not wait for the disk
        except OSError as error:
            with self._busy:
                self._written = self._synced  # what the system has of it now, nobody knows
                self.problem = str(unwritable(self.path, error))
            return False
        finally:
            os.close(copy)
        with self._busy:
            del self._pending[: max(0, written - self._synced)]
            self._synced = max(written, self._synced)
        return True

    def close(self) -> bool:
        """Sync and close; whether all is on disk. If not, `content` has it still."""
        good = self.sync()
        with self._busy:
            if good and self._stream is not None:
                self._stream.close()
                self._stream = None
        return good

    def content(self) -> bytes:
        """Return all good bytes, those that wait to be written included."""
        with self._busy:
            start = b""
            if self._synced:
                stream = self._open()
                stream.seek(0)
                start = _read(stream, self._synced)
            return start + bytes(self._pending)

    def _write(self) -> bool:
        try:
            rest = memoryview(bytes(self._pending[self._written - self._synced :]))
            if rest:
                stream = self._open()
                stream.seek(self._written)
            while rest:
                count = stream.write(rest)
                self._written += count
                rest = rest[count:]
        except OSError as error:
            self.problem = str(unwritable(self.path, error))
            return False
        self.problem = ""
        return True

    def _open(self) -> BinaryIO:
        if self._stream is None:
            if self._synced or self._written or self.path.exists():
                self._stream = self.path.open("r+b", buffering=0)
                self._stream.truncate(self._written)
            else:
                self.path.parent.mkdir(exist_ok=True)
                self._stream = self.path.open("x+b", buffering=0)
        return self._stream

    def _is_in_place(self) -> bool:
        """See whether the open file is still the one with this name; put it back if it is gone."""
        if self._stream is None:
            return True
        own = os.fstat(self._stream.fileno())
        try:
            there = self.path.stat()
            if (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev):
                return True
            self.problem = f"{self.path} was replaced by another program: decide which one to keep"
        except FileNotFoundError:
            try:
                self._put_back(self._stream)
                return True
            except OSError as error:
                self.problem = str(unwritable(self.path, error))
        except OSError as error:
            self.problem = str(unwritable(self.path, error))
        return False

    def _put_back(self, stream: BinaryIO) -> None:
        stream.seek(0)
        start = _read(stream, self._synced)
        self.path.parent.mkdir(exist_ok=True)
        new = self.path.open("x+b", buffering=0)
        self._pending[:0] = start
        self._synced = self._written = 0
        self._stream = new
        stream.close()


def _read(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Keeper:
    """The thread that looks after everything that is not yet safe."""

    def __init__(self) -> None:
        self._tasks: set[Callable[[], bool]] = set()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def remember(self, task: Callable[[], bool]) -> None:
        """Call this within a second, and again until it returns true."""
        with self._wake:
            self._tasks.add(task)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._tasks)
            pause.wait(PAUSE)
            with self._wake:
                tasks, self._tasks = list(self._tasks), set()
            try:
                for task in tasks.copy():
                    with contextlib.suppress(OSError, RuntimeError):
                        if task():
                            tasks.remove(task)
            finally:  # nobody's is forgotten for the fault of another one's
                with self._wake:
                    self._tasks.update(tasks)


KEEPER = Keeper()
