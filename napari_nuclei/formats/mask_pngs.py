"""Folders of mask images, written: ``<image>/masks/<id>.png``, one nucleus each.

Here: nuclei → PNG files, as the 2018 Data Science Bowl hands them out. Not here: reading such
folders (`mask_folders.py`).
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import numpy as np

from ..errors import UserError
from ..mask import Mask
from ..nuclei import Nuclei
from .beside import Beside
from .dataset import DataSet
from .files import unwritable
from .mask_folders import IMAGES, MASKS

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write(folder: Path, data: DataSet, beside: Beside) -> list[Path]:
    """Write the nuclei that are shown, a folder an image, and copy the images that are found.

    Overlaps and holes survive; scores, states and ids in other form than file names do not.

    Returns
    -------
    list of Path
        The folders written.

    Raises
    ------
    UserError
        If the folder cannot be written, has masks of one of the images already, or two images
        have the same name but for the ending.
    """
    names = [PurePath(image.file_name).stem for image in data.images]
    if double := next((name for name, n in Counter(names).items() if n > 1), None):
        raise UserError(f"two images are named {double!r}: each needs a folder of its own")
    folders = [folder / name for name in names]
    if full := next((f for f in folders if any((f / MASKS).glob("*"))), None):
        raise UserError(f"{full / MASKS} holds masks already: name another folder to write")
    found = [beside.image(folder, image.file_name) for image in data.images]
    nuclei = [data.of(image) for image in data.images]
    try:
        # Each new file waits for the disk, most of all for one on a network: so several at once.
        with ThreadPoolExecutor(8, "png") as pool:
            list(pool.map(_write_image, folders, nuclei, found))
    except OSError as error:
        raise unwritable(folder, error) from error
    missing = found.count(None)
    if missing:
        beside.remarks.append(
            f"{missing:,} of {len(data.images):,} images were not found, and their folders "
            f"{IMAGES}/ are empty: name the folder of images with --images, or put them there."
        )
    return folders


def _write_image(place: Path, nuclei: Nuclei, image: Path | None) -> None:
    (place / MASKS).mkdir(parents=True, exist_ok=True)
    (place / IMAGES).mkdir(exist_ok=True)
    if image is not None and not (place / IMAGES / image.name).exists():
        shutil.copyfile(image, place / IMAGES / image.name)
    rows = [n for n in nuclei.shown() if n.mask]
    digits = len(str(max((n.id for n in rows), default=1)))
    for n in rows:
        (place / MASKS / f"{n.id:0{digits}d}.png").write_bytes(png(n.mask, nuclei.shape))


def png(mask: Mask, shape: tuple[int, int]) -> bytes:
    """Return a PNG of one bit a pixel, white on black."""
    height, width = shape
    stride = (width + 7) // 8 + 1  # each row begins with its filter: none
    left = mask.x // 8
    crop = np.zeros((mask.height, (mask.x % 8) + mask.width), bool)
    crop[:, mask.x % 8 :] = mask.to_array()
    bits = np.packbits(crop, axis=1)
    rows = np.zeros((mask.height, stride), np.uint8)
    rows[:, 1 + left : 1 + left + bits.shape[1]] = bits
    # Not all at once: most of a large image is empty rows.
    packer = zlib.compressobj(1)
    pieces = [packer.compress(bytes(stride * mask.y)), packer.compress(rows.tobytes())]
    pieces += [packer.compress(bytes(stride * (height - mask.y - mask.height))), packer.flush()]
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(pieces)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
