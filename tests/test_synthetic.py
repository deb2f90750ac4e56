"""Synthetic samples: the same every time, true to their masks, and as committed."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_rle

from napari_nuclei.images.images import read_image
from napari_nuclei.masks import Mask
from napari_nuclei.resources import resource_folder
from napari_nuclei.synthetic.scenes import LOOKS, make_sample

FOLDER = resource_folder("sample_data")
TRUTH: dict[str, Any] = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))


def rows_of(image_id: int) -> list[dict[str, Any]]:
    return [row for row in TRUTH["annotations"] if row["image_id"] == image_id]


@pytest.mark.parametrize("entry", TRUTH["images"], ids=lambda e: str(e["file_name"]))
def test_the_committed_samples_can_be_made_again(entry: dict[str, Any]) -> None:
    image, masks = make_sample(entry["kind"], entry["seed"], (entry["height"], entry["width"]))
    np.testing.assert_array_equal(read_image(FOLDER / entry["file_name"]), image)
    kept = [Mask.from_coco(row["segmentation"]) for row in rows_of(entry["id"])]
    assert kept == masks


def test_the_script_writes_what_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["make.py", "--out", str(tmp_path)])
    runpy.run_path(str(FOLDER / "make.py"), run_name="__main__")
    assert (tmp_path / "truth.json").read_bytes() == (FOLDER / "truth.json").read_bytes()
    names = {p.name for p in FOLDER.glob("*.png")}
    assert {p.name for p in tmp_path.glob("*.png")} == names
    assert names == {entry["file_name"] for entry in TRUTH["images"]}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_the_truth_is_a_sound_coco_data_set() -> None:
    assert {entry["kind"] for entry in TRUTH["images"]} == set(LOOKS)
    assert {entry["modality"] for entry in TRUTH["images"]} == {"fluorescence", "histology"}
    assert TRUTH["categories"] == [{"id": 1, "name": "nucleus"}]
    ids = [row["id"] for row in TRUTH["annotations"]]
    assert len(set(ids)) == len(ids)
    for row in TRUTH["annotations"]:
        pixels = coco_rle.decode(row["segmentation"])
        ys, xs = np.nonzero(pixels)
        left, top = int(xs.min()), int(ys.min())
        assert row["bbox"] == [left, top, int(xs.max()) - left + 1, int(ys.max()) - top + 1]
        assert row["area"] == len(ys) >= 20
        assert (row["category_id"], row["iscrowd"]) == (1, 0)
        assert isinstance(row["segmentation"]["counts"], str)


def test_the_samples_are_small() -> None:
    assert sum(p.stat().st_size for p in FOLDER.glob("*.png")) < 2_000_000


@pytest.mark.parametrize("kind", LOOKS)
def test_masks_lie_on_what_is_stained(kind: str) -> None:
    image, masks = make_sample(kind, 5, 200)
    fluorescent = image.ndim == 2
    signal = image.astype(float) if fluorescent else 255.0 - image[..., 0]  # red: hematoxylin
    inside = np.zeros(signal.shape, bool)
    for mask in masks:
        mask.paint(inside, True)
    assert np.median(signal[inside]) > 1.5 * np.median(signal[~inside])
    # A mask that is off by some pixels would hold much less of the stain.
    shifted = np.roll(inside, (7, 7), (0, 1))
    assert signal[inside].mean() > 1.15 * signal[shifted].mean()
    assert image.max() > 100
    assert image.dtype == np.uint8


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(LOOKS)),
    st.integers(0, 1 << 40),
    st.tuples(st.integers(40, 130), st.integers(40, 130)),
)
def test_any_sample_keeps_its_word(kind: str, seed: int, size: tuple[int, int]) -> None:
    image, masks = make_sample(kind, seed, size)
    assert image.shape[:2] == size
    assert image.ndim == (2 if LOOKS[kind].modality == "fluorescence" else 3)
    for i, mask in enumerate(masks):
        assert mask == mask.clip(size)
        assert mask.area >= 20
        # Cut by the image's edge, a part of a nucleus may share more than the whole does.
        if touches_edge(mask, size):
            continue
        shared = sum(mask.overlap(m) for m in masks[:i] if not touches_edge(m, size))
        assert shared <= LOOKS[kind].overlap * mask.area
    again, masks_again = make_sample(kind, seed, size)
    np.testing.assert_array_equal(image, again)
    assert masks == masks_again


def touches_edge(mask: Mask, size: tuple[int, int]) -> bool:
    y0, x0, y1, x1 = mask.box
    return y0 == 0 or x0 == 0 or y1 == size[0] or x1 == size[1]


def test_crowded_nuclei_touch_and_sparse_ones_do_not() -> None:
    for kind, look in LOOKS.items():
        _, masks = make_sample(kind, 3, 300)
        count = np.zeros((300, 300), np.uint8)
        for mask in masks:
            y0, x0, y1, x1 = mask.box
            count[y0:y1, x0:x1] += mask.to_array()
        assert (count > 1).any() == (look.overlap > 0)
        assert count.any()


def test_seeds_and_kinds_differ() -> None:
    first, _ = make_sample("histology", 0, 64)
    assert (first != make_sample("histology", 1, 64)[0]).any()
    assert (first != make_sample("histology-crowded", 0, 64)[0]).any()


def test_a_number_of_nuclei_can_be_asked_for() -> None:
    assert len(make_sample("fluorescence-crowded", 0, 256, nuclei=37)[1]) == 37
    with pytest.raises(ValueError, match="do not fit on 64×64"):
        make_sample("fluorescence", 0, 64, nuclei=100)
    with pytest.raises(ValueError, match="unknown kind 'electron'"):
        make_sample("electron")
