"""`Mask` and its code: against pycocotools, against plain arrays, and against broken input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_rle
from strategies import masks, pixels, shapes

from napari_nuclei.masks import Mask
from napari_nuclei.masks.box import touches
from napari_nuclei.masks.codec import decode, encode
from napari_nuclei.masks.mask import enclosing

disk = np.hypot(*(np.mgrid[-9:10, -9:10])) < 8.5


def full(mask: Mask, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    out = np.zeros(shape, bool)
    mask.paint(out, True)
    return out


@st.composite
def two(draw: st.DrawFn, count: int = 2) -> list[Any]:
    shape = draw(shapes)
    return [draw(pixels(shape)) for _ in range(count)]


# -- run-length code --------------------------------------------------------------------

GOLDEN = [  # pixels as rows of text, and what pycocotools 2.0.11 writes for them
    (["....", "....", "...."], "<"),
    (["####", "####"], "08"),
    (["#"], "01"),
    (["..", "#."], "112"),
    ([".#.#", "#.#.", ".#.#", "#.#."], "11110O10O10O0"),
    (["..##", "..##"], "44"),
]


def code_of(rows: list[str]) -> tuple[Mask, tuple[int, int]]:
    array = np.array([[c == "#" for c in row] for row in rows])
    return Mask.from_array(array), array.shape


@given(shapes.flatmap(pixels))
def test_crop_has_the_code_of_the_whole_image(array: Any) -> None:
    mask = Mask.from_array(array)
    theirs = coco_rle.encode(np.asfortranarray(array, np.uint8))
    assert mask.to_coco(array.shape) == {
        "size": list(array.shape),
        "counts": theirs["counts"].decode(),
    }
    assert Mask.from_coco(theirs) == mask
    runs = mask.image_runs(array.shape)
    assert runs.sum() == array.size
    assert Mask.from_coco({"size": array.shape, "counts": runs.tolist()}) == mask
    assert mask.bbox == [int(v) for v in coco_rle.toBbox(theirs)] or not mask
    assert mask.area == coco_rle.area(theirs)


@given(two(5))
def test_many_at_once_are_coded_as_one_by_one(arrays: list[Any]) -> None:
    shape = arrays[0].shape
    made = [Mask.from_array(a) for a in arrays]
    codes = encode(made, shape)
    assert codes == [m.to_coco(shape)["counts"] for m in made]
    assert decode(codes, shape) == made
    assert decode([c.encode() for c in codes], shape) == made


def test_many_more_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nuclei.masks.codec.BATCH", 3)
    made = [Mask.from_array(disk).shift(k, 2 * k) for k in range(10)] + [Mask()]
    codes = encode(made, (64, 64))
    assert len(codes) == 11
    assert decode(codes, (64, 64)) == made
    assert encode([], (3, 4)) == [] == decode([], (3, 4))


def test_large_numbers() -> None:
    shape = (30_000, 40_000)
    mask = Mask.from_array(disk).shift(29_970, 39_970)
    theirs = coco_rle.frPyObjects(
        {"size": list(shape), "counts": mask.image_runs(shape).tolist()}, *shape
    )
    assert mask.to_coco(shape)["counts"] == theirs["counts"].decode()
    assert encode([mask], shape) == [theirs["counts"].decode()]
    assert Mask.from_coco(theirs) == mask


def test_zero_runs_inside_are_joined() -> None:
    mask = Mask.from_coco({"size": [4, 2], "counts": [1, 1, 0, 1, 0, 0, 5]})
    assert mask == Mask(1, 0, 2, 1, np.array([0, 2], "<u4").tobytes())


BROKEN: list[tuple[Any, list[int]]] = [
    ("", [3, 4]),
    ("0", [3, 4]),  # too short
    ("=", [3, 4]),  # too long
    ("Q", [3, 4]),  # a number without its end
    (" <", [3, 4]),
    ("é<", [3, 4]),
    ("<~", [3, 4]),
    ("0O<", [3, 4]),  # a negative length
    ("P" * 30 + "0", [3, 4]),
    ([5, -1, 8], [3, 4]),
    ([], [3, 4]),
    ([[12]], [3, 4]),
    ([2**62, 2**62, 2**62, 2**62, 12], [3, 4]),  # adds up to 12 once it has wrapped around
]


@pytest.mark.parametrize(("counts", "size"), BROKEN)
def test_broken_code_is_refused(counts: Any, size: list[int]) -> None:
    with pytest.raises(ValueError, match="run"):
        Mask.from_coco({"size": size, "counts": counts})
    if isinstance(counts, str):
        with pytest.raises(ValueError, match="run"):
            decode(["<", counts, "<"], (3, 4))


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_either_a_mask_or_refused(text: str) -> None:
    try:
        mask = Mask.from_coco({"size": [3, 4], "counts": text})
    except ValueError:
        return
    assert 0 <= mask.area <= 12
    assert Mask.from_coco(mask.to_coco((3, 4))) == mask


def test_a_mask_outside_the_image_is_refused() -> None:
    mask = Mask.from_array(disk)
    for moved in (mask.shift(-2, 0), mask.shift(0, -2), mask.shift(4, 0), mask.shift(0, 4)):
        with pytest.raises(ValueError, match="does not fit an image of 20×20"):
            moved.to_coco((20, 20))
        with pytest.raises(ValueError, match="does not fit an image of 20×20"):
            encode([mask, moved], (20, 20))


# -- pixels -----------------------------------------------------------------------------


@given(shapes.flatmap(pixels), st.integers(-3, 3), st.integers(-3, 3))
def test_geometry(array: Any, dy: int, dx: int) -> None:
    mask = Mask.from_array(array, dy, dx)
    ys, xs = np.nonzero(array)
    assert bool(mask) == bool(len(ys))
    assert mask.area == len(ys)
    assert mask == Mask.from_pixels(ys[::-1] + dy, xs[::-1] + dx)
    assert hash(mask) == hash(Mask.from_pixels(ys + dy, xs + dx))
    assert mask == Mask.from_array(array).shift(dy, dx)
    assert sorted(zip(*mask.pixels(), strict=True)) == sorted(zip(ys + dy, xs + dx, strict=True))
    if mask:
        assert mask.box == (ys.min() + dy, xs.min() + dx, ys.max() + dy + 1, xs.max() + dx + 1)
        assert mask.centroid == pytest.approx((ys.mean() + dy, xs.mean() + dx))
    for y in range(-1, array.shape[0] + 1):
        for x in range(-1, array.shape[1] + 1):
            inside = 0 <= y < array.shape[0] and 0 <= x < array.shape[1]
            assert mask.contains(y + dy, x + dx) == bool(inside and array[y, x])


@given(two())
def test_set_operations(arrays: list[Any]) -> None:
    a, b = (Mask.from_array(v) for v in arrays)
    p, q = arrays
    assert a.union(b) == Mask.from_array(p | q) == Mask.union_of([b, Mask(), a])
    assert a.minus(b) == Mask.from_array(p & ~q)
    assert a.intersection(b) == Mask.from_array(p & q)
    assert a.overlap(b) == (p & q).sum()
    assert a.iou(b) == ((p & q).sum() / (p | q).sum() if (p | q).any() else 0)


@given(shapes.flatmap(pixels), shapes, st.integers(-5, 5), st.integers(-5, 5))
def test_clip_and_paint(array: Any, frame: tuple[int, int], dy: int, dx: int) -> None:
    mask = Mask.from_array(array, dy, dx)
    wide = np.zeros((40, 40), bool)
    wide[10 + dy : 10 + dy + array.shape[0], 10 + dx : 10 + dx + array.shape[1]] = array
    part = wide[10 : 10 + frame[0], 10 : 10 + frame[1]]
    assert mask.clip(frame) == Mask.from_array(part)
    canvas = np.zeros((7, 6), int)
    mask.paint(canvas, 3, -2, 1)
    assert (canvas == 3 * wide[8:15, 11:17]).all()


@given(shapes.flatmap(pixels))
def test_parts_are_the_connected_ones(array: Any) -> None:
    from skimage.measure import label

    mask = Mask.from_array(array)
    parts = mask.parts()
    assert len(parts) == label(array, connectivity=2).max()
    assert Mask.union_of(parts) == mask
    assert sum(p.area for p in parts) == mask.area
    assert [p.area for p in parts] == sorted((p.area for p in parts), reverse=True)
    assert all(len(p.parts()) == 1 for p in parts)


@given(shapes.flatmap(masks), st.lists(st.tuples(st.floats(-3, 15), st.floats(-3, 15)), max_size=4))
def test_a_split_keeps_every_pixel_once(mask: Mask, line: list[tuple[float, float]]) -> None:
    parts = mask.split(line)
    assert Mask.union_of(parts) == mask
    assert sum(p.area for p in parts) == mask.area
    assert all(parts)
    assert [p.area for p in parts] == sorted((p.area for p in parts), reverse=True)


def test_a_line_across_cuts_in_two() -> None:
    mask = Mask.from_array(disk, 100, 50)
    upper, lower = sorted(mask.split([(109, 40), (109, 80)]), key=lambda m: m.y)
    assert abs(upper.area - lower.area) <= 17
    assert upper.box[2] <= lower.box[0] + 1
    assert len(mask.split([(100, 50), (118, 68)])) == 2  # a diagonal of single pixels
    assert mask.split([(109, 40), (109, 55)]) == [mask]  # only half way
    assert mask.split([]) == [mask]
    assert Mask().split([(0, 0), (3, 3)]) == []


def test_no_pixels() -> None:
    assert Mask.from_array(np.zeros((3, 4))) == Mask.from_pixels([], []) == Mask()
    assert Mask.union_of([]) == Mask().union(Mask()) == Mask()
    assert Mask().shift(3, 4) == Mask()
    assert Mask().parts() == []
    assert Mask().iou(Mask()) == 0
    assert np.isnan(Mask().centroid).all()
    with pytest.raises(ValueError, match="2-D"):
        Mask.from_array(np.zeros((2, 2, 2)))


def test_boxes() -> None:
    assert touches((0, 0, 2, 2), (1, 1, 3, 3))
    assert not touches((0, 0, 2, 2), (2, 0, 3, 3))
    assert enclosing([(3, 4, 5, 6), (1, 7, 2, 9)]) == (1, 4, 5, 9)


@pytest.mark.parametrize(("rows", "code"), GOLDEN)
def test_golden(rows: list[str], code: str) -> None:
    mask, shape = code_of(rows)
    assert mask.to_coco(shape)["counts"] == code
    assert Mask.from_coco({"size": shape, "counts": code}) == mask


def test_golden_disk() -> None:
    mask = Mask.from_array(disk, 400, 700)
    code = "on\\e05Qo04L4N0O2O0O2O00000001N101N102L4Lkob8"
    assert mask.to_coco((1000, 1000))["counts"] == code
    assert decode([code], (1000, 1000)) == [mask]


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("corner", [(0, 0), (-7, 3), (4, 9)])
def test_thinned_keeps_every_so_many_pixels(step: int, corner: tuple[int, int]) -> None:
    mask = Mask.from_array(np.random.default_rng(step).random((9, 14)) < 0.6, 5, 2)
    canvas = np.zeros((40, 40), bool)
    mask.shift(-corner[0], -corner[1]).paint(canvas, True)
    thin = np.zeros((40, 40), bool)
    mask.thinned(step, *corner).paint(thin, True)
    coarse = canvas[::step, ::step]
    np.testing.assert_array_equal(thin[: len(coarse), : coarse.shape[1]], coarse)
