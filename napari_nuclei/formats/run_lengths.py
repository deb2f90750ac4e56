"""The 2018 Data Science Bowl's CSV: ImageId and EncodedPixels, a line a nucleus.

Here: start and length of runs, counted column by column from 1. Not here: the bowl's folders of
masks (`mask_folders.py`). The file knows neither scores nor, usually, the size of its images.
"""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from .. import codec, rle
from ..errors import UserError
from ..labels import draw, from_labels
from ..mask import Mask
from ..nuclei import Kind, Nuclei, Nucleus, Origin
from .beside import Beside
from .dataset import DataSet, ImageRecord
from .files import replacing, unreadable
from .places import names_of

IMAGE, PIXELS = "ImageId", "EncodedPixels"


def write(path: Path, data: DataSet, beside: Beside) -> None:
    """Write the nuclei that are shown; each pixel goes to one of them, as the bowl demands.

    Where nuclei overlap, the one drawn on top has the pixels; how many are lost is remarked on.
    An image without nuclei has one line without runs.

    Raises
    ------
    UserError
        If the file cannot be written, or two images have the same name but for the ending.
    """
    lines, lost = [f"{IMAGE},{PIXELS}"], 0
    stems = names_of(data.images)
    for image, stem in zip(data.images, stems, strict=True):
        nuclei = data.of(image)
        parts = from_labels(draw(nuclei))
        lost += sum(n.mask.area for n in nuclei.shown()) - sum(n.mask.area for n in parts)
        name = f'"{stem}"' if set(stem) & set(',"\n') else stem
        lines += [f"{name},{text}" for text in _texts([n.mask for n in parts], image.shape)]
        if not len(parts):
            lines.append(f"{name},")
    with replacing(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())
    if lost:
        beside.remarks.append(
            f"{path.name}: {lost:,} px of nuclei below others are left out: "
            "this format has one nucleus for each pixel."
        )


def _texts(masks: list[Mask], shape: tuple[int, int]) -> list[str]:
    boxes = np.array([m.box for m in masks], np.int64).reshape(-1, 4)
    runs = np.frombuffer(b"".join(m.counts for m in masks), "<u4").astype(np.int64)
    sizes = np.array([len(m.counts) // 4 for m in masks], np.int64)
    starts, ends, owner = rle.object_runs(*rle.to_image(boxes, runs, sizes, shape))
    pairs = np.stack([starts + 1, ends - starts], 1).ravel().tolist()
    borders = (2 * np.searchsorted(owner, np.arange(len(masks) + 1))).tolist()
    words = list(map(str, pairs))
    return [" ".join(words[a:b]) for a, b in pairwise(borders)]


def read(path: Path, beside: Beside) -> DataSet:
    """Read the bowl's CSV; columns Height and Width are used where there are any.

    Raises
    ------
    UserError
        If it is no such file, runs are broken or lie outside of their image, or the size of an
        image is not known.
    """
    lines = _lines(path)
    data = DataSet([], {})
    for id, (name, rows) in enumerate(lines.items(), 1):
        where = f"{path}: image {name}"
        runs = [_numbers(row[PIXELS], f"{path}, line {number}") for number, row in rows]
        image = _image(path, name, rows[0][1], beside, id)
        masks = _masks([r for r in runs if len(r)], image, where)
        origin = Origin(Kind.IMPORT, path.name)
        data.images.append(image)
        data.nuclei[id] = Nuclei(
            image.shape, (Nucleus(k, m, origin=origin) for k, m in enumerate(masks, 1) if m)
        )
    return data


def _lines(path: Path) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Return the lines of each image, with their numbers."""
    out: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    csv.field_size_limit(1 << 30)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {IMAGE, PIXELS} <= set(reader.fieldnames or ()):
                raise UserError(f"{path} has no columns {IMAGE} and {PIXELS}")
            for row in reader:
                name = PurePath((row[IMAGE] or "").strip()).name
                if not name:
                    raise UserError(f"{path}, line {reader.line_num} names no image: remove it")
                out.setdefault(name, []).append((reader.line_num, row))
    except OSError as error:
        raise unreadable(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8: write it again") from error
    return out


def _numbers(text: str | None, where: str) -> Any:
    try:
        numbers = np.array((text or "").split(), np.int64)
    except (ValueError, OverflowError):
        numbers = np.zeros(1, np.int64)
    pairs = numbers.reshape(-1, 2) if len(numbers) % 2 == 0 else np.zeros((1, 2), np.int64)
    if len(pairs) and (pairs.min() < 1 or pairs.max() > 2**40):
        raise UserError(f"{where}: runs are pairs of start and length, from 1 on: mend the line")
    return pairs


def _image(path: Path, name: str, row: dict[str, Any], beside: Beside, id: int) -> ImageRecord:
    try:
        size = int(row["Height"]), int(row["Width"])
    except (KeyError, TypeError, ValueError):
        found = beside.record(path, name, None)
        return ImageRecord(id, found.file_name, found.height, found.width)
    if min(size) < 1:
        raise UserError(f"{path}: image {name} has a height or width below 1: mend it")
    return ImageRecord(id, name, *size)


def _masks(runs: list[Any], image: ImageRecord, where: str) -> list[Mask]:
    total = image.height * image.width
    owner = np.repeat(np.arange(len(runs)), [len(r) for r in runs])
    pairs = np.concatenate([*runs, np.zeros((0, 2), np.int64)])
    starts, ends = pairs[:, 0] - 1, pairs[:, 0] - 1 + pairs[:, 1]
    order = np.lexsort((starts, owner))
    starts, ends, owner = starts[order], ends[order], owner[order]
    crossed = (owner[1:] == owner[:-1]) & (starts[1:] < ends[:-1])
    if crossed.any():
        raise UserError(f"{where}: a nucleus has runs that overlap: mend them")
    if (ends > total).any():
        raise UserError(
            f"{where}: runs reach beyond its {image.height}×{image.width} px (height × width): "
            "is it the right image?"
        )
    return list(
        codec.from_runs(*rle.joined(starts, ends, owner, np.full(len(runs), total)), image.shape)
    )
