"""Going through the images of a folder: real widgets, real clicks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from folders import SHAPE, Reviewer, write_images
from gui import in_step, settle
from napari.layers import Image, Labels

from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei.errors import UserError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import edits
from napari_nuclei.nuclei.counts import Stage
from napari_nuclei.review import Review

square = Mask.from_array(np.ones((6, 6)))


@pytest.fixture
def person(make_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Reviewer]:
    reviewer = Reviewer(make_viewer, qtbot)
    yield reviewer
    reviewer.folder.close()
    settle()


def layers(person: Reviewer) -> list[str]:
    return [type(layer).__name__ + ":" + layer.name for layer in person.viewer.layers]


def test_a_folder_image_by_image(person: Reviewer, tmp_path: Path) -> None:
    assert person.panel.list_button.isVisibleTo(person.widget)
    assert not person.panel.view.isVisibleTo(person.widget)
    assert "Open a folder" in person.panel.about.text()
    write_images(tmp_path, 11)
    person.open(tmp_path)
    assert person.rows()[:3] == ["cell1.png", "cell2.png", "cell3.png"], "in natural order"
    assert person.rows()[-1] == "cell11.png"
    assert person.image == "cell1.png"
    assert len(person.viewer.layers) == 3
    assert not person.panel.previous_button.isEnabled()
    person.turn(person.panel.next_button)
    assert person.image == "cell2.png"
    assert layers(person) == ["Image:cell2", "Labels:cell2 nuclei", "Labels:cell2 nuclei outlines"]
    assert person.viewer.layers[0].data[15, 15] == 102
    assert person.viewer.layers.selection.active is person.viewer.layers[1]
    assert person.widget.settings.image is person.viewer.layers[0]
    person.click_row(10)
    person.wait(lambda: person.image == "cell11.png")
    assert not person.panel.next_button.isEnabled()
    person.turn(person.panel.previous_button)
    assert person.image == "cell10.png"
    person.press(person.panel.close_button)
    assert len(person.viewer.layers) == 0
    assert not person.panel.view.isVisibleTo(person.widget)
    assert not (tmp_path / ".napari-nuclei" / "cell1.png.jsonl").exists(), "looking is no edit"


def test_a_folder_names_what_it_leaves_out(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "scan.czi").write_bytes(b"x")
    said: list[str] = []
    person.panel.said.connect(lambda text, problem: said.append(text))
    person.open(tmp_path)
    words = "left out 2: gone.png (broken link); scan.czi (kind that is not read"
    assert any(words in text for text in said)
    assert words in person.panel.about.toolTip()
    assert person.rows() == ["cell1.png", "cell2.png"]


def test_edits_are_kept_image_by_image(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    person.review.do(edits.add(person.review.nuclei, square))
    person.wait(lambda: "1 begun" in person.panel.about.text())
    person.turn(person.panel.next_button)
    assert len(person.review.nuclei) == 0
    person.review.do(edits.mark_complete(person.review.nuclei))
    person.turn(person.panel.previous_button)
    assert len(person.review.nuclei) == 1
    assert person.folder.bridge is not None
    assert in_step(person.folder.bridge)
    person.review.undo()
    assert len(person.review.nuclei) == 0
    person.review.redo()
    person.wait(lambda: "1 of 3 images complete · 1 begun" in person.panel.about.text())
    person.press(person.panel.close_button)
    again = Review.open(tmp_path / "cell1.png")
    assert not again.read_only, "nobody holds it any more"
    assert len(again.nuclei) == 1
    again.close()


def test_only_what_is_near_is_open(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 6)
    person.open(tmp_path)
    workspace = person.folder.workspace
    assert workspace is not None
    for _ in range(3):
        person.turn(person.panel.next_button)
    person.turn(person.panel.previous_button)
    paths = [item.path for item in workspace.items]

    def is_open() -> list[int]:
        return [k + 1 for k, path in enumerate(paths) if workspace.is_open(path)]

    person.wait(lambda: is_open() == [3, 4])


def test_place_comes_back(make_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    first = Reviewer(make_viewer, qtbot)
    first.open(tmp_path)
    first.segment_all()
    first.click_row(2)
    first.wait(lambda: first.image == "cell3.png")
    assert first.folder.bridge is not None
    assert actions_of(first.folder.bridge) is not None
    actions_of(first.folder.bridge).next()
    camera_of(first.viewer).center = (33, 44)
    camera_of(first.viewer).zoom = 7.5
    nucleus = first.review.selection
    first.folder.close()
    second = Reviewer(make_viewer, qtbot)
    second.open(tmp_path)
    assert second.image == "cell3.png"
    assert camera_of(second.viewer).center[-2:] == (33, 44)
    assert camera_of(second.viewer).zoom == 7.5
    assert second.review.selection == nucleus
    assert not second.review.read_only
    second.turn(second.panel.next_button)
    second.turn(second.panel.previous_button)
    assert camera_of(second.viewer).zoom == 7.5, "each image keeps its view"
    second.folder.close()


@pytest.mark.screen
def test_looks_go_along(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    image, review = person.viewer.layers[0], person.viewer.layers[1]
    assert isinstance(image, Image)
    assert isinstance(review, Labels)
    own = tuple(image.contrast_limits)
    person.turn(person.panel.next_button)
    assert tuple(person.viewer.layers[0].contrast_limits) != own, "levels are each image's own"
    person.viewer.layers[0].contrast_limits = (3, 222)
    person.viewer.layers[0].gamma = 0.5
    person.viewer.layers[0].visible = False
    person.viewer.layers[1].opacity = 0.9
    person.viewer.layers[1].mode = "paint"
    person.viewer.layers[1].brush_size = 5
    person.turn(person.panel.next_button)
    image, review = person.viewer.layers[0], person.viewer.layers[1]
    assert tuple(image.contrast_limits) == (3, 222), "but those that a person has set"
    assert (image.gamma, image.visible) == (0.5, False)
    assert (review.opacity, review.mode, review.brush_size) == (0.9, "paint", 5)


def test_broken_and_missing_images(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    person.open(tmp_path)
    (tmp_path / "cell4.png").unlink()
    person.turn(person.panel.next_button)
    assert person.image == "cell3.png", "the broken one is left out"
    person.wait(lambda: "cell2.png" in person.widget.message.text())
    assert "1 with problems" in person.panel.about.text()
    assert "cell2.png" in person.panel.model.index(1).data(3)  # the tooltip
    person.click_row(3)
    person.wait(lambda: "no such file" in person.widget.message.text())
    assert person.image == "cell3.png", "what is in view stays"
    write_images(tmp_path, 5)
    person.click_row(3)
    person.wait(lambda: person.image == "cell4.png")
    person.turn(person.panel.previous_button)
    assert person.image == "cell3.png"
    assert "1 with problems" in person.panel.about.text()


def test_nothing_is_opened(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path / "full", 2)
    (tmp_path / "empty").mkdir()
    person.open(tmp_path / "full")
    person.panel.open(tmp_path / "empty")
    person.wait(lambda: "no image in this folder" in person.widget.message.text())
    assert person.rows() == ["cell1.png", "cell2.png"], "what was open still is"
    person.panel.open(tmp_path / "nowhere")
    person.wait(lambda: "no such file or folder" in person.widget.message.text())


def test_second_window_looks_only(
    person: Reviewer, make_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path
) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    person.review.do(edits.add(person.review.nuclei, square))
    other = Reviewer(make_viewer, qtbot)
    other.open(tmp_path)
    assert other.review.read_only
    assert len(other.review.nuclei) == 1
    other.wait(lambda: "open in another window" in other.widget.message.text())
    with pytest.raises(UserError, match="another window"):
        other.review.do(edits.delete(other.review.nuclei, [1]))
    for _ in range(2):
        person.turn(person.panel.next_button)
    other.turn(other.panel.next_button)
    workspace = person.folder.workspace
    assert workspace is not None
    person.wait(lambda: not workspace.is_open(tmp_path / "cell1.png"))
    other.turn(other.panel.previous_button)
    assert not other.review.read_only, "it is free now"
    other.folder.close()


def test_planes_of_a_stack(person: Reviewer, tmp_path: Path) -> None:
    stack = np.zeros((4, *SHAPE), np.uint16)
    stack += np.arange(4, dtype=np.uint16)[:, None, None] * 1000
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    write_images(tmp_path, 1)
    person.open(tmp_path)
    person.turn(person.panel.next_button)
    assert person.viewer.layers[0].data.shape == (4, *SHAPE)
    person.viewer.dims.set_current_step(0, 2)
    person.review.do(edits.add(person.review.nuclei, square))
    assert person.folder.bridge is not None
    assert in_step(person.folder.bridge)
    person.turn(person.panel.previous_button)
    person.turn(person.panel.next_button)
    assert person.folder.bridge.plane == (2,), "the plane comes back"
    assert len(person.review.nuclei) == 1
    person.viewer.dims.set_current_step(0, 0)
    assert len(person.review.nuclei) == 0
    person.wait(lambda: person.folder.standings.of(1) is not None)
    standing = person.folder.standings.of(1)
    assert standing is not None
    assert standing.stage is Stage.BEGUN
    assert (tmp_path / ".napari-nuclei" / "stack.tif@2.jsonl").exists()


def test_colours_and_channels(person: Reviewer, tmp_path: Path) -> None:
    rgb = np.zeros((*SHAPE, 3), np.uint16)
    rgb[..., 0] = np.arange(SHAPE[1]) * 500
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    channels = np.zeros((2, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", channels, imagej=True, metadata={"axes": "CYX"})
    person.open(tmp_path)
    image = person.viewer.layers[0]
    assert image.rgb
    assert 0.9 < image.data.max() <= 1
    person.turn(person.panel.next_button)
    assert person.image == "b.tif"
    assert person.viewer.layers[0].rgb


def test_layers_that_a_person_removes_come_back(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    person.open(tmp_path)
    person.review.do(edits.add(person.review.nuclei, square))
    person.viewer.layers.clear()
    settle()
    person.click_row(0)
    person.wait(lambda: person.folder.layers.are_shown)
    assert len(person.review.nuclei) == 1
    person.viewer.layers.remove(person.viewer.layers[0])
    person.turn(person.panel.next_button)
    assert person.image == "cell2.png"
    assert len(person.viewer.layers) == 3


def test_a_list_names_its_images(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "pictures", 3)
    rows = [
        {"id": 70 + k, "file_name": f"cell{k}.png", "height": SHAPE[0], "width": SHAPE[1]}
        for k in (3, 1)
    ]
    path = tmp_path / "test_img_ids.json"
    path.write_text(json.dumps(rows))
    asked: list[str] = []

    def choose(parent: Any, title: str, start: str) -> str:
        asked.append(title)
        return str(tmp_path / "pictures")

    monkeypatch.setattr(
        "napari_nuclei._napari.folder.folder_panel.QFileDialog.getExistingDirectory", choose
    )
    person.open(path)
    assert asked == ["Where are the images of test_img_ids.json?"]
    assert person.rows() == ["cell3.png", "cell1.png"], "in the list's order"
    assert person.folder.bridge is not None
    assert person.folder.bridge.record.image_id == 73
