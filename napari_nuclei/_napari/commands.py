"""Commands of the menus. What they do lives in `widget.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import PLUGIN

if TYPE_CHECKING:
    from napari.viewer import Viewer

WIDGET, RETRAIN = "Nuclei", "Retrain nuclei"

NONE_YET = "There are no nuclei to export yet: press Segment first."
REMOVED = "The layer with the nuclei was removed: press “Show the nuclei again”."


def segment_active(napari_viewer: Viewer) -> None:
    """Open the widget and segment the image that is active."""
    _, widget = napari_viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    widget.chosen.follow_active()
    widget.segment()


def review_active(napari_viewer: Viewer) -> None:
    """Open the widget on the active image, or take the active labels over for review."""
    from .session.adopting import adoptable

    _, widget = napari_viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    widget.chosen.follow_active()
    if widget.bridge is None and adoptable(widget.session, widget.settings.image) is not None:
        widget.adopt_button.click()
    elif widget.bridge is not None:
        widget.session.activate(widget.bridge)
    widget.show_state()


def export_active(napari_viewer: Viewer) -> None:
    """Ask for a format and write the nuclei of the active image or layer."""
    _, widget = napari_viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    widget.chosen.follow_active()
    if widget.bridge is None:
        removed = widget.session.record_of(widget.settings.image) is not None
        widget.say(REMOVED if removed else NONE_YET, problem=True)
    else:
        widget.export()


def open_retraining(viewer: Viewer) -> None:
    """Open the panel that retrains models."""
    viewer.window.add_plugin_dock_widget(PLUGIN, RETRAIN, tabify=True)
