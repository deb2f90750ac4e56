"""Commands of the menus. What they do lives in `widget.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

PLUGIN, WIDGET = "napari-nuclei", "Nuclei"


def segment_active(napari_viewer: Viewer) -> None:
    """Open the widget and segment the image that is active."""
    _, widget = napari_viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    widget.follow_active()
    widget.segment()
