"""Whose review is this, in napari: channels, stacks of files, layers of one file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from desk import GRAY, Viewing
from gui import FOUND, disk
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source
from napari_builtins.io import magic_imread
from PIL import Image as Picture

from napari_nuclei._napari.layers.bridge import Bridge
from napari_nuclei._napari.layers.source import Channels, source_of
from napari_nuclei._napari.retrain import retrain_source
from napari_nuclei.formats import coco
from napari_nuclei.journal.naming import journals_in
from napari_nuclei.journal.place import begun, home_of, user_folder
from napari_nuclei.learn.examples import pixels_of
from napari_nuclei.nuclei import edits
from napari_nuclei.progress import result_of
from napari_nuclei.review import Review
from napari_nuclei.workspace.export import gather
from napari_nuclei.workspace.workspace import Workspace


class Windowless(Viewing):
    """A viewer without a window, in which images are opened as by File ▸ Open."""

    def __init__(self, *paths: Path, **how: Any) -> None:
        super().__init__(ViewerModel())
        self.told: list[str] = []
        self.session.told.connect(self.told.append)
        self.images: Sequence[Image] = self.open(*paths, **how) if paths else ()

    def open(self, *paths: Path, **how: Any) -> list[Image]:
        """Open a file, or several as a stack; reviews that there are come along."""
        data = magic_imread([str(path) for path in paths])
        with layer_source(path=str(paths[0])):
            found = self.viewer.add_image(data, name=paths[0].stem, **how)
        images = list(found) if isinstance(found, list) else [found]
        for image in images:
            self.session.resume(image)
        return images

    def bridge(self, number: int = 0) -> Bridge:
        found = self.session.bridge_of(self.images[number])
        assert found is not None
        return found

    def segment(self, number: int = 0, channels: Channels | None = None) -> Bridge:
        """Put what a model found into the review of the plane in view."""
        from napari_nuclei._napari.session.openers import note_channels

        image = self.images[number]
        source = source_of(image, channels or Channels("gray"), self.viewer.dims.point)
        bridge = self.session.open(image, source.shape)
        review = bridge.review_at(source.plane)
        note_channels(bridge.record, review, source)
        review.do(edits.propose(review.nuclei, FOUND, "fake", 0.5))
        return bridge


def add(review: Review, y: int = 50, x: int = 10) -> None:
    review.do(edits.add(review.nuclei, disk(y, x, 5)))


def make_old(journal: Path) -> None:
    """Make a journal one of before images were told apart by their parts."""
    first, rest = journal.read_bytes().split(b"\n", 1)
    header = {k: v for k, v in json.loads(first).items() if k != "part"}
    journal.write_bytes(json.dumps(header).encode() + b"\n" + rest)


def write_images(folder: Path, names: str) -> list[Path]:
    """Write images whose pixels tell which one each is."""
    paths = [folder / f"{name}.png" for name in names]
    for path in paths:
        Picture.fromarray(GRAY + ord(path.stem)).save(path)
    return paths


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    path = tmp_path / "cells.png"
    Picture.fromarray(GRAY).save(path)
    return path


@pytest.fixture
def channels(tmp_path: Path) -> Path:
    path = tmp_path / "c.tif"
    write_tiff(path, np.stack([GRAY + k for k in range(3)]), "CYX")
    return path


def write_tiff(path: Path, pixels: Any, axes: str) -> None:
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": axes})


# -- channels ---------------------------------------------------------------------------


def test_a_review_of_a_channel_comes_back_on_it(channels: Path) -> None:
    first = Windowless(channels, channel_axis=0)
    add(first.segment(1).review)
    first.segment(2)
    assert begun(channels) == [((), "c1"), ((), "c2")]
    first.close()
    second = Windowless(channels, channel_axis=0)
    assert second.names == ["c [1] nuclei", "c [2] nuclei"], "no empty one on channel 0"
    assert [len(second.bridge(k).review.nuclei) for k in (1, 2)] == [5, 4]
    second.segment(0)
    assert len(second.bridge(1).review.nuclei) == 5


def test_channels_that_look_the_same_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "dark.tif"
    write_tiff(path, np.stack([GRAY] * 3), "CYX")
    first = Windowless(path, channel_axis=0)
    first.segment(2)
    first.close()
    assert begun(path) == [((), "c2")]
    assert Windowless(path, channel_axis=0).names == ["dark [2] nuclei"]


def test_a_channel_is_the_same_however_it_is_opened(channels: Path) -> None:
    apart = Windowless(channels, channel_axis=0)
    nuclei = apart.segment(1).review.nuclei.copy()
    apart.close()
    together = Windowless(channels)
    reviews = together.bridge().record.reviews
    assert [plane for plane, review in reviews.items() if len(review.nuclei)] == [(1,)]
    assert reviews[(1,)].nuclei == nuclei
    together.close()
    of = Workspace(channels)
    assert of.stored(channels) == nuclei
    assert [i.channels for i in result_of(gather(of)).images] == [(1,)]


def test_channels_of_a_stack(tmp_path: Path) -> None:
    """Plane and channel are not mixed up: the folder view numbers planes alone."""
    path = tmp_path / "zc.tif"
    write_tiff(path, np.arange(8, dtype=np.uint8).reshape(4, 2, 1, 1) + GRAY, "ZCYX")
    desk = Windowless(path)
    desk.viewer.dims.set_current_step((0, 1), (2, 1))
    desk.segment()
    desk.close()
    assert begun(path) == [((2,), "c1")]
    again = Windowless(path, channel_axis=1)
    assert again.names == ["zc [1] nuclei"]
    reviews = again.bridge(1).record.reviews
    assert [plane for plane, review in reviews.items() if len(review.nuclei)] == [(2,)]


def test_planes_of_several_axes_are_those_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "tz.tif"
    write_tiff(path, np.zeros((2, 3, 60, 80), np.uint8), "TZYX")
    desk = Windowless(path)
    desk.viewer.dims.set_current_step((0, 1), (1, 2))
    (image,) = desk.segment().record.data_set().images
    desk.close()
    assert len(Workspace(path).stored(path, (5,))) == 4
    assert (image.extra, image.plane) == ({"plane": [1, 2], "stack": [2, 3]}, 5)


def test_a_colour_is_not_the_whole_image(tmp_path: Path) -> None:
    path = tmp_path / "rgb.png"
    Picture.fromarray(np.stack([GRAY, GRAY + 1, GRAY + 2], -1)).save(path)
    whole = Windowless(path)
    add(whole.segment().review)
    whole.close()
    apart = Windowless(path, channel_axis=-1)
    assert apart.names == []
    apart.segment(1)
    apart.close()
    assert begun(path) == [((), ""), ((), "c1")]
    assert len(Review.open(path).nuclei) == 5


def test_an_old_review_says_of_no_channel(channels: Path) -> None:
    """One of before channels were told apart opens as it did, with a word; an edit binds it."""
    of = Review.open(channels)
    add(of)
    of.close()
    make_old(home_of(channels))
    desk = Windowless(channels, channel_axis=0)
    assert desk.names == ["c nuclei"]
    (warning,) = desk.bridge().review.warnings
    assert "does not say which channel" in warning
    assert desk.told == [warning]
    assert begun(channels) == [((), "")], "looking changes nothing"
    add(desk.bridge().review, 20, 20)
    assert begun(channels) == [((), "c0")]
    desk.close()
    again = Windowless(channels, channel_axis=0)
    assert again.names == ["c nuclei"]
    assert len(again.bridge().review.nuclei) == 2
    assert again.bridge().review.warnings == []


def test_a_file_of_nuclei_goes_to_its_channel(channels: Path, tmp_path: Path) -> None:
    first = Windowless(channels, channel_axis=0)
    data = first.segment(1).record.data_set()
    assert (data.images[0].file_name, data.images[0].channels) == ("c.tif", (1,))
    first.close()
    shutil.rmtree(tmp_path / ".napari-nuclei")
    from napari_nuclei._napari.files.reader import read

    for folder in (tmp_path, tmp_path / "elsewhere"):  # with its image, and without
        folder.mkdir(exist_ok=True)
        coco.write(folder / "n.coco.json", data)
        second = Windowless(channels, channel_axis=0)
        if folder == tmp_path:
            pixels, about, _ = read(str(folder / "n.coco.json"))[0]
            assert np.unique(pixels).tolist() == [1]
            image = second.viewer.add_image(pixels, **about)
            second.session.bring_back(image)
        else:
            pixels, about, _ = read(str(folder / "n.coco.json"))[0]
            layer = second.viewer.add_labels(pixels, **about)
            assert second.session.image_of(layer) is second.images[1]
        (bridge,) = second.session.bridges.values()
        add(bridge.review)
        second.close()
        assert begun(channels) == [((), "c1")]
        shutil.rmtree(tmp_path / ".napari-nuclei")


def test_retraining_reads_the_channel_under_review(channels: Path, tmp_path: Path) -> None:
    desk = Windowless(channels, channel_axis=0)
    review = desk.segment(2).review
    review.do(edits.reject(review.nuclei, [1]))
    review.do(edits.mark_complete(review.nuclei))
    planes = retrain_source.open_planes(desk.session)
    path = result_of(retrain_source.write(planes, retrain_source.Choice(""), tmp_path / "r"))
    (image,) = coco.read(path).images
    assert np.unique(pixels_of(image, tmp_path)).tolist() == [2]


def test_channels_that_a_model_saw_are_kept(channels: Path) -> None:
    desk = Windowless(channels)
    (image,) = desk.segment(0, Channels("channel 2", 0, 2)).record.data_set().images
    assert image.channels == (2,)
    desk.close()
    assert begun(channels) == [((), "")]
    again = Windowless(channels)
    assert again.bridge().record.layer_shape == (60, 80)
    assert again.bridge().review.channels == (2,)


# -- several files, several layers ------------------------------------------------------


def test_a_stack_of_files_has_the_reviews_of_its_files(tmp_path: Path) -> None:
    a, b, c, d, e = write_images(tmp_path, "abcde")
    first = Windowless(a)
    first.segment()
    first.close()
    second = Windowless(a, b, c)
    assert len(second.bridge().review_at((0,)).nuclei) == 4, "the review of a.png"
    add(second.bridge().review_at((1,)))
    images = second.bridge().record.data_set().images
    assert [(i.file_name, i.extra) for i in images] == [("a.png", {}), ("b.png", {})]
    second.close()
    assert sorted(journals_in(tmp_path)) == ["a.png.jsonl", "b.png.jsonl"]
    third = Windowless(a, d, e)
    reviews = third.bridge().record.reviews
    assert [p for p, r in reviews.items() if len(r.nuclei)] == [(0,)], "that of b is not on d"
    third.close()
    assert len(Windowless(b).bridge().review.nuclei) == 1


def test_an_old_review_of_a_stack_of_files(tmp_path: Path) -> None:
    a, b, c = write_images(tmp_path, "abc")
    of = Review.open(a, (1,))
    add(of)
    of.close()
    make_old(home_of(a, (1,)))
    desk = Windowless(a, b, c)
    review = desk.bridge().review_at((1,))
    assert len(review.nuclei) == 1
    assert "or file it belongs to" in review.warnings[0]
    add(review, 20, 20)
    desk.close()
    assert [begun(a), begun(b)] == [[], [((), "")]]
    again = Review.open(b)
    assert len(again.nuclei) == 2
    assert again.warnings == []


def test_a_folder_as_a_stack(tmp_path: Path) -> None:
    a, b = write_images(tmp_path, "ab")
    desk = Windowless(tmp_path)
    desk.viewer.dims.set_current_step(0, 1)
    desk.segment()
    desk.close()
    assert [begun(a), begun(b)] == [[], [((), "")]]
    assert not (tmp_path.parent / ".napari-nuclei").exists()


def test_a_second_layer_of_an_image_says_so(cells: Path) -> None:
    desk = Windowless(cells)
    first = desk.segment()
    desk.images = desk.open(cells)
    assert desk.names == ["cells nuclei"], "no empty review comes by itself"
    second = desk.segment()
    assert second is not first
    assert "on another layer here" in second.review.warnings[0]
    assert second.review.journal is not None
    assert second.review.journal.path.parent == user_folder()


def test_a_layer_that_is_not_as_its_file_leaves_that_review_alone(cells: Path) -> None:
    first = Windowless(cells)
    first.segment()
    first.close()
    second = Windowless()
    with layer_source(path=str(cells)):
        second.images = [second.viewer.add_image(GRAY[:30, :40], name="thumbnail")]
    assert second.session.resume(second.images[0]) is None
    add(second.session.open(second.images[0], (30, 40)).review, 20, 20)
    second.close()
    assert len(Review.open(cells).nuclei) == 4
    assert not list(home_of(cells).parent.glob("*.old-*"))


def test_layers_of_a_file_that_cannot_be_read_here(tmp_path: Path) -> None:
    """As other plugins open the scenes or channels of a microscope's own format."""
    path = tmp_path / "a.nd2"
    path.write_bytes(b"of another kind")

    def opened(*values: int) -> Windowless:
        desk = Windowless()
        with layer_source(path=str(path)):
            desk.images = [desk.viewer.add_image(GRAY + k) for k in values]
        for image in desk.images:
            desk.session.resume(image)
        return desk

    alone = opened(7)
    alone.segment()
    alone.close()
    assert begun(path) == [((), "")]
    several = opened(5, 6, 7)
    assert [i for i in range(3) if several.session.bridge_of(several.images[i])] == [2]
    add(several.segment(0).review)
    several.close()
    again = opened(7, 5)
    assert [len(again.bridge(k).review.nuclei) for k in range(2)] == [4, 5]


def test_links(cells: Path, tmp_path: Path) -> None:
    first = Windowless(cells)
    first.segment()
    first.close()
    folder = tmp_path / "project"
    folder.mkdir()
    link = folder / "link.png"
    link.symlink_to(cells)
    assert len(Windowless(link).bridge().review.nuclei) == 4
    assert Workspace(folder).standing(link).counts.proposed == 4


def test_a_file_of_nuclei_is_not_put_on_an_image_of_another_kind(cells: Path) -> None:
    from napari_nuclei._napari.layers.record import Record

    desk = Windowless(cells)
    for name, file, fits in (
        ("cells.png", None, True),
        ("cells", None, True),  # as layers and label files call it
        ("cells.tif", None, False),
        ("cells.png", cells, True),
        ("cells.png", cells.parent / "other" / "cells.png", False),
    ):
        if file is not None and file != cells:
            file.parent.mkdir()
            shutil.copy(cells, file)
        record = Record((60, 80), name, file=file)
        assert (desk.session.records.find_image(record, desk.viewer.layers) is not None) == fits
        desk.session.records.forget(desk.images[0])
