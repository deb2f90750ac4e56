"""Learning: crops and what is done to them, calibration, recipes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage
from tiny import write_data
from torch import Tensor
from torch.utils.data import DataLoader

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.learn.augment import crop, recolour
from napari_nuclei.learn.calibrate import Calibration, best_threshold, expected_error, fit
from napari_nuclei.learn.data import Crops, boxes_of
from napari_nuclei.learn.examples import Example, load_examples
from napari_nuclei.learn.recipe import read_recipe
from napari_nuclei.resources import resource_folder

# -- crops ------------------------------------------------------------------------------


def mosaic(side: int = 120) -> tuple[Tensor, Tensor]:
    """An image of patches and its labels: label = 40 · gray value."""
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 41, (side // 20, side // 20)), np.ones((20, 20), int))
    tensor = torch.from_numpy(labels).to(torch.int16)
    return (tensor.float() / 40).expand(3, -1, -1), tensor


@pytest.mark.parametrize("seed", range(8))
def test_labels_follow_the_image(seed: int) -> None:
    image, labels = mosaic()
    known = labels % 2 == 0
    rng = torch.Generator().manual_seed(seed)
    out, cut, seen, inside = crop(image, labels, known, (50, 70), 1.3, 96, rng)
    assert out.shape == (3, 96, 96)
    array = cut.numpy()
    flat = ndimage.maximum_filter(array, 5) == ndimage.minimum_filter(array, 5)
    flat &= ndimage.binary_erosion(inside.numpy(), iterations=3)
    assert flat.mean() > 0.3
    assert len(np.unique(array[flat])) > 5
    np.testing.assert_array_equal(np.rint(out[0].numpy() * 40)[flat], array[flat])
    np.testing.assert_array_equal(seen.numpy()[flat], array[flat] % 2 == 0)


def test_beyond_the_border_there_is_nothing() -> None:
    image, labels = mosaic()
    rng = torch.Generator().manual_seed(0)
    _, cut, seen, inside = crop(image, labels + 1, labels >= 0, (0, 0), 1, 64, rng)
    assert 0.1 < inside.float().mean() < 0.5
    assert (cut[~inside] == 0).all()
    assert (cut[inside] > 0).all()
    assert not seen[~inside].any()


@pytest.mark.parametrize("gray", [True, False])
def test_colours_stay_in_range_and_shape(gray: bool) -> None:
    rng = torch.Generator().manual_seed(1)
    image = torch.rand(1 if gray else 3, 40, 40, generator=rng).expand(3, -1, -1)
    seen = torch.stack([recolour(image, gray, rng) for _ in range(60)])
    assert seen.shape == (60, 3, 40, 40)
    assert torch.isfinite(seen).all()
    assert seen.min() >= -0.3
    assert seen.max() <= 1.5
    assert (seen - image).abs().flatten(1).mean(1).gt(0.05).float().mean() > 0.5


def test_boxes_of_a_label_image() -> None:
    labels = torch.zeros(20, 30, dtype=torch.int16)
    labels[2:6, 3:9] = 2
    labels[10:20, 25:30] = 7
    labels[0, 0:8] = 5  # too small to be learned
    boxes, ids = boxes_of(labels)
    assert boxes.tolist() == [[3, 2, 9, 6], [25, 10, 30, 20]]
    assert ids.tolist() == [2, 7]
    boxes, ids = boxes_of(torch.zeros(5, 5, dtype=torch.int16))
    assert boxes.shape == (0, 4)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def examples(data_folder: Path) -> list[Example]:
    return load_examples(coco.read(data_folder / "truth.json"), data_folder, 16)


def test_examples_are_scaled_to_the_wanted_diameter(data_folder: Path) -> None:
    truth = coco.read(data_folder / "truth.json")
    for wanted in (10.0, 20.0):
        for example, image in zip(load_examples(truth, data_folder, wanted), truth.images,
                                  strict=True):  # fmt: skip
            areas = np.bincount(example.labels.flatten().numpy())[1:]
            assert np.median(2 * np.sqrt(areas / np.pi)) == pytest.approx(wanted, rel=0.08)
            assert len(example.centres) == len(list(truth.of(image).shown()))
            assert example.image.shape[1:] == example.labels.shape
            assert example.group == "fluorescence"
            x, y = example.centres.round().long().T
            assert (example.labels[y, x] > 0).float().mean() > 0.9


def test_an_image_of_another_size_than_its_truth(tmp_path: Path) -> None:
    truth = coco.read(write_data(tmp_path, 1))
    Image.new("L", (50, 40)).save(tmp_path / "1.png")
    with pytest.raises(UserError, match=r"1\.png is 40×50 px, but it is 96×96 px in its data set"):
        load_examples(truth, tmp_path, 16)


def test_images_are_found_by_names_of_another_machine(tmp_path: Path) -> None:
    data = coco.read(write_data(tmp_path, 2))
    wanted = load_examples(data, tmp_path, 16)
    for name in ("1", "2"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / f"{name}.png").rename(tmp_path / "set" / name / "x.png")
    data.images = [replace(i, file_name=f"C:\\set\\{i.id}\\x.png") for i in data.images]
    found = load_examples(data, tmp_path / "set", 16)
    assert all(torch.equal(a.image, b.image) for a, b in zip(wanted, found, strict=True))
    data.images = [replace(image, file_name="x.png") for image in data.images]
    with pytest.raises(UserError, match=r"x\.png may be 1/x\.png, 2/x\.png"):
        load_examples(data, tmp_path / "set", 16)


def same(a: Any, b: Any) -> bool:
    (image, target), (other, wanted) = a, b
    return bool((image == other).all()) and all(
        torch.equal(getattr(target, n), getattr(wanted, n))
        for n in ("boxes", "ids", "labels", "known")
    )


def test_a_crop_depends_on_its_number_alone(examples: list[Example]) -> None:
    crops = Crops(examples, 64, seed=5)
    fifth = crops.draw(5)
    crops.draw(1)
    torch.manual_seed(99)
    assert same(crops.draw(5), fifth)
    assert same(Crops(examples, 64, seed=5).draw(5), fifth)
    assert not same(crops.draw(6), fifth)
    assert not same(Crops(examples, 64, seed=6).draw(5), fifth)
    later = Crops(examples, 64, seed=5, start=5)
    assert same(next(iter(later)), fifth)


def test_batches_do_not_depend_on_the_number_of_workers(examples: list[Example]) -> None:
    def first(workers: int) -> list[Any]:
        crops, context = Crops(examples, 32, batch=2, start=4), "fork" if workers else None
        loader = DataLoader(
            crops, 2, num_workers=workers, collate_fn=list, multiprocessing_context=context
        )
        return list(itertools.chain.from_iterable(itertools.islice(loader, 3)))

    alone, spread = first(0), first(2)
    assert len(alone) == len(spread) == 6
    assert all(same(a, b) for a, b in zip(alone, spread, strict=True))


def test_a_crops_truth_fits_its_labels(examples: list[Example]) -> None:
    crops = Crops(examples, 64)
    seen = 0
    for number in range(12):
        image, target = crops.draw(number)
        assert image.shape == (3, 64, 64)
        for box, id in zip(target.boxes.tolist(), target.ids.tolist(), strict=True):
            y, x = torch.nonzero(target.labels == id, as_tuple=True)
            assert box == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            seen += 1
    assert seen > 5


# -- calibration ------------------------------------------------------------------------


def overconfident(count: int = 6000) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Scores whose logits are twice too large and shifted, and their hits."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, count)
    hits = rng.random(count) < 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-(2 * logits + 1))), hits


def test_calibrated_scores_are_honest() -> None:
    scores, hits = overconfident()
    calibration = fit(scores[:4000], hits[:4000])
    assert calibration.slope == pytest.approx(0.5, abs=0.05)
    assert calibration.offset == pytest.approx(-0.5, abs=0.1)
    before = expected_error(scores[4000:], hits[4000:])
    after = expected_error(calibration(scores[4000:]), hits[4000:])
    assert before > 0.1
    assert after < 0.3 * before


@given(hnp.arrays(float, st.integers(0, 30), elements=st.floats(0, 1)), st.data())
def test_calibration_keeps_the_order(scores: np.ndarray[Any, Any], data: st.DataObject) -> None:
    hits = data.draw(hnp.arrays(bool, scores.shape))
    fair = fit(scores, hits)(np.sort(scores))
    assert (np.diff(fair) >= 0).all()
    assert ((fair >= 0) & (fair <= 1)).all()


def test_expected_error_by_hand() -> None:
    scores, hits = np.array([0.1, 0.14, 0.9, 1.0]), np.array([False, True, True, True])
    assert expected_error(scores, hits) == pytest.approx((2 * 0.38 + 2 * 0.05) / 4)
    assert expected_error(scores[:0], hits[:0]) == 0
    assert Calibration()(scores) == pytest.approx(scores, abs=1e-5)


@given(hnp.arrays(float, st.integers(0, 12), elements=st.floats(0, 1)), st.data())
def test_the_best_threshold_is_the_best(scores: np.ndarray[Any, Any], data: st.DataObject) -> None:
    hits = data.draw(hnp.arrays(bool, scores.shape))
    truth = int(hits.sum()) + data.draw(st.integers(0, 3))
    threshold, f1 = best_threshold(scores, hits, truth)

    def f1_at(level: float) -> float:
        pairs = [hit for score, hit in zip(scores, hits, strict=True) if score >= level]
        return 2 * sum(pairs) / max(1, len(pairs) + truth)

    every = {round(k / 100, 2): f1_at(round(k / 100, 2)) for k in range(5, 96)}
    assert f1 == pytest.approx(max(every.values()))
    assert every[threshold] == pytest.approx(f1)


# -- recipes ----------------------------------------------------------------------------


def write_recipe(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 'x'", "out: Field required"),
        ("name = 'x'\nout = 'o'\nspeed = 3", "speed: Extra inputs"),
        ("name = 'x'\nout = 'o'\n[schedule]\nepochs = 3", r"schedule\.epochs: Extra inputs"),
        ("name = 'x'\nout = 'o'\n[schedule]\nbatch = 'many'", r"schedule\.batch: .*integer"),
        ("name = 'x'\nout = 'o'\n[schedule]\nbatch = 0", r"schedule\.batch: .*greater than 0"),
        ("name = 'x'\nout = 'o'\n[schedule]\nrate = nan", r"schedule\.rate: .*finite"),
        ("name = 'x'\nout = 'o'\n[network]\ntrunk = 'vgg'", r"network\.trunk: .*resnet18"),
        ("name = 'x'\nout = 'o'\n[network]\nanchors = [8, 16]", r"network\.anchors"),
        ("name = 'x'\nout = 'o'\n[data]\ntrain = 'here'", r"data\.train"),
        ("name = ", "not a TOML file"),
        ("\ufeff\x00", "not a TOML file"),
    ],
)
def test_broken_recipes(tmp_path: Path, text: str, words: str) -> None:
    path = write_recipe(tmp_path / "r.toml", text)
    with pytest.raises(UserError, match=words) as error:
        read_recipe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such recipe"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(UserError, match="cannot be read"):
        read_recipe(tmp_path)


def test_changes_replace_what_the_file_says(tmp_path: Path) -> None:
    text = "name = 'x'\nout = 'o'\n[schedule]\nminutes = 9\nbatch = 2"
    path = write_recipe(tmp_path / "r.toml", text)
    recipe = read_recipe(path, {"schedule": {"minutes": 1}, "out": tmp_path})
    assert (recipe.schedule.minutes, recipe.schedule.batch, recipe.out) == (1, 2, tmp_path)


def test_shipped_recipes_can_be_read() -> None:
    paths = sorted(resource_folder("training").glob("*.toml"))
    assert paths
    for path in paths:
        assert read_recipe(path).name
