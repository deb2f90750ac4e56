"""Where the journal of an image lies, who may write it, and whether the image is still the same.

Here: paths, locks, fingerprints. Not here: what is in a journal (`journal.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ..errors import UserError
from ..formats.files import replacing, unwritable
from ..resources import resource_folder
from .away import Plane as Plane
from .away import away_of, journal_name, known_places, place_key, register
from .away import is_chosen as is_chosen
from .away import user_folder as user_folder

FOLDER = ".napari-nuclei"
"""Name of the folder, beside the images, that holds their journals."""

Pixels = Callable[[], NDArray[Any]]

_WHOLE = 64 << 20  # bytes of a file up to which all of it is hashed
_PATIENCE = 0.04  # seconds: somebody may only be looking whether a lock is free


# -- the image --------------------------------------------------------------------------


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
        SHA-256 of the file; above 64 MiB of its first and last 32 MiB.
    """

    bytes: int
    modified: int
    digest: str = ""

    @classmethod
    def of(cls, path: Path, digest: bool = True) -> Fingerprint:
        """Look at a file. Raises `OSError`."""
        about = path.stat()
        return cls(about.st_size, about.st_mtime_ns, _digest(path) if digest else "")

    def looks_like(self, other: Fingerprint) -> bool:
        """Whether size and time are the same, so that nobody needs to read the file."""
        return (self.bytes, self.modified) == (other.bytes, other.modified)


def _digest(path: Path) -> str:
    out = hashlib.sha256()
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= _WHOLE:
            out.update(stream.read())
        else:
            out.update(stream.read(_WHOLE // 2))
            stream.seek(size - _WHOLE // 2)
            out.update(stream.read())
    return out.hexdigest()


def digest_of_pixels(pixels: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's shape, type and values."""
    import numpy as np

    array = np.ascontiguousarray(pixels)
    out = hashlib.sha256(f"{array.shape} {array.dtype.str} ".encode())
    out.update(array.view(np.uint8).reshape(-1).data if array.size else b"")
    return out.hexdigest()


# -- the journal's place ----------------------------------------------------------------


@dataclass(slots=True)
class Claim:
    """A place for a journal.

    Attributes
    ----------
    path : Path
        Of the journal.
    lock : FileLock or None
        Held; None where somebody else holds it, so that it may be read only.
    notices : list of str
        What the person should know of it.
    where : str
        Why it does not lie beside its image, and where it lies; empty if it does.
    """

    path: Path
    lock: FileLock | None
    notices: list[str] = field(default_factory=list)
    where: str = ""


def home_of(image: Path, plane: Plane = ()) -> Path:
    """Return where the journal of an image file belongs."""
    return image.parent / FOLDER / journal_name(image.name, plane)


def find(image: Path, plane: Plane = ()) -> Path | None:
    """Return the journal of an image file that is in use, if there is one."""
    away = away_of(image, plane)
    if away is not None and away.exists():
        return away
    home = home_of(image, plane)
    return home if home.exists() else None


def begun_planes(image: Path) -> list[Plane]:
    """List the planes of an image file that have a journal; ``()`` is the whole of a flat one."""
    names = [path.name for path in (image.parent / FOLDER).glob("*.jsonl")]
    folder = str(image.absolute().parent)
    names += [Path(key).name for key in known_places() if str(Path(key).parent) == folder]
    found: set[Plane] = set()
    for name in names:
        if name == journal_name(image.name):
            found.add(())
        elif name.startswith(f"{image.name}@"):
            numbers = name[len(image.name) + 1 : -len(".jsonl")].split("-")
            if all(n.isdigit() for n in numbers):
                found.add(tuple(map(int, numbers)))
    return sorted(found)


def claim(image: Path | None, plane: Plane, pixels: Pixels) -> Claim:
    """Find the place of an image's journal, and take its lock if it is free.

    Parameters
    ----------
    image : Path or None
        The image file; None for a layer without one.
    plane : tuple of int
        Which plane of it.
    pixels : callable
        Returns the pixels of the plane; only called where the journal cannot lie beside
        the image.

    Raises
    ------
    UserError
        If no place can be written at all.
    """
    if image is None:
        return _claim_away(None, plane, pixels, "this image has no file")
    if _is_sample(image):
        return _claim_away(image, plane, pixels, f"{image.name} is a sample")
    try:
        found = _locked(home_of(image, plane))
    except OSError as error:
        return _claim_away(image, plane, pixels, str(unwritable(home_of(image), error)))
    away = away_of(image, plane)
    if found.lock is not None and away is not None and away.exists():
        found.notices.append(_bring_home(away, found.path))
        if _holds_all(found.path, away):
            register(image, plane, None)
    return found


def _is_sample(image: Path) -> bool:
    """Whether an image came with the plugin, where nobody would look for a journal."""
    with contextlib.suppress(UserError):
        return image.absolute().is_relative_to(resource_folder("sample_data"))
    return False


def _locked(path: Path) -> Claim:
    path.parent.mkdir(exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "no permission")
    return Claim(path, lock_of(path))


def lock_of(path: Path) -> FileLock | None:
    """Take the lock of a journal; None if another window has it. Raises `OSError`."""
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE, poll_interval=_PATIENCE / 4)
    except Timeout:
        return None
    return lock


def is_held(path: Path) -> bool:
    """Whether another window has the lock of a journal at this moment; leaves no trace."""
    if not Path(f"{path}.lock").exists():
        return False
    lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except OSError:  # Timeout is one
        return True
    lock.release()
    return False


def _claim_away(image: Path | None, plane: Plane, pixels: Pixels, reason: str) -> Claim:
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        known = None if image is None else away_of(image, plane)
        is_known = known is not None and known.exists()
        found = _locked(known if known and is_known else away_for(pixels(), plane))
    except OSError as error:
        raise unwritable(user_folder(), error) from error
    if image is not None and found.lock is not None:
        with contextlib.suppress(OSError):  # what cannot be read is not there
            _copy_if_longer(home_of(image, plane), found.path)
        register(image, plane, found.path)
    found.where = f"{reason.partition(':')[0]}; this review is kept in {found.path}"
    found.notices.append(found.where)
    return found


def away_for(pixels: NDArray[Any], plane: Plane = ()) -> Path:
    """Return where the journal of a plane with these pixels lies in the user's data folder."""
    return user_folder() / journal_name(digest_of_pixels(pixels), plane)


def rescue(content: bytes, image: Path | None, plane: Plane) -> Path:
    """Write a journal whose place fails into the user's folder, where the next opening finds it.

    Raises
    ------
    UserError
        If that fails too.
    """
    key = "" if image is None else place_key(image, plane)
    name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    paths = (user_folder() / f"rescued-{name}-{k}.jsonl" for k in itertools.count())
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        # Never over another history.
        path = next(p for p in paths if not p.exists() or content.startswith(p.read_bytes()))
    except OSError as error:
        raise unwritable(user_folder(), error) from error
    with replacing(path) as stream:
        stream.write(content)
    if image is not None:
        register(image, plane, path)
    return path


def _copy_if_longer(source: Path, target: Path) -> None:
    if not source.exists():
        return
    data = source.read_bytes()
    have = target.read_bytes() if target.exists() else b""
    if len(data) > len(have) and data.startswith(have):
        with replacing(target) as stream:
            stream.write(data)


def _bring_home(away: Path, home: Path) -> str:
    """Copy a journal back beside its image, once that can be written again.

    The copy in the user's folder stays: an image with the same pixels may go on with it.
    """
    try:
        with FileLock(f"{away}.lock", timeout=0, thread_local=False):
            _copy_if_longer(away, home)
        if _holds_all(home, away):
            return f"the review kept in {away} is beside its image again"
    except (OSError, UserError):  # Timeout is an OSError
        return f"a part of this review is still in {away} and could not be brought back"
    return f"{away} holds another history of this review; this one is the one beside the image"


def _holds_all(home: Path, away: Path) -> bool:
    try:
        return home.read_bytes().startswith(away.read_bytes())
    except OSError:
        return False
