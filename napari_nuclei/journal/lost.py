"""Reviews of images that were renamed, moved or copied: found again by their content."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from ..atomic_files import replacing
from .about import about
from .away import known_places, user_folder
from .contents import is_near, seen
from .fingerprint import Fingerprint, is_soon_hashed
from .locks import lock_of
from .naming import (
    ENDING,
    FOLDER,
    journal_name,
    journals_in,
    of_image,
    read_name,
    snapshot_of,
)

_SIZE = re.compile(rb'"image": ?\{"bytes": ?([0-9]+), ?"modified": ?([0-9]+)')
_BEGINNING = 4096  # bytes of a journal in which that stands
_TICK = 0.05  # seconds that a clock of file times may stand still
_COARSE = 3.0  # the same where such times are whole seconds


@dataclass(frozen=True, slots=True)
class Trace:
    """An image with the same content that has a review.

    Attributes
    ----------
    image : Path
        As it is, or was, called.
    journals : tuple of Path
        Those of its planes and parts.
    is_gone : bool
        Whether it can be seen that there is no such file any more, while its journals are still
        there, and the other image is as old as it was: then it was renamed or moved.
    """

    image: Path
    journals: tuple[Path, ...]
    is_gone: bool


def traces(image: Path, sure: bool = False) -> list[Trace]:
    """List the other names under which an image with the same content has a review.

    Parameters
    ----------
    sure : bool
        Only of images that are gone, and were as old as this one: then it is no copy of them.

    Notes
    -----
    The image is hashed only if there is one of the same size; see `is_quick`.
    """
    try:
        suspects = _suspects(image, sure)
        if not suspects:
            return []
        known = Fingerprint.of(image)
    except OSError:
        return []
    alike = (path for path, digest in suspects.items() if digest in ("", known.digest))
    found = (_trace(path, known) for path in alike if not _is_same(path, image))
    return [trace for trace in found if trace is not None and (trace.is_gone or not sure)]


def is_quick(image: Path) -> bool:
    """Whether sure `traces` can be waited for: no large file is to be hashed for them."""
    try:
        return is_soon_hashed(image) or not _suspects(image, True)
    except OSError:
        return True


def may_be_known(image: Path) -> bool:
    """Whether there are images of the same size, so that `traces` are worth looking for."""
    try:
        return bool(_suspects(image, False))
    except OSError:
        return False


def _suspects(image: Path, sure: bool) -> dict[Path, str]:
    """List images of the same size that were reviewed, and their hashes where these are at hand.

    `sure` as for `traces`.
    """
    about = image.stat()
    size, modified = about.st_size, about.st_mtime_ns
    found = {row.image: row.known.digest for row in seen(size, modified if sure else None)}
    for path, *was in _orphans(image.parent):
        if was[0] == size and (not sure or is_near(was[1], modified)):
            found[path] = ""
    found.pop(image.absolute(), None)
    return {path: digest for path, digest in found.items() if not (sure and path.exists())}


def _is_same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return one == other.absolute()


def _trace(image: Path, known: Fingerprint) -> Trace | None:
    """Return what there is of an image, if its review is of this content."""
    journals = journals_of(image)
    if not journals:
        return None
    said = about(journals[0])
    if said is None or said.image is None or said.image.digest != known.digest:
        return None
    gone = image.parent.is_dir() and not image.exists() and not image.is_symlink()
    gone = gone and all(path.parent.name == FOLDER for path in journals)
    gone = gone and is_near(said.image.modified, known.modified)  # a copy is mostly younger
    return Trace(image, tuple(journals), gone)


def journals_of(image: Path) -> list[Path]:
    """List the journals of all planes and parts of an image, wherever they lie."""
    found = [
        image.parent / FOLDER / name
        for name in journals_in(image.parent)
        if of_image(name, image.name) is not None
    ]
    home = str(image.absolute().parent)
    away = {Path(k): v for k, v in known_places().items() if str(Path(k).parent) == home}
    mine = {k: v for k, v in away.items() if of_image(k.name, image.name) is not None}
    found += [user_folder() / str(name) for name in mine.values()]
    return [path for path in found if path.exists()]


# -- images that are no longer there ----------------------------------------------------

_known: dict[Path, tuple[int, list[tuple[Path, int, int]]]] = {}


def _orphans(folder: Path) -> list[tuple[Path, int, int]]:
    """List the images that have a journal in a folder, but are not there themselves.

    Besides their size and time when their review was begun. Images come and go with the folder's
    own time of change; journals do so below it.
    """
    try:
        began, changed = time.time_ns(), folder.stat().st_mtime_ns
        if folder in _known and _known[folder][0] == changed:
            return _known[folder][1]
        names = {read[0]: name for name in journals_in(folder) if (read := read_name(name))}
        gone = [
            (folder / image, name)
            for image, name in names.items()
            if not (folder / image).exists() and not (folder / name.removesuffix(ENDING)).exists()
        ]
        found = [(image, *_size_of(folder / FOLDER / name)) for image, name in gone]
    except OSError:
        return []
    still = _TICK if changed % 1_000_000_000 else _COARSE
    if began - changed > still * 1e9:  # else it may change again without a sign of it
        _known[folder] = changed, found
    return found


def _size_of(journal: Path) -> tuple[int, int]:
    """Return the size and time of an image as its journal begins with them; −1 if it does not."""
    with journal.open("rb") as stream:
        found = _SIZE.search(stream.read(_BEGINNING))
    return (int(found[1]), int(found[2])) if found else (-1, -1)


# -- bringing one along -----------------------------------------------------------------


def bring(trace: Trace, image: Path) -> bool:
    """Have the journals of an image that was renamed or moved go with it.

    Returns
    -------
    bool
        Whether they do; False where another window has one of them open.

    Raises
    ------
    OSError
        If they cannot be written there; then they stay where they are.
    """
    locks = []
    try:
        for path in trace.journals:
            with contextlib.suppress(OSError):  # nobody can have it open there
                lock = lock_of(path)
                if lock is None:
                    return False
                locks.append(lock)
        copy(trace, image)
        for path in trace.journals:
            with contextlib.suppress(OSError):  # then it stays there too
                snapshot_of(path).unlink(missing_ok=True)
                path.unlink()
    finally:
        for lock in locks:
            lock.release()
    return True


def copy(trace: Trace, image: Path) -> None:
    """Have an image go on with a copy of the reviews of another one with the same content.

    Raises
    ------
    OSError
        If they cannot be written beside it.
    """
    (image.parent / FOLDER).mkdir(exist_ok=True)
    for path in trace.journals:
        target = new_name(path, trace, image)
        if target is None or target.exists():
            continue
        for source, copied in ((snapshot_of(path), snapshot_of(target)), (path, target)):
            if source.exists():
                with replacing(copied) as stream:
                    stream.write(source.read_bytes())


def new_name(path: Path, trace: Trace, image: Path) -> Path | None:
    """Return what a journal is to be called once it is that of another image."""
    own = {path: path.name}
    own |= {user_folder() / str(v): Path(k).name for k, v in known_places().items()}
    read = of_image(own[path], trace.image.name)
    return None if read is None else image.parent / FOLDER / journal_name(image.name, *read)


def notice(trace: Trace, image: Path) -> str:
    """Say in one line how an image was found again."""
    was = trace.image
    if was.parent == image.absolute().parent:
        before = f"was called {was.name}"
    else:
        before = f"lay in {was.parent}" if was.name == image.name else f"was {was}"
    return f"This image {before} when it was reviewed: its review continues here."
