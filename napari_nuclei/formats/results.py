"""COCO results: what a competition wants handed in, and its list of image ids.

Here: nuclei → a results list, and back to masks with scores. Not here: data sets (`coco.py`),
scoring (`scoring/`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..codec import encode
from ..errors import UserError
from ..mask import Mask
from ..nuclei import Kind, Nuclei, Nucleus, State
from .coco_reader import read_images
from .dataset import ImageRecord
from .files import read_json, write_json
from .segmentation import Shape, is_whole, read_all, size_of

__all__ = ["ImageRecord", "Results", "read", "read_image_ids", "to_json", "write"]


@dataclass(slots=True)
class Results:
    """What was found in some images.

    Attributes
    ----------
    found : dict of int to list of (Mask, float)
        Masks and scores of each image id, in the file's order. An image in which nothing
        was found is not there.
    shapes : dict of int to (int, int)
        Height and width of these images in px.
    """

    found: dict[int, list[tuple[Mask, float]]] = field(default_factory=dict)
    shapes: dict[int, Shape] = field(default_factory=dict)


def write(
    path: str | os.PathLike[str], nuclei: Mapping[int, Nuclei], score: float | None = None
) -> int:
    """Write a results list, sorted by image id and falling score.

    Parameters
    ----------
    path : path
        In a folder that exists. Written whole or not at all.
    nuclei : mapping of int to Nuclei
        For each image id; none at all makes the empty list, which is valid.
    score : float, optional
        Proposals from this score on are written instead of those that are shown. What a
        person has drawn, corrected or accepted is written at any score, what was rejected
        never.

    Returns
    -------
    int
        How many nuclei were written.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    rows = to_json(nuclei, score)
    write_json(path, rows)
    return len(rows)


def to_json(nuclei: Mapping[int, Nuclei], score: float | None = None) -> list[dict[str, Any]]:
    """Return the list that `write` writes."""
    return [
        row
        for image_id, of_image in sorted(nuclei.items())
        for row in _rows(image_id, of_image, of_image.threshold if score is None else score)
    ]


def _rows(image_id: int, nuclei: Nuclei, threshold: float) -> list[dict[str, Any]]:
    ranked = sorted(
        (n for n in nuclei if n.mask and _counts(n, threshold)),
        key=lambda n: (-score_of(n), n.id),
    )
    codes = encode([n.mask for n in ranked], nuclei.shape)
    return [
        {
            "image_id": int(image_id),
            "bbox": nucleus.mask.bbox,
            "score": score_of(nucleus),
            "category_id": 1,
            "segmentation": {"size": list(nuclei.shape), "counts": code},
        }
        for nucleus, code in zip(ranked, codes, strict=True)
    ]


def _counts(nucleus: Nucleus, threshold: float) -> bool:
    if nucleus.state is State.REJECTED:
        return False
    return nucleus.touched or nucleus.score >= threshold


def score_of(nucleus: Nucleus) -> float:
    """Return the score that a nucleus is ranked by: 1 for one drawn by hand."""
    return 1.0 if nucleus.origin.kind is Kind.HAND else float(nucleus.score)


def read(path: str | os.PathLike[str]) -> Results:
    """Read a results list; its masks may be stored in any way that COCO knows.

    Raises
    ------
    UserError
        If it is no such list, or an entry is broken; the message names it.
    """
    return from_json(read_json(path), str(path))


def from_json(rows: Any, source: str) -> Results:
    """Make results of what a file holds; `source` names it in messages. See `read`."""
    if not isinstance(rows, list):
        raise UserError(f"{source} is not a results list: it holds no list of found objects")
    by_image: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    for number, row in enumerate(rows, 1):
        problem = _problem(row)
        if problem:
            raise UserError(f"{source}: entry number {number}: {problem}; mend or remove it")
        by_image.setdefault(int(row["image_id"]), []).append((number, row))
    out = Results()
    for image_id, numbered in by_image.items():
        shape = size_of(numbered[0][1]["segmentation"])
        assert shape is not None  # `_problem` has looked
        masks = read_all([row["segmentation"] for _, row in numbered], shape)
        for (number, _), mask in zip(numbered, masks, strict=True):
            if isinstance(mask, str):
                raise UserError(f"{source}: entry number {number}: {mask}; mend or remove it")
        scores = [float(row["score"]) for _, row in numbered]
        out.shapes[image_id] = shape
        out.found[image_id] = [
            (m, s) for m, s in zip(masks, scores, strict=True) if isinstance(m, Mask)
        ]
    return out


def _problem(row: Any) -> str | None:
    if not isinstance(row, dict) or not is_whole(row.get("image_id")):
        return "it has no whole number as its image_id"
    if size_of(row.get("segmentation")) is None:
        return "it has no mask: segmentation as run lengths with size and counts is needed"
    score = row.get("score")
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not abs(score) < 1e9:
        return f"its score {score!r} is not a number"
    return None


def read_image_ids(path: str | os.PathLike[str]) -> list[ImageRecord]:
    """Read which images a competition asks for, and under which ids.

    Parameters
    ----------
    path : path
        The competition's list ``[{"file_name", "height", "id", "width"}, …]``, or a COCO
        file with ``images``.

    Raises
    ------
    UserError
        If it is neither, or an entry is broken.
    """
    value = read_json(path)
    rows = value.get("images") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise UserError(
            f"{path} is neither a list of image ids nor a COCO file: it lists no images"
        )
    return read_images(rows, str(path))
