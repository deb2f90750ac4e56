"""What a recipe learns from, and what its weights are chosen by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import RecipeError
from ..formats import coco
from ..formats.dataset import DataSet
from .groups import folds_of, groups_of
from .recipe import DataSet as Source
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Part:
    """A data set, or a part of one: its name in the card, its truth, the folder of its images."""

    name: str
    data: DataSet
    images: Path


def parts_of(
    recipe: Recipe, folder: Path, remarks: list[str] | None = None
) -> tuple[list[Part], list[Part]]:
    """Return what is learned from, and what the best weights are chosen by.

    Broken entries are remarked on; where no remarks are taken they are errors.
    """
    if recipe.data.folds is None:
        sources = recipe.data.train, recipe.data.validation
        learned, checks = (_named(s, folder, remarks) for s in sources)
        return learned, checks
    held, count = recipe.data.hold_out, recipe.data.folds
    if held >= count:
        raise RecipeError(f"data.hold_out is {held}: with {count} folds, choose 0 to {count - 1}.")
    kept: list[Part] = []
    out: list[Part] = []
    for part, _, folds in dealt(recipe, folder, remarks):
        for parts, name, held_out in (
            (kept, part.name, False),
            (out, f"{part.name}, fold {held} of {count}", True),
        ):
            rows = zip(part.data.images, folds, strict=True)
            chosen = [image for image, fold in rows if (fold == held) == held_out]
            if chosen:
                parts.append(replace(part, name=name, data=replace(part.data, images=chosen)))
    return kept, out


def dealt(
    recipe: Recipe, folder: Path, remarks: list[str] | None = None
) -> Iterator[tuple[Part, list[str], list[int]]]:
    """Yield each training set with the group and the fold of each of its images."""
    parts = _named(recipe.data.train, folder, remarks)
    for source, part in zip(recipe.data.train, parts, strict=True):
        groups = groups_of(part.data, part.images, source.groups and folder / source.groups)
        kinds = [image.modality for image in part.data.images]
        yield part, groups, folds_of(groups, kinds, recipe.data.folds or 1)


def _named(sources: tuple[Source, ...], folder: Path, remarks: list[str] | None) -> list[Part]:
    return [
        Part(s.coco.as_posix(), _checked(s, folder, remarks), folder / s.images) for s in sources
    ]


def _checked(source: Source, folder: Path, remarks: list[str] | None) -> DataSet:
    images = folder / source.images
    if not images.is_dir():
        raise RecipeError(f"{images}: no such folder of images. Name the data folder with --data.")
    data = coco.read(folder / source.coco, remarks, images)
    if not data.images:
        raise RecipeError(f"{folder / source.coco}: lists no images.")
    return data
