"""The size head: what its cells shall answer, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CARD, SMALL, network, write_data

from napari_nuclei.formats import coco
from napari_nuclei.learn.data import boxes_of
from napari_nuclei.learn.examples import load_examples
from napari_nuclei.learn.sizes import cells_of, teach_sizes
from napari_nuclei.models.losses import Target
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.models.weights import build, save_model
from napari_nuclei.prediction.diameter import estimate_diameter
from napari_nuclei.progress import result_of

SIZING = replace(SMALL, size_head=True)


def target_of(labels: torch.Tensor) -> Target:
    boxes, ids = boxes_of(labels)
    return Target(boxes, ids, labels.int(), labels >= 0)


def test_cells_hold_nuclei_and_know_their_size() -> None:
    labels = torch.zeros(128, 128, dtype=torch.int16)
    labels[40:56, 70:86] = 1  # 16 × 16 px, in the cell of row 1 and column 2
    labels[0:20, 0:20] = 2  # cut by the border
    sizes, near, counts = cells_of(target_of(labels), (4, 4))
    assert counts.nonzero().tolist() == [[0, 0], [1, 2]]
    assert near[1, 2]
    assert not near[0, 0]
    assert not near[3, 0]
    assert sizes[1, 2].exp() == pytest.approx(2 * math.sqrt(256 / math.pi))


def test_nothing_to_know() -> None:
    sizes, near, counts = cells_of(target_of(torch.zeros(64, 64, dtype=torch.int16)), (2, 2))
    assert torch.isfinite(sizes).all()
    assert not near.any()
    assert not counts.any()


def test_it_learns_and_changes_nothing_else(tmp_path: Path) -> None:
    examples = load_examples(coco.read(write_data(tmp_path)), tmp_path, 20)
    model = network(arch=SIZING)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    steps = list(
        teach_sizes(model, examples, torch.device("cpu"), 30, batch=2, side=128, rate=1e-2)
    )
    told = [float(step.message.split()[3]) for step in steps]
    first = next(error for error in told if error)
    assert told[-1] < 0.8 * first
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert changed
    assert all(name.startswith("size_head.") for name in changed)


def test_it_survives_on_disk_and_is_asked_for_the_diameter(tmp_path: Path) -> None:
    model = network(arch=SIZING)
    card = save_model(model, CARD, tmp_path)
    detector = MaskRCNNDetector(build(card, card.weights), card, torch.device("cpu"))
    votes = detector.sizes(np.full((100, 70, 3), 0.5, np.float32))
    assert votes is not None
    assert votes.diameters.shape == votes.numbers.shape == (4 * 3,)
    # An untaught head says at every zoom what it starts from: votes near its own diameter win.
    image = np.random.default_rng(0).random((200, 200, 3), dtype=np.float32)
    found = result_of(estimate_diameter(image, detector))
    assert 12.9 < found < 52.1
    without = MaskRCNNDetector(network(), CARD, torch.device("cpu"))
    assert without.sizes(image) is None
