"""Finding out before any work whether what is to be written would clash."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..nuclei import ImageRecord
from .format import Format
from .mask_pngs import folders_of
from .places import names_of

BY_STEM = ("dsb", "masks")
"""Formats that call images by their names without endings, as those with a file an image do."""


def check_names(format: Format, images: Iterable[ImageRecord], out: Path) -> None:
    """Find out before any work whether what is written would clash, or with what is there.

    Raises
    ------
    UserError
        As `names_of`, or if there are masks of one of the images already.
    """
    if format.name == "masks":
        folders_of(out, images)
    elif format.per_image or format.name in BY_STEM:
        names_of(images)
