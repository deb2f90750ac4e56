"""RoI pooling of our own gives what torchvision's gives."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from napari_nuclei.models.pooling import AlignedMaps, FeatureTable

SIZE = (192, 320)


def pyramid(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(1, 24, SIZE[0] // s, SIZE[1] // s, generator=generator) for s in (4, 8, 16, 32)
    ]


def boxes(seed: int) -> torch.Tensor:
    """Boxes of all sizes; some reach to the image's edges and some are thin."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(300, 2, generator=generator) * torch.tensor([SIZE[1], SIZE[0]])
    sides = torch.exp2(8 * torch.rand(300, 2, generator=generator))
    lone = torch.tensor([[0.0, 0, 320, 192], [319, 191, 320, 192], [10, 10, 10, 10]])
    found = torch.cat([torch.cat([corner, corner + sides], 1), lone])
    return torch.minimum(found, torch.tensor([320.0, 192, 320, 192]))


@pytest.mark.parametrize("bins", [7, 14])
@pytest.mark.parametrize("kind", [FeatureTable, AlignedMaps])
def test_pooling_is_torchvisions(kind: type, bins: int) -> None:
    maps = pyramid(bins)
    align = MultiScaleRoIAlign(list("0123"), bins, sampling_ratio=1, canonical_scale=112)
    wanted = align(dict(zip("0123", maps, strict=True)), [boxes(1)], [SIZE])
    made = FeatureTable(maps) if kind is FeatureTable else AlignedMaps(maps, SIZE)
    torch.testing.assert_close(made.pool(boxes(1), bins), wanted, rtol=1e-4, atol=1e-4)


def test_reduced_precision_stays_near() -> None:
    maps = pyramid(3)
    exact = FeatureTable(maps).pool(boxes(2), 14)
    half = FeatureTable([m.bfloat16() for m in maps]).pool(boxes(2), 14)
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().max() < 0.05 * exact.abs().max()
