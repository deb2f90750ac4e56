"""COCO data sets: the project's own save file, and those of other tools."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..atomic_files import read_json, write_json
from ..collector import without_collector
from ..masks import Mask
from ..masks.codec import encode
from ..nuclei import Crowd, ImageRecord, Kind, Nucleus
from .annotations import NAMESPACE
from .coco_reader import VERSION, from_json
from .dataset import DataSet

__all__ = ["DataSet", "ImageRecord", "read", "to_json", "write"]


def write(path: str | os.PathLike[str], data: DataSet) -> None:
    """Write a data set; reading it back gives an equal one.

    Parameters
    ----------
    path : path
        In a folder that exists. Written whole or not at all.
    data : DataSet
        The nuclei that are shown become annotations, areas to ignore such with `iscrowd` 1.
        Rejected nuclei and proposals below the threshold go, with each image's state, into the
        top-level object ``napari_nuclei``.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    write_json(path, to_json(data))


def to_json(data: DataSet) -> dict[str, Any]:
    """Return a data set as `write` writes it."""
    annotations: list[dict[str, Any]] = []
    unlisted: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    categories = data.all_categories
    ids = {category.name: category.id for category in categories}
    for image in data.images:
        nuclei = data.of(image)
        if nuclei.shape != image.shape:
            raise ValueError(f"{image.file_name}: nuclei of {nuclei.shape}, not {image.shape}")
        rows = list(nuclei)
        shown = {n.id for n in rows if nuclei.is_shown(n)}
        for nucleus, row in zip(rows, _annotations(rows, image, ids), strict=True):
            (annotations if nucleus.id in shown else unlisted).append(row)
        annotations += _crowds(nuclei.crowds, image, ids)
        states.append(
            {
                "image_id": image.id,
                "next_id": nuclei.next_id,
                "threshold": nuclei.threshold,
                "complete": [list(box) for box in nuclei.complete],
            }
        )
    for number, row in enumerate(annotations, 1):
        row["id"] = number
    return {
        **data.about,
        "images": [image.to_json() for image in data.images],
        "categories": [category.to_json() for category in categories],
        "annotations": annotations,
        NAMESPACE: {"version": VERSION, "images": states, "not_exported": unlisted},
    }


def _annotations(
    rows: list[Nucleus], image: ImageRecord, ids: dict[str, int]
) -> Iterator[dict[str, Any]]:
    size = [image.height, image.width]
    codes = iter(encode([n.mask for n in rows], image.shape))
    predicted = [_predicted(n) for n in rows]
    said = iter(encode([m for m in predicted if m is not None], image.shape))
    for nucleus, before in zip(rows, predicted, strict=True):
        own = _provenance(nucleus)
        if before is not None:
            own["origin"]["predicted"] = {"size": size, "counts": next(said)}
        yield {
            "id": 0,
            "image_id": image.id,
            "category_id": ids[nucleus.category],
            "segmentation": {"size": size, "counts": next(codes)},
            "bbox": nucleus.mask.bbox,
            "area": nucleus.mask.area,
            "iscrowd": 0,
            "score": float(nucleus.score),
            NAMESPACE: own,
        }


def _crowds(
    crowds: Sequence[Crowd], image: ImageRecord, ids: dict[str, int]
) -> Iterator[dict[str, Any]]:
    size = [image.height, image.width]
    codes = encode([c.mask for c in crowds], image.shape)
    for crowd, code in zip(crowds, codes, strict=True):
        yield {
            "id": 0,
            "image_id": image.id,
            "category_id": ids[crowd.category],
            "segmentation": {"size": size, "counts": code},
            "bbox": crowd.mask.bbox,
            "area": crowd.mask.area,
            "iscrowd": 1,
        }


def _predicted(nucleus: Nucleus) -> Mask | None:
    """Return the mask that was predicted, if the present one does not say it."""
    said, kind = nucleus.origin.mask, nucleus.origin.kind
    return None if kind is Kind.MODEL and said == nucleus.mask else said


def _provenance(nucleus: Nucleus) -> dict[str, Any]:
    """Return what COCO has no place for, but for the predicted mask."""
    origin = nucleus.origin
    said: dict[str, Any] = {"kind": origin.kind.value}
    if origin.model:
        said["model"] = origin.model
    if origin.parents:
        said["parents"] = list(origin.parents)
    if origin.kind is Kind.MODEL and origin.mask is None:
        said["predicted"] = None  # where the key is missing, it was the present mask
    out: dict[str, Any] = {"id": nucleus.id, "state": nucleus.state.value, "origin": said}
    if nucleus.order:
        out["order"] = nucleus.order
    if nucleus.note:
        out["note"] = nucleus.note
    return out


def read(
    path: str | os.PathLike[str], remarks: list[str] | None = None, images: Path | None = None
) -> DataSet:
    """Read a data set of this project or of another tool.

    Parameters
    ----------
    path : path
        A COCO JSON file with masks as compressed or plain run lengths or polygons; several
        rings are one object. Boxes and areas are computed anew. Every annotation is taken
        as one nucleus, whatever its category, but for those with `iscrowd` 1: they are areas to
        ignore.
    remarks : list of str, optional
        Takes a line on the entries that are broken and left out or mended; without it they are
        errors.
    images : path, optional
        Folder of the images, for those whose sizes are not said; by default beside the file.

    Returns
    -------
    DataSet

    Raises
    ------
    UserError
        If it is not such a file, or nothing in it can be used.
    """
    with without_collector():
        return from_json(read_json(path), str(path), remarks, images)
