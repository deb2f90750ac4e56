"""Which anchors and RoIs of a batch are learned from, for all its images at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import clip_boxes_to_image

from .losses import Sampling, Target
from .maskrcnn import MaskRCNN

PAIRS = 1 << 26
"""Pairs of a nucleus and an anchor that are compared at once, which bounds the memory it takes."""

ROUNDS = 12
"""Of the suppression: exact where no chain of boxes that suppress each other is longer."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of a batch of crops; see `Target`.

    Attributes
    ----------
    boxes, ids : Tensor
        (B, N, 4) and (B, N); where an image has fewer nuclei, all 0.
    labels, known : Tensor
        (B, H, W) integers and bool.
    """

    boxes: Tensor
    ids: Tensor
    labels: Tensor
    known: Tensor

    @classmethod
    def of(cls, targets: list[Target]) -> Truth:
        """Put the truth of single crops together."""
        return cls(
            pad_sequence([t.boxes for t in targets], batch_first=True),
            pad_sequence([t.ids for t in targets], batch_first=True),
            torch.stack([t.labels for t in targets]),
            torch.stack([t.known for t in targets]),
        )

    def to(self, device: torch.device) -> Truth:
        """Return the same on a device; from pinned memory without waiting."""
        parts = (getattr(self, f.name) for f in fields(self))
        return Truth(*(part.to(device, non_blocking=True) for part in parts))

    def pin_memory(self) -> Truth:
        """Return the same in memory that a GPU copies from by itself."""
        return Truth(*(getattr(self, f.name).pin_memory() for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Anchors or RoIs that are learned from, positive ones first.

    Attributes
    ----------
    rows : Tensor
        (B, K) int64: which ones.
    positive, valid : Tensor
        (B, K) bool: whether each has a nucleus; whether it counts at all.
    """

    rows: Tensor
    positive: Tensor
    valid: Tensor


def draw_anchors(
    anchors: Tensor, truth: Truth, sampling: Sampling, draw: torch.Generator | None
) -> tuple[Drawn, Tensor]:
    """Choose anchors; the second value is the nucleus of each anchor, (B, A)."""
    overlap, match, best = _matched(truth.boxes, anchors, and_best=True)
    positive = (overlap >= 0.6) | best
    negative = (overlap < 0.3) & ~positive & _looked_at(anchors[None], truth.known)
    most = int(sampling.anchors * sampling.anchor_positive)
    return _drawn(positive, negative, most, sampling.anchors, draw), match


def draw_rois(
    boxes: Tensor, good: Tensor, truth: Truth, sampling: Sampling, draw: torch.Generator | None
) -> tuple[Tensor, Drawn, Tensor]:
    """Choose RoIs among proposals and true boxes: (B, K, 4), and the nucleus of each, (B, K)."""
    boxes = torch.cat([boxes, truth.boxes], 1)
    good = torch.cat([good, truth.ids > 0], 1)
    overlap, match, _ = _matched(truth.boxes, boxes)
    positive = (overlap >= 0.5) & good
    negative = (overlap < 0.5) & good & _looked_at(boxes, truth.known)
    most = int(sampling.rois * sampling.roi_positive)
    chosen = _drawn(positive, negative, most, sampling.rois, draw)
    return rows_of(boxes, chosen.rows), chosen, match.gather(1, chosen.rows)


def _matched(truth: Tensor, boxes: Tensor, and_best: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return each box's highest IoU with a nucleus, that nucleus, and if it is its best box.

    Parameters
    ----------
    truth, boxes : Tensor
        (B, N, 4), and (B, A, 4) or (A, 4).
    """
    each = boxes.expand(len(truth), -1, -1) if boxes.ndim == 2 else boxes
    shape = each.shape[:2]
    overlap, best = torch.zeros(shape, device=boxes.device), torch.zeros_like(each[..., 0]).bool()
    match = torch.zeros(shape, dtype=torch.int64, device=boxes.device)
    if not truth.shape[1]:
        return overlap, match, best
    together = max(1, PAIRS // max(1, truth.shape[1] * shape[1]))
    for k in range(0, len(truth), together):
        some = slice(k, k + together)
        iou = _iou(truth[some], each[some])
        overlap[some], match[some] = iou.max(1)
        if and_best:
            most = iou.amax(2, keepdim=True).clamp(min=1e-3)
            best[some] = (iou >= most - 1e-4).any(1)
    return overlap, match, best


def _drawn(
    positive: Tensor, negative: Tensor, most: int, total: int, draw: torch.Generator | None
) -> Drawn:
    """Draw at most `most` positive ones of each image, and negative ones up to `total`."""
    wide = positive.shape[1]
    keys = torch.rand(positive.shape, generator=draw, device=positive.device)
    ranked = torch.where(positive, keys, -1.0)
    value, row = ranked.topk(min(most, wide))
    keys = torch.where(negative, keys, -1.0)
    # Positive ones that were drawn come before any negative one.
    keys = keys.scatter(1, row, torch.where(value >= 0, 2 + value, keys.gather(1, row)))
    value, rows = keys.topk(min(total, wide))
    return Drawn(rows, value >= 2, value >= 0)


def first_positives(chosen: Drawn, most: int) -> tuple[Tensor, Tensor]:
    """Return rows of the batch's positive RoIs, `most` an image, and which of them count.

    There is always the same number of rows. Some come again to fill it up: normalisation layers
    shall see nuclei alone.
    """
    most = min(most, chosen.rows.shape[1])
    batch, wide = chosen.rows.shape
    place = torch.arange(batch * wide, device=chosen.rows.device).view(batch, wide)[:, :most]
    positive, place = chosen.positive[:, :most].flatten(), place.flatten()
    order = torch.argsort(~positive, stable=True)
    count = positive.sum()
    number = torch.arange(len(order), device=order.device)
    return place[order[number % count.clamp(min=1)]], number < count


@torch.no_grad()
def propose(
    model: MaskRCNN,
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    lengths: list[int],
    size: tuple[int, int],
    sampling: Sampling,
) -> tuple[Tensor, Tensor]:
    """Decode and suppress as `MaskRCNN.select`: (B, P, 4) boxes, and which of them count."""
    value, top = objectness.topk(min(2 * sampling.proposals, objectness.shape[1]))
    decoded = model.rpn_coder.decode_single(
        rows_of(deltas, top).flatten(0, 1), anchors[top].flatten(0, 1)
    )
    boxes = clip_boxes_to_image(decoded, size).view(*top.shape, 4)
    level = torch.repeat_interleave(
        torch.arange(len(lengths), device=top.device),
        torch.tensor(lengths, device=top.device),
        output_size=sum(lengths),
    )[top]
    wide = ((boxes[..., 2:] - boxes[..., :2]) >= 2).all(2)
    keep = _suppressed(boxes, level, wide)
    best, rows = torch.where(keep, value, -torch.inf).topk(min(sampling.proposals, top.shape[1]))
    return rows_of(boxes, rows), best > -torch.inf


def _suppressed(boxes: Tensor, level: Tensor, wide: Tensor, nms: float = 0.7) -> Tensor:
    """Drop boxes that overlap a surer one of their level, (B, K) bool; the surest come first."""
    count = boxes.shape[1]
    surer = torch.ones(count, count, dtype=torch.bool, device=boxes.device).tril(-1)
    over = (_iou(boxes, boxes) > nms) & (level[:, :, None] == level[:, None]) & surer
    keep = wide
    for _ in range(ROUNDS):
        keep = wide & ~(over & keep[:, None]).any(2)
    return keep


# -- boxes ------------------------------------------------------------------------------


def _iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of (B, N, 4) with (B, M, 4) boxes: (B, N, M); 0 where one has no area."""
    sides = []
    for low, high in ((0, 2), (1, 3)):
        end = torch.minimum(a[:, :, None, high], b[:, None, :, high])
        sides.append((end - torch.maximum(a[:, :, None, low], b[:, None, :, low])).clamp(min=0))
    both = sides[0] * sides[1]
    area_a, area_b = ((t[..., 2] - t[..., 0]) * (t[..., 3] - t[..., 1]) for t in (a, b))
    either = area_a[:, :, None] + area_b[:, None] - both
    return both / either.clamp(min=1e-9)


def _looked_at(boxes: Tensor, known: Tensor) -> Tensor:
    """Whether the middle of each box lies where somebody has looked, (B, A)."""
    height, width = known.shape[-2:]
    x = ((boxes[..., 0] + boxes[..., 2]) / 2).long().clamp(0, width - 1)
    y = ((boxes[..., 1] + boxes[..., 3]) / 2).long().clamp(0, height - 1)
    return known.flatten(1).gather(1, (y * width + x).expand(len(known), -1))


def rows_of(table: Tensor, rows: Tensor) -> Tensor:
    """Return rows (B, K) of a table (B, A, C)."""
    return table.gather(1, rows[..., None].expand(-1, -1, table.shape[-1]))
