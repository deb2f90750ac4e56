"""What Mask R-CNN learns from: matching, sampling and the five losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from .maskrcnn import MASK_SIZE, MaskRCNN


@dataclass(frozen=True, slots=True)
class Target:
    """The truth of one crop.

    Attributes
    ----------
    boxes : Tensor
        (N, 4) float32, (x0, y0, x1, y1) in px.
    ids : Tensor
        (N,) int64: the value of each box's nucleus in `labels`.
    labels : Tensor
        (H, W) int32 label image, 0 = background.
    known : Tensor
        (H, W) bool: where somebody has looked. Elsewhere a missing label says nothing.
    seed : int or None
        Decides which anchors and RoIs are drawn, whatever else is in the batch; None leaves
        it to torch's own generator.
    """

    boxes: Tensor
    ids: Tensor
    labels: Tensor
    known: Tensor
    seed: int | None = None

    def generator(self) -> torch.Generator | None:
        """Return what this image's samples are drawn by."""
        return None if self.seed is None else torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many anchors and RoIs of an image are learned from.

    Few positive anchors beside many negative ones teach the proposal head to tell them apart;
    half and half, it calls everything a nucleus and leaves all the work to the box head.
    """

    anchors: int = 512
    anchor_positive: float = 0.25
    proposals: int = 400
    rois: int = 64
    roi_positive: float = 0.4
    masks: int = 20


Part = tuple[Tensor, int]
"""A loss summed up, and over how many anchors, boxes, RoIs or masks."""

Counts = Callable[[Sequence[int]], list[float]]
"""Turns counts into what the sums are divided by."""


def own_counts(counts: Sequence[int]) -> list[float]:
    """Divide by one's own counts: the only ones, where one process trains alone."""
    return [max(1.0, count) for count in counts]


def losses(
    model: MaskRCNN,
    images: Tensor,
    targets: list[Target],
    sampling: Sampling,
    counts: Counts = own_counts,
) -> dict[str, Tensor]:
    """Run the network on a batch and return its losses by name.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), normalised, as for `MaskRCNN.features`.
    targets : list of Target
        One an image.
    counts : callable
        Asked once, for the counts of all losses; several processes that train one network
        put theirs together here, so that their gradients add up to those of one.
    """
    size = (images.shape[-2], images.shape[-1])
    maps = model.features(images)
    levels = list(maps.values())
    objectness, deltas = model.proposal_head(levels)
    anchors = model.anchor_boxes(levels, size)
    lengths = [m.shape[-1] * m.shape[-2] * 3 for m in levels]
    draws = [target.generator() for target in targets]
    parts = _proposal_losses(model, objectness, deltas, anchors, targets, sampling, draws)

    rois, matched = [], []
    for o, d, target, draw in zip(objectness, deltas, targets, draws, strict=True):
        boxes, _ = model.select(o.detach(), d.detach(), anchors, lengths, size, sampling.proposals)
        chosen, match = _sample_rois(torch.cat([boxes, target.boxes]), target, sampling, draw)
        rois.append(chosen)
        matched.append(match)
    parts |= _box_losses(model, maps, size, rois, matched, targets)
    parts["mask"] = _mask_loss(model, maps, size, rois, matched, targets, sampling)
    over = counts([count for _, count in parts.values()])
    return {name: part / n for (name, (part, _)), n in zip(parts.items(), over, strict=True)}


def _proposal_losses(
    model: MaskRCNN,
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    targets: list[Target],
    sampling: Sampling,
    draws: Sequence[torch.Generator | None],
) -> dict[str, Part]:
    zero = deltas.sum() * 0
    scores, boxes = zero, zero
    drawn = positives = 0
    for o, d, target, draw in zip(objectness, deltas, targets, draws, strict=True):
        overlap, match = _best_overlap(target.boxes, anchors)
        positive = overlap >= 0.6
        if len(target.boxes):  # the best anchor of each nucleus always learns it
            per_box = box_iou(target.boxes, anchors)
            best = per_box.max(1).values.clamp(min=1e-3)
            positive |= (per_box >= best[:, None] - 1e-4).any(0)
        negative = (overlap < 0.3) & ~positive & _looked_at(anchors, target)
        pos = _pick(positive, int(sampling.anchors * sampling.anchor_positive), draw)
        neg = _pick(negative, sampling.anchors - len(pos), draw)
        chosen = torch.cat([pos, neg])
        truth = positive[chosen].float()
        scores = scores + _entropy(o[chosen], truth)
        if len(pos):
            wanted = model.rpn_coder.encode_single(target.boxes[match[pos]], anchors[pos])
            boxes = boxes + F.smooth_l1_loss(d[pos], wanted, beta=1 / 9, reduction="sum")
        drawn, positives = drawn + len(chosen), positives + len(pos)
    # Boxes weigh half as much as scores, however many background anchors go with them.
    return {"objectness": (scores, drawn), "proposal_box": (boxes / 2, positives)}


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="sum")


def _sample_rois(
    boxes: Tensor, target: Target, sampling: Sampling, draw: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Choose RoIs; the second value is each one's row in the truth, −1 for background."""
    overlap, match = _best_overlap(target.boxes, boxes)
    pos = _pick(overlap >= 0.5, int(sampling.rois * sampling.roi_positive), draw)
    neg = _pick((overlap < 0.5) & _looked_at(boxes, target), sampling.rois - len(pos), draw)
    background = torch.full((len(neg),), -1, dtype=torch.int64, device=boxes.device)
    return boxes[torch.cat([pos, neg])], torch.cat([match[pos], background])


def _box_losses(
    model: MaskRCNN,
    maps: dict[str, Tensor],
    size: tuple[int, int],
    rois: list[Tensor],
    matched: list[Tensor],
    targets: list[Target],
) -> dict[str, Part]:
    logits, deltas, _ = model.box_head(model.box_pool(maps, rois, [size] * len(rois)))
    match = torch.cat(matched)
    positive = match >= 0
    wanted = torch.cat(
        [
            model.box_coder.encode_single(t.boxes[m[m >= 0]], r[m >= 0])
            for t, m, r in zip(targets, matched, rois, strict=True)
            if len(t.boxes)
        ]
        or [deltas[:0]]
    )
    box = F.smooth_l1_loss(deltas[positive], wanted, beta=1 / 9, reduction="sum")
    return {"score": (_entropy(logits, positive.float()), len(match)), "box": (box, len(match))}


def _mask_loss(
    model: MaskRCNN,
    maps: dict[str, Tensor],
    size: tuple[int, int],
    rois: list[Tensor],
    matched: list[Tensor],
    targets: list[Target],
    sampling: Sampling,
) -> Part:
    boxes, truth = [], []
    for roi, match, target in zip(rois, matched, targets, strict=True):
        rows = torch.nonzero(match >= 0)[: sampling.masks, 0]
        boxes.append(roi[rows])
        truth.append(mask_targets(target, roi[rows], match[rows]))
    count = sum(len(b) for b in boxes)
    if not count:
        return next(iter(maps.values())).float().sum() * 0, 0
    logits = model.mask_head(model.mask_pool(maps, boxes, [size] * len(boxes)))[:, 0].float()
    return _entropy(logits, torch.cat(truth)) / MASK_SIZE**2, count


def mask_targets(target: Target, boxes: Tensor, rows: Tensor) -> Tensor:
    """Sample nuclei from the label image into their boxes' grids.

    Reads the label image at 2×2 points a cell instead of making a full mask a nucleus.

    Returns
    -------
    Tensor
        (N, 28, 28) float32: the covered share of each cell.
    """
    n = 2 * MASK_SIZE
    height, width = target.labels.shape
    steps = (torch.arange(n, device=boxes.device) + 0.5) / n
    x = boxes[:, 0:1] + steps * (boxes[:, 2:3] - boxes[:, 0:1])
    y = boxes[:, 1:2] + steps * (boxes[:, 3:4] - boxes[:, 1:2])
    xi = x.floor().long().clamp(0, width - 1)
    yi = y.floor().long().clamp(0, height - 1)
    values = target.labels[yi[:, :, None], xi[:, None, :]]
    inside = (values == target.ids[rows][:, None, None]).float()
    return F.avg_pool2d(inside[:, None], 2)[:, 0]


def _best_overlap(truth: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """For each of the (A, 4) `boxes`: the highest IoU with a true box, and its row."""
    if not len(truth):
        zero = torch.zeros(len(boxes), device=boxes.device)
        return zero, zero.long()
    overlap, match = box_iou(truth, boxes).max(0)
    return overlap, match


def _looked_at(boxes: Tensor, target: Target) -> Tensor:
    """Whether the centre of each box lies where somebody has looked."""
    height, width = target.known.shape
    x = ((boxes[:, 0] + boxes[:, 2]) / 2).long().clamp(0, width - 1)
    y = ((boxes[:, 1] + boxes[:, 3]) / 2).long().clamp(0, height - 1)
    return target.known[y, x]


def _pick(where: Tensor, most: int, draw: torch.Generator | None = None) -> Tensor:
    """At most `most` random indices at which `where` is true."""
    found = torch.nonzero(where)[:, 0]
    if len(found) <= most:
        return found
    # On the CPU, so that the same ones are drawn on any device.
    return found[torch.randperm(len(found), generator=draw)[:most].to(found.device)]
