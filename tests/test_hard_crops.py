"""Crops made hard: paler, blurred, pasted nuclei, stains mixed anew, compression."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_nuclei.learn.augment import jpeg, restain
from napari_nuclei.learn.augment_nuclei import MAX_HIDDEN, defocus, dim, paste, surroundings


def field(light: float = 0.8, ground: float = 0.1) -> tuple[Tensor, Tensor]:
    """Nine round nuclei on even ground."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    labels = torch.zeros(96, 96, dtype=torch.int16)
    for k in range(9):
        cy, cx = 16 + 32 * (k // 3), 16 + 32 * (k % 3)
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 64] = k + 1
    return torch.where(labels > 0, light, ground).expand(3, -1, -1).clone(), labels


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("inverted", [False, True])
def test_some_nuclei_become_paler_and_the_ground_stays(inverted: bool) -> None:
    image, labels = field(*((0.1, 0.8) if inverted else (0.8, 0.1)))
    out = dim(image, labels, seeded(0))
    contrast = torch.stack(
        [(out[0, labels == k].mean() - image[0, labels == 0].mean()).abs() for k in range(1, 10)]
    )
    assert (contrast < 0.6).any()
    assert (contrast > 0.65).any()
    far = torch.nn.functional.max_pool2d((labels > 0).float()[None], 9, 1, 4)[0] == 0
    torch.testing.assert_close(out[:, far], image[:, far], atol=0.02, rtol=0)


def test_blurred_nuclei_keep_their_place() -> None:
    image, labels = field()
    out = defocus(image, labels, seeded(1))
    changed = (out - image).abs().amax(0)
    edges = torch.stack([changed[labels == k].max() for k in range(1, 10)])
    assert (edges > 0.05).any()
    assert (edges < 1e-4).any()
    assert (out.mean() - image.mean()).abs() < 0.01


@pytest.mark.parametrize("light", [0.9, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_pasted_nuclei_are_labelled_and_hide_little(light: float, seed: int) -> None:
    image, labels = field(light, 0.5)
    before = torch.bincount(labels.flatten().long())
    out, after = paste(image, labels, seeded(seed))
    count = torch.bincount(after.flatten().long(), minlength=len(before))
    assert len(count) > len(before)
    assert (count[1:10] >= (1 - MAX_HIDDEN) * before[1:10] - 1).all()
    new = after > 9
    # Light is added and stain multiplied: a copy on bare ground looks like its model.
    bare = new & (labels == 0)
    assert ((out[0, bare].mean() - 0.5) * (light - 0.5)) > 0
    torch.testing.assert_close(out[:, after == 0], image[:, after == 0], atol=0.25, rtol=0)


def test_nothing_to_paste() -> None:
    image = torch.rand(3, 40, 40)
    labels = torch.zeros(40, 40, dtype=torch.int16)
    out, after = paste(image, labels, seeded(0))
    assert out is image
    assert after is labels


def test_the_ground_below_nuclei() -> None:
    image, labels = field()
    torch.testing.assert_close(surroundings(image, labels), torch.full_like(image, 0.1))
    full = torch.ones(96, 96, dtype=torch.int16)
    assert torch.isfinite(surroundings(image, full)).all()


def test_stains_change_and_white_stays_light() -> None:
    image = torch.full((3, 8, 8), 0.95)
    image[:, :4] = torch.tensor([0.35, 0.2, 0.6])[:, None, None]
    outs = torch.stack([restain(image, seeded(k)) for k in range(30)])
    assert outs[:, :, :4].std(0).mean() > 0.05
    assert outs[:, :, 4:].mean() > 0.85
    assert torch.isfinite(outs).all()
    assert outs.min() >= -0.1
    assert outs.max() <= 1.6


def test_compression_changes_little() -> None:
    image, _ = field()
    out = jpeg(image, seeded(3))
    assert out.shape == image.shape
    assert 1e-4 < (out - image).abs().mean() < 0.05
