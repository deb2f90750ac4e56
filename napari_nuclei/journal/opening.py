"""Opening a journal: what is in it, what is wrong with it, and going on where it ends."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import asdict
from pathlib import Path

from ..atomic_files import replacing
from ..collector import without_collector
from ..errors import ReviewError
from ..images.decoders import is_turned
from ..nuclei import Nuclei
from ..wording import are, counted
from .about import fingerprint_of
from .fingerprint import Fingerprint, is_soon_hashed
from .journal import VERSION, Journal, Row, Subject, snapshot_of
from .lines import DAMAGE, Replayed, nuclei_of, nuclei_row, replay
from .locks import is_held, lock_of
from .naming import of_image
from .place import Pixels, claim, kept_as
from .snapshot import from_snapshot, scan, snapshot_for

ELSEWHERE = (
    "This review is open in another window: until that is closed, you can look at it here but "
    "not change it."
)


def open_journal(
    subject: Subject, start: Nuclei, pixels: Pixels, at: Path | None = None
) -> tuple[Journal, Replayed]:
    """Open the journal of an image, or begin one.

    Parameters
    ----------
    subject : Subject
        Which image.
    start : Nuclei
        With what a new review begins; not used where there is a journal already.
    pixels : callable
        Returns the pixels of the plane; only called where the journal cannot lie beside
        the image.
    at : Path, optional
        A journal that is of this subject though it is called otherwise.

    Returns
    -------
    Journal, Replayed
        The journal, and the nuclei and history that it leads to. What the person should
        know is in its `notices`.

    Raises
    ------
    UserError
        If it was written by a newer version, cannot be read, or no place can be written.
    """
    place = claim(subject.path, subject.plane, pixels, subject.part, at)
    try:
        about = _Beginning(subject, start)
        journal = Journal(place, subject, about.header)
        if journal.read_only:
            journal.notices.append(ELSEWHERE)
        with without_collector():
            reading = _Reading(journal, subject)
            reading.is_foreign = at is not None and not _is_of(at, subject)
            state = reading.state() or Replayed(start.copy())
        return journal, state
    except BaseException:
        for lock in (place.lock, place.moves_to and place.moves_to[1]):
            if lock is not None:
                lock.release()
        raise


def take_over(journal: Journal, start: Nuclei) -> Replayed | None:
    """Go on with a journal that another window held, and read it anew; None if it still does.

    Raises
    ------
    UserError
        If it cannot be read any more; then it stays as it was.
    """
    try:
        lock = None if is_held(journal.path) else lock_of(journal.path)
    except OSError:
        return None
    if lock is None:
        return None
    before = journal.notices
    journal.take_over(lock)
    try:
        with without_collector():
            return _Reading(journal, journal.subject).state() or Replayed(start.copy())
    except BaseException:
        journal.leave(before)
        raise


class _Beginning:
    """The first line of a new journal, made when there is something to write after it."""

    def __init__(self, subject: Subject, start: Nuclei) -> None:
        self._subject = subject
        self._start = nuclei_row(start)
        self._seen = _look(subject.path)

    def header(self) -> Row:
        about, seen, now = self._subject, self._seen, _look(self._subject.path)
        path = about.path
        if path and seen and now and seen.looks_like(now):
            with contextlib.suppress(OSError):
                if is_soon_hashed(path):  # else with a later line
                    seen = Fingerprint.of(path)
        return {
            "journal": VERSION,
            "id": uuid.uuid4().hex,
            "file": path.name if path else "",
            "plane": list(about.plane),
            "part": about.part,
            **({"pixels": about.pixels} if about.pixels else {}),
            "image": asdict(seen) if seen else None,
            **({"upright": True} if path and is_turned(path) else {}),
            "start": self._start(),
        }


def _look(path: Path | None) -> Fingerprint | None:
    try:
        return Fingerprint.of(path, digest=False) if path else None
    except OSError:
        return None


class _Reading:
    """What is found in a journal's file while it is opened."""

    def __init__(self, journal: Journal, subject: Subject) -> None:
        self.journal = journal
        self.subject = subject
        self.path = journal.path
        self.is_foreign = False  # it was kept as that of another file

    def state(self) -> Replayed | None:
        """Replay the file and let the journal go on from there; None if there is none."""
        data = _bytes_of(self.path)
        if not data:
            return None
        header = self._header_of(data)
        if header is None:
            return None
        return self._replayed(data, header)

    def _header_of(self, data: bytes) -> Row | None:
        end = data.find(b"\n")
        try:
            header: Row = json.loads(data[:end] if end >= 0 else b"")
            version = header["journal"]
            shape = header["start"]["height"], header["start"]["width"]
            str(header["id"]), header["image"]
        except DAMAGE:
            self._set_aside("its beginning is damaged")
            return None
        if version != VERSION:
            raise ReviewError(f"{self.path} was written by a newer version: update napari-nuclei")
        if shape != self.subject.shape:
            old, new = ("×".join(map(str, s)) for s in (shape, self.subject.shape))
            self._set_aside(f"the image was {old} px then and is {new} px now")
            return None
        return header

    def _replayed(self, data: bytes, header: Row) -> Replayed | None:
        first = data.find(b"\n") + 1
        snapshot = snapshot_for(self.path, data, header["id"])
        if snapshot is None:
            begin, count, image = first, 0, header["image"]
            try:
                state = Replayed(nuclei_of(header["start"]))
            except DAMAGE:
                self._set_aside("its beginning is damaged")
                return None
        else:
            row = snapshot.row
            begin, count, image = row["size"], row["count"], row["image"]
            state = from_snapshot(self.path, snapshot)
        rows, ends = scan(data, begin, count)
        good = replay(rows, state)
        size = ends[good - 1] if good else begin
        for row in rows[:good]:
            image = row.get("image", image)
        image = None if self.is_foreign else image
        self._drop(data, size)
        self.journal.resume(header["id"], size, count + good, begin if snapshot else 0, image)
        self._compare(image)
        if not header.get("upright"):
            self._doubt_turns()
        return state

    # -- what is wrong ----------------------------------------------------------------

    def _drop(self, data: bytes, size: int) -> None:
        """Say what of the end cannot be used; keep a copy unless it is one torn line."""
        rest = data[size:]
        if not rest or self.journal.read_only:  # the other window may be writing just now
            return
        if b"\n" not in rest:
            note = "The last edit was not written completely and is left out."
        else:
            copy = _dated(self.path, "damaged")
            with replacing(copy) as stream:
                stream.write(rest)
            what = f"{counted(len(rest), 'byte')} at its end {are(len(rest))}"
            note = f"The journal is damaged: {what} set aside in {copy}."
        with contextlib.suppress(OSError), self.path.open("r+b") as journal:
            journal.truncate(size)
        self.journal.notices.append(note)

    def _set_aside(self, reason: str) -> None:
        if self.journal.read_only:
            raise ReviewError(f"The review {self.path} cannot be shown: {reason}.")
        aside = _dated(self.path, "old")
        try:
            self.path.rename(aside)
            snapshot_of(self.path).unlink(missing_ok=True)
        except OSError as error:
            raise ReviewError(f"The review {self.path} cannot be used: {reason}.") from error
        self.journal.notices.append(f"A new review was started: {reason}. The old one is {aside}.")

    def _compare(self, image: Row | None) -> None:
        """See whether the image file is still the one that was reviewed."""
        path = self.subject.path
        try:
            was = fingerprint_of(image)
            if path is None or was is None or was.looks_like(Fingerprint.of(path, digest=False)):
                return
            now = Fingerprint.of(path)
        except (OSError, TypeError):
            return
        unsaid = not was.digest and path.is_dir()  # of folders it was not kept before
        if now.digest != was.digest and not unsaid:
            self.journal.notices.append(
                f"{path.name} has changed since it was reviewed: check that the nuclei still fit."
            )
        if not self.journal.read_only:
            self.journal.image(asdict(now))

    def _doubt_turns(self) -> None:
        """Say that a review may be older than the turning of images as EXIF has it."""
        path = self.subject.path
        if path is not None and is_turned(path):
            self.journal.notices.append(
                f"{path.name} is stored rotated or mirrored (EXIF) and shown upright, which this "
                "review may predate: check that the nuclei still fit."
            )


def _is_of(journal: Path, subject: Subject) -> bool:
    path = subject.path
    return path is not None and of_image(journal.name, kept_as(path).name) is not None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ReviewError(f"cannot read {path}: {error.strerror}") from error


def _dated(path: Path, what: str) -> Path:
    """Return a name for a copy that is not taken."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"{path.name}.{what}-{stamp}-{k}") for k in range(1000))
    return next(name for name in names if not name.exists())
