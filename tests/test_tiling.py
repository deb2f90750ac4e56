"""The grid of tiles leaves no trace; large images are read in parts; memory that runs out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import CARD, DiscDetector, disc, network, picture

from napari_nuclei import models
from napari_nuclei.errors import UserError
from napari_nuclei.images.large_image import LargeImage
from napari_nuclei.masks import Mask
from napari_nuclei.models import Detections
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.models.memory import ran_out
from napari_nuclei.models.proposals import CELL, MAX_ANCHORS_PER_CELL, SHAPES, STRIDES, likeliest
from napari_nuclei.prediction.frame import Frame, bare
from napari_nuclei.prediction.predict import segment, segment_steps
from napari_nuclei.prediction.resampling import Taps, resample, resized, sizes
from napari_nuclei.prediction.seams import cut_along
from napari_nuclei.prediction.suppress import Joining, distinct
from napari_nuclei.prediction.tiles import cut, quarters
from napari_nuclei.progress import result_of
from napari_nuclei.synthetic.scenes import make_sample


def field(shape: tuple[int, int], seed: int = 0) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Discs of many sizes, anywhere."""
    rng = np.random.default_rng(seed)
    truth: list[Mask] = []
    while len(truth) < shape[0] * shape[1] // 2500:
        y, x = rng.uniform(16, shape[0] - 16), rng.uniform(16, shape[1] - 16)
        diameter = rng.uniform(12, 30)
        if not any(disc(y, x, diameter + 6).overlap(m) for m in truth):
            truth.append(disc(y, x, diameter))
    return picture(shape, truth), truth


# -- no trace of the grid ---------------------------------------------------------------


@pytest.mark.parametrize("diameter", [26.0, 20.0, 37.0])
def test_the_grid_may_lie_anywhere(diameter: float) -> None:
    image, truth = field((330, 360))
    whole = segment(image, DiscDetector(), diameter)
    assert len(whole.found) == len(truth)
    for shift in [(32 * a, 32 * (a * 2 % 5)) for a in range(1, 9)]:
        detector = DiscDetector()
        found = segment(image, detector, diameter, side=192, shift=shift).found
        assert len(detector.tiles) >= 6
        assert found == whole.found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
def test_the_grid_may_lie_anywhere_under_a_network(
    monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    monkeypatch.setattr("napari_nuclei.models.runtime._cpu_gains", lambda: half)
    image, _ = make_sample("histology", seed=3, size=512, nuclei=110)
    detector = models.load("nuclei", "cpu")
    wanted = segment(image, detector, 26.0).found
    sure = [m for m, score in wanted if score >= detector.card.threshold + 0.05]
    same = 0
    shifts = np.random.default_rng(0).integers(0, 5, (12, 2)) * detector.stride
    for shift in shifts.tolist():
        found = [m for m, _ in segment(image, detector, 26.0, side=448, shift=shift).found]
        same += sum(max((m.iou(f) for f in found), default=0) >= 0.9 for m in sure)
    assert same >= 0.995 * len(sure) * len(shifts)


def chosen(levels: list[torch.Tensor]) -> set[tuple[int, ...]]:
    """The likeliest anchors of a tile, given (h, w, shapes) a level: each level, y, x and shape."""
    where = [
        torch.cat([torch.full((level.numel(), 1), k), torch.ones_like(level).nonzero()], 1)
        for k, level in enumerate(levels)
    ]
    size = (levels[-1].shape[0] * CELL, levels[-1].shape[1] * CELL)
    flat = torch.cat([level.flatten() for level in levels])
    return {tuple(row) for row in torch.cat(where)[likeliest(flat, size)].tolist()}


@pytest.mark.parametrize("box", [(0, 0, 3, 4), (1, 2, 5, 5), (2, 1, 6, 6), (4, 4, 5, 5)])
def test_proposals_of_a_place_do_not_depend_on_the_tile(box: tuple[int, int, int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    sides = [CELL // stride for stride in STRIDES]
    levels = [3 * torch.randn((6 * n, 6 * n, SHAPES), generator=random) for n in sides]
    for level, n in zip(levels, sides, strict=True):
        level[: 2 * n, : 2 * n] += 6  # a crowd, likelier than all else
    y0, x0, y1, x1 = box
    parts = [
        level[y0 * n : y1 * n, x0 * n : x1 * n] for level, n in zip(levels, sides, strict=True)
    ]
    found = {(k, y + y0 * sides[k], x + x0 * sides[k], a) for k, y, x, a in chosen(parts)}
    inside = {
        (k, y, x, a)
        for k, y, x, a in chosen(levels)
        if y0 <= y // sides[k] < y1 and x0 <= x // sides[k] < x1
    }
    assert found == inside
    assert len(found) == MAX_ANCHORS_PER_CELL * (y1 - y0) * (x1 - x0)


def test_unlikely_anchors_are_no_proposals() -> None:
    cells = sum((CELL // stride) ** 2 * SHAPES for stride in STRIDES)
    odds = torch.full((2 * cells,), -9.0)
    odds[[5, 2 * cells - 1]] = 0.0
    assert likeliest(odds, (CELL, 2 * CELL)).tolist() == [5, 2 * cells - 1]


@pytest.mark.parametrize("seed", range(4))
def test_tiles_in_any_order_join_to_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cores = [tile.core for tile in cut((256, 256), 128, 32, 32)]
    everything = [
        (disc(*rng.uniform(10, 246, 2), rng.uniform(8, 30)), float(score))
        for score in rng.random(220)
    ]
    owners = [
        next(k for k, c in enumerate(cores) if c[0] <= y < c[2] and c[1] <= x < c[3])
        for (y, x) in (m.centroid for m, _ in everything)
    ]
    joining = Joining(cores, 32)
    out, held = [], []
    for tile in rng.permutation(len(cores)).tolist():
        out += joining.add(tile, [e for e, o in zip(everything, owners, strict=True) if o == tile])
        held.append(joining.waiting)
    assert joining.waiting == 0
    assert 0 < max(held) < len(everything)
    assert sorted(out, key=lambda e: -e[1]) == distinct(everything)
    assert 50 < len(out) < 200


def test_one_nucleus_seen_by_two_tiles_is_one() -> None:
    first, second, apart = disc(20, 20, 20), disc(20, 21, 20), disc(20, 38, 20)
    joining = Joining([(0, 0, 40, 22), (0, 18, 40, 60)], 16)
    assert joining.add(0, [(first, 0.8)]) == []
    assert joining.add(1, [(second, 0.9), (apart, 0.7)]) == [(second, 0.9), (apart, 0.7)]


def test_nuclei_come_as_they_are_ready() -> None:
    image, _ = field((600, 200))
    steps = segment_steps(image, DiscDetector(), 26.0, side=192)
    seen: list[Any] = []
    early = 0
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found = end.value.found
            break
        seen += step.new or []
        early = max(early, len(seen) * (step.done < step.total))
    assert 0 < early < len(found)
    assert sorted(seen, key=lambda e: (-e[1], e[0].box)) == found


def test_the_audit_knows_a_cut_nucleus() -> None:
    whole = disc(40.0, 40.0, 24)
    pixels = whole.to_array().copy()
    pixels[:, 44 - whole.x :] = False
    halved = Mask.from_array(pixels, whole.y, whole.x)
    assert cut_along([whole, halved], [20], [44]) == [1]
    assert cut_along([halved], [20], [60]) == []
    turned = Mask.from_array(halved.to_array().T, halved.x, halved.y)
    assert cut_along([turned], [44], []) == [0]


# -- the one resampled grid -------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0.1, 0.37, 0.9, 1.63, 4.0])
def test_a_part_is_resized_as_the_whole(zoom: float) -> None:
    pixels = np.random.default_rng(0).random((210, 170, 3), np.float32)
    whole = resample(pixels, zoom)
    height, width = sizes((210, 170), zoom)
    y0, x0, y1, x1 = height // 3, width // 4, height // 2 + 1, width
    rows, cols = Taps.of(y0, y1, height, 210), Taps.of(x0, x1, width, 170)
    part = resized(pixels[rows.first : rows.last, cols.first : cols.last], rows, cols)
    np.testing.assert_array_equal(part, whole[y0:y1, x0:x1])
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None], (height, width), mode="bilinear",
        antialias=True,
    )[0].permute(1, 2, 0).numpy()  # fmt: skip
    np.testing.assert_allclose(whole, wanted, atol=1e-3)


# -- large images -----------------------------------------------------------------------


class Lazy:
    """An array that notes what is read of it."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.read = array, []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index: Any) -> NDArray[Any]:
        part = self.array[index]
        self.read.append(part.shape)
        return part


def test_a_lazy_image_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nuclei.images.large_image.WHOLE", 1 << 15)
    image, truth = field((700, 500))
    lazy = Lazy(image)
    found = segment(lazy, DiscDetector(), 26.0, side=192).found
    assert max(h * w for h, w in lazy.read) <= 192 * 192
    assert {m for m, _ in found} == {
        m for m, _ in segment(image, DiscDetector(), 26.0, side=192).found
    }
    assert len(found) == len(truth)


def test_the_fitting_level_is_read() -> None:
    image, _ = field((400, 300))
    coarse = image.reshape(200, 2, 150, 2).mean((1, 3))
    fine, half = Lazy(image), Lazy(coarse)
    shown = LargeImage([fine, half])
    assert (shown.level_for(1), shown.level_for(0.6), shown.level_for(0.5)) == (0, 0, 1)
    frame = Frame.of(shown, 0.5, (0, 200))
    (tile,) = cut(frame.shape, 400, 32, 32)
    assert frame.read(tile) is not None
    assert (fine.read, half.read) == ([], [(200, 150)])


@pytest.mark.parametrize("shape", [(0, 4), (3,), (2, 2, 2, 2)])
def test_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="image"):
        LargeImage(np.zeros(shape))


def test_bare_tiles_are_skipped_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    noise = np.float32(0.01) * rng.standard_normal((65, 67, 3)).astype(np.float32)
    assert bare(noise)
    assert bare(np.zeros((1, 90, 1), np.float32))
    noise[20:30, 20:30] += 0.15
    assert not bare(noise)
    image = np.full((600, 300), 10, np.uint8)
    disc(60, 60, 24).paint(image, 200)
    detector = DiscDetector()
    assert len(segment(image, detector, 26.0, side=192).found) == 1
    assert 1 <= len(detector.tiles) < len(cut((600, 300), 192, 48, 32)) / 2


# -- memory -----------------------------------------------------------------------------


class Limited(DiscDetector):
    """Has memory for so many px at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def detect(self, tile: NDArray[np.float32], *arguments: Any) -> Detections:
        if tile.shape[0] * tile.shape[1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().detect(tile, *arguments)


def test_too_large_a_tile_is_cut_until_it_fits() -> None:
    image, truth = field((520, 540))
    whole = segment(image, DiscDetector(), 26.0).found
    assert segment(image, Limited(250 * 250), 26.0, side=600).found == whole
    assert len(whole) == len(truth)
    told = [s.message for s in segment_steps(image, Limited(250 * 250), 26.0, side=600)]
    assert "Out of memory: continuing with smaller tiles" in told


def test_where_nothing_fits_it_says_so() -> None:
    image, _ = field((100, 100))
    with pytest.raises(MemoryError):
        result_of(segment_steps(image, Limited(100), 26.0))


def test_other_failures_are_not_taken_for_it() -> None:
    assert ran_out(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert ran_out(MemoryError())
    assert not ran_out(RuntimeError("shapes do not match"))
    assert not ran_out(ValueError("out of memory"))


def test_quarters_cover_their_tile() -> None:
    (tile,) = cut((500, 500), 512, 64, 32)
    parts = quarters(tile, (500, 500), 64, 32)
    seen = np.zeros((501, 501), int)
    for part in parts:
        y0, x0, y1, x1 = part.core
        seen[y0:y1, x0:x1] += 1
    assert len(parts) == 4
    assert seen.min() == 1
    assert quarters(parts[0], (500, 500), 64, 512) == []


# -- several tiles at once --------------------------------------------------------------


SIDE = 384
"""Cuts the sample in seven, five of one size."""


class Batched(MaskRCNNDetector):
    """Takes several tiles at once on the CPU, with memory for so many; notes how many it took."""

    def __init__(self, batch: int | None, most: int = 99) -> None:
        super().__init__(network(), CARD, torch.device("cpu"))
        self.batch, self.most, self.took = batch, most, []

    def _encoded(self, tiles: Any) -> Any:
        if len(tiles) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        self.took.append(len(tiles))
        return super()._encoded(tiles)


def same(one: list[Any], other: list[Any]) -> None:
    """Check that two results are equal but for the last digits of computing."""
    assert len(one) == len(other) > 20
    scores = [[score for _, score in found] for found in (one, other)]
    np.testing.assert_allclose(*scores, atol=1e-5)
    for mask, _ in one:  # a pixel on the edge may turn with them
        assert max(mask.iou(m) for m, _ in other) > 0.999


@pytest.fixture(scope="module")
def sample() -> tuple[NDArray[np.uint8], list[Any]]:
    image, _ = make_sample("fluorescence", seed=3, size=(256, 896))
    return image, segment(image, Batched(1), 20.0, side=SIDE).found


@pytest.mark.parametrize("batch", [2, 4])
def test_tiles_in_batches_are_as_tiles_alone(sample: Any, batch: int) -> None:
    image, alone = sample
    detector = Batched(batch)
    same(segment(image, detector, 20.0, side=SIDE).found, alone)
    assert max(detector.took) == batch


def test_out_of_memory_batches_are_halved(sample: Any) -> None:
    image, alone = sample
    detector = Batched(4, most=1)
    steps = segment_steps(image, detector, 20.0, side=SIDE)
    told = []
    while True:
        try:
            told.append(next(steps).message)
        except StopIteration as end:
            same(end.value.found, alone)
            break
    assert "Out of memory: continuing with 2 tiles at a time" in told
    assert told.count("Out of memory: continuing with 1 tile at a time") == 1
    assert (set(detector.took), detector.batch) == ({1}, 1)


def test_on_the_cpu_tiles_are_taken_one_by_one() -> None:
    assert Batched(None).batch_for((1536, 1536)) == 1
