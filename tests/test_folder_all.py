"""Segmenting and exporting all images of a folder, while the reviewer goes on."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from desk import Desk
from folders import SHAPE, write_images
from gui import CARD, FOUND, in_step, settle

from napari_nuclei._napari.folder import all_panel
from napari_nuclei._napari.folder.export_all import ExportAllDialog, RequestAll
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco, results
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.registry import FORMATS, WRITABLE
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import State, edits
from napari_nuclei.nuclei.counts import Stage

square = Mask.from_array(np.ones((6, 6)))


@pytest.fixture
def desk(desk: Desk) -> Iterator[Desk]:
    yield desk
    desk.engine.gate.set()
    desk.folder.close()
    settle()
    for thread in threading.enumerate():
        if thread.name == "nuclei-segment-all":
            thread.join(10)


def nuclei_on_disk(desk: Desk) -> list[int]:
    workspace = desk.folder.workspace
    assert workspace is not None
    return [len(workspace.stored(item.path, item.plane)) for item in workspace.items]


def segmented(desk: Desk) -> list[int]:
    """The brightness of the images that the engine was asked for, in turn."""
    return [int(asked.image.max()) - 100 for asked in desk.engine.asked]


@pytest.mark.screen
def test_all_are_segmented(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    desk.open_folder(tmp_path)
    desk.click_row(1)
    desk.wait(lambda: desk.in_view == "cell2.png")
    desk.segment_all()
    assert desk.all.message.text() == "4 images segmented."
    assert segmented(desk) == [2, 3, 4, 1], "first what the reviewer looks at"
    assert nuclei_on_disk(desk) == [len(FOUND)] * 4
    assert desk.folder.bridge is not None
    assert in_step(desk.folder.bridge)
    assert desk.review.nuclei.threshold == CARD.threshold
    assert len(desk.review.done) == 1, "one edit"
    desk.wait_for_counts()
    standing = desk.folder.standings.of(3)
    assert standing is not None
    assert (standing.stage, standing.counts.shown) == (Stage.UNTOUCHED, 3)
    desk.segment_all()
    assert desk.all.message.text() == "0 images segmented, 4 already were."
    assert len(desk.engine.asked) == 4


def test_review_goes_on_meanwhile(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    desk.open_folder(tmp_path)
    desk.engine.gate.clear()
    desk.press(desk.all.segment_button)
    desk.wait(lambda: len(desk.engine.asked) == 1)
    assert desk.all.segment_button.text() == "Cancel"
    desk.review.do(edits.add(desk.review.nuclei, square))
    desk.turn(desk.folder_panel.next_button)
    desk.turn(desk.folder_panel.next_button)
    workspace = desk.folder.workspace
    assert workspace is not None
    desk.wait(lambda: not workspace.is_open(tmp_path / "cell1.png"))
    desk.engine.gate.set()
    desk.wait(lambda: not desk.all.segmenting.running)
    assert desk.all.message.text() == "5 images segmented."
    assert nuclei_on_disk(desk) == [5, 4, 4, 4, 4], "what was drawn stays"
    assert not workspace.is_open(tmp_path / "cell1.png")
    assert desk.in_view == "cell3.png"


def test_cancel_drops_what_is_under_way(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    desk.engine.gate.clear()
    desk.press(desk.all.segment_button)
    desk.wait(lambda: len(desk.engine.asked) == 1)
    desk.press(desk.all.segment_button)
    assert not desk.all.segmenting.running
    assert desk.all.message.text() == "Cancelled: 0 images segmented."
    desk.wait(desk.engine.closed.is_set)
    desk.engine.gate.set()
    settle()
    assert nuclei_on_disk(desk) == [0, 0, 0]
    desk.segment_all()
    assert nuclei_on_disk(desk) == [4, 4, 4]


def test_what_is_left_alone_and_what_fails(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    (tmp_path / "cell3.png").write_bytes(b"no image")
    desk.open_folder(tmp_path)
    desk.review.do(edits.mark_complete(desk.review.nuclei))
    desk.turn(desk.folder_panel.next_button)
    desk.review.do(edits.add(desk.review.nuclei, square))
    desk.segment_all()
    assert segmented(desk) == [4, 2], "first what nobody has begun"
    assert desk.all.message.text() == (
        "⚠ 2 images segmented, 1 left alone as complete, 1 failed, marked in the list."
    )
    assert "cell3.png" in desk.all.message.toolTip()
    assert "1 with problems" in desk.folder_panel.about.text()
    assert [n.state for n in desk.review.nuclei].count(State.ACCEPTED) == 1
    desk.folder_panel.stage_box.setCurrentText("with problems")
    assert desk.rows() == ["cell2.png", "cell3.png"], "that in view is always listed"
    desk.folder_panel.stage_box.setCurrentText("complete")
    assert desk.rows() == ["cell1.png", "cell2.png"]


def test_a_model_that_fails_is_not_tried_on_all(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 9)
    desk.open_folder(tmp_path)
    desk.engine.error = UserError("no such device")
    desk.segment_all()
    assert len(desk.engine.asked) == 3
    assert "Stopped (no such device)" in desk.all.message.text()


def test_segment_all_again(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    desk.open_folder(tmp_path)
    desk.segment_all()
    desk.review.do(edits.accept(desk.review.nuclei, [1]))
    desk.all.segment(again=True)
    desk.wait(lambda: not desk.all.segmenting.running)
    assert len(desk.engine.asked) == 4
    assert 1 in desk.review.nuclei, "what was accepted stays"
    assert len(desk.review.done) == 3
    desk.review.undo()
    assert len(desk.review.nuclei) == len(FOUND)


def test_nothing_found_is_remembered(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    desk.open_folder(tmp_path)
    desk.engine.found = []
    desk.segment_all()
    assert desk.all.message.text() == "2 images segmented."
    desk.segment_all()
    assert len(desk.engine.asked) == 2
    assert desk.all.message.text() == "0 images segmented, 2 already were."


def test_planes_are_segmented_each(desk: Desk, tmp_path: Path) -> None:
    stack = np.zeros((3, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    desk.open_folder(tmp_path)
    desk.viewer.dims.set_current_step(0, 1)
    desk.segment_all()
    assert desk.all.message.text() == "3 images segmented."
    assert desk.folder.bridge is not None
    assert in_step(desk.folder.bridge)
    assert {p: len(r.nuclei) for p, r in desk.folder.bridge.record.reviews.items()} == {
        (0,): 4,
        (1,): 4,
        (2,): 4,
    }


def test_closing_the_folder_stops_it(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    desk.engine.gate.clear()
    desk.press(desk.all.segment_button)
    desk.wait(lambda: len(desk.engine.asked) == 1)
    desk.press(desk.folder_panel.close_button)
    desk.wait(desk.engine.closed.is_set)
    assert not desk.all.segmenting.running
    assert not (tmp_path / ".napari-nuclei" / "cell1.png.jsonl").exists()


# -- exporting ----------------------------------------------------------------------------


def export(desk: Desk, monkeypatch: pytest.MonkeyPatch, request: RequestAll) -> str:
    monkeypatch.setattr(all_panel, "ask_export_all", lambda workspace, parent: request)
    desk.press(desk.all.export_button)
    desk.wait(lambda: not desk.all.exporting.running)
    return str(desk.widget.message.text())


def test_export_all(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "images", tmp_path / "all.coco.json"
    write_images(folder, 3)
    desk.open_folder(folder)
    desk.segment_all()
    desk.review.do(edits.add(desk.review.nuclei, square))
    said = export(desk, monkeypatch, RequestAll(out, "coco"))
    assert said == "Wrote 10 nuclei of 3 images to all.coco.json."
    data = coco.read(out)
    assert [image.file_name for image in data.images] == ["cell1.png", "cell2.png", "cell3.png"]
    assert data.of(data.images[0]) == desk.review.nuclei
    assert len(data.of(data.images[2])) == 4
    desk.open_folder(out, folder)
    assert len(desk.review.nuclei) == 5, "it can be opened again"


def test_every_format(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    out.mkdir()
    write_images(folder, 2)
    desk.open_folder(folder)
    desk.segment_all()
    for name in WRITABLE:
        format = FORMATS[name]
        alone = format.ending and not format.per_image
        path = out / name / ("all" + format.ending) if alone else out / name
        (out / name).mkdir()
        said = export(desk, monkeypatch, RequestAll(path, name))
        assert said.startswith(f"Wrote 6 nuclei of 2 images to {path.name}."), name
        if format.reader:
            data, found = read([path], Sidecar(folder))
            assert (found.name, len(data.images)) == (name, 2)
            assert all(len(list(nuclei.shown())) == 3 for _, nuclei in data), name
    assert sorted(p.name for p in (out / "geojson").iterdir()) == ["cell1.geojson", "cell2.geojson"]
    table = (out / "table" / "all.csv").read_text()
    assert "intensity_mean" in table, "the images are found for their intensities"
    assert (out / "masks" / "cell1" / "images" / "cell1.png").is_file()


def test_images_of_one_stem_are_told_apart(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 1)
    bright = np.full(SHAPE, 9000, np.uint16)
    tifffile.imwrite(tmp_path / "cell1.tif", bright)
    tifffile.imwrite(tmp_path / "cell1.labels.tif", bright)  # of an export before
    desk.open_folder(tmp_path)
    desk.segment_all()
    said = export(desk, monkeypatch, RequestAll(tmp_path / "t.csv", "table"))
    assert "of 2 images" in said
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    most = {name: max(float(r["intensity_max"]) for r in rows if r["image"] == name)
            for name in ("cell1.png", "cell1.tif")}  # fmt: skip
    assert most == {"cell1.png": 101, "cell1.tif": 9000}
    for name in ("labels", "masks"):
        said = export(desk, monkeypatch, RequestAll(tmp_path / name, name))
        assert "two images are named cell1, cell1.png and cell1.tif" in said
        assert not (tmp_path / name).exists()


def test_an_answer_under_the_ids_of_a_list(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 3)
    rows = [
        {"id": 70 + k, "file_name": f"cell{k}.png", "height": SHAPE[0], "width": SHAPE[1]}
        for k in (3, 1)
    ]
    ids = tmp_path / "test_img_ids.json"
    ids.write_text(json.dumps(rows))
    desk.open_folder(ids)
    desk.segment_all()
    path = tmp_path / "answer.json"
    said = export(desk, monkeypatch, RequestAll(path, "results"))
    assert said == "Wrote 6 nuclei of 2 images to answer.json."
    assert {k: len(found) for k, found in results.read(path).found.items()} == {71: 3, 73: 3}
    export(desk, monkeypatch, RequestAll(path, "results", hidden=True))
    assert {k: len(found) for k, found in results.read(path).found.items()} == {71: 4, 73: 4}
    desk.press(desk.folder_panel.close_button)
    desk.open_folder(tmp_path)
    said = export(desk, monkeypatch, RequestAll(path, "results", ids=ids))
    assert "does not list cell2.png" in said
    assert len(results.read(path).found) == 2, "nothing was written"


def test_export_names_what_is_left_out(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    desk.open_folder(tmp_path)
    path = tmp_path / "all.json"
    said = export(desk, monkeypatch, RequestAll(path, "coco"))
    assert "of 2 images" in said
    assert "Left out" in said
    assert "cell2.png" in said
    said = export(desk, monkeypatch, RequestAll(tmp_path / "no" / "where.json", "coco"))
    assert said.startswith("⚠ cannot write")


def test_dialog(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> None:
    write_images(tmp_path, 1)
    desk.open_folder(tmp_path)
    assert desk.folder.workspace is not None
    dialog = ExportAllDialog(desk.folder.workspace)
    qtbot.addWidget(dialog)
    assert not dialog.hidden_box.isVisibleTo(dialog)
    dialog.format_box.setCurrentIndex(1)
    assert dialog.hidden_box.isVisibleTo(dialog)
    assert dialog.ids_button.isVisibleTo(dialog)
    assert dialog.place.text() == str(tmp_path / f"{tmp_path.name}.results.json")
    dialog.save_button.click()
    path = tmp_path / f"{tmp_path.name}.results.json"
    assert dialog.request == RequestAll(path, "results")
    dialog.format_box.setCurrentIndex(WRITABLE.index("geojson"))
    assert not dialog.hidden_box.isVisibleTo(dialog)
    assert dialog.place.text() == str(tmp_path)
    (tmp_path / "cell1.geojson").touch()
    dialog.request = None
    dialog.save_button.click()
    assert "Holds a file of this kind" in dialog.note.text()
    assert dialog.request is None, "it had not been said"
    dialog.save_button.click()
    assert dialog.request == RequestAll(tmp_path, "geojson")
