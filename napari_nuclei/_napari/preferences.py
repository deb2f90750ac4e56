"""What a person has set for this plugin in napari's preferences. Not here: the form for it."""

from __future__ import annotations

from .commands import PLUGIN

SECTION = "segmenting"
"""Key of the section in the manifest."""


def preference(name: str) -> str:
    """Return a setting, empty where it is not set or this napari has no settings of plugins."""
    try:
        from napari.settings import get_plugin_settings

        value = getattr(getattr(get_plugin_settings(PLUGIN), SECTION), name)
    except (ImportError, AttributeError, KeyError):
        return ""
    return str(value).strip() if value else ""
