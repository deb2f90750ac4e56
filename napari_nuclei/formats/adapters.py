"""The formats that have interfaces of their own, called as `registry.py` calls all of them.

Here: COCO, results, label images and folders of masks, also inside of exported archives. Not
here: what is in their files.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..labels import draw
from ..nuclei import Kind, Nuclei, Nucleus, Origin
from ..progress import result_of
from . import coco, label_tiff, mask_folders, results
from .beside import Beside, stem_of
from .coco_reader import NAMESPACE, from_json
from .dataset import DataSet, ImageRecord
from .files import read_json

LIMIT = 1 << 32
"""Bytes of JSON in an archive that are read at most."""


def read_coco(path: Path, beside: Beside) -> DataSet:
    """Read a COCO data set: its file, or a folder or archive as CVAT and Label Studio export."""
    if path.is_dir():
        path = _only(sorted(path.glob("annotations/*.json")) or [path / "result.json"])
    if not zipfile.is_zipfile(path):
        return from_json(_with_masks(read_json(path), path, beside), str(path))
    try:
        with zipfile.ZipFile(path) as z:
            entries = [e for e in z.infolist() if e.filename.endswith(".json")]
            entry = entries[0]
            if len(entries) > 1:
                raise UserError(
                    f"{path} holds {len(entries)} JSON files: unpack it and name one of them"
                )
            if entry.file_size > LIMIT:
                raise UserError(f"{path} holds more than 4 GB of JSON: unpack it first")
            value = json.loads(z.read(entry))
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError) as error:
        raise UserError(f"{path} is a damaged zip file: download it again") from error
    except ValueError as error:
        raise UserError(f"{path}: {entry.filename} is not JSON: download it again") from error
    return from_json(_with_masks(value, path, beside), str(path))


def _with_masks(value: Any, path: Path, beside: Beside) -> Any:
    """Leave out the annotations of other tools that are mere boxes, and remark on it."""
    rows = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        return value  # not a data set, which is found out later
    kept = [r for r in rows if not isinstance(r, dict) or NAMESPACE in r or r.get("segmentation")]
    if len(kept) < len(rows):
        beside.remarks.append(
            f"{path.name}: {len(rows) - len(kept):,} of {len(rows):,} annotations have a box but "
            "no mask; left out."
        )
    return value | {"annotations": kept}


def _only(files: list[Path]) -> Path:
    if len(files) > 1:
        names = ", ".join(f.name for f in files)
        raise UserError(f"{files[0].parent} holds {names}: name one of them")
    return files[0]


def write_coco(path: Path, data: DataSet, beside: Beside) -> None:
    """Write a COCO data set."""
    coco.write(path, data)


def read_results(path: Path, beside: Beside) -> DataSet:
    """Read a results list; images are called by their ids, scores are cut to 0…1."""
    read = results.read(path)
    beside.known = {}  # such a list knows no names
    out = DataSet([], {})
    origin = Origin(Kind.IMPORT, path.name)
    for image_id, found in sorted(read.found.items()):
        rows = [
            Nucleus(k, mask, min(max(score, 0.0), 1.0), origin=origin)
            for k, (mask, score) in enumerate(found, 1)
            if mask
        ]
        shape = read.shapes[image_id]
        out.images.append(ImageRecord(image_id, f"image {image_id}", *shape))
        out.nuclei[image_id] = Nuclei(shape, rows)
    return out


def write_results(path: Path, data: DataSet, beside: Beside) -> None:
    """Write a results list, under the ids of the images."""
    results.write(path, {image.id: data.of(image) for image in data.images})


def read_labels(path: Path, beside: Beside) -> tuple[ImageRecord, Nuclei]:
    """Read a label image."""
    nuclei = label_tiff.read(path)
    said = label_tiff.image_name_in(path)
    image = beside.image_of(path, *[said] * bool(said))
    name = said or (image.name if image else stem_of(path))
    return ImageRecord(1, name, *nuclei.shape), nuclei


def write_labels(path: Path, image: ImageRecord, nuclei: Nuclei, beside: Beside) -> None:
    """Write a label image, and remark on what it cannot hold."""
    lost = label_tiff.write(path, nuclei, beside.pixel_size_of(image), image.file_name)
    if lost:
        seen = np.count_nonzero(np.unique(draw(nuclei)))
        gone = sum(1 for n in nuclei.shown() if n.mask) - seen
        whole = f", {gone:,} of them whole" if gone > 0 else ""
        beside.remarks.append(
            f"{path.name}: {lost:,} px of nuclei that lie below others{whole} are left out: "
            "a label image has one nucleus for each pixel. COCO keeps them all."
        )


def read_masks(path: Path, beside: Beside) -> DataSet:
    """Read folders of masks."""
    files = mask_folders.find_files(path)
    prepared = result_of(mask_folders.read(files))
    beside.known, beside.homes = {file.name: file for file in files}, [path.resolve()]
    beside.remarks += prepared.remarks
    return prepared.data
