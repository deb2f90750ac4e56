"""Where the data folders that come with the plugin lie. Nothing in them is read here."""

from __future__ import annotations

from pathlib import Path

from napari_nuclei.errors import UserError


def resource_folder(name: str) -> Path:
    """Find a data folder that comes with the plugin.

    Parameters
    ----------
    name : str
        `"sample_data"` or `"training"`.

    Returns
    -------
    Path
        Inside the package where a wheel is installed, beside it in a checkout.

    Raises
    ------
    UserError
        If the folder is in neither place.
    """
    package = Path(__file__).resolve().parent
    for parent in (package, package.parent):
        folder = parent / name
        if folder.is_dir():
            return folder
    raise UserError(f"the folder {name!r} is missing: reinstall napari-nuclei")
