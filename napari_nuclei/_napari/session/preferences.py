"""What a person has set for this plugin in napari's preferences."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ...journal.away import choose_folder
from .. import PLUGIN


def preference(section: str, name: str) -> str:
    """Return a setting, empty where it is not set or this napari has no settings of plugins."""
    try:
        from napari.settings import get_plugin_settings

        value = getattr(getattr(get_plugin_settings(PLUGIN), section), name)
    except (ImportError, AttributeError, KeyError):
        return ""
    return str(value).strip() if value else ""


@cache
def apply_folder() -> None:
    """Have reviews kept in the folder that is set, from the first call on until napari ends.

    Not later: a review that is open would be looked for in another place than it was begun in.
    """
    folder = preference("reviews", "folder")
    choose_folder(Path(folder).expanduser().absolute() if folder else None)
