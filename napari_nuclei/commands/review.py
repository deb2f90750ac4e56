"""`review`: a napari window on a folder of images, an image, a list of images or a COCO file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import UserError
from .arguments import strict
from .terminal import has_screen, no_window, say


def arguments(p: ArgumentParser) -> None:
    """Say what may follow the command."""
    p.add_argument(
        "path",
        type=Path,
        metavar="FOLDER|IMAGE|COCO.json",
        help="what to review: a folder of images, an image, a COCO file, or a list of images",
    )
    p.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the images that a COCO file or a list names (default: beside it)",
    )
    strict(p)


def run(options: Namespace) -> int:
    """Open the window; returns when it is closed."""
    from ..workspace.files import MissingImagesError
    from ..workspace.workspace import Workspace

    images: Path | None = options.images
    if images is not None and not images.is_dir():
        raise UserError(f"{images}: no such folder: --images names the folder of the images")
    try:
        workspace = Workspace(options.path, images, options.strict)
    except MissingImagesError as error:
        raise UserError(f"{error} with --images") from error
    for remark in workspace.remarks:
        say(remark)
    if not has_screen():
        reason = no_window() or "there is no screen here"
        raise UserError(f"napari cannot be opened: {reason}; segment and convert need no window")
    try:
        from .._napari.launch import open_review

        open_review(workspace)
    except ImportError as error:  # there is no Qt, or one that does not work here
        reason = " ".join(str(error).split())
        raise UserError(
            f"napari cannot be opened: {reason}. Install napari-nuclei[all]."
        ) from error
    return 0
