"""Nothing is lost: reviews in the window across closing, removal, second windows and bad disks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import GRAY, Desk
from gui import disk, in_step, settle
from napari.layers import Labels
from PIL import Image as Picture

from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei.formats import coco
from napari_nuclei.journal.place import home_of, user_folder
from napari_nuclei.nuclei import State, edits
from napari_nuclei.review import Review


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    path = tmp_path / "cells.png"
    Picture.fromarray(GRAY).save(path)
    return path


def test_review_goes_on_where_it_was_left(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    first.bridge.layer.paint((50, 10), first.bridge.layer.selected_label)
    first.bridge.review.do(edits.accept(first.bridge.review.nuclei, [1]))
    nuclei = first.bridge.review.nuclei.copy()
    assert home_of(cells).exists()
    first.close()
    second = open_desk(cells)
    assert second.bridge is not None, "the review was not opened with its image"
    assert second.bridge.review.nuclei == nuclei
    assert in_step(second.bridge)
    assert "continues" in second.widget.message.text()
    for _ in range(3):
        second.bridge.layer.undo()
    assert len(second.bridge.review.nuclei) == 0
    second.bridge.layer.redo()
    assert len(second.bridge.review.nuclei) == 4


@pytest.mark.screen
def test_closing_the_main_window_lets_others_open(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    assert Review.open(cells).read_only
    first.viewer.close()
    settle()
    review = Review.open(cells)
    assert not review.read_only
    assert len(review.nuclei) == 4
    review.close()


def test_image_without_a_file_is_known_by_its_pixels(open_desk: Any) -> None:
    first = open_desk(GRAY)
    first.segment()
    first.bridge.review.do(edits.reject(first.bridge.review.nuclei, [3]))
    assert len(list(user_folder().glob("*.jsonl"))) == 1
    assert "data folder" in first.widget.review.kept.text()
    first.close()
    second = open_desk(GRAY)
    assert second.bridge.review.nuclei[3].state is State.REJECTED


def test_removed_and_renamed_layers_lose_nothing(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    desk.segment()
    layer = desk.bridge.layer
    layer.name = "mine"
    layer.paint((50, 10), layer.selected_label)
    desk.viewer.layers.remove(layer)
    assert desk.widget.bridge is None
    desk.widget.result.back_button.click()
    assert desk.bridge.review.nuclei.at(50, 10) is not None
    desk.viewer.layers.remove(desk.image)
    desk.viewer.layers.clear()
    review = Review.open(cells)
    assert not review.read_only
    assert review.nuclei.at(50, 10) is not None
    review.close()


def test_second_window_looks_but_changes_nothing(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    second = open_desk(cells)
    settle()
    assert second.bridge.review.read_only
    assert "another window" in second.widget.message.text()
    assert "another window" in second.widget.review.kept.text()
    before = second.bridge.review.nuclei.copy()
    second.bridge.layer.paint((50, 10), 9)
    second.bridge.layer.undo()
    actions_of(second.bridge).accept_above(0)
    assert second.bridge.review.nuclei == before
    assert in_step(second.bridge), "what was painted stays on the screen"
    first.bridge.review.do(edits.accept(first.bridge.review.nuclei, [1]))
    assert len(first.bridge.review.done) == 2


def test_two_layers_of_one_file_have_a_review_each(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    desk.segment()
    desk.viewer.open(str(cells), plugin="napari", name="again")
    desk.segment()
    bridges = list(desk.session.bridges.values())
    assert len(bridges) == 2
    assert not any(bridge.review.read_only for bridge in bridges)
    bridges[0].review.do(edits.accept(bridges[0].review.nuclei, [1]))
    assert bridges[1].review.nuclei[1].state is State.PROPOSED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(open_desk: Any, cells: Path) -> None:
    cells.parent.chmod(0o555)
    try:
        desk = open_desk(cells)
        desk.segment()
        assert desk.bridge.review.journal.path.parent == user_folder()
    finally:
        cells.parent.chmod(0o755)


def test_no_place_at_all_is_said(
    open_desk: Any, cells: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(nowhere))
    desk = open_desk(GRAY)
    desk.segment()
    settle()
    assert desk.bridge.review.journal is None
    assert "in memory only" in desk.widget.message.text()
    assert "In memory only" in desk.widget.review.kept.text()
    desk.bridge.layer.paint((50, 10), desk.bridge.layer.selected_label)
    assert desk.bridge.review.nuclei.at(50, 10) is not None


def test_disk_that_fails_in_mid_review_is_said_at_once(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    desk.segment()
    journal = desk.bridge.review.journal
    journal.trouble.emit("No space left on the device. Your work is kept in memory.")
    settle()
    assert "No space left" in desk.widget.message.text()


def test_changed_image_is_noticed(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    first.close()
    Picture.fromarray(GRAY + 7).save(cells)
    second = open_desk(cells)
    settle()
    assert "has changed" in second.widget.message.text()
    assert len(second.bridge.review.nuclei) == 4


def test_file_of_nuclei_does_not_replace_a_review(
    open_desk: Any, cells: Path, tmp_path: Path
) -> None:
    first = open_desk(cells)
    first.segment()
    other = tmp_path / "other.coco.json"
    coco.write(other, first.bridge.record.data_set())
    first.bridge.review.do(edits.reject(first.bridge.review.nuclei, [1]))
    first.close()
    second = open_desk(cells)
    (layer,) = [
        x for x in second.viewer.open(str(other), plugin="napari-nuclei") if isinstance(x, Labels)
    ]
    settle()
    assert "its own review, which stays" in second.widget.message.text()
    own = second.session.bridge_of(second.image)
    assert own.review.nuclei[1].state is State.REJECTED
    assert second.session.bridges[layer].review.nuclei[1].state is State.PROPOSED


def test_labels_are_adopted_as_one_edit(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    desk.segment()
    labels = np.zeros((60, 80), np.uint16)
    disk(30, 40, 6).paint(labels, 5)
    layer = desk.viewer.add_labels(labels, name="from somewhere else, with a long name")
    assert not desk.widget.adopt_button.isHidden()
    desk.widget.adopt_button.click()
    assert [n.mask for n in desk.bridge.review.nuclei] == [disk(30, 40, 6)]
    assert not layer.visible
    assert desk.viewer.layers.selection.active is desk.bridge.layer
    desk.bridge.layer.undo()
    assert len(desk.bridge.review.nuclei) == 4


def test_a_mask_of_one_value_is_adopted_piece_by_piece(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    mask = np.zeros((60, 80), np.uint16)
    for x in (15, 40, 65):
        disk(30, x, 6).paint(mask, 255)
    desk.viewer.add_labels(mask, name="mask")
    desk.widget.adopt_button.click()
    assert {n.mask for n in desk.bridge.review.nuclei} == {disk(30, x, 6) for x in (15, 40, 65)}
    said = desk.widget.message.text()
    assert "one value (255) in 3 separate pieces" in said
    assert "Ctrl+Z joins them again" in said
    desk.bridge.layer.undo()
    assert len(desk.bridge.review.nuclei) == 1
    desk.bridge.layer.undo()
    assert len(desk.bridge.review.nuclei) == 0


def test_an_image_that_is_kept_turned_is_said_to_be_so(open_desk: Any, cells: Path) -> None:
    exif = Picture.Exif()
    exif[274] = 3
    Picture.fromarray(GRAY).save(cells, exif=exif)
    desk = open_desk(cells)
    said: list[str] = []
    desk.session.told.connect(lambda text: said.append(text))
    desk.segment()
    assert any("is stored rotated or mirrored (EXIF)" in text for text in said)
    assert not home_of(cells).exists()  # its review would not fit the image as it is read
    desk.close()


def test_labels_that_do_not_fit_are_not_offered(open_desk: Any, cells: Path) -> None:
    desk = open_desk(cells)
    desk.viewer.add_labels(np.zeros((30, 30), np.uint16))
    assert desk.widget.adopt_button.isHidden()


def test_stack_keeps_each_plane_apart(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, 60, 80), np.uint8), photometric="minisblack")
    first = open_desk(path)
    first.viewer.dims.set_current_step(0, 2)
    first.segment()
    first.close()
    assert home_of(path, (2,)).exists()
    second = open_desk(path)
    second.viewer.dims.set_current_step(0, 2)
    assert len(second.bridge.review.nuclei) == 4
    second.viewer.dims.set_current_step(0, 0)
    assert len(second.bridge.review.nuclei) == 0
    assert len(second.bridge.record.data_set().images) == 1
