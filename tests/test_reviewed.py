"""What a review says: true nuclei, areas in which nothing is missing, and too little of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from reviews import BASE, SIDE, lattice, nucleus, write_review
from tiny import SMALL, disc

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.learn.data import boxes_of
from napari_nuclei.learn.plan import make_plan
from napari_nuclei.learn.reviewed import Reviewed, review_of
from napari_nuclei.models import losses as losses_room
from napari_nuclei.models.losses import Sampling, Target, losses
from napari_nuclei.models.maskrcnn import MaskRCNN
from napari_nuclei.nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin, State
from napari_nuclei.progress import result_of

RECORD = ImageRecord(1, "a.png", 100, 100)


def of(nuclei: Nuclei, foreign: bool = False) -> Reviewed:
    return Reviewed.of(RECORD, nuclei, "0", foreign)


def test_what_a_person_has_said() -> None:
    corrected = Nucleus(3, disc(20, 60, 14), 0.8, State.ACCEPTED,
                        Origin(Kind.MODEL, "m", disc(20, 60, 10)))  # fmt: skip
    rows = [
        nucleus(1, disc(20, 20, 12)),
        nucleus(2, disc(20, 40, 12), State.PROPOSED),
        corrected,
        Nucleus(4, disc(40, 20, 12), state=State.ACCEPTED),
        nucleus(5, disc(40, 40, 12), State.REJECTED),
        nucleus(6, disc(80, 20, 12)),
        nucleus(7, disc(80, 40, 12), State.PROPOSED),
        nucleus(8, disc(80, 60, 12), State.REJECTED),
        nucleus(9, disc(52, 80, 12), State.PROPOSED),  # reaches into the area
        Nucleus(10, disc(10, 80, 12), 0.1, origin=Origin(Kind.MODEL, "m", disc(10, 80, 12))),
    ]
    image = of(Nuclei((100, 100), rows, threshold=0.5, complete=((0, 0, 50, 100),)))
    assert {n.id for n in image.truth} == {1, 2, 3, 4, 6}
    assert image.kinds() == Counter(
        {"accepted": 2, "unchanged": 1, "corrected": 1, "hand-made": 1, "rejected": 2}
    )
    looked = image.looked()
    assert looked[10, 10]
    assert looked[40, 40], "rejected, in the area"
    assert looked[80, 60], "rejected, outside of it"
    assert not looked[80, 40], "nobody has looked here"
    assert not looked[49, 80], "a proposal that reaches in says nothing"
    assert looked.sum() < 100 * 50 + 200
    assert image.looked(ignore=False).all()


def test_another_tools_file_is_complete(tmp_path: Path) -> None:
    path = write_review(tmp_path)
    own = coco.read(path)
    assert not own.foreign
    value = coco.to_json(own)
    plain = {key: value[key] for key in ("images", "categories")}
    plain["annotations"] = [
        {key: v for key, v in row.items() if key != "napari_nuclei"} for row in value["annotations"]
    ]
    data = coco.DataSet
    found = coco.from_json(plain, "f.json")
    assert isinstance(found, data)
    assert found.foreign
    (image,) = result_of(review_of(found, tmp_path, "f.json"))
    assert image.looked().all()
    assert image.kinds()["imported"] == len(lattice())


def test_rois_are_ignored_where_nobody_has_looked() -> None:
    labels = torch.zeros(64, 64, dtype=torch.int32)
    labels[36:48, 36:48] = 1
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :32] = True
    target = Target(*boxes_of(labels), labels, known, seed=1)
    corners = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) * 52
    boxes = torch.cat([torch.cat([corners, corners + 12], 1), target.boxes])
    rois, match = losses_room._sample_rois(boxes, target, Sampling(rois=1000), target.generator())
    middle = (rois[:, 0] + rois[:, 2]) / 2
    assert (match[middle >= 32] >= 0).all(), "no background where nobody has looked"
    assert (match >= 0).any(), "the nucleus itself is learned all the same"
    assert (match[middle < 32] == -1).any()


def test_an_image_nobody_has_looked_at_moves_no_weight_of_the_network() -> None:
    torch.manual_seed(0)
    net = MaskRCNN(SMALL).train()
    empty = torch.zeros(64, 64, dtype=torch.int32)
    for known, moves in ((False, False), (True, True)):
        target = Target(*boxes_of(empty), empty, torch.full((64, 64), known), seed=3)
        net.zero_grad()
        torch.stack(
            list(losses(net, torch.rand(1, 3, 64, 64), [target], Sampling()).values())
        ).sum().backward()  # fmt: skip
        grads = [p.grad for p in net.parameters() if p.grad is not None]
        assert any(g.abs().sum() > 0 for g in grads) == moves


# -- too little, or not fitting ---------------------------------------------------------


def refused(folder: Path, data: DataSet | Path, words: str) -> None:
    data = coco.read(data) if isinstance(data, Path) else data
    with pytest.raises(UserError, match=words) as error:
        make_plan(result_of(review_of(data, folder, "r.json")), BASE, "r.json")
    assert "\n" not in str(error.value)


def test_no_images(tmp_path: Path) -> None:
    refused(tmp_path, DataSet([], {}), "lists no images")


def test_nothing_is_complete(tmp_path: Path) -> None:
    path = write_review(tmp_path, complete=())
    refused(tmp_path, path, "no area is marked complete")


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([disc(20, 20, 12)], "1 nucleus in areas marked complete"),
        (lattice()[:19], "19 nuclei in areas marked complete, at least 20"),
        ([], "0 nuclei"),
        ([disc(3, 3 * k, 2) for k in range(1, 30)], "too small to be split"),
    ],
)
def test_too_little_is_complete(tmp_path: Path, masks: Any, words: str) -> None:
    refused(tmp_path, write_review(tmp_path, masks=masks), words)


def test_images_that_are_missing_or_changed(tmp_path: Path) -> None:
    path = write_review(tmp_path, 3)
    (tmp_path / "2.png").unlink()
    refused(tmp_path, path, r"1 of 3 images is missing \(2\.png\)")
    refused(tmp_path / "nowhere", path, "no such folder of images")
    Image.fromarray(np.zeros((9, SIDE), np.uint8)).save(tmp_path / "2.png")
    refused(tmp_path, path, "is 9×480 px, but it is 480×480 px in its data set")
    (tmp_path / "2.png").write_bytes(b"no image")
    refused(tmp_path, path, "2.png")
