"""What the network learns from: targets against brute force, ignored areas, sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import SMALL, disc, picture
from torch import Tensor

from napari_nuclei.learn.data import boxes_of
from napari_nuclei.learn.loop import new_state, step
from napari_nuclei.learn.recipe import Schedule
from napari_nuclei.masks import Mask
from napari_nuclei.models import losses as losses_room
from napari_nuclei.models.losses import Sampling, Target, losses, mask_targets
from napari_nuclei.models.maskrcnn import MASK_SIZE, MaskRCNN

SIDE = 64


def target_of(masks: list[Mask], side: int = SIDE) -> Target:
    labels = np.zeros((side, side), np.int32)
    for value, mask in enumerate(masks, 1):
        mask.paint(labels, value)
    tensor = torch.from_numpy(labels)
    return Target(*boxes_of(tensor), tensor, torch.ones_like(tensor, dtype=torch.bool))


def model() -> MaskRCNN:
    torch.manual_seed(0)
    return MaskRCNN(SMALL).train()


def gradients(parts: dict[str, Tensor], of: MaskRCNN) -> float:
    total = torch.stack(list(parts.values())).sum()
    total.backward()
    return sum(float(p.grad.abs().sum()) for p in of.parameters() if p.grad is not None)


def test_mask_targets_are_the_covered_share_of_each_cell() -> None:
    masks = [disc(20, 22, 24), disc(24, 40, 20), disc(58, 58, 22)]
    target = target_of(masks)
    boxes = torch.tensor([[9.3, 8.1, 35.2, 33.0], [28, 12, 52, 36], [45.5, 44.2, 71.0, 73.5]])
    rows = torch.tensor([0, 1, 2])
    got = mask_targets(target, boxes, rows)
    assert got.shape == (3, MASK_SIZE, MASK_SIZE)
    for row, (x0, y0, x1, y1) in zip(rows.tolist(), boxes.tolist(), strict=True):
        for i in range(MASK_SIZE):
            for j in range(MASK_SIZE):
                hits = 0
                for di in (0.25, 0.75):
                    for dj in (0.25, 0.75):
                        y = math.floor(y0 + (i + di) / MASK_SIZE * (y1 - y0))
                        x = math.floor(x0 + (j + dj) / MASK_SIZE * (x1 - x0))
                        y, x = min(max(y, 0), SIDE - 1), min(max(x, 0), SIDE - 1)
                        hits += int(target.labels[y, x] == target.ids[row])
                assert got[row, i, j] == hits / 4


def test_neighbours_do_not_count_in_a_mask_target() -> None:
    target = target_of([disc(20, 20, 24), disc(20, 44, 24)])
    whole = torch.tensor([[0.0, 0.0, SIDE, SIDE]])
    first, second = (mask_targets(target, whole, torch.tensor([r]))[0] for r in (0, 1))
    assert first.sum() > 0
    assert second.sum() > 0
    assert not ((first > 0.5) & (second > 0.5)).any()


def test_where_nobody_has_looked_nothing_is_learned() -> None:
    nothing = target_of([])
    unknown = Target(nothing.boxes, nothing.ids, nothing.labels, torch.zeros_like(nothing.known))
    images, net = torch.rand(1, 3, SIDE, SIDE), model()
    assert gradients(losses(net, images, [unknown], Sampling()), net) == 0
    net.zero_grad()
    assert gradients(losses(net, images, [nothing], Sampling()), net) > 0


def test_anchors_are_ignored_where_nobody_has_looked() -> None:
    net = model()
    anchors = torch.tensor([[x, y, x + 12, y + 12] for y in range(0, 52, 4)
                            for x in range(0, 52, 4)], dtype=torch.float32)  # fmt: skip
    truth = target_of([disc(40, 40, 16)])
    known = torch.zeros_like(truth.known)
    known[:, : SIDE // 2] = True
    target = Target(truth.boxes, truth.ids, truth.labels, known)
    objectness = torch.zeros(1, len(anchors), requires_grad=True)
    deltas = torch.zeros(1, len(anchors), 4, requires_grad=True)
    found = losses_room._proposal_losses(
        net, objectness, deltas, anchors, [target], Sampling(anchors=1000), [None]
    )
    sum((part for part, _ in found.values()), torch.zeros(())).backward()
    assert objectness.grad is not None
    grad = objectness.grad[0]
    in_known = (anchors[:, 0] + anchors[:, 2]) / 2 < SIDE // 2
    assert (grad[~in_known] <= 0).all()  # only positive anchors there
    assert (grad < 0).any()  # the nucleus itself is learned all the same
    assert (grad[in_known] > 0).any()


def test_an_image_without_nuclei_has_finite_losses() -> None:
    net = model()
    parts = losses(net, torch.rand(2, 3, SIDE, SIDE), [target_of([])] * 2, Sampling())
    assert set(parts) == {"objectness", "proposal_box", "score", "box", "mask"}
    assert all(torch.isfinite(part) for part in parts.values())
    assert parts["box"] == parts["proposal_box"] == parts["mask"] == 0
    assert parts["objectness"] > 0
    assert parts["score"] > 0


def test_samples_are_as_many_as_asked_for() -> None:
    torch.manual_seed(0)
    target = target_of([disc(20, 20, 20), disc(44, 44, 20)])
    near = target.boxes[torch.arange(2).repeat_interleave(50)] + torch.rand(100, 1)
    corners = torch.rand(300, 2) * 40
    far = torch.cat([corners, corners + 6], 1)
    sampling = Sampling(rois=64, roi_positive=0.4)
    boxes, match = losses_room._sample_rois(torch.cat([near, far]), target, sampling)
    assert len(boxes) == len(match) == 64
    assert int((match >= 0).sum()) == 25  # 0.4 of 64
    overlap = losses_room.box_iou(target.boxes, boxes)
    assert (overlap[match[match >= 0], torch.nonzero(match >= 0)[:, 0]] >= 0.5).all()
    assert (overlap[:, match < 0] < 0.5).all()


def test_fewer_are_taken_where_there_are_no_more() -> None:
    found = torch.zeros(50, dtype=torch.bool)
    found[[3, 8]] = True
    assert losses_room._pick(found, 10).tolist() == [3, 8]
    some = losses_room._pick(torch.ones(50, dtype=torch.bool), 10)
    assert len(some) == len(set(some.tolist())) == 10


def test_losses_fall_on_one_crop() -> None:
    masks = [disc(16, 18, 20), disc(44, 20, 16), disc(32, 46, 24)]
    pixels = torch.from_numpy(picture((SIDE, SIDE), masks)).float() / 200
    batch = pixels.expand(1, 3, SIDE, SIDE), [target_of(masks)]
    schedule = Schedule(rate=3e-3, warmup_steps=1, batch=1)
    cpu = torch.device("cpu")
    state = new_state(SMALL, schedule, None, cpu)
    state.model.train()
    rows = [step(state, batch, schedule, cpu, 0) for _ in range(24)]
    assert state.step == 24
    first, last = rows[0], {k: float(np.mean([r[k] for r in rows[-3:]])) for k in rows[0]}
    # Not the loss of boxes: the better the proposals, the more boxes there are to refine.
    assert last["objectness"] < 0.6 * first["objectness"]
    assert last["proposal_box"] < 0.6 * first["proposal_box"]
    assert last["score"] < 0.5 * first["score"]
    assert last["mask"] < first["mask"]
    parts = ("objectness", "proposal_box", "score", "box", "mask")
    assert first["loss"] == pytest.approx(sum(first[k] for k in parts), abs=1e-3)
