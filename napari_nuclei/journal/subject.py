"""`Subject`: what a journal is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..images.planes import Plane


@dataclass(frozen=True, slots=True)
class Subject:
    """What a journal is about: one plane of one image.

    Attributes
    ----------
    shape : (int, int)
        Height and width in px.
    path : Path or None
        The image file, if there is one.
    plane : tuple of int
        Which plane of it; () where there is but one.
    part : str
        Which part of the plane; see `naming.py`.
    pixels : str
        Hash of the pixels of the first plane of what is reviewed, where the file alone does
        not say what it is; else empty.
    """

    shape: tuple[int, int]
    path: Path | None = None
    plane: Plane = ()
    part: str = ""
    pixels: str = ""
