"""Which journals lie in the user's data folder instead of beside their image."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_data_path

from ..atomic_files import replacing, unwritable, write_json
from ..errors import UserError
from ..images.planes import Plane
from .fingerprint import digest_of_pixels
from .naming import journal_name

_chosen: Path | None = None


def choose_folder(folder: Path | None) -> None:
    """Have journals that cannot lie beside their images lie in a folder; None for the default."""
    global _chosen
    _chosen = folder


def is_chosen() -> bool:
    """Whether they lie in a folder that a person has chosen."""
    return _chosen is not None


def user_folder() -> Path:
    """Return where journals lie that cannot lie beside their images."""
    return _chosen or user_data_path("napari-nuclei", False) / "reviews"


def register(image: Path, plane: Plane, away: Path | None, part: str = "") -> None:
    """Remember where the journal of an image lies; None for beside the image."""
    places, key = user_folder() / "places.json", place_key(image, plane, part)
    # Without this it is found by its pixels all the same.
    with contextlib.suppress(OSError, UserError), FileLock(f"{places}.lock", timeout=5):
        known = known_places()
        name = None if away is None else away.name
        if known.get(key) != name:
            rest = {k: v for k, v in known.items() if k != key}
            write_json(places, rest | ({} if name is None else {key: name}))


def away_of(image: Path, plane: Plane, part: str = "") -> Path | None:
    """Return where the journal of an image lies, if it is not beside the image."""
    name = known_places().get(place_key(image, plane, part))
    return user_folder() / name if isinstance(name, str) else None


def known_places() -> dict[str, Any]:
    """Return the file names of the journals that are away, by where they would belong."""
    try:
        known = json.loads((user_folder() / "places.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def place_key(image: Path, plane: Plane, part: str = "") -> str:
    """Return what an image is called in the list: where its journal would belong, less a folder."""
    return str(image.absolute().parent / journal_name(image.name, plane, part))


# -- journals there, and those beside their images --------------------------------------


def away_for(pixels: NDArray[Any], plane: Plane = (), part: str = "") -> Path:
    """Return where the journal of a plane with these pixels lies in the user's data folder."""
    return user_folder() / journal_name(digest_of_pixels(pixels), plane, part)


def rescue(content: bytes, image: Path | None, plane: Plane, part: str = "") -> Path:
    """Write a journal whose place fails into the user's folder, where the next opening finds it.

    Raises
    ------
    UserError
        If that fails too.
    """
    key = "" if image is None else place_key(image, plane, part)
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
        register(image, plane, path, part)
    return path


def copy_if_longer(source: Path, target: Path) -> None:
    """Copy a journal over another one of which it is the continuation."""
    if not source.exists():
        return
    data = source.read_bytes()
    have = target.read_bytes() if target.exists() else b""
    if len(data) > len(have) and data.startswith(have):
        with replacing(target) as stream:
            stream.write(data)


def bring_home(away: Path, home: Path) -> str:
    """Copy a journal back beside its image, once that can be written again.

    The copy in the user's folder stays: an image with the same pixels may go on with it.
    """
    try:
        with FileLock(f"{away}.lock", timeout=0, thread_local=False):
            copy_if_longer(away, home)
        if holds_all(home, away):
            return f"the review kept in {away} is beside its image again"
    except (OSError, UserError):  # Timeout is an OSError
        return f"a part of this review is still in {away} and could not be brought back"
    return f"{away} holds another history of this review; this is the one beside the image"


def holds_all(home: Path, away: Path) -> bool:
    """Whether all of one journal is in another one."""
    try:
        return home.read_bytes().startswith(away.read_bytes())
    except OSError:
        return False
