"""Where the journal of an image lies, and who may write it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from numpy.typing import NDArray

from ..atomic_files import unwritable
from ..errors import UserError
from ..images.planes import Plane
from ..resources import resource_folder
from . import lost
from .about import about
from .away import away_for as away_for
from .away import away_of, bring_home, copy_if_longer, holds_all, known_places, register
from .away import is_chosen as is_chosen
from .away import rescue as rescue
from .away import user_folder as user_folder
from .fingerprint import Fingerprint as Fingerprint
from .locks import lock_of
from .naming import FOLDER as FOLDER
from .naming import journal_name, journals_in, of_image, part_of_channels

Pixels = Callable[[], NDArray[Any]]


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
    moves_to : (Path, FileLock) or None
        Where it is to lie from its next line on, and the lock of that place.
    """

    path: Path
    lock: FileLock | None
    notices: list[str] = field(default_factory=list)
    where: str = ""
    moves_to: tuple[Path, FileLock] | None = None


def kept_as(image: Path) -> Path:
    """Return the path under which an image's journals are kept: of a link that of its file.

    A link stays itself where it has journals of its own, or nothing can be written beside the file.
    """
    try:
        if not image.is_symlink() or lost.journals_of(image.absolute()):
            return image
        target = image.resolve(strict=True)
    except OSError:
        return image
    is_kept = os.access(target.parent, os.W_OK) or lost.journals_of(target)
    return target if is_kept else image


def home_of(image: Path, plane: Plane = (), part: str = "") -> Path:
    """Return where the journal of an image file belongs."""
    image = kept_as(image)
    return image.parent / FOLDER / journal_name(image.name, plane, part)


def find(image: Path, plane: Plane = (), part: str = "") -> Path | None:
    """Return the journal of an image file that is in use, if there is one."""
    image = kept_as(image)
    away = away_of(image, plane, part)
    if away is not None and away.exists():
        return away
    home = image.parent / FOLDER / journal_name(image.name, plane, part)
    return home if home.exists() else None


def locate(image: Path, plane: Plane = (), part: str = "") -> Path | None:
    """Return the journal with which an image goes on: its own, or that of what it was called."""
    path = find(image, plane, part)
    if path is not None:
        return path
    trace = was_called(image)
    found = {} if trace is None else {lost.new_name(p, trace, image): p for p in trace.journals}
    return found.get(image.parent / FOLDER / journal_name(image.name, plane, part))


def part_of(image: Path, plane: Plane, channels: tuple[int, ...]) -> str:
    """Return the part of a plane that a review is of which was made on some channels.

    That of the whole plane is meant where it was made on them.
    """
    part = part_of_channels(channels)
    if part and find(image, plane, part) is None and (whole := locate(image, plane)) is not None:
        said = about(whole)
        if said is not None and said.channels == channels:
            return ""
    return part


def was_called(image: Path) -> lost.Trace | None:
    """Return what an image was called when it was reviewed, if that can be told surely."""
    gone = lost.traces(kept_as(image), sure=True)
    return gone[0] if len(gone) == 1 else None


def begun(image: Path, moved: bool = False) -> list[tuple[Plane, str]]:
    """List the planes and parts of an image file that have a journal.

    `moved` counts those that are still called by the name that the image had before.
    """
    image = kept_as(image)
    names = journals_in(image.parent)
    folder = str(image.absolute().parent)
    names += [Path(key).name for key in known_places() if str(Path(key).parent) == folder]
    if moved and (trace := was_called(image)) is not None:
        paths = [lost.new_name(path, trace, image) for path in trace.journals]
        names += [path.name for path in paths if path is not None]
    found = {of_image(name, image.name) for name in names}
    return sorted(key for key in found if key is not None)


def begun_planes(image: Path) -> list[Plane]:
    """List the planes of an image file that have a journal; ``()`` is the whole of a flat one."""
    return [plane for plane, part in begun(image) if not part]


def claim(
    image: Path | None,
    plane: Plane,
    pixels: Pixels,
    part: str = "",
    at: Path | None = None,
) -> Claim:
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
    part : str
        Which part of the plane; see `naming.py`.
    at : Path, optional
        A journal that is of this plane and part though it is called otherwise.

    Raises
    ------
    UserError
        If no place can be written at all.
    """
    if at is not None:
        return _claim_at(at, None if image is None else home_of(image, plane, part))
    if image is None:
        return _claim_away(None, plane, part, pixels, "this image has no file")
    image = kept_as(image)
    if _is_sample(image):
        return _claim_away(image, plane, part, pixels, f"{image.name} is a sample")
    home = image.parent / FOLDER / journal_name(image.name, plane, part)
    try:
        found = _locked(home)
    except OSError as error:
        reason = str(unwritable(home_of(image), error))
        return _claim_away(image, plane, part, pixels, reason)
    away = away_of(image, plane, part)
    if found.lock is not None and away is not None and away.exists():
        found.notices.append(bring_home(away, found.path))
        if holds_all(found.path, away):
            register(image, plane, None, part)
    elif found.lock is not None and not home.exists():
        return _brought(found, image)
    return found


def _brought(found: Claim, image: Path) -> Claim:
    """Have the journals of an image that was renamed or moved go with it."""
    trace = was_called(image)
    if trace is None:
        return found
    try:
        if lost.bring(trace, image):
            found.notices.append(lost.notice(trace, image))
            return found
    except (OSError, UserError) as error:
        found.notices.append(
            f"This image has a review, {trace.journals[0]}, that cannot be moved along: {error}"
        )
        return found
    by_name = {lost.new_name(path, trace, image): path for path in trace.journals}
    path = by_name.get(found.path)
    if path is None:
        return found
    assert found.lock is not None
    found.lock.release()
    return Claim(path, lock_of(path), [lost.notice(trace, image)])


def _claim_at(path: Path, home: Path | None) -> Claim:
    """Take a journal that is called otherwise; it gets its name with its next line."""
    try:
        found = _locked(path)
        if found.lock is None or home is None or path.parent.name != FOLDER:
            return found
        home.parent.mkdir(exist_ok=True)
        lock = lock_of(home)
    except OSError as error:
        raise unwritable(path, error) from error
    if lock is not None:
        found.moves_to = home, lock
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


def _claim_away(image: Path | None, plane: Plane, part: str, pixels: Pixels, reason: str) -> Claim:
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        known = None if image is None else away_of(image, plane, part)
        is_known = known is not None and known.exists()
        found = _locked(known if known and is_known else away_for(pixels(), plane, part))
    except OSError as error:
        raise unwritable(user_folder(), error) from error
    if image is not None and found.lock is not None:
        with contextlib.suppress(OSError):  # what cannot be read is not there
            home = image.parent / FOLDER / journal_name(image.name, plane, part)
            copy_if_longer(home, found.path)
        register(image, plane, found.path, part)
    found.where = f"{reason.partition(':')[0]}; this review is kept in {found.path}"
    found.notices.append(found.where)
    return found
