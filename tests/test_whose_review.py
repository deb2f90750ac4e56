"""Whose review is this: renamed, moved, copied, linked and changed images, planes and channels."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from journals import SHAPE, add, journal_of, notices, opened, same, square, worked
from PIL import Image

from napari_nuclei.images.layout import Layout, layout_of, plane_number, shown_axes
from napari_nuclei.journal import fingerprint, lost
from napari_nuclei.journal.about import about
from napari_nuclei.journal.fingerprint import Fingerprint
from napari_nuclei.journal.naming import journal_name, of_image, read_name
from napari_nuclei.journal.place import begun, find, home_of, kept_as, locate
from napari_nuclei.nuclei import Nuclei, State, edits
from napari_nuclei.progress import result_of
from napari_nuclei.review import Review
from napari_nuclei.workspace.export import gather
from napari_nuclei.workspace.files import most_alike
from napari_nuclei.workspace.workspace import Workspace


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells é 1.tif"
    path.write_bytes(b"stands for an image")
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def make_old(path: Path, **changes: Any) -> None:
    """Make a journal one of before images were told apart by part and content."""
    first, *rest = path.read_bytes().splitlines(keepends=True)
    new = ("part", "pixels", "upright")
    header = {k: v for k, v in json.loads(first).items() if k not in new} | changes
    path.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(rest))


# -- renamed, moved, copied -------------------------------------------------------------


def test_a_renamed_image_is_found_again(image: Path) -> None:
    before = worked(image)
    before.close()
    new = image.rename(image.with_name("other.tif"))
    assert find(new) is None
    assert locate(new) == journal_of(image)
    again = opened(new)
    assert notices(again) == (
        f"This image was called {image.name} when it was reviewed: its review continues here."
    )
    assert same(again, before)
    assert journal_of(new).exists()
    assert not journal_of(image).exists()
    again.close()
    assert notices(opened(new)) == "", "said once"


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 6])
def test_a_review_from_before_images_were_turned(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture = Image.new("L", (30, 30))
    noted = picture.getexif()
    noted[274] = orientation
    picture.save(path, exif=noted)
    review = Review.open(path)
    review.do(edits.add(review.nuclei, square))
    review.close()
    again = Review.open(path)
    again.close()
    assert not again.warnings
    make_old(journal_of(path))
    old = Review.open(path)
    old.close()
    assert ["shown upright" in line for line in old.warnings] == [True] * (orientation > 1)
    assert len(old.nuclei) == 1


def test_a_moved_image_is_found_again(image: Path, tmp_path: Path) -> None:
    before = worked(image)
    before.close()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    new = Path(shutil.move(image, folder / image.name))
    again = opened(new)
    assert notices(again).startswith(f"This image lay in {tmp_path} when it was reviewed")
    assert same(again, before)
    assert journal_of(new).exists()


def test_a_folder_moved_with_its_journals_needs_no_search(image: Path, tmp_path: Path) -> None:
    before = worked(image)
    before.close()
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    shutil.move(image.parent / ".napari-nuclei", folder / ".napari-nuclei")
    new = Path(shutil.move(image, folder / image.name))
    again = opened(new)
    assert same(again, before)
    assert notices(again) == ""


def test_a_copy_is_another_image(image: Path) -> None:
    before = worked(image)
    before.close()
    copy = Path(shutil.copy2(image, image.with_name("copy.tif")))
    assert locate(copy) is None
    (trace,) = lost.traces(copy)
    assert (trace.image, trace.is_gone) == (image, False)
    again = opened(copy)
    assert (len(again.nuclei), notices(again)) == (0, "")
    again.close()
    lost.copy(trace, copy)
    again = opened(copy)
    assert same(again, before)
    add(again, 3)
    again.close()
    assert same(opened(image), before), "the other one stays as it was"


def test_all_planes_go_along(image: Path) -> None:
    for plane in ((0,), (4,)):
        of = Review.open(image, plane, Nuclei(SHAPE))
        add(of, plane[0])
        of.close()
    new = image.rename(image.with_name("other.tif"))
    assert begun(new) == []
    assert begun(new, moved=True) == [((0,), ""), ((4,), "")]
    of = Review.open(new, (2,), Nuclei(SHAPE))
    assert len(of.nuclei) == 0
    assert begun(new) == [((0,), ""), ((4,), "")]
    assert len(Review.open(new, (4,), Nuclei(SHAPE)).nuclei) == 1


def test_other_content_is_another_image(image: Path) -> None:
    worked(image).close()
    image.unlink()
    other = image.with_name("other.tif")
    other.write_bytes(b"stands for an imagE")  # of the same size
    again = opened(other)
    assert (len(again.nuclei), notices(again)) == (0, "")
    assert journal_of(image).exists()


def test_two_that_might_be_meant_are_not_guessed(image: Path) -> None:
    twin = image.with_name("twin.tif")
    twin.write_bytes(image.read_bytes())
    for path, at in ((image, 1), (twin, 2)):
        of = opened(path)
        add(of, at)
        of.close()
    for path in (image, twin):
        path.rename(path.with_suffix(".moved"))
    new = image.with_suffix(".moved")
    assert len(lost.traces(new)) == 2
    assert len(opened(new).nuclei) == 0
    assert journal_of(image).exists()
    assert journal_of(twin).exists()


def test_a_twin_takes_no_review_over(image: Path) -> None:
    """An image of the same content that was there before, when the reviewed one is renamed."""
    twin = image.with_name("twin.tif")
    twin.write_bytes(image.read_bytes())
    os.utime(twin, ns=(1, 1))
    before = worked(image)
    before.close()
    new = image.rename(image.with_name("other.tif"))
    assert len(opened(twin).nuclei) == 0
    assert [trace.image for trace in lost.traces(twin)] == [image], "it can be offered"
    assert same(opened(new), before)


def test_a_name_that_somebody_uses_is_not_taken_away(image: Path) -> None:
    first = worked(image)
    new = image.rename(image.with_name("other.tif"))
    second = opened(new)
    assert second.read_only, "its review is open under the old name"
    assert same(second, first)
    first.close()
    assert second.take_over()
    add(second, 3)
    second.close()
    assert same(opened(new), second)


def test_an_image_that_changed_is_found_by_what_it_was_last(image: Path) -> None:
    worked(image).close()
    image.write_bytes(b"another image of another size")
    of = opened(image)
    assert "has changed" in notices(of)
    add(of, 7)
    of.close()
    new = image.rename(image.with_name("other.tif"))
    assert same(opened(new), of)


def test_a_lost_drive_is_no_renaming(image: Path, tmp_path: Path) -> None:
    """Where the folder is not to be seen either, nobody knows whether its images are gone."""
    folder = tmp_path / "drive"
    folder.mkdir()
    there = Path(shutil.move(image, folder / image.name))
    worked(there).close()
    copy = Path(shutil.copy2(there, tmp_path / "copy.tif"))
    folder.rename(tmp_path / "unplugged")
    assert locate(copy) is None
    assert len(opened(copy).nuclei) == 0


# -- hashes -----------------------------------------------------------------------------


def test_a_journal_without_a_hash_gets_it_with_the_next_change(image: Path) -> None:
    before = worked(image)
    before.close()
    for lacking in (None, {**lines_of(journal_of(image))[0]["image"], "digest": ""}):
        make_old(journal_of(image), image=lacking)
        again = opened(image)
        assert same(again, before)
        assert notices(again) == ""
        again.undo()
        again.redo()
        again.close()
        said = about(journal_of(image))
        assert said is not None
        assert said.image == Fingerprint.of(image)
        assert same(opened(image), before)


def test_a_large_file_is_hashed_by_a_thread(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_SOON", 3)
    of = worked(image)
    assert lines_of(journal_of(image))[0]["image"]["digest"] == "", "nobody waited for it"
    of.close()
    said = about(journal_of(image))
    assert said is not None
    assert said.image is not None
    assert said.image.digest == Fingerprint.of(image).digest
    assert same(opened(image), of)
    new = image.rename(image.with_name("other.tif"))
    assert same(opened(new), of)


def test_a_large_file_is_hashed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_WHOLE", 64)
    paths = [tmp_path / name for name in "abcd"]
    for path, data in zip(
        paths, (b"x" * 99, b"x" * 98, b"y" + b"x" * 98, b"x" * 98 + b"y"), strict=True
    ):
        path.write_bytes(data)
    assert len({Fingerprint.of(path).digest for path in paths} | {""}) == 4
    assert Fingerprint.of(paths[0]).digest == Fingerprint.of(paths[1]).digest, "sizes tell these"


def test_a_zarr_is_known_by_its_pieces(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    zarr.save(str(path), np.arange(400, dtype=np.uint16).reshape(20, 20))
    of = opened(path)
    add(of, 3)
    of.close()
    new = path.rename(tmp_path / "b.zarr")
    again = opened(new)
    assert "was called a.zarr" in notices(again)
    assert same(again, of)
    again.close()
    shutil.rmtree(new)
    zarr.save(str(new), np.arange(1, 401, dtype=np.uint16).reshape(20, 20))
    os.utime(new, ns=(1, 1))
    assert "has changed" in notices(opened(new))


# -- links and names --------------------------------------------------------------------


def test_a_link_has_the_review_of_its_file(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    link = folder / "link.tif"
    link.symlink_to(image)
    first = opened(link)
    assert opened(image).read_only, "it is one image"
    add(first, 3)
    first.close()
    assert same(opened(image), first)
    assert home_of(link) == journal_of(image)
    assert not (folder / ".napari-nuclei").exists()


def test_a_link_that_has_a_review_of_its_own_keeps_it(image: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.tif"
    link.write_bytes(image.read_bytes())
    before = worked(link)
    before.close()
    link.unlink()
    link.symlink_to(image)
    assert kept_as(link) == link
    assert same(opened(link), before)
    assert len(opened(image).nuclei) == 0


def test_endings_are_part_of_the_name(tmp_path: Path) -> None:
    for k, name in enumerate(("a.png", "a.tif", "a")):
        (tmp_path / name).write_bytes(name.encode())
        of = opened(tmp_path / name)
        add(of, k)
        of.close()
    found = [opened(tmp_path / name).nuclei[1].mask.box[0] for name in ("a.png", "a.tif", "a")]
    assert found == [0, 1, 2]


@pytest.mark.parametrize("name", ["a.tif", "a@2.tif", "a@c1.tif", "a b@3"])
@pytest.mark.parametrize(
    ("plane", "part"), [((), ""), ((3,), ""), ((1, 2), "c0"), ((), "p0123abcd")]
)
def test_names_of_journals(name: str, plane: tuple[int, ...], part: str) -> None:
    journal = journal_name(name, plane, part)
    assert of_image(journal, name) == (plane, part)
    assert of_image(journal, name[:-1]) is None
    assert of_image("notes.txt", name) is None
    if "." in name:
        assert read_name(journal) == (name, plane, part)


def test_where_one_was_among_images_of_one_name() -> None:
    paths = [Path("/x/a/1.png"), Path("/x/b/1.png"), Path("/x/b/2.png")]
    assert most_alike(Path("/old/place/b/1.png"), paths) == paths[1]
    assert most_alike(paths[0], paths) == paths[0]
    with pytest.raises(ValueError, match="none has its name"):
        most_alike(Path("/x/3.png"), paths)
    with pytest.raises(ValueError, match="several are alike"):
        most_alike(Path("/moved/1.png"), paths)


# -- another window ---------------------------------------------------------------------


def test_what_another_window_lets_go_is_taken_over(image: Path) -> None:
    first = worked(image)
    second = opened(image)
    told: list[Any] = []
    second.changed.connect(told.append)
    assert not second.take_over()
    add(first, 3)
    first.do(edits.reject(first.nuclei, [2]))
    first.do(edits.set_threshold(first.nuclei, 0.7))
    first.close()
    assert second.take_over()
    assert not second.take_over(), "it has it by now"
    assert (second.read_only, second.warnings) == (False, [])
    assert same(second, first)
    assert len(told) == 1
    assert second.counts.rejected == first.counts.rejected
    add(second, 5)
    second.close()
    assert same(opened(image), second)
    assert not second.take_over(), "closed is closed"


def test_a_review_that_was_not_begun_there_is_taken_over(image: Path) -> None:
    first, second = opened(image), opened(image)
    assert second.read_only
    first.close()
    assert second.take_over()
    add(second, 1)
    second.close()
    assert same(opened(image), second)


def test_what_is_damaged_stays_where_it_is_said(image: Path) -> None:
    worked(image).close()
    with journal_of(image).open("ab") as stream:
        stream.write(b"\0" * 30 + b"\n")
    again = opened(image)
    (warning,) = again.warnings
    assert str(next(journal_of(image).parent.glob("*.damaged-*"))) in warning


# -- planes and channels ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lead", "axes"),
    [
        ((5, 3, 2), "TZC"),
        ((5, 3), "TZ"),
        ((2, 5, 3), "CTZ"),
        ((1, 5, 3, 1), "1TZ1"),
        ((3, 5), "ZT"),
        ((5, 2), None),
        ((5, 3, 2, 2), None),
    ],
)
def test_axes_of_a_file_that_an_array_shows(lead: tuple[int, ...], axes: str | None) -> None:
    layout = Layout("TZC", (5, 3, 2), (20, 30))
    assert shown_axes(layout, lead, (20, 30)) == axes
    assert shown_axes(layout, lead, (30, 20)) is None


def test_axes_of_one_size_are_taken_in_their_order() -> None:
    layout = Layout("TZ", (3, 3), (20, 30))
    assert shown_axes(layout, (3, 3), (20, 30)) == "TZ"
    assert plane_number(layout, "TZ", (1, 2)) == 5
    assert plane_number(layout, "ZT", (1, 2)) == 7


def test_layout_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((4, 2, 20, 30), np.uint8), imagej=True, metadata={"axes": "ZCYX"}
    )
    assert layout_of(path) == Layout("ZC", (4, 2), (20, 30))
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    assert layout_of(tmp_path / "a.png") == Layout("", (), (20, 30), 3)
    for content in (b"no image", b"II*\0" + b"\1" * 40):
        path.write_bytes(content)
        assert layout_of(path) is None


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    """An image of three channels and two planes."""
    path = tmp_path / "c.tif"
    pixels = np.arange(2 * 3, dtype=np.uint8).reshape(2, 3, 1, 1) + np.zeros((16, 18), np.uint8)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZCYX"})
    return path


def write(path: Path, value: int, shape: tuple[int, int] = (16, 18)) -> None:
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def mark(path: Path, plane: tuple[int, ...], part: str, at: int) -> None:
    of = Review.open(path, plane, Nuclei((16, 18)), part=part)
    of.do(edits.add(of.nuclei, square.shift(at, at)))
    of.close()


def test_a_folder_exports_each_channel_as_what_it_is(channels: Path, tmp_path: Path) -> None:
    mark(channels, (0,), "c1", 1)
    mark(channels, (0,), "c2", 2)
    mark(channels, (1,), "", 3)
    mark(channels, (1,), "p01234567", 4)  # of what only some other reader shows
    of = Workspace(tmp_path)
    data = result_of(gather(of))
    found = [(i.plane, i.channels, [n.mask.box[0] for n in data.of(i)]) for i in data.images]
    assert found == [(0, (1,), [1]), (0, (2,), [2]), (1, (0, 1, 2), [3])]
    assert len({image.id for image in data.images}) == 3
    assert of.standing(channels).counts.added == 3


def test_a_folder_goes_on_with_the_one_channel_that_was_reviewed(
    channels: Path, tmp_path: Path
) -> None:
    mark(channels, (0,), "c1", 1)
    of = Workspace(tmp_path)
    review = of.review(channels, (0,))
    assert len(review.nuclei) == 1
    assert review.warnings == ["This review is of channel 1 of c.tif."]
    review.do(edits.reject(review.nuclei, [1]))
    assert result_of(gather(of)).images[0].channels == (1,)
    of.close()
    assert of.stored(channels, (0,), "c1")[1].state is State.REJECTED
    assert begun(channels) == [((0,), "c1")]


def test_retraining_reads_the_channel_that_was_reviewed(channels: Path, tmp_path: Path) -> None:
    from napari_nuclei.learn.examples import pixels_of

    mark(channels, (1,), "c2", 1)
    data = result_of(gather(Workspace(tmp_path)))
    image = next(i for i in data.images if len(data.of(i)))
    assert np.unique(pixels_of(image, tmp_path)).tolist() == [5]


def test_what_a_model_saw_is_kept(channels: Path) -> None:
    of = Review.open(channels, (0,), Nuclei((16, 18)))
    of.note_channels((1,))
    of.do(edits.add(of.nuclei, square))
    of.note_channels((1,))
    of.close()
    again = Review.open(channels, (0,), Nuclei((16, 18)))
    assert again.channels == (1,)
    assert len(lines_of(home_of(channels, (0,)))) == 3
    again.close()
    (image, *_) = result_of(gather(Workspace(channels.parent))).images
    assert image.channels == (1,)


def test_a_list_names_planes_of_several_axes_and_channels(channels: Path, tmp_path: Path) -> None:
    stack = tmp_path / "tz.tif"
    tifffile.imwrite(
        stack, np.zeros((2, 3, 16, 18), np.uint8), imagej=True, metadata={"axes": "TZYX"}
    )
    size = {"height": 16, "width": 18}
    rows = [
        {"id": 1, "file_name": "tz.tif", **size, "plane": [1, 2], "stack": [2, 3]},
        {"id": 2, "file_name": "c.tif", **size, "plane": [1], "stack": [2], "channels": [0]},
        {"id": 3, "file_name": "c.tif", **size, "plane": [1], "stack": [2], "channels": [2]},
    ]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(rows))
    of = Workspace(listed)
    assert [(item.plane, item.part) for item in of.items] == [
        ((5,), ""),
        ((1,), "c0"),
        ((1,), "c2"),
    ]
    for k, item in enumerate(of.items):
        review = of.review(item.path, item.plane, item.part)
        review.do(edits.add(review.nuclei, square.shift(k, k)))
    data = result_of(gather(of))
    assert [[n.mask.box[0] for n in data.of(i)] for i in data.images] == [[0], [1], [2]]
    of.close()
    assert begun(stack) == [((5,), "")]
    assert begun(channels) == [((1,), "c0"), ((1,), "c2")]


def test_an_export_says_what_is_uncertain(tmp_path: Path) -> None:
    """The others are written; nobody gets a part of a review, or that of another image."""
    for k, name in enumerate(("damaged", "size", "changed", "touched", "good")):
        write(tmp_path / f"{name}.png", k)
        mark(tmp_path / f"{name}.png", (), "", k)
    damaged = home_of(tmp_path / "damaged.png")
    damaged.write_bytes(damaged.read_bytes() + b"no line\n")
    write(tmp_path / "size.png", 1, (9, 9))
    write(tmp_path / "changed.png", 7)
    os.utime(tmp_path / "touched.png", ns=(1, 1))
    left: dict[str, str] = {}
    of = Workspace(tmp_path)
    data = result_of(gather(of, None, lambda item, error: left.update({item.name: str(error)})))
    assert [image.file_name for image in data.images] == ["good.png", "touched.png"]
    assert "open its image to repair it" in left["damaged.png"]
    assert "has changed" in left["changed.png"]
    assert list(left) == ["changed.png", "damaged.png", "size.png"]
    for item in of.items:  # whoever opens them is told
        of.review(item.path)
    assert len(result_of(gather(of)).images) == 5
    of.close()
    assert len(result_of(gather(of)).images) == 5


def test_a_folder_finds_renamed_images(tmp_path: Path) -> None:
    for name, value in (("a.png", 1), ("b.png", 2)):
        write(tmp_path / name, value)
        mark(tmp_path / name, (), "", value)
    (tmp_path / "a.png").rename(tmp_path / "z.png")
    of = Workspace(tmp_path)
    found = result_of(gather(of))
    assert [(i.file_name, len(found.of(i))) for i in found.images] == [("b.png", 1), ("z.png", 1)]
    assert of.standing(tmp_path / "z.png").counts.added == 1
    assert (tmp_path / ".napari-nuclei" / "a.png.jsonl").exists(), "looking moves nothing"
    assert len(of.review(tmp_path / "z.png").nuclei) == 1
    of.close()
