"""The losses of `losses.py` for all images of a batch at once, as a GPU wants them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from .batched_draws import Drawn, Truth, draw_anchors, draw_rois, first_positives, propose, rows_of
from .losses import Sampling
from .maskrcnn import BOX_BINS, LEVELS, MASK_BINS, MASK_SIZE, MaskRCNN
from .pooling import FINEST_LEVEL, level_of


def losses(
    model: MaskRCNN,
    images: Tensor,
    truth: Truth,
    sampling: Sampling,
    draw: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Run the network on a batch and return its losses by name, as `losses.losses` does.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), normalised, as for `MaskRCNN.features`.
    draw : torch.Generator, optional
        On the images' device; what anchors and RoIs are drawn by.
    """
    size = (images.shape[-2], images.shape[-1])
    maps = model.features(images)
    levels = list(maps.values())
    objectness, deltas = model.proposal_head(levels)
    with torch.autocast(images.device.type, enabled=False), torch.no_grad():
        anchors = model.anchor_boxes(levels, size)
        lengths = [m.shape[-1] * m.shape[-2] * 3 for m in levels]
        drawn, match = draw_anchors(anchors, truth, sampling, draw)
        boxes, good = propose(model, objectness, deltas, anchors, lengths, size, sampling)
        rois, chosen, of = draw_rois(boxes, good, truth, sampling, draw)
        masked, shown = first_positives(chosen, sampling.masks)
        image_of = torch.arange(len(images), device=images.device)[:, None]
        flat = torch.cat([image_of.expand(chosen.rows.shape)[..., None], rois], 2).flatten(0, 1)
    plain = [maps[name].float() for name in LEVELS]
    logits, moves, _ = model.box_head(_pool(plain, flat, BOX_BINS))
    soft = model.mask_head(_pool(plain, flat[masked], MASK_BINS))[:, 0]
    with torch.autocast(images.device.type, enabled=False):
        parts = _proposal_losses(model, objectness, deltas, anchors, truth, drawn, match)
        parts |= _box_losses(model, logits.float(), moves.float(), rois, truth, chosen, of)
        wanted = _mask_targets(truth, flat[masked], of.flatten()[masked])
        parts["mask"] = _entropy(soft.float().flatten(1), wanted.flatten(1), shown[:, None])
        parts["mask"] = parts["mask"] / MASK_SIZE**2 / _count(shown)
    return parts


# -- pooling ----------------------------------------------------------------------------


def _pool(maps: list[Tensor], rois: Tensor, bins: int) -> Tensor:
    """Read RoIs from the level of their size, as `MaskRCNN.box_pool` does.

    Parameters
    ----------
    rois : Tensor
        (K, 5): the image of each, and its box.
    """
    level = level_of(rois[:, 1:], len(maps))
    order = torch.argsort(level)
    counts = torch.bincount(level, minlength=len(maps)).tolist()  # the GPU is waited for here
    parts = [
        roi_align(m, some, bins, 0.5 ** (FINEST_LEVEL + k), 1)
        for k, (m, some) in enumerate(zip(maps, rois[order].split(counts), strict=True))
    ]
    return torch.cat(parts)[torch.argsort(order)]


# -- losses -----------------------------------------------------------------------------


def _proposal_losses(
    model: MaskRCNN,
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    truth: Truth,
    drawn: Drawn,
    match: Tensor,
) -> dict[str, Tensor]:
    scores = _entropy(objectness.gather(1, drawn.rows), drawn.positive.float(), drawn.valid)
    given = anchors[drawn.rows]
    goal = _goals(truth, match.gather(1, drawn.rows), given, drawn.positive)
    wanted = model.rpn_coder.encode_single(goal.flatten(0, 1), given.flatten(0, 1))
    boxes = _off(rows_of(deltas, drawn.rows), wanted.view_as(goal), drawn.positive)
    return {
        "objectness": scores / _count(drawn.valid),
        "proposal_box": boxes / 2 / _count(drawn.positive),
    }


def _box_losses(
    model: MaskRCNN,
    logits: Tensor,
    moves: Tensor,
    rois: Tensor,
    truth: Truth,
    chosen: Drawn,
    of: Tensor,
) -> dict[str, Tensor]:
    goal = _goals(truth, of, rois, chosen.positive)
    wanted = model.box_coder.encode_single(goal.flatten(0, 1), rois.flatten(0, 1))
    count = _count(chosen.valid)
    score = _entropy(logits.view_as(of), chosen.positive.float(), chosen.valid)
    box = _off(moves.view_as(goal), wanted.view_as(goal), chosen.positive)
    return {"score": score / count, "box": box / count}


def _goals(truth: Truth, match: Tensor, boxes: Tensor, positive: Tensor) -> Tensor:
    """Return the true box of each positive box; of others the box itself, so nothing is inf."""
    if not truth.boxes.shape[1]:
        return boxes
    return torch.where(positive[..., None], rows_of(truth.boxes, match), boxes)


def _entropy(logits: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return torch.where(counts, each, 0).sum()


def _off(given: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    # Not only the sums: what does not count may be no number, and so would its gradient be.
    given, wanted = (torch.where(counts[..., None], t, 0) for t in (given, wanted))
    return F.smooth_l1_loss(given, wanted, beta=1 / 9, reduction="sum")


def _count(flags: Tensor) -> Tensor:
    return flags.sum().clamp(min=1)


def _mask_targets(truth: Truth, rois: Tensor, of: Tensor) -> Tensor:
    """Sample nuclei into the grids of their boxes, as `losses.mask_targets` does."""
    n = 2 * MASK_SIZE
    image, boxes = rois[:, 0].long(), rois[:, 1:]
    height, width = truth.labels.shape[-2:]
    steps = (torch.arange(n, device=rois.device) + 0.5) / n
    x = boxes[:, 0:1] + steps * (boxes[:, 2:3] - boxes[:, 0:1])
    y = boxes[:, 1:2] + steps * (boxes[:, 3:4] - boxes[:, 1:2])
    xi = x.floor().long().clamp(0, width - 1)
    yi = y.floor().long().clamp(0, height - 1)
    values = truth.labels[image[:, None, None], yi[:, :, None], xi[:, None, :]]
    if not truth.ids.shape[1]:
        return torch.zeros(len(rois), MASK_SIZE, MASK_SIZE, device=rois.device)
    inside = (values == truth.ids[image, of][:, None, None]).float()
    return F.avg_pool2d(inside[:, None], 2)[:, 0]
