"""`Workspace`: which images, how far each is, exports, and where the reviewer was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, State, edits
from napari_nuclei.nuclei.counts import Counts, Stage
from napari_nuclei.progress import result_of
from napari_nuclei.review import Review
from napari_nuclei.workspace import files as workspace_files
from napari_nuclei.workspace.export import gather
from napari_nuclei.workspace.files import MissingImagesError, Place, SmallFile, planes_of
from napari_nuclei.workspace.workspace import Workspace

square = Mask.from_array(np.ones((4, 4)))
SHAPE = (16, 18)


def write_image(path: Path, value: int = 0, shape: tuple[int, int] = SHAPE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (10, 2, 1):
        write_image(tmp_path / f"cell{number}.png", number)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def names(of: Workspace) -> list[str]:
    return [item.path.name for item in of.items]


def segment(review: Review) -> None:
    found = [(square.shift(k, k), 0.2 * k) for k in range(5)]
    review.do(edits.propose(review.nuclei, found, "netz", 0.3))


def test_a_folder_in_natural_order(folder: Path) -> None:
    of = Workspace(folder)
    assert names(of) == ["cell1.png", "cell2.png", "cell10.png"]
    assert not (folder / ".napari-nuclei").exists(), "looking leaves nothing behind"
    review = of.review(of.items[1].path)
    assert review.nuclei.shape == SHAPE
    assert of.review(of.items[1].path) is review
    assert of.is_open(of.items[1].path)
    assert not of.is_open(of.items[0].path)
    of.close()
    assert names(Workspace(folder / "cell2.png")) == ["cell2.png"]
    with pytest.raises(UserError, match="no image"):
        Workspace(folder / ".napari-nuclei")


def test_paths_may_be_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    of = Workspace(".")
    assert of.review(Path("cell1.png")) is of.review(of.items[0].path)
    of.close()


def test_standing(folder: Path) -> None:
    of = Workspace(folder)
    path = of.items[0].path
    assert of.standing(path).stage is Stage.UNTOUCHED
    review = of.review(path)
    segment(review)
    assert of.standing(path).stage is Stage.UNTOUCHED, "nobody has looked at it yet"
    assert of.standing(path).counts == Counts(proposed=5, hidden=2)
    review.do(edits.accept(review.nuclei, [3]))
    assert of.standing(path).stage is Stage.BEGUN
    of.release(path)
    assert not of.is_open(path)
    assert of.standing(path).counts == Counts(accepted=1, as_is=1, proposed=4, hidden=2)
    again = of.review(path)
    again.do(edits.mark_complete(again.nuclei))
    assert of.standing(path).stage is Stage.COMPLETE
    again.undo()
    assert of.standing(path).stage is Stage.BEGUN
    of.close()


def test_standing_is_read_without_opening(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Workspace(folder)
    path = first.items[2].path
    segment(first.review(path))
    first.close()
    second = Workspace(folder)
    with monkeypatch.context() as patch:
        patch.setattr(
            "napari_nuclei.workspace.workspace.peek", lambda _: pytest.fail("not in the index")
        )
        assert second.standing(path).counts.proposed == 5
    assert second.standing(path) == first.standing(path)
    other = Review.open(path)
    other.do(edits.accept(other.nuclei, [3]))
    other.close()
    assert second.standing(path).counts.accepted == 1, "another window has been at it"
    index = folder / ".napari-nuclei" / "index.json"
    for damage in ("", "[]", '{"x": 3}', index.read_text().replace("stage", "stags")):
        index.write_text(damage)
        assert Workspace(folder).standing(path).counts.accepted == 1
    for item in second.items:
        assert not second.is_open(item.path)


def test_stacks_have_a_review_for_each_plane(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, *SHAPE), np.uint8), photometric="minisblack")
    of = Workspace(tmp_path)
    assert planes_of(path) == [(0,), (1,), (2,)]
    for k in (0, 2):
        review = of.review(path, (k,))
        review.do(edits.add(review.nuclei, square.shift(k, k)))
        review.do(edits.mark_complete(review.nuclei))
    standing = of.standing(path)
    assert (standing.stage, standing.counts.accepted) == (Stage.BEGUN, 2)
    of.close()
    of = Workspace(tmp_path)
    assert of.standing(path) == standing
    review = of.review(path, (1,))
    review.do(edits.mark_complete(review.nuclei))
    assert of.standing(path).stage is Stage.COMPLETE
    data = result_of(gather(of))
    assert [image.id for image in data.images] == [1, 2, 3]
    assert data.images[2].extra == {"plane": [2], "stack": [3]}
    assert [len(data.nuclei[k]) for k in (1, 2, 3)] == [1, 0, 1]
    of.close()


def test_export_of_all(folder: Path, tmp_path: Path) -> None:
    of = Workspace(folder)
    segment(of.review(of.items[0].path))
    of.release(of.items[0].path)
    review = of.review(of.items[2].path)
    review.do(edits.add(review.nuclei, square))
    steps = list(gather(of))
    assert [step.done for step in steps] == [0, 1, 2]
    data = result_of(gather(of))
    assert [(i.id, i.file_name) for i in data.images] == [
        (1, "cell1.png"),
        (2, "cell2.png"),
        (3, "cell10.png"),
    ]
    assert [len(data.nuclei[k]) for k in (1, 2, 3)] == [5, 0, 1]
    out = folder / "all.json"
    coco.write(out, data)
    of.close()
    assert coco.read(out).nuclei == data.nuclei


def list_of(folder: Path, **changes: Any) -> Path:
    rows = [
        {"id": 7, "file_name": "cell10.png", "height": SHAPE[0], "width": SHAPE[1]},
        {"id": 3, "file_name": "cell1.png", "height": SHAPE[0], "width": SHAPE[1], **changes},
    ]
    path = folder / "test_img_ids.json"
    path.write_text(json.dumps(rows))
    return path


def test_a_competitions_list(folder: Path) -> None:
    of = Workspace(list_of(folder))
    assert names(of) == ["cell10.png", "cell1.png"]
    segment(of.review(of.items[1].path))
    data = result_of(gather(of))
    assert {image.id: len(data.nuclei[image.id]) for image in data.images} == {7: 0, 3: 5}
    of.close()
    elsewhere = folder / "lists"
    elsewhere.mkdir()
    path = list_of(folder).rename(elsewhere / "ids.json")
    with pytest.raises(UserError, match=r"cell10\.png and 1 more"):
        Workspace(path)
    assert names(Workspace(path, folder)) == ["cell10.png", "cell1.png"]


def test_a_list_that_is_wrong(folder: Path) -> None:
    of = Workspace(list_of(folder, height=99))
    with pytest.raises(UserError, match="right image"):
        of.review(of.items[1].path)
    with pytest.raises(UserError, match=r"nowhere\.png, which"):
        Workspace(list_of(folder, file_name="nowhere.png"))
    path = folder / "x.json"
    for text, reason in (("[]", "no images"), ("{}", "neither"), ("3", "neither")):
        path.write_text(text)
        with pytest.raises(UserError, match=reason):
            Workspace(path)


def test_a_coco_file_is_what_reviews_begin_with(folder: Path) -> None:
    made = Workspace(folder)
    segment(made.review(made.items[0].path))
    data = result_of(gather(made))
    made.close()
    new = folder / "new"
    for item in made.items:
        write_image(new / "images" / item.path.name)
    path = new / "set.json"
    coco.write(path, data)
    of = Workspace(path)
    first = of.items[0].path
    assert first == new / "images" / "cell1.png"
    assert of.standing(first).counts.proposed == 5
    review = of.review(first)
    review.do(edits.reject(review.nuclei, [4]))
    of.close()
    again = Workspace(path)
    assert again.review(first).nuclei[4].state is State.REJECTED, "the journal goes first"
    assert again.review(first).undo()
    assert again.review(first).nuclei == data.nuclei[1]
    assert result_of(gather(again)).nuclei == data.nuclei
    again.close()


def test_where_the_reviewer_was(folder: Path) -> None:
    of = Workspace(folder)
    assert of.place is None
    of.place = Place(str(of.items[1].path), (), {"centre": [3.5, 4.0], "zoom": 2.0}, 12)
    of.close()
    assert Workspace(folder).place == of.place
    moved = folder / "moved"
    moved.mkdir()
    for path in folder.iterdir():
        if path != moved:
            path.rename(moved / path.name)
    place = Workspace(moved).place
    assert place is not None
    assert (place.image, place.nucleus) == (str(moved / "cell2.png"), 12)
    for damage in ("", "[]", '{"image": 3}', '{"image": "gone.png", "plane": []}'):
        (moved / ".napari-nuclei" / "place.json").write_text(damage)
        assert Workspace(moved).place is None


def test_small_files_go_elsewhere_if_they_must(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SmallFile(folder, "place.json")
    write = workspace_files.write_json

    def refuse(path: Path, value: Any) -> None:
        if path.parent.name == ".napari-nuclei":
            raise UserError("read-only")
        write(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(workspace_files, "write_json", refuse)
        assert file.write({"a": 1})
    assert SmallFile(folder, "place.json").read() == {"a": 1}
    assert file.write({"a": 2})
    os.utime(folder / ".napari-nuclei" / "place.json")
    assert file.read() == {"a": 2}


def test_one_that_cannot_be_closed_does_not_hold_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Workspace(folder)
    bad = of.review(of.items[0].path)
    for item in of.items:
        review = of.review(item.path)
        review.do(edits.add(review.nuclei, square))

    def fail() -> str:
        raise UserError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(bad, "close", fail)
        with pytest.raises(UserError, match="disk is full"):
            of.close()
    assert [of.is_open(item.path) for item in of.items] == [True, False, False]
    assert not bad.read_only
    of.close()
    assert all(of.standing(item.path).counts.accepted == 1 for item in of.items)


def test_no_nuclei_where_nothing_was_begun(folder: Path) -> None:
    assert result_of(gather(Workspace(folder))).nuclei[1] == Nuclei(SHAPE)


def test_own_outputs_are_no_images(folder: Path) -> None:
    for name in ("cell1.labels.tif", "cell2.overlay.png"):
        write_image(folder / name)
    assert names(Workspace(folder)) == ["cell1.png", "cell2.png", "cell10.png"]
    assert names(Workspace(folder / "cell2.overlay.png")) == ["cell2.overlay.png"]


def test_images_of_one_name(tmp_path: Path) -> None:
    """A list from elsewhere tells them apart, and so does the place where the reviewer was."""
    for k, name in enumerate(("ctrl", "treat")):
        write_image(tmp_path / "images" / name / "f1.png", k)
    rows = [
        {"id": k, "file_name": f"D:\\old\\{name}\\f1.png", "height": SHAPE[0], "width": SHAPE[1]}
        for k, name in enumerate(("treat", "ctrl"))
    ]
    path = tmp_path / "ids.json"
    path.write_text(json.dumps(rows))
    of = Workspace(path)
    assert [item.path.parent.name for item in of.items] == ["treat", "ctrl"]
    for item in of.items:
        of.place = Place(str(item.path))
        of.close()
        again = Workspace(path).place
        assert again is not None
        assert again.image == str(item.path)
    of.place = Place("/moved/f1.png")
    of.close()
    assert Workspace(path).place is None, "which of them is not known"
    rows[0]["file_name"] = "f1.png"
    path.write_text(json.dumps(rows))
    with pytest.raises(MissingImagesError, match=r"f1\.png, which is not in"):
        Workspace(path)
    with pytest.raises(MissingImagesError, match=r"which may be ctrl/f1\.png, treat/f1\.png"):
        Workspace(path, tmp_path / "images")


def test_a_list_without_sizes(folder: Path) -> None:
    rows = [{"id": "abc", "file_name": "cell1.png"}, {"id": "d", "file_name": "cell2.png"}]
    (folder / "ids.json").write_text(json.dumps(rows))
    of = Workspace(folder / "ids.json")
    assert [(i.record.id, i.record.shape) for i in of.items if i.record] == [(1, SHAPE), (2, SHAPE)]
