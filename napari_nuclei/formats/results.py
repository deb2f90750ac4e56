"""COCO results: what a competition wants handed in, and its list of image ids."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..atomic_files import read_json, write_json
from ..errors import FormatError
from ..masks import Mask
from ..masks.codec import encode
from ..nuclei import ImageRecord, Kind, Nuclei, Nucleus, State
from .broken import Broken
from .categories import DEFAULT, Category, listed
from .coco_reader import read_images
from .image_rows import with_whole_image_ids
from .numbers import number, whole
from .segmentation import Shape, read_all, size_of

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
    categories : dict of int to list of int
        Their `category_id`, in the same order as `found`; 1 where a file gives none.
    texts : dict of int to str
        Image ids that are no numbers in the file, by the numbers that they are given.
    """

    found: dict[int, list[tuple[Mask, float]]] = field(default_factory=dict)
    shapes: dict[int, Shape] = field(default_factory=dict)
    categories: dict[int, list[int]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)


def write(
    path: str | os.PathLike[str],
    nuclei: Mapping[int, Nuclei],
    score: float | None = None,
    categories: Sequence[Category] = (DEFAULT,),
    texts: Mapping[int, str] | None = None,
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
    categories : sequence of Category
        Their ids; names that are not there get free ones.
    texts : mapping of int to str, optional
        Image ids that are written as texts, as the list of images has them.

    Returns
    -------
    int
        How many nuclei were written.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    rows = to_json(nuclei, score, categories)
    for row in rows if texts else ():
        row["image_id"] = (texts or {}).get(row["image_id"], row["image_id"])
    write_json(path, rows)
    return len(rows)


def to_json(
    nuclei: Mapping[int, Nuclei],
    score: float | None = None,
    categories: Sequence[Category] = (DEFAULT,),
) -> list[dict[str, Any]]:
    """Return the list that `write` writes."""
    names = (n.category for of_image in nuclei.values() for n in of_image)
    ids = {category.name: category.id for category in listed(categories, names)}
    return [
        row
        for image_id, of_image in sorted(nuclei.items())
        for row in _rows(image_id, of_image, of_image.threshold if score is None else score, ids)
    ]


def _rows(
    image_id: int, nuclei: Nuclei, threshold: float, ids: Mapping[str, int]
) -> list[dict[str, Any]]:
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
            "category_id": ids[nucleus.category],
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


def read(path: str | os.PathLike[str], remarks: list[str] | None = None) -> Results:
    """Read a results list; its masks may be stored in any way that COCO knows.

    Parameters
    ----------
    remarks : list of str, optional
        Takes a line on the entries that are broken and left out or mended; without it they are
        errors.

    Raises
    ------
    UserError
        If it is no such list, or nothing in it can be used.
    """
    return from_json(read_json(path), str(path), remarks)


def from_json(
    rows: Any,
    source: str,
    remarks: list[str] | None = None,
    images: Iterable[ImageRecord] = (),
) -> Results:
    """Make results of what a file holds; `source` names it in messages. See `read`.

    Image ids that are texts become numbers: those that `images` have for them, if they do.
    """
    if not isinstance(rows, list):
        raise FormatError(f"{source} is not a results list: it holds no list of detections")
    rows, said = with_whole_image_ids(rows, images)
    broken = Broken(source, remarks, "entry")
    by_image: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for k, row in enumerate(rows, 1):
        label = f"number {k}"
        problem = _problem(row)
        if problem:
            broken.leave_out(label, problem)
            continue
        if texts := [key for key in ("image_id", "score") if isinstance(row[key], str)]:
            broken.mend(label, f"its {' and '.join(texts)} is text")
        by_image.setdefault(whole(row["image_id"]) or 0, []).append((label, row))
    out = Results(texts=said)
    for image_id, labelled in by_image.items():
        _read_image(out, image_id, labelled, broken)
    broken.tell(len(rows))
    return out


def _read_image(
    out: Results, image_id: int, labelled: list[tuple[str, dict[str, Any]]], broken: Broken
) -> None:
    """Read what was found in one image, which is of the size that most of its masks say."""
    sizes = Counter(size_of(row["segmentation"]) for _, row in labelled)
    shape = labelled and sizes.most_common(1)[0][0]
    assert shape  # `_problem` has looked
    mended: dict[int, str] | None = None if broken.strict else {}
    masks = read_all([row["segmentation"] for _, row in labelled], shape, mended)
    found: list[tuple[Mask, float]] = []
    categories: list[int] = []
    for k, ((label, row), mask) in enumerate(zip(labelled, masks, strict=True)):
        if isinstance(mask, str):
            broken.leave_out(label, mask)
            continue
        if mended and k in mended:
            broken.mend(label, mended[k])
        found.append((mask, number(row["score"]) or 0.0))
        category = whole(row.get("category_id"))
        categories.append(DEFAULT.id if category is None else category)
    out.shapes[image_id], out.found[image_id] = shape, found
    out.categories[image_id] = categories


def _problem(row: Any) -> str | None:
    if not isinstance(row, dict) or whole(row.get("image_id")) is None:
        return "it has no whole number as its image_id"
    if size_of(row.get("segmentation")) is None:
        return "it has no mask: segmentation as run lengths with size and counts is needed"
    score = number(row.get("score"))
    if score is None or not abs(score) < 1e9:
        return f"its score {row.get('score')!r} is not a number"
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
        raise FormatError(
            f"{path} is neither a list of image ids nor a COCO file: it lists no images"
        )
    rows = [r | {"id": id} if (id := _id_as_text(r)) is not None else r for r in rows]
    return read_images(rows, str(path))


def _id_as_text(row: Any) -> int | None:
    """Return the number that an id is which a list has as text."""
    id = row.get("id") if isinstance(row, dict) else None
    return whole(id) if isinstance(id, str) else None
