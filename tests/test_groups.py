"""Groups of images of one experiment, folds of groups, and what a recipe makes of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import disc

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.learn.groups import folds_of, groups_of
from napari_nuclei.learn.parts import parts_of
from napari_nuclei.learn.recipe import read_recipe
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus

LOOKS = {"bright": (20, 220, 12), "dim": (5, 40, 12), "large": (20, 220, 30)}
"""Ground, light and diameter of the nuclei of each experiment."""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of each of three looks, and a truth that lists them in turn."""
    folder = tmp_path_factory.mktemp("experiments")
    data = DataSet([], {})
    rng = np.random.default_rng(0)
    for id in range(12):
        name = list(LOOKS)[id % 3]
        ground, light, diameter = LOOKS[name]
        pixels = rng.normal(ground, 2, (96, 96)).clip(0, 255).astype(np.uint8)
        masks = [disc(24 + 48 * y, 24 + 48 * x, diameter) for y in (0, 1) for x in (0, 1)]
        for mask in masks:
            mask.paint(pixels, light)
        file_name = f"{name}-{id}.png"
        Image.fromarray(pixels).save(folder / file_name)
        data.images.append(ImageRecord(id + 1, file_name, 96, 96, "fluorescence"))
        nuclei = (Nucleus(k, m) for k, m in enumerate(masks, 1))
        data.nuclei[id + 1] = Nuclei((96, 96), nuclei)
    coco.write(folder / "truth.json", data)
    return folder


def recipe_of(folder: Path, **data: object) -> Path:
    lines = [f"{key} = {value!r}" for key, value in data.items()]
    path = folder / "recipe.toml"
    path.write_text(
        "name = 'x'\nout = 'runs'\n[[data.train]]\ncoco = 'truth.json'\nimages = '.'\n"
        + "\n".join(["[data]", *lines])
    )
    return path


def test_images_of_one_look_are_a_group(experiments: Path) -> None:
    data = coco.read(experiments / "truth.json")
    groups = groups_of(data, experiments)
    names = [image.file_name.partition("-")[0] for image in data.images]
    assert len(set(groups)) == 3
    assert len(set(zip(names, groups, strict=True))) == 3


def test_a_table_says_what_is_known_of_groups(experiments: Path, tmp_path: Path) -> None:
    data = coco.read(experiments / "truth.json")
    rows = [f"{image.file_name},tissue {image.id % 2}" for image in data.images]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["file_name,group", *rows]))
    assert Counter(groups_of(data, experiments, table)) == {"tissue 0": 6, "tissue 1": 6}
    table.write_text("\n".join(["file_name,group", *rows[1:]]))
    with pytest.raises(UserError, match=r"groups\.csv: says nothing of bright-0\.png"):
        groups_of(data, experiments, table)
    table.write_text("name\nx")
    with pytest.raises(UserError, match="columns file_name and group"):
        groups_of(data, experiments, table)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=60),
    st.integers(2, 5),
)
def test_no_group_stands_on_both_sides(rows: list[tuple[int, str]], count: int) -> None:
    groups = [f"{kind}{number}" for number, kind in rows]
    folds = folds_of(groups, [kind for _, kind in rows], count)
    assert set(folds) <= set(range(count))
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))
    if len(set(groups)) >= count:
        assert len(set(folds)) == count


def test_a_fold_is_judged_by_and_not_learned_from(experiments: Path) -> None:
    seen = []
    for held in range(3):
        recipe = read_recipe(recipe_of(experiments, folds=3, hold_out=held))
        learned, checks = parts_of(recipe, experiments)
        sides = [{i.file_name for p in parts for i in p.data.images} for parts in (learned, checks)]
        assert not sides[0] & sides[1]
        assert len(sides[0] | sides[1]) == 12
        assert len({name.partition("-")[0] for name in sides[1]}) == 1
        assert checks[0].name == f"truth.json, fold {held} of 3"
        seen.append(sides[1])
    assert len(set.union(*seen)) == 12


def test_a_fold_that_is_not_there(experiments: Path) -> None:
    recipe = read_recipe(recipe_of(experiments, folds=3, hold_out=3))
    with pytest.raises(UserError, match="with 3 folds, choose 0 to 2"):
        parts_of(recipe, experiments)
