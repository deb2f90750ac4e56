"""Which images come from one experiment, and folds that keep those together.

Images of one experiment look alike: drawn at random, they stand in the training part and in the
validation part, and flatter a model. So images are grouped by kind, size, colours and look, and a
group is learned from whole or not at all.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from ..formats.dataset import DataSet
from ..nuclei import ImageRecord, Nuclei

SAME_LOOK = 1.15
"""Looks closer than this are one experiment's: chosen by eye on the groups of dsb2018."""


def groups_of(data: DataSet, folder: Path, table: Path | None = None) -> list[str]:
    """Name the experiment of each image of a data set.

    Parameters
    ----------
    folder : Path
        The folder of the images.
    table : Path, optional
        A CSV file with the columns ``file_name`` and ``group``, where it is known. Else images
        are clustered by what they look like.

    Raises
    ------
    UserError
        If an image cannot be read, or the table does not name one of them.
    """
    if table is not None:
        return _from_table(data, table)
    kinds: dict[tuple[str, int, int, bool], list[int]] = defaultdict(list)
    looks = []
    for row, (image, nuclei) in enumerate(data):
        gray, look = _look(image, nuclei, folder)
        kinds[image.modality, image.height, image.width, gray].append(row)
        looks.append(look)
    out = [""] * len(data.images)
    for (modality, height, width, gray), rows in sorted(kinds.items()):
        numbers = _clusters(np.stack([looks[row] for row in rows]))
        kind = f"{modality or 'image'} {height}×{width}{'' if gray else ' colour'}"
        for row, number in zip(rows, numbers, strict=True):
            out[row] = f"{kind} {number}"
    return out


def folds_of(groups: list[str], kinds: list[str], count: int) -> list[int]:
    """Deal groups into folds, so that each fold has about its share of every kind.

    Parameters
    ----------
    groups, kinds : list of str
        Of each image: its group, and its kind (modality).
    count : int
        Number of folds.

    Returns
    -------
    list of int
        Each image's fold, 0 … `count` − 1.
    """
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for kind, group in zip(kinds, groups, strict=True):
        sizes[kind, group] += 1
    filled: dict[tuple[str, int], int] = defaultdict(int)
    fold_of: dict[str, int] = {}
    for (kind, group), size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        whole = [sum(n for (_, f), n in filled.items() if f == fold) for fold in range(count)]
        fold = min(range(count), key=lambda f: (filled[kind, f], whole[f]))
        fold = fold_of.setdefault(group, fold)
        filled[kind, fold] += size
    return [fold_of[group] for group in groups]


def _from_table(data: DataSet, table: Path) -> list[str]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            named = {row["file_name"]: row["group"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError):
        raise RecipeError(f"{table}: no CSV file with the columns file_name and group.") from None
    gone = [image.file_name for image in data.images if image.file_name not in named]
    if gone:
        raise RecipeError(f"{table}: says nothing of {gone[0]}.")
    return [named[image.file_name] for image in data.images]


def _look(image: ImageRecord, nuclei: Nuclei, folder: Path) -> tuple[bool, NDArray[np.float64]]:
    """Whether an image is gray, and numbers that are near for images of one experiment."""
    from scipy.ndimage import gaussian_filter

    from .examples import pixels_of

    pixels = pixels_of(image, folder).astype(np.float64)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    pixels = pixels[..., :3]
    light = pixels.mean(2)
    inside = np.zeros(light.shape, np.int32)
    masks = [nucleus.mask for nucleus in nuclei.shown()]
    for mask in masks:
        mask.paint(inside, 1)
    within, around = (
        where if where.any() else np.ones(light.shape, bool) for where in (inside > 0, inside == 0)
    )
    gray = bool(np.abs(pixels - light[..., None]).max() < 2)
    if not gray:  # one stain and one camera, whatever the tissue
        return gray, np.median(pixels[around], 0) / 25
    sharp = light - gaussian_filter(light, 1.0)
    area = np.median([mask.area for mask in masks]) if masks else 1.0
    levels = [*np.percentile(light, [1, 50, 99]), np.median(light[around])]
    levels += [np.median(light[within]), light[around].std()]
    return gray, np.array(
        [*np.log1p(levels), 1.5 * np.log1p(sharp[around].std()), 0.7 * np.log(area)]
    )


def _clusters(looks: NDArray[np.float64]) -> list[int]:
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(looks) == 1:
        return [1]
    found: list[int] = fcluster(linkage(looks, "average"), SAME_LOOK, "distance").tolist()
    return found
