"""Which journals lie in the user's data folder instead of beside their image.

Here: that folder, and the list of them. Not here: who may write a journal
(`place.py`).
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_data_path

from ..errors import UserError
from ..formats.files import write_json

Plane = tuple[int, ...]


def journal_name(name: str, plane: Plane = ()) -> str:
    """Return the file name of an image's journal; planes have one each."""
    return f"{name}{'@' + '-'.join(map(str, plane)) if plane else ''}.jsonl"


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


def register(image: Path, plane: Plane, away: Path | None) -> None:
    """Remember where the journal of an image lies; None for beside the image."""
    places, key = user_folder() / "places.json", place_key(image, plane)
    # Without this it is found by its pixels all the same.
    with contextlib.suppress(OSError, UserError), FileLock(f"{places}.lock", timeout=5):
        known = known_places()
        name = None if away is None else away.name
        if known.get(key) != name:
            rest = {k: v for k, v in known.items() if k != key}
            write_json(places, rest | ({} if name is None else {key: name}))


def away_of(image: Path, plane: Plane) -> Path | None:
    """Return where the journal of an image lies, if it is not beside the image."""
    name = known_places().get(place_key(image, plane))
    return user_folder() / name if isinstance(name, str) else None


def known_places() -> dict[str, Any]:
    """Return the file names of the journals that are away, by where they would belong."""
    try:
        known = json.loads((user_folder() / "places.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def place_key(image: Path, plane: Plane) -> str:
    """Return what an image is called in the list: where its journal would belong, less a folder."""
    return str(image.absolute().parent / journal_name(image.name, plane))
