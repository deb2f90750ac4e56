"""Opening a napari window from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..nuclei import Nuclei
from ..review import Review
from ..workspace.workspace import Workspace
from .assembly import session_of
from .layers.record import KEY, Record
from .widget import NucleiWidget


def open_window(path: Path, pixels: NDArray[Any], nuclei: Nuclei) -> None:
    """Show an image and its nuclei with the widget, until the window is closed.

    Parameters
    ----------
    path : Path
        Name of the image, for layers and exports.
    pixels : (H, W) or (H, W, 3)
        The image.
    nuclei : Nuclei
        Its nuclei, to be reviewed.
    """
    import napari

    make_viewer(path, pixels, nuclei)
    napari.run()


def make_viewer(path: Path, pixels: NDArray[Any], nuclei: Nuclei) -> Any:
    """Open the window of `open_window` and return its viewer."""
    import napari

    viewer = napari.Viewer(title=path.name)
    file = path.absolute() if path.exists() else None
    record = Record(nuclei.shape, path.name, reviews={(): Review(nuclei)}, file=file)
    image = viewer.add_image(pixels, name=path.stem, metadata={KEY: record})
    viewer.window.add_dock_widget(NucleiWidget(viewer), name="Nuclei", area="right")
    session_of(viewer).bring_back(image)
    return viewer


def open_review(workspace: Workspace) -> None:
    """Show a workspace, until the window is closed."""
    import napari

    make_review(workspace)
    napari.run()


def make_review(workspace: Workspace) -> Any:
    """Open the window of `open_review` and return its viewer."""
    import napari

    viewer = napari.Viewer(title=workspace.path.name)
    widget = NucleiWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Nuclei", area="right")
    widget.folder.folder.begin(workspace)
    return viewer
