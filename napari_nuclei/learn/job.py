"""`RetrainJob`: what is to be retrained on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """What is to be retrained on what.

    Attributes
    ----------
    coco, images : Path
        The reviewed data set and the folder of its images.
    base : str
        Name of the model to begin with, or its file.
    name : str
        Name of the new one; empty for the next free one.
    minutes : float
        Time for all of it, about.
    replay : Path or None
        Data set of what must not be forgotten; its images lie beside it or in ``images``.
    ignore : bool
        Whether missing labels say nothing where nobody has looked. False only serves to
        measure what that is worth.
    strict : bool
        Whether a broken entry of a data set is an error; otherwise it is left out or mended.
    """

    coco: Path
    images: Path
    base: str
    name: str = ""
    minutes: float = 10
    replay: Path | None = None
    ignore: bool = True
    strict: bool = False
