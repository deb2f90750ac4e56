"""What a journal says of its image, read without replaying it.

Here: its first line, and the last that tells of the image. Not here: edits (`lines.py`),
opening a journal (`opening.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fingerprint import Fingerprint
from .lines import DAMAGE

_MARK = b'"image":'  # as the key of a line; in a text its quotes would be escaped


@dataclass(frozen=True, slots=True)
class About:
    """What a journal is about.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the plane in px.
    image : Fingerprint or None
        Of the image's file when it was last looked at.
    part : str or None
        Which part of the plane; None in a journal of before parts were told apart.
    pixels : str
        Hash of the pixels of what is reviewed; empty where it does not say.
    """

    shape: tuple[int, int]
    image: Fingerprint | None
    part: str | None
    pixels: str = ""


def about(path: Path) -> About | None:
    """Read what a journal is about; None if it cannot be read."""
    try:
        data = path.read_bytes()
        end = data.find(b"\n")
        header = json.loads(data[:end] if end >= 0 else b"")
        shape = int(header["start"]["height"]), int(header["start"]["width"])
        image = _last_image(data, end) or header["image"]
        part = header.get("part")
        known = fingerprint_of(image)
        return About(shape, known, None if part is None else str(part), header.get("pixels", ""))
    except (OSError, *DAMAGE):
        return None


def _last_image(data: bytes, first: int) -> Any:
    """Return what the last line that tells of the image says."""
    at = data.rfind(_MARK, first + 1)
    while at >= 0:
        begin = data.rfind(b"\n", 0, at) + 1
        try:
            row = json.loads(data[begin : data.find(b"\n", at)])
            if isinstance(row, dict) and isinstance(row.get("image"), dict):
                return row["image"]
        except ValueError:
            pass  # torn, or no line of ours
        at = data.rfind(_MARK, first + 1, begin) if begin > first + 1 else -1
    return None


def fingerprint_of(row: Any) -> Fingerprint | None:
    """Read a fingerprint as a journal has it; None if there is none. Raises `TypeError`."""
    return Fingerprint(**row) if row else None
