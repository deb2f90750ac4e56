"""What journals are called: the image, the plane and the part of it that each is of.

A part is what of a plane's pixels is under review where that is not all of them: ``"c1"`` for its
channel 1, or, where nobody can tell the number, ``"p"`` and the first 8 hexadecimal digits of the
SHA-256 of what is seen.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..images.planes import Plane

ENDING = ".jsonl"

FOLDER = ".napari-nuclei"
"""Name of the folder, beside the images, that holds their journals."""

_NAME = re.compile(
    r"(?P<image>.+?)(?:@(?P<plane>[0-9]+(?:-[0-9]+)*))?(?:@(?P<part>c[0-9]+|p[0-9a-f]{8}))?\.jsonl",
    re.DOTALL,
)


def journal_name(name: str, plane: Plane = (), part: str = "") -> str:
    """Return the file name of an image's journal; planes and parts have one each."""
    number = f"@{'-'.join(map(str, plane))}" if plane else ""
    return f"{name}{number}{f'@{part}' if part else ''}{ENDING}"


def read_name(name: str) -> tuple[str, Plane, str] | None:
    """Return the image, plane and part that a journal's file name stands for."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    plane = tuple(map(int, found["plane"].split("-"))) if found["plane"] else ()
    return found["image"], plane, found["part"] or ""


def snapshot_of(path: Path) -> Path:
    """Return where the snapshot of a journal lies."""
    return path.with_suffix(".snapshot")


def part_of_channels(channels: tuple[int, ...]) -> str:
    """Return the part that a choice of channels is; empty for several or all."""
    return f"c{channels[0]}" if len(channels) == 1 else ""


def channels_of_part(part: str) -> tuple[int, ...]:
    """Return the channels that a part is of; () where it does not say."""
    return (int(part[1:]),) if part.startswith("c") else ()


def of_image(name: str, image: str) -> tuple[Plane, str] | None:
    """Return the plane and part if a file name is that of one of an image's journals."""
    read = read_name(f"x{name[len(image) :]}") if name.startswith(image) else None
    return read[1:] if read is not None and read[0] == "x" else None


def journals_in(folder: Path) -> list[str]:
    """List the names of the journals of a folder's images."""
    try:
        return [p.name for p in (folder / FOLDER).iterdir() if p.suffix == ENDING]
    except OSError:
        return []
