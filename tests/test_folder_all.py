"""Segmenting and exporting all images of a folder, while the reviewer goes on."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from folders import SHAPE, Reviewer, write_images
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
def person(make_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Reviewer]:
    reviewer = Reviewer(make_viewer, qtbot)
    yield reviewer
    reviewer.engine.gate.set()
    reviewer.folder.close()
    settle()
    for thread in threading.enumerate():
        if thread.name == "nuclei-segment-all":
            thread.join(10)


def nuclei_on_disk(person: Reviewer) -> list[int]:
    workspace = person.folder.workspace
    assert workspace is not None
    return [len(workspace.stored(item.path, item.plane)) for item in workspace.items]


def segmented(person: Reviewer) -> list[int]:
    """The brightness of the images that the engine was asked for, in turn."""
    return [int(asked.image.max()) - 100 for asked in person.engine.asked]


@pytest.mark.screen
def test_all_are_segmented(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    person.open(tmp_path)
    person.click_row(1)
    person.wait(lambda: person.image == "cell2.png")
    person.segment_all()
    assert person.all.message.text() == "4 images segmented."
    assert segmented(person) == [2, 3, 4, 1], "first what the reviewer looks at"
    assert nuclei_on_disk(person) == [len(FOUND)] * 4
    assert person.folder.bridge is not None
    assert in_step(person.folder.bridge)
    assert person.review.nuclei.threshold == CARD.threshold
    assert len(person.review.done) == 1, "one edit"
    person.wait_for_counts()
    standing = person.folder.standings.of(3)
    assert standing is not None
    assert (standing.stage, standing.counts.shown) == (Stage.UNTOUCHED, 3)
    person.segment_all()
    assert person.all.message.text() == "0 images segmented, 4 had been before."
    assert len(person.engine.asked) == 4


def test_review_goes_on_meanwhile(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    person.open(tmp_path)
    person.engine.gate.clear()
    person.press(person.all.segment_button)
    person.wait(lambda: len(person.engine.asked) == 1)
    assert person.all.segment_button.text() == "Cancel"
    person.review.do(edits.add(person.review.nuclei, square))
    person.turn(person.panel.next_button)
    person.turn(person.panel.next_button)
    workspace = person.folder.workspace
    assert workspace is not None
    person.wait(lambda: not workspace.is_open(tmp_path / "cell1.png"))
    person.engine.gate.set()
    person.wait(lambda: not person.all.segmenting.running)
    assert person.all.message.text() == "5 images segmented."
    assert nuclei_on_disk(person) == [5, 4, 4, 4, 4], "what was drawn stays"
    assert not workspace.is_open(tmp_path / "cell1.png")
    assert person.image == "cell3.png"


def test_cancel_drops_what_is_under_way(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    person.engine.gate.clear()
    person.press(person.all.segment_button)
    person.wait(lambda: len(person.engine.asked) == 1)
    person.press(person.all.segment_button)
    assert not person.all.segmenting.running
    assert person.all.message.text() == "Cancelled: 0 images segmented."
    person.wait(person.engine.closed.is_set)
    person.engine.gate.set()
    settle()
    assert nuclei_on_disk(person) == [0, 0, 0]
    person.segment_all()
    assert nuclei_on_disk(person) == [4, 4, 4]


def test_what_is_left_alone_and_what_fails(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    (tmp_path / "cell3.png").write_bytes(b"no image")
    person.open(tmp_path)
    person.review.do(edits.mark_complete(person.review.nuclei))
    person.turn(person.panel.next_button)
    person.review.do(edits.add(person.review.nuclei, square))
    person.segment_all()
    assert segmented(person) == [4, 2], "first what nobody has begun"
    assert person.all.message.text() == (
        "⚠ 2 images segmented, 1 complete, left alone, 1 failed, marked in the list."
    )
    assert "cell3.png" in person.all.message.toolTip()
    assert "1 with problems" in person.panel.about.text()
    assert [n.state for n in person.review.nuclei].count(State.ACCEPTED) == 1
    person.panel.stage_box.setCurrentText("with problems")
    assert person.rows() == ["cell2.png", "cell3.png"], "that in view is always listed"
    person.panel.stage_box.setCurrentText("complete")
    assert person.rows() == ["cell1.png", "cell2.png"]


def test_a_model_that_fails_is_not_tried_on_all(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 9)
    person.open(tmp_path)
    person.engine.error = UserError("no such device")
    person.segment_all()
    assert len(person.engine.asked) == 3
    assert "Stopped (no such device)" in person.all.message.text()


def test_segment_all_again(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    person.open(tmp_path)
    person.segment_all()
    person.review.do(edits.accept(person.review.nuclei, [1]))
    person.all.segment(again=True)
    person.wait(lambda: not person.all.segmenting.running)
    assert len(person.engine.asked) == 4
    assert 1 in person.review.nuclei, "what was accepted stays"
    assert len(person.review.done) == 3
    person.review.undo()
    assert len(person.review.nuclei) == len(FOUND)


def test_nothing_found_is_remembered(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    person.open(tmp_path)
    person.engine.found = []
    person.segment_all()
    person.segment_all()
    assert len(person.engine.asked) == 2
    assert person.all.message.text() == "0 images segmented, 2 had been before."


def test_planes_are_segmented_each(person: Reviewer, tmp_path: Path) -> None:
    stack = np.zeros((3, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    person.open(tmp_path)
    person.viewer.dims.set_current_step(0, 1)
    person.segment_all()
    assert person.all.message.text() == "3 images segmented."
    assert person.folder.bridge is not None
    assert in_step(person.folder.bridge)
    assert {p: len(r.nuclei) for p, r in person.folder.bridge.record.reviews.items()} == {
        (0,): 4,
        (1,): 4,
        (2,): 4,
    }


def test_closing_the_folder_stops_it(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    person.engine.gate.clear()
    person.press(person.all.segment_button)
    person.wait(lambda: len(person.engine.asked) == 1)
    person.press(person.panel.close_button)
    person.wait(person.engine.closed.is_set)
    assert not person.all.segmenting.running
    assert not (tmp_path / ".napari-nuclei" / "cell1.png.jsonl").exists()


# -- exporting ----------------------------------------------------------------------------


def export(person: Reviewer, monkeypatch: pytest.MonkeyPatch, request: RequestAll) -> str:
    monkeypatch.setattr(all_panel, "ask_export_all", lambda workspace, parent: request)
    person.press(person.all.export_button)
    person.wait(lambda: not person.all.exporting.running)
    return str(person.widget.message.text())


def test_export_all(person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "images", tmp_path / "all.coco.json"
    write_images(folder, 3)
    person.open(folder)
    person.segment_all()
    person.review.do(edits.add(person.review.nuclei, square))
    said = export(person, monkeypatch, RequestAll(out, "coco"))
    assert said == "Wrote 10 nuclei of 3 images to all.coco.json."
    data = coco.read(out)
    assert [image.file_name for image in data.images] == ["cell1.png", "cell2.png", "cell3.png"]
    assert data.of(data.images[0]) == person.review.nuclei
    assert len(data.of(data.images[2])) == 4
    person.open(out, folder)
    assert len(person.review.nuclei) == 5, "it can be opened again"


def test_every_format(person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    out.mkdir()
    write_images(folder, 2)
    person.open(folder)
    person.segment_all()
    for name in WRITABLE:
        format = FORMATS[name]
        alone = format.ending and not format.per_image
        path = out / name / ("all" + format.ending) if alone else out / name
        (out / name).mkdir()
        said = export(person, monkeypatch, RequestAll(path, name))
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
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 1)
    bright = np.full(SHAPE, 9000, np.uint16)
    tifffile.imwrite(tmp_path / "cell1.tif", bright)
    tifffile.imwrite(tmp_path / "cell1.labels.tif", bright)  # of an export before
    person.open(tmp_path)
    person.segment_all()
    said = export(person, monkeypatch, RequestAll(tmp_path / "t.csv", "table"))
    assert "of 2 images" in said
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    most = {name: max(float(r["intensity_max"]) for r in rows if r["image"] == name)
            for name in ("cell1.png", "cell1.tif")}  # fmt: skip
    assert most == {"cell1.png": 101, "cell1.tif": 9000}
    for name in ("labels", "masks"):
        said = export(person, monkeypatch, RequestAll(tmp_path / name, name))
        assert "two images are named cell1, cell1.png and cell1.tif" in said
        assert not (tmp_path / name).exists()


def test_an_answer_under_the_ids_of_a_list(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 3)
    rows = [
        {"id": 70 + k, "file_name": f"cell{k}.png", "height": SHAPE[0], "width": SHAPE[1]}
        for k in (3, 1)
    ]
    ids = tmp_path / "test_img_ids.json"
    ids.write_text(json.dumps(rows))
    person.open(ids)
    person.segment_all()
    path = tmp_path / "answer.json"
    said = export(person, monkeypatch, RequestAll(path, "results"))
    assert said == "Wrote 6 nuclei of 2 images to answer.json."
    assert {k: len(found) for k, found in results.read(path).found.items()} == {71: 3, 73: 3}
    export(person, monkeypatch, RequestAll(path, "results", hidden=True))
    assert {k: len(found) for k, found in results.read(path).found.items()} == {71: 4, 73: 4}
    person.press(person.panel.close_button)
    person.open(tmp_path)
    said = export(person, monkeypatch, RequestAll(path, "results", ids=ids))
    assert "does not list cell2.png" in said
    assert len(results.read(path).found) == 2, "nothing was written"


def test_export_names_what_is_left_out(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    person.open(tmp_path)
    path = tmp_path / "all.json"
    said = export(person, monkeypatch, RequestAll(path, "coco"))
    assert "of 2 images" in said
    assert "Left out" in said
    assert "cell2.png" in said
    said = export(person, monkeypatch, RequestAll(tmp_path / "no" / "where.json", "coco"))
    assert said.startswith("⚠ cannot write")


def test_dialog(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    write_images(tmp_path, 1)
    person.open(tmp_path)
    assert person.folder.workspace is not None
    dialog = ExportAllDialog(person.folder.workspace)
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
