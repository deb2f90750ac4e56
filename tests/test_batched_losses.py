"""The losses of a whole batch against those of one image after another."""

from __future__ import annotations

import pytest
import torch
from test_losses import SIDE, model, target_of
from tiny import disc
from torch import Tensor, nn
from torchvision.ops import batched_nms

from napari_nuclei.models import batched_draws, losses
from napari_nuclei.models.batched_draws import Truth
from napari_nuclei.models.batched_losses import losses as batched
from napari_nuclei.models.losses import Sampling, Target
from napari_nuclei.models.maskrcnn import MaskRCNN

ALL = Sampling(
    anchors=10**6, anchor_positive=0.5, proposals=100, rois=1000, roi_positive=0.5, masks=1000
)
"""So many that all are taken, and nothing is left to chance."""


def lively() -> MaskRCNN:
    """A network whose proposals are spread widely; its normalisation layers stay as they are."""
    net = model().eval()
    for p in net.proposal_head.parameters():
        nn.init.normal_(p, std=0.2)
    return net


def targets() -> list[Target]:
    some = target_of([disc(20, 22, 24), disc(24, 40, 20), disc(58, 58, 22)])
    some.known[:20] = False
    return [some, target_of([]), target_of([disc(30, 30, 40)])]


def gradients(parts: dict[str, Tensor], net: MaskRCNN) -> list[Tensor]:
    total = torch.stack(list(parts.values())).sum()
    return [*torch.autograd.grad(total, list(net.parameters()), materialize_grads=True)]


@pytest.mark.parametrize("chosen", [slice(None), slice(1, 2)], ids=["some", "no nuclei at all"])
def test_losses_and_gradients_are_those_of_single_images(
    chosen: slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batched_draws, "PAIRS", 1)  # one image at a time
    net, truth = lively(), targets()[chosen]
    images = torch.rand(len(truth), 3, SIDE, SIDE)
    wanted = losses.losses(net, images, truth, ALL)
    ours = batched(net, images, Truth.of(truth), ALL)
    assert list(ours) == list(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-6)
    for a, b in zip(gradients(ours, net), gradients(wanted, net), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_as_many_are_drawn_as_are_wanted() -> None:
    positive = torch.rand(5, 300) < torch.tensor([0.0, 0.01, 0.3, 0.9, 1.0])[:, None]
    negative = ~positive & (torch.rand(5, 300) < 0.5)
    drawn = batched_draws._drawn(positive, negative, 20, 64, torch.Generator().manual_seed(3))
    for k in range(5):
        rows = drawn.rows[k][drawn.valid[k]]
        taken = int(drawn.positive[k].sum())
        assert taken == min(20, int(positive[k].sum()))
        assert len(rows) == taken + min(64 - taken, int(negative[k].sum()))
        assert len(set(rows.tolist())) == len(rows)
        assert positive[k][rows[:taken]].all()
        assert negative[k][rows[taken:]].all()
    again = batched_draws._drawn(positive, negative, 20, 64, torch.Generator().manual_seed(4))
    assert (again.rows[3] != drawn.rows[3]).any()


def test_suppression_is_that_of_torchvision() -> None:
    torch.manual_seed(0)
    corner = 40 * torch.rand(2, 150, 2)
    boxes = torch.cat([corner, corner + 5 + 10 * torch.rand(2, 150, 2)], 2)
    level = torch.randint(2, (2, 150))
    wide = torch.rand(2, 150) < 0.9
    kept = batched_draws._suppressed(boxes, level, wide, 0.5)
    assert 20 < kept[0].sum() < wide[0].sum()
    for k in range(2):
        rows = torch.nonzero(wide[k])[:, 0]
        best = batched_nms(boxes[k][rows], -rows.float(), level[k][rows], 0.5)
        assert torch.nonzero(kept[k])[:, 0].tolist() == sorted(rows[best].tolist())


def test_masks_fill_up_with_positives_alone() -> None:
    positive = torch.tensor([[True, True, True, False], [True, False, False, False]])
    chosen = batched_draws.Drawn(torch.zeros(2, 4).long(), positive, torch.ones(2, 4).bool())
    rows, shown = batched_draws.first_positives(chosen, 2)
    assert (rows.tolist(), shown.tolist()) == ([0, 1, 4, 0], [True, True, True, False])
    nothing = batched_draws.Drawn(chosen.rows, torch.zeros_like(positive), chosen.valid)
    assert not batched_draws.first_positives(nothing, 2)[1].any()
