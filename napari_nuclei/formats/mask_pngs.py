"""Folders of mask images, written: ``<image>/masks/<id>.png``, one nucleus each.

Here: nuclei → PNG files, as the 2018 Data Science Bowl hands them out. Not here: reading such
folders (`mask_folders.py`), the images themselves (`bit_png.py`).
"""

from __future__ import annotations

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

from ..errors import UserError
from ..nuclei import Nuclei
from ..wording import worded
from . import bit_png
from .beside import Beside
from .dataset import DataSet
from .files import unwritable
from .mask_folders import IMAGES, MASKS


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
            f"{IMAGES}/ are empty: "
            + worded(
                "name the folder of images with --images, or put them there.",
                "name the folder of images with image=, or put them there.",
                "put them there.",
            )
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
        content = bit_png.encode(n.mask, nuclei.shape)
        (place / MASKS / f"{n.id:0{digits}d}.png").write_bytes(content)
