"""The formats that have interfaces of their own, called as `registry.py` calls all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin
from ..nuclei.labels import draw
from ..progress import result_of
from ..wording import are, counted
from . import coco, label_files, label_tiff, mask_folders, results
from .archives import json_of
from .categories import DEFAULT, Category
from .coco_reader import from_json
from .dataset import DataSet
from .image_rows import TEXT_ID, texts_of
from .sidecar import Sidecar, stem_of


def read_coco(path: Path, sidecar: Sidecar) -> DataSet:
    """Read a COCO data set: its file, or a folder or archive as CVAT and Label Studio export."""
    if path.is_dir():
        path = _only(sorted(path.glob("annotations/*.json")) or [path / "result.json"])
    value, _ = json_of(path, "coco")
    return from_json(value, str(path), sidecar.on_broken, sidecar.images)


def _only(files: list[Path]) -> Path:
    if len(files) > 1:
        names = ", ".join(f.name for f in files)
        raise FormatError(f"{files[0].parent} holds {names}: name one of them")
    return files[0]


def write_coco(path: Path, data: DataSet, sidecar: Sidecar) -> None:
    """Write a COCO data set."""
    coco.write(path, data)


def read_results(path: Path, sidecar: Sidecar) -> DataSet:
    """Read a results list; images are called by their ids, scores are cut to 0…1."""
    value, _ = json_of(path, "results")
    read = results.from_json(value, str(path), sidecar.on_broken)
    sidecar.known = {}  # such a list knows no names
    names = {id: _category(id) for of in read.categories.values() for id in of}
    out = DataSet([], {}, categories=tuple(names[id] for id in sorted(names)) or (DEFAULT,))
    origin = Origin(Kind.IMPORT, path.name)
    cut = empty = 0
    for image_id, found in sorted(read.found.items()):
        rows = [
            Nucleus(
                k, mask, min(max(score, 0.0), 1.0), origin=origin, category=names[category].name
            )
            for k, ((mask, score), category) in enumerate(
                zip(found, read.categories[image_id], strict=True), 1
            )
            if mask
        ]
        cut += sum(not 0 <= score <= 1 for _, score in found)
        empty += len(found) - len(rows)
        shape = read.shapes[image_id]
        said = read.texts.get(image_id)
        extra = {} if said is None else {TEXT_ID: said}
        name = f"image {image_id if said is None else said}"
        out.images.append(ImageRecord(image_id, name, *shape, extra=extra))
        out.nuclei[image_id] = Nuclei(shape, rows)
    if cut:
        sidecar.remarks.append(
            f"{path.name}: {counted(cut, 'score')} outside 0 to 1 {are(cut)} clipped to it."
        )
    if empty:
        sidecar.remarks.append(
            f"{path.name}: {counted(empty, 'entry')} without pixels {are(empty)} left out."
        )
    return out


def _category(id: int) -> Category:
    return DEFAULT if id == DEFAULT.id else Category(id, f"category {id}")


def write_results(path: Path, data: DataSet, sidecar: Sidecar) -> None:
    """Write a results list, under the ids of the images."""
    nuclei = {image.id: data.of(image) for image in data.images}
    results.write(path, nuclei, categories=data.categories, texts=texts_of(data.images))


def read_labels(path: Path, sidecar: Sidecar) -> tuple[ImageRecord, Nuclei]:
    """Read a label image."""
    remarks: list[str] = []
    nuclei = label_files.read(path, remarks, "" if sidecar.split else label_files.SPLIT)
    sidecar.remarks += remarks
    holder = label_files.image_of(path)
    said = label_tiff.image_name_in(path)
    image = holder or sidecar.image_of(path, *[said] * bool(said))
    name = said or (image.name if image else stem_of(path))
    return ImageRecord(1, name, *nuclei.shape), nuclei


def write_labels(path: Path, image: ImageRecord, nuclei: Nuclei, sidecar: Sidecar) -> None:
    """Write a label image, and remark on what it cannot hold."""
    lost = label_tiff.write(path, nuclei, sidecar.pixel_size_of(image), image.file_name)
    if lost:
        seen = np.count_nonzero(np.unique(draw(nuclei)))
        gone = sum(1 for n in nuclei.shown() if n.mask) - seen
        whole = f", {gone:,} of them whole" if gone > 0 else ""
        sidecar.remarks.append(
            f"{path.name}: {lost:,} px of nuclei below others{whole} are left out: a label image "
            "has one nucleus per pixel. COCO keeps them all."
        )


def read_masks(path: Path, sidecar: Sidecar) -> DataSet:
    """Read folders of masks."""
    said: list[mask_folders.Said] = []
    files = mask_folders.find_files(path, None if sidecar.strict else said)
    prepared = result_of(mask_folders.read(files, strict=sidecar.strict))
    sidecar.known, sidecar.homes = {file.name: file for file in files}, [path.resolve()]
    sidecar.remarks += [*mask_folders.grouped(said), *prepared.remarks]
    if not sidecar.split:
        words = f"the only mask of its image, in pieces, read as one nucleus; {label_files.SPLIT}"
        sidecar.remarks += mask_folders.grouped((path, words) for path in prepared.clumped)
    return prepared.data
