"""Going through the images of a folder: real widgets, real clicks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from desk import Desk
from folders import SHAPE, write_images
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


def layers(desk: Desk) -> list[str]:
    return [type(layer).__name__ + ":" + layer.name for layer in desk.viewer.layers]


def test_a_folder_image_by_image(desk: Desk, tmp_path: Path) -> None:
    assert desk.folder_panel.list_button.isVisibleTo(desk.widget)
    assert not desk.folder_panel.view.isVisibleTo(desk.widget)
    assert "Open a folder" in desk.folder_panel.about.text()
    write_images(tmp_path, 11)
    desk.open_folder(tmp_path)
    assert desk.rows()[:3] == ["cell1.png", "cell2.png", "cell3.png"], "in natural order"
    assert desk.rows()[-1] == "cell11.png"
    assert desk.in_view == "cell1.png"
    assert len(desk.viewer.layers) == 3
    assert not desk.folder_panel.previous_button.isEnabled()
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "cell2.png"
    assert layers(desk) == ["Image:cell2", "Labels:cell2 nuclei", "Labels:cell2 nuclei outlines"]
    assert desk.viewer.layers[0].data[15, 15] == 102
    assert desk.viewer.layers.selection.active is desk.viewer.layers[1]
    assert desk.widget.settings.image is desk.viewer.layers[0]
    desk.click_row(10)
    desk.wait(lambda: desk.in_view == "cell11.png")
    assert not desk.folder_panel.next_button.isEnabled()
    desk.turn(desk.folder_panel.previous_button)
    assert desk.in_view == "cell10.png"
    desk.press(desk.folder_panel.close_button)
    assert len(desk.viewer.layers) == 0
    assert not desk.folder_panel.view.isVisibleTo(desk.widget)
    assert not (tmp_path / ".napari-nuclei" / "cell1.png.jsonl").exists(), "looking is no edit"


def test_a_folder_names_what_it_leaves_out(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "scan.czi").write_bytes(b"x")
    said: list[str] = []
    desk.folder_panel.said.connect(lambda text, problem: said.append(text))
    desk.open_folder(tmp_path)
    words = "left out 2: gone.png (broken link); scan.czi (unsupported format"
    assert any(words in text for text in said)
    assert words in desk.folder_panel.about.toolTip()
    assert desk.rows() == ["cell1.png", "cell2.png"]


def test_edits_are_kept_image_by_image(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    desk.review.do(edits.add(desk.review.nuclei, square))
    desk.wait(lambda: "1 begun" in desk.folder_panel.about.text())
    desk.turn(desk.folder_panel.next_button)
    assert len(desk.review.nuclei) == 0
    desk.review.do(edits.mark_complete(desk.review.nuclei))
    desk.turn(desk.folder_panel.previous_button)
    assert len(desk.review.nuclei) == 1
    assert desk.folder.bridge is not None
    assert in_step(desk.folder.bridge)
    desk.review.undo()
    assert len(desk.review.nuclei) == 0
    desk.review.redo()
    desk.wait(lambda: "1 of 3 images complete · 1 begun" in desk.folder_panel.about.text())
    desk.press(desk.folder_panel.close_button)
    again = Review.open(tmp_path / "cell1.png")
    assert not again.read_only, "nobody holds it any more"
    assert len(again.nuclei) == 1
    again.close()


def test_only_what_is_near_is_open(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 6)
    desk.open_folder(tmp_path)
    workspace = desk.folder.workspace
    assert workspace is not None
    for _ in range(3):
        desk.turn(desk.folder_panel.next_button)
    desk.turn(desk.folder_panel.previous_button)
    paths = [item.path for item in workspace.items]

    def is_open() -> list[int]:
        return [k + 1 for k, path in enumerate(paths) if workspace.is_open(path)]

    desk.wait(lambda: is_open() == [3, 4])


def test_place_comes_back(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    first = open_desk()
    first.open_folder(tmp_path)
    first.segment_all()
    first.click_row(2)
    first.wait(lambda: first.in_view == "cell3.png")
    assert first.folder.bridge is not None
    assert actions_of(first.folder.bridge) is not None
    actions_of(first.folder.bridge).next()
    camera_of(first.viewer).center = (33, 44)
    camera_of(first.viewer).zoom = 7.5
    nucleus = first.review.selection
    first.folder.close()
    second = open_desk()
    second.open_folder(tmp_path)
    assert second.in_view == "cell3.png"
    assert camera_of(second.viewer).center[-2:] == (33, 44)
    assert camera_of(second.viewer).zoom == 7.5
    assert second.review.selection == nucleus
    assert not second.review.read_only
    second.turn(second.folder_panel.next_button)
    second.turn(second.folder_panel.previous_button)
    assert camera_of(second.viewer).zoom == 7.5, "each image keeps its view"
    second.folder.close()


@pytest.mark.screen
def test_looks_go_along(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    image, review = desk.viewer.layers[0], desk.viewer.layers[1]
    assert isinstance(image, Image)
    assert isinstance(review, Labels)
    own = tuple(image.contrast_limits)
    desk.turn(desk.folder_panel.next_button)
    assert tuple(desk.viewer.layers[0].contrast_limits) != own, "levels are each image's own"
    desk.viewer.layers[0].contrast_limits = (3, 222)
    desk.viewer.layers[0].gamma = 0.5
    desk.viewer.layers[0].visible = False
    desk.viewer.layers[1].opacity = 0.9
    desk.viewer.layers[1].mode = "paint"
    desk.viewer.layers[1].brush_size = 5
    desk.turn(desk.folder_panel.next_button)
    image, review = desk.viewer.layers[0], desk.viewer.layers[1]
    assert tuple(image.contrast_limits) == (3, 222), "but those that a person has set"
    assert (image.gamma, image.visible) == (0.5, False)
    assert (review.opacity, review.mode, review.brush_size) == (0.9, "paint", 5)


def test_broken_and_missing_images(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    desk.open_folder(tmp_path)
    (tmp_path / "cell4.png").unlink()
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "cell3.png", "the broken one is left out"
    desk.wait(lambda: "cell2.png" in desk.widget.message.text())
    assert "1 with problems" in desk.folder_panel.about.text()
    assert "cell2.png" in desk.folder_panel.model.index(1).data(3)  # the tooltip
    desk.click_row(3)
    desk.wait(lambda: "no such file" in desk.widget.message.text())
    assert desk.in_view == "cell3.png", "what is in view stays"
    write_images(tmp_path, 5)
    desk.click_row(3)
    desk.wait(lambda: desk.in_view == "cell4.png")
    desk.turn(desk.folder_panel.previous_button)
    assert desk.in_view == "cell3.png"
    assert "1 with problems" in desk.folder_panel.about.text()


def test_nothing_is_opened(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path / "full", 2)
    (tmp_path / "empty").mkdir()
    desk.open_folder(tmp_path / "full")
    desk.folder_panel.open(tmp_path / "empty")
    desk.wait(lambda: "no image in this folder" in desk.widget.message.text())
    assert desk.rows() == ["cell1.png", "cell2.png"], "what was open still is"
    desk.folder_panel.open(tmp_path / "nowhere")
    desk.wait(lambda: "no such file or folder" in desk.widget.message.text())


def test_second_window_looks_only(
    desk: Desk, open_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    desk.review.do(edits.add(desk.review.nuclei, square))
    other = open_desk()
    other.open_folder(tmp_path)
    assert other.review.read_only
    assert len(other.review.nuclei) == 1
    other.wait(lambda: "open in another window" in other.widget.message.text())
    with pytest.raises(UserError, match="another window"):
        other.review.do(edits.delete(other.review.nuclei, [1]))
    for _ in range(2):
        desk.turn(desk.folder_panel.next_button)
    other.turn(other.folder_panel.next_button)
    workspace = desk.folder.workspace
    assert workspace is not None
    desk.wait(lambda: not workspace.is_open(tmp_path / "cell1.png"))
    other.turn(other.folder_panel.previous_button)
    other.wait(lambda: not other.review.read_only)  # at once, or when it is looked again
    other.folder.close()


def test_planes_of_a_stack(desk: Desk, tmp_path: Path) -> None:
    stack = np.zeros((4, *SHAPE), np.uint16)
    stack += np.arange(4, dtype=np.uint16)[:, None, None] * 1000
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    write_images(tmp_path, 1)
    desk.open_folder(tmp_path)
    desk.turn(desk.folder_panel.next_button)
    assert desk.viewer.layers[0].data.shape == (4, *SHAPE)
    desk.viewer.dims.set_current_step(0, 2)
    desk.review.do(edits.add(desk.review.nuclei, square))
    assert desk.folder.bridge is not None
    assert in_step(desk.folder.bridge)
    desk.turn(desk.folder_panel.previous_button)
    desk.turn(desk.folder_panel.next_button)
    assert desk.folder.bridge.plane == (2,), "the plane comes back"
    assert len(desk.review.nuclei) == 1
    desk.viewer.dims.set_current_step(0, 0)
    assert len(desk.review.nuclei) == 0
    desk.wait(lambda: desk.folder.standings.of(1) is not None)
    standing = desk.folder.standings.of(1)
    assert standing is not None
    assert standing.stage is Stage.BEGUN
    assert (tmp_path / ".napari-nuclei" / "stack.tif@2.jsonl").exists()


def test_colours_and_channels(desk: Desk, tmp_path: Path) -> None:
    rgb = np.zeros((*SHAPE, 3), np.uint16)
    rgb[..., 0] = np.arange(SHAPE[1]) * 500
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    channels = np.zeros((2, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", channels, imagej=True, metadata={"axes": "CYX"})
    desk.open_folder(tmp_path)
    image = desk.viewer.layers[0]
    assert image.rgb
    assert 0.9 < image.data.max() <= 1
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "b.tif"
    assert desk.viewer.layers[0].rgb


def test_layers_that_a_person_removes_come_back(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    desk.open_folder(tmp_path)
    desk.review.do(edits.add(desk.review.nuclei, square))
    desk.viewer.layers.clear()
    settle()
    desk.click_row(0)
    desk.wait(lambda: desk.folder.layers.are_shown)
    assert len(desk.review.nuclei) == 1
    desk.viewer.layers.remove(desk.viewer.layers[0])
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "cell2.png"
    assert len(desk.viewer.layers) == 3


def test_a_list_names_its_images(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    desk.open_folder(path)
    assert asked == ["Where are the images of test_img_ids.json?"]
    assert desk.rows() == ["cell3.png", "cell1.png"], "in the list's order"
    assert desk.folder.bridge is not None
    assert desk.folder.bridge.record.image_id == 73
