"""Folders of mask images, written: ``<image>/masks/<id>.png``, one nucleus each."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..atomic_files import unwritable
from ..errors import FormatError
from ..images.images import read_image
from ..nuclei import ImageRecord, Nuclei
from ..wording import counted
from . import bit_png
from .dataset import DataSet
from .image_ids import plane_of
from .image_names import listed
from .image_sizes import check_sizes
from .mask_folders import IMAGES, MASKS, check_same
from .places import names_of
from .sidecar import Sidecar


def write(folder: Path, data: DataSet, sidecar: Sidecar) -> list[Path]:
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
    folders = folders_of(folder, data.images)
    found = _images(folder, data, sidecar)
    nuclei = [data.of(image) for image in data.images]
    try:
        # Each new file waits for the disk, most of all for one on a network: so several at once.
        with ThreadPoolExecutor(8, "png") as pool:
            list(pool.map(_write_image, folders, data.images, nuclei, found))
    except OSError as error:
        raise unwritable(folder, error) from error
    return folders


def folders_of(folder: Path, images: Iterable[ImageRecord]) -> list[Path]:
    """Return the folder of each image, in which there are no masks yet.

    Raises
    ------
    UserError
        If there are some, or two images have the same name but for the ending.
    """
    folders = [folder / name for name in names_of(images)]
    if full := next((f for f in folders if any((f / MASKS).glob("*"))), None):
        raise FormatError(f"{full / MASKS} holds masks already: name another folder to write")
    return folders


def _images(folder: Path, data: DataSet, sidecar: Sidecar) -> list[Path | None]:
    """Return the images that are copied along, and remark on the others."""
    located = sidecar.locate(folder / IMAGES, data.images)
    sidecar.remarks += check_sizes(data.images, located.files, "the file of its nuclei")
    astray = [n for n, path in located.files.items() if not sidecar.may_copy(folder / IMAGES, path)]
    if astray:
        sidecar.remarks.append(
            "Not copied, since a link or the name leads out of the folder of the images: "
            f"{listed(astray)}. Copy what you need there, or name its own folder with --images."
        )
    if located.gaps:
        sidecar.remarks.append(
            f"Not found, so that their folders {IMAGES}/ are empty: {len(located.gaps):,} of "
            f"{counted(len(data.images), 'image')} ({located.summary()}). Name the folder of "
            "images with --images, or put them there."
        )
    found = {name: path for name, path in located.files.items() if name not in astray}
    return [found.get(image.file_name) for image in data.images]


def _write_image(place: Path, image: ImageRecord, nuclei: Nuclei, file: Path | None) -> None:
    (place / MASKS).mkdir(parents=True, exist_ok=True)
    (place / IMAGES).mkdir(exist_ok=True)
    if file is not None:
        _copy(file, place / IMAGES, plane_of(image))
    rows = [n for n in nuclei.shown() if n.mask]
    digits = len(str(max((n.id for n in rows), default=1)))
    for n in rows:
        content = bit_png.encode(n.mask, nuclei.shape)
        (place / MASKS / f"{n.id:0{digits}d}.png").write_bytes(content)


def _copy(file: Path, folder: Path, plane: tuple[int, ...]) -> None:
    """Copy an image, or the one plane of a stack."""
    if plane:
        import tifffile

        if len(plane) == 1:
            target = folder / f"{file.stem}_{plane[0]}.tif"
            tifffile.imwrite(target, read_image(file, plane=plane[0]))
        return
    target = folder / file.name
    if not target.exists():
        (shutil.copytree if file.is_dir() else shutil.copyfile)(file, target)
    elif file.is_file():
        check_same(file, target)
