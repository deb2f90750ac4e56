"""What a journal says of its image, read without replaying it."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    channels : tuple of int
        The channels that a model saw of it last; () where it does not say.
    """

    shape: tuple[int, int]
    image: Fingerprint | None
    part: str | None
    pixels: str = ""
    channels: tuple[int, ...] = ()


def about(path: Path) -> About | None:
    """Read what a journal is about; None if it cannot be read."""
    try:
        data = path.read_bytes()
        end = data.find(b"\n")
        header = json.loads(data[:end] if end >= 0 else b"")
        shape = int(header["start"]["height"]), int(header["start"]["width"])
        image, channels = header["image"], list[int]()
        for row in _image_rows(data, end):
            image, channels = row["image"], row.get("channels", channels)
        part = header.get("part")
        part = None if part is None else str(part)
        seen = tuple(int(k) for k in channels)
        return About(shape, fingerprint_of(image), part, header.get("pixels", ""), seen)
    except (OSError, *DAMAGE):
        return None


def _image_rows(data: bytes, first: int) -> Iterator[dict[str, Any]]:
    """Yield the lines after the first that tell of the image."""
    at = data.find(_MARK, first + 1)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        if end < 0:
            return
        row = json.loads(data[begin:end])
        if "image" in row:
            yield row
        at = data.find(_MARK, end)


def fingerprint_of(row: Any) -> Fingerprint | None:
    """Read a fingerprint as a journal has it; None if there is none. Raises `TypeError`."""
    return Fingerprint(**row) if row else None
