"""Locked tiles: the same ones in every round, and never seen in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reviews import BASE, SIDE, lattice, noisy, reviewed, write_review

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.learn.data import Crops
from napari_nuclei.learn.examples import LOCKED
from napari_nuclei.learn.locked import Grid, Tile, digest_of
from napari_nuclei.learn.plan import Plan, make_plan, remembered, tiles_in
from napari_nuclei.learn.reviewed import Reviewed, review_of
from napari_nuclei.models.maskrcnn import INPUT_MEAN
from napari_nuclei.progress import result_of

shapes = st.tuples(st.integers(1, 900), st.integers(1, 900))


@given(shapes)
def test_tiles_cover_each_pixel_once(shape: tuple[int, int]) -> None:
    grid = Grid("x", shape)
    seen = np.zeros(shape, np.uint8)
    for tile in grid:
        y0, x0, y1, x1 = grid.box(tile)
        assert y1 > y0
        assert x1 > x0
        seen[y0:y1, x0:x1] += 1
        assert grid.at(y0 + 0.5, x0 + 0.5) == grid.at(y1 - 0.5, x1 - 0.5) == tile
    assert (seen == 1).all()


def test_about_a_fifth_is_locked() -> None:
    tiles = [tile for k in range(200) for tile in Grid(str(k), (1000, 1000))]
    locked = [tile for tile in tiles if tile.lot() < 0.2]
    assert len(locked) / len(tiles) == pytest.approx(0.2, abs=0.02)
    assert sum(t.chooses for t in locked) / len(locked) == pytest.approx(0.4, abs=0.04)


def test_a_tile_is_written_and_read() -> None:
    tile = Tile("0a1b", 3, 11)
    assert Tile.parse(str(tile)) == tile
    with pytest.raises(ValueError, match="not enough"):
        Tile.parse("0a1b:3")


def test_an_image_is_known_by_its_pixels() -> None:
    pixels = noisy(lattice())
    assert digest_of(pixels) == digest_of(pixels.copy())
    other = pixels.copy()
    other[5, 5] += 1
    assert digest_of(other) != digest_of(pixels)
    assert digest_of(pixels.reshape(SIDE // 2, SIDE * 2)) != digest_of(pixels)


def test_later_rounds_lock_the_same_tiles() -> None:
    first = [reviewed(k) for k in range(3)]
    before = make_plan(first, BASE, "x")
    # More images, larger areas, another order, other names.
    later = make_plan([reviewed(k) for k in (5, 2, 1, 0, 4)], BASE, "x")
    assert before.locked <= later.locked
    part = make_plan([reviewed(k, ((0, 0, 300, SIDE),)) for k in range(3)], BASE, "x")
    assert part.locked == before.locked


def test_tiles_are_locked_or_learned_from() -> None:
    image = reviewed(complete=((0, 0, 300, SIDE),))
    plan = make_plan([image], BASE, "x")
    locked, free = set(plan.tiles_of(image)), set(plan.open_tiles_of(image))
    assert locked
    assert not locked & free
    assert locked | free == {t for t in image.grid if image.grid.box(t)[0] < 300}


def lockless(count: int) -> list[Reviewed]:
    """Images of which no tile is locked by its lot."""
    every = (reviewed(seed, side=240) for seed in range(1000))
    return [image for image in every if not image.grid.locked()][:count]


def test_where_none_is_locked_one_is_named_and_stays() -> None:
    (image,) = lockless(1)
    plan = make_plan([image], BASE, "x")
    assert len(plan.named) == 1
    assert plan.locked == plan.named
    card = BASE.model_copy(update={"training": remembered(plan, BASE)})
    assert tiles_in(card, "locked") == plan.named
    assert not tiles_in(card, "learned") & plan.named
    assert len(tiles_in(card, "learned")) == 3
    again = make_plan([image, *(reviewed(k) for k in range(3))], card, "x")
    assert plan.named <= again.locked
    assert remembered(again, card)["locked"] == [str(t) for t in sorted(plan.named)]


def test_no_tile_judges_that_the_model_has_learned_from() -> None:
    (image,) = lockless(1)
    learned = [str(tile) for tile in image.grid]
    card = BASE.model_copy(update={"training": {"learned": learned}})
    with pytest.raises(UserError, match="'base' has not learned from"):
        make_plan([image], card, "x")
    fewer = BASE.model_copy(update={"training": {"learned": learned[:-1]}})
    assert set(map(str, make_plan([image], fewer, "x").locked)) == set(learned[-1:])


def test_a_damaged_memory_is_told() -> None:
    card = BASE.model_copy(update={"training": {"locked": ["what"]}})
    with pytest.raises(UserError, match="card of 'base' is damaged"):
        make_plan([reviewed()], card, "x")


def test_a_nucleus_is_learned_or_judged() -> None:
    plan = make_plan([reviewed(k) for k in range(3)], BASE, "x")
    assert sum(len(image.judged(plan.locked)) for image in plan.images) > 20
    for image in plan.images:
        learned = {n.id for n in plan.learned_of(image)}
        judged = {n.id for n in image.judged(plan.locked)}
        assert learned
        assert not learned & judged
        assert learned | judged == {n.id for n in image.truth}


def test_tiles_choose_or_judge_where_there_are_enough() -> None:
    many = make_plan([reviewed(k) for k in range(6)], BASE, "x")
    assert many.apart
    assert all(many.chooses(t) != many.judges(t) for t in many.locked)
    few = make_plan(lockless(1), BASE, "x")
    assert not few.apart
    assert all(few.chooses(t) and few.judges(t) for t in few.locked)


# -- what is seen in training -----------------------------------------------------------


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Plan, Path]:
    path = write_review(tmp_path, 2)
    images = result_of(review_of(coco.read(path), tmp_path, str(path)))
    return make_plan(images, BASE, "x"), tmp_path


def test_locked_pixels_are_never_seen(planned: tuple[Plan, Path]) -> None:
    plan, folder = planned
    rng = np.random.default_rng(0)
    for image in plan.images:
        locked = image.grid.draw(plan.locked_of(image))
        assert locked.mean() < 0.6
        if not locked.any():
            continue
        before = plan.example(image, folder, 20, "own")
        # The same grays elsewhere, so that the image is normalised just so.
        path = folder / image.record.file_name
        pixels = np.array(Image.open(path))
        pixels[locked] = rng.permutation(pixels[locked])
        Image.fromarray(pixels).save(path)
        after = plan.example(image, folder, 20, "own")
        for name in ("image", "labels", "known", "centres"):
            assert torch.equal(getattr(before, name), getattr(after, name)), name
        free = ~locked
        pixels[free] = rng.permutation(pixels[free])
        Image.fromarray(pixels).save(path)
        assert not torch.equal(before.image, plan.example(image, folder, 20, "own").image)


def test_nothing_is_learned_of_locked_tiles(planned: tuple[Plan, Path]) -> None:
    plan, folder = planned
    examples = [plan.example(image, folder, 20, "own") for image in plan.images]
    for example, image in zip(examples, plan.images, strict=True):
        hidden = example.labels == LOCKED
        assert not example.known[hidden].any()
        if hidden.any():
            assert (example.image[:, hidden] - INPUT_MEAN).abs().mean() < 0.05
        ids = {n.id for n in plan.learned_of(image)}
        assert len(example.centres) == len(ids)
    crops = Crops(examples, 96)
    assert any((example.labels == LOCKED).any() for example in examples)
    for number in range(20):
        pixels, target = crops.draw(number)
        flat = (pixels == INPUT_MEAN).all(0)
        assert (target.labels >= 0).all()
        assert not target.labels[flat & ~target.known].any()
