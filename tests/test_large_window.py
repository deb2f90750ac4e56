"""Images too large for one Labels layer: a small one that goes where the camera looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from gui import FakeEngine, Hand, settle
from prompted import BrightDetector
from qtpy.QtCore import Qt

from napari_nuclei._napari.assembly import register_keys, session_of
from napari_nuclei._napari.files.reader import read
from napari_nuclei._napari.files.writer import write
from napari_nuclei._napari.layers.bridge import Bridge
from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.layers.viewport import Viewport, is_large, is_part
from napari_nuclei._napari.layers.viewport_follower import MAX_SIDE
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei._napari.session.openers import known_at
from napari_nuclei._napari.widget import NucleiWidget
from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.images.large_image import LargeImage
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus, edits, labels
from napari_nuclei.prompts.feature_cache import Identity
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.prompts.prompts import in_box
from napari_nuclei.workspace.workspace import Workspace

SHAPE = (20_000, 16_000)
PLACES = [(150, 150), (9_000, 7_000), (9_030, 7_004), (19_950, 15_940)]
"""Middles of the nuclei that are there at first."""

pytestmark = pytest.mark.screen


def disk(y: int, x: int, radius: int = 12) -> Mask:
    ys, xs = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return Mask.from_array(ys**2 + xs**2 <= radius**2, y - radius, x - radius)


def slide() -> list[Any]:
    """A multiscale image of nothing, made where it is read."""
    return [
        da.zeros((SHAPE[0] // k, SHAPE[1] // k), np.uint8, chunks=(256, 256)) for k in (1, 8, 64)
    ]


def open_slide(viewer: Any, **place: Any) -> Bridge:
    """A viewer with the image, and four proposals of a model in its review."""
    image = viewer.add_image(
        slide(), multiscale=True, name="slide", contrast_limits=(0, 255), **place
    )
    bridge = session_of(viewer).open(image, SHAPE)
    found = [(disk(y, x), 0.9 - 0.1 * k) for k, (y, x) in enumerate(PLACES)]
    bridge.review.do(edits.propose(bridge.review.nuclei, found, "fake", 0.0))
    session_of(viewer).activate(bridge)
    return bridge


def look(viewer: Any, bridge: Bridge, y: float, x: float, zoom: float = 1.0) -> None:
    """Move the camera over a pixel of the image, and let the window follow."""
    viewport = bridge.viewport
    world = bridge.layer.data_to_world((y - viewport.origin[0], x - viewport.origin[1]))
    camera_of(viewer).center = tuple(world)
    camera_of(viewer).zoom = zoom / abs(float(bridge.layer.scale[-1]))
    session_of(viewer).companions.follower_of(bridge).follow()
    settle()


def test_undo_goes_to_what_it_changes(make_viewer: Any) -> None:
    viewer = make_viewer(show=True)
    bridge = open_slide(viewer, scale=(0.5, 0.5))
    look(viewer, bridge, 9_000, 7_000)
    near, far = (bridge.review.nuclei.at(*place).id for place in (PLACES[1], PLACES[3]))
    for id in (far, near):
        bridge.review.do(edits.delete(bridge.review.nuclei, [id]))
    centre = camera_of(viewer).center
    bridge.layer.undo()
    assert camera_of(viewer).center == centre, "it was in view"
    bridge.layer.undo()
    y, x = (c / 0.5 for c in camera_of(viewer).center[-2:])
    assert (y, x) == pytest.approx(PLACES[3], abs=2)
    look(viewer, bridge, 150, 150)
    bridge.layer.redo()
    assert camera_of(viewer).center[-1] / 0.5 == pytest.approx(PLACES[3][1], abs=2)


def is_drawn(bridge: Bridge) -> bool:
    """Whether the layer shows what its nuclei are in the part that it holds, and where."""
    expected = labels.draw(bridge.review.nuclei, bridge.viewport.box)
    return bool((bridge.layer.data == expected).all())


@pytest.fixture
def window(make_viewer: Any) -> Any:
    register_keys()
    viewer = make_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    settle()
    return viewer


class BigHand(Hand):
    """A hand that points at px of the image, wherever the layer lies."""

    def at(self, y: float, x: float) -> Any:
        top, left = self.bridge.viewport.box[:2]
        return super().at(y - top, x - left)


def test_viewports() -> None:
    assert not is_large((8192, 8192))
    assert is_large((8192, 8193))
    assert is_large((100, 20_000))
    assert Viewport.first((60, 80)).shape == (60, 80)
    assert not is_part((3, 60, 80))
    assert Viewport.first((5, 20_000, 16_000)).shape == (1, 512, 512)
    many = Viewport.first((500, 1024, 1024))
    assert many.shape == (1, 1024, 1024)
    assert many.index((3,)) is None
    assert is_part(many.whole)
    viewport = Viewport((2, 20_000, 16_000), (1000, 2000, 3000, 4000), (1,))
    assert viewport.origin == (1, 1000, 2000)
    assert viewport.shape == (1, 2000, 2000)
    assert viewport.index((1,)) == (0,)
    assert viewport.index((0,)) is None
    assert viewport.parts([(0, 0, 1100, 2100), (0, 0, 10, 10)]) == [(1000, 2000, 1100, 2100)]
    assert viewport.local((1000, 2010, 1100, 2100)) == (0, 10, 100, 100)


def test_layer_is_small_and_goes_where_the_camera_looks(window: Any) -> None:
    bridge = open_slide(window)
    sides = []
    for y, x in [*PLACES, (3000, 12_000)]:
        look(window, bridge, y, x)
        assert is_drawn(bridge)
        y0, x0, y1, x1 = bridge.viewport.box
        assert y0 <= y < y1
        assert x0 <= x < x1
        np.testing.assert_allclose(bridge.layer.data_to_world((y - y0, x - x0)), (y, x))
        outlines = next(v for v in window.layers if v.name.endswith("outlines"))
        assert outlines.data.shape == bridge.layer.data.shape
        assert not outlines.editable
        np.testing.assert_allclose(outlines.translate, bridge.layer.translate)
        near = bool(bridge.review.nuclei.in_box(bridge.viewport.box))
        assert bool(outlines.data.any()) == near == bool(bridge.layer.data.any())
        sides += bridge.layer.data.shape
    assert max(sides) <= MAX_SIDE


def test_far_out_only_the_middle_is_held(window: Any) -> None:
    bridge = open_slide(window)
    said: list[str] = []
    session_of(window).hinted.connect(said.append)  # too late for what was said on opening
    look(window, bridge, 10_000, 8_000, zoom=0.04)
    assert max(bridge.layer.data.shape) <= MAX_SIDE
    assert is_drawn(bridge)
    y0, x0, y1, x1 = bridge.viewport.box
    assert y0 < 9_000
    assert y1 > 11_000
    assert x0 < 7_000
    assert x1 > 9_000
    assert said == []
    look(window, bridge, 10_000, 8_000, zoom=1)
    look(window, bridge, 10_000, 8_000, zoom=0.04)
    (line,) = said
    assert "Zoom in" in line


def test_from_afar_each_nucleus_is_a_dot(window: Any, qtbot: Any) -> None:
    bridge = open_slide(window, scale=(2, 2), translate=(10, 20))
    look(window, bridge, 10_000, 8_000, zoom=0.04)
    (dots,) = [layer for layer in window.layers if layer.name.endswith("from afar")]
    assert max(dots.data.shape) <= 2048
    qtbot.waitUntil(lambda: bool(dots.data.any()), timeout=20000)  # it is drawn a moment later
    for y, x in PLACES:
        here = dots.world_to_data((10 + 2 * y, 20 + 2 * x))
        assert dots.data[tuple(np.round(here).astype(int))]
    assert np.count_nonzero(dots.data) < 40
    assert window.layers.selection.active is bridge.layer
    look(window, bridge, 9_000, 7_000)
    assert dots not in window.layers


def test_a_small_move_changes_nothing(window: Any) -> None:
    bridge = open_slide(window)
    look(window, bridge, 9_000, 7_000)
    before = bridge.layer.data
    look(window, bridge, 9_030, 7_020)
    assert bridge.layer.data is before


@pytest.mark.parametrize("place", [{}, {"scale": (0.5, 0.25), "translate": (100, -30)}])
def test_a_stroke_lands_where_it_is_drawn(window: Any, place: dict[str, Any]) -> None:
    bridge = open_slide(window, **place)
    look(window, bridge, 9_000, 7_040, zoom=2)
    hand = BigHand(window, bridge)
    bridge.layer.mode = "paint"
    bridge.layer.brush_size = 6
    hand.key(Qt.Key.Key_M)
    hand.drag((9_000, 7_060), (9_000, 7_070), (9_000, 7_080))
    (new,) = bridge.review.done[-1].after
    assert new.mask.contains(9_000, 7_070)
    assert new.id == 5
    y0, x0, y1, x1 = new.mask.box
    np.testing.assert_allclose(((y0 + y1) / 2, (x0 + x1) / 2), (9_000, 7_070), atol=2)
    assert is_drawn(bridge)
    look(window, bridge, 150, 150)
    hand.undo()
    assert len(bridge.review.nuclei) == 4
    assert is_drawn(bridge)
    look(window, bridge, 9_000, 7_040, zoom=2)
    assert is_drawn(bridge)
    assert not (bridge.layer.data == 5).any()
    hand.redo()
    assert is_drawn(bridge)
    assert (bridge.layer.data == 5).any()


def test_a_stroke_held_while_the_camera_moves_keeps_its_place(window: Any) -> None:
    bridge = open_slide(window)
    look(window, bridge, 9_000, 7_040, zoom=2)
    hand = BigHand(window, bridge)
    bridge.layer.mode = "paint"
    hand.key(Qt.Key.Key_M)
    hand.press(9_000, 7_100)
    hand.move(9_000, 7_110, held=Qt.MouseButton.LeftButton)
    before = bridge.viewport
    look(window, bridge, 3_000, 3_000)
    assert bridge.viewport == before
    hand.release(9_000, 7_110)
    look(window, bridge, 3_000, 3_000)
    assert bridge.viewport != before
    (new,) = bridge.review.done[-1].after
    assert new.mask.contains(9_000, 7_105)


def test_keys_and_the_walk(window: Any) -> None:
    bridge = open_slide(window)
    look(window, bridge, 150, 150)
    hand = BigHand(window, bridge)
    seen = []
    for _ in range(len(PLACES)):
        hand.key(Qt.Key.Key_N)
        settle()
        session_of(window).companions.follower_of(bridge).follow()
        (id,) = bridge.review.selection
        seen.append(id)
        assert (bridge.layer.data == id).any()
        assert is_drawn(bridge)
    assert sorted(seen) == [1, 2, 3, 4]
    look(window, bridge, *PLACES[3])
    bridge.review.select(())
    hand.move(*PLACES[3])
    hand.key(Qt.Key.Key_A)
    assert bridge.review.nuclei[4].state.value == "accepted"
    hand.key(Qt.Key.Key_Delete)
    assert not bridge.review.nuclei.is_shown(bridge.review.nuclei[4])
    assert is_drawn(bridge)
    assert not bridge.layer.data.any()


def test_a_new_nucleus_is_new_though_others_are_out_of_sight(window: Any) -> None:
    bridge = open_slide(window)
    look(window, bridge, 9_000, 7_000)
    layer = bridge.layer
    layer.selected_label = 2
    layer.selected_label = int(layer.data.max()) + 1  # as M and the button "new" do
    assert layer.selected_label == bridge.review.nuclei.next_id
    actions_of(bridge).choose(4)  # as N does, before the camera moves
    assert layer.selected_label == 4
    look(window, bridge, *PLACES[3])
    assert layer.selected_label == 4
    look(window, bridge, 9_000, 7_000)
    assert layer.selected_label == bridge.review.nuclei.next_id


def test_click_lasso_and_split_are_in_px_of_the_image(window: Any) -> None:
    bridge = open_slide(window)
    look(window, bridge, 9_015, 7_002, zoom=4)
    hand = BigHand(window, bridge)
    bridge.layer.mode = "pan_zoom"
    hand.click(9_000, 7_000)
    assert bridge.review.selection == (2,)
    hand.key(Qt.Key.Key_Escape)
    with hand.shift():
        hand.drag((8_980, 6_970), (8_980, 7_030), (9_060, 7_030), (9_060, 6_970))
    assert bridge.review.selection == (2, 3)
    hand.key(Qt.Key.Key_Escape)
    hand.key(Qt.Key.Key_S)
    hand.drag((9_030, 6_985), (9_030, 7_004), (9_030, 7_025))
    hand.key(Qt.Key.Key_Escape)
    assert bridge.review.done[-1].name == "split"
    assert len(bridge.review.done[-1].after) == 2
    assert is_drawn(bridge)


def test_planes_of_a_large_stack(window: Any) -> None:
    levels = [
        da.zeros((3, SHAPE[0] // k, SHAPE[1] // k), np.uint8, chunks=(1, 256, 256))
        for k in (1, 8, 64)
    ]
    image = window.add_image(levels, multiscale=True, contrast_limits=(0, 255), scale=(5, 1, 1))
    bridge = session_of(window).open(image, (3, *SHAPE))
    window.dims.set_current_step(0, 2)
    settle()
    assert bridge.plane == (2,)
    assert bridge.viewport.plane == (2,)
    bridge.review.do(edits.propose(bridge.review.nuclei, [(disk(9_000, 7_000), 0.9)], "m", 0))
    camera_of(window).center = (10, 9_000, 7_000)
    camera_of(window).zoom = 1
    session_of(window).companions.follower_of(bridge).follow()
    settle()
    assert bridge.layer.data.shape[0] == 1
    assert max(bridge.layer.data.shape) <= MAX_SIDE
    assert bridge.layer.data.any()
    assert bridge.layer.translate[0] == 10
    window.dims.set_current_step(0, 0)
    settle()
    assert bridge.plane == (0,)
    assert not bridge.layer.data.any()
    assert len(bridge.record.reviews[(2,)].nuclei) == 1
    window.dims.set_current_step(0, 2)
    settle()
    assert bridge.layer.data.any()


def test_removed_and_brought_back(window: Any) -> None:
    bridge = open_slide(window)
    image = session_of(window).image_of(bridge.layer)
    assert image is not None
    look(window, bridge, 9_000, 7_000)
    window.layers.remove(bridge.layer)
    session_of(window).bring_back(image)
    fresh = session_of(window).bridge_of(image)
    assert fresh is not None
    assert len(fresh.review.nuclei) == 4
    look(window, fresh, 9_000, 7_000)
    assert is_drawn(fresh)
    assert fresh.layer.data.any()


def test_name_of_a_large_image_is_read_from_squares(window: Any) -> None:
    read = 0

    class Counted:
        shape, dtype, ndim = SHAPE, np.dtype(np.uint8), 2

        def __getitem__(self, index: Any) -> Any:
            nonlocal read
            rows, cols = (range(n)[i] for n, i in zip(SHAPE, index, strict=True))
            read += len(rows) * len(cols)
            return np.zeros((len(rows), len(cols)), np.uint8)

    levels = [da.from_array(Counted(), chunks=(256, 256), meta=np.zeros((0, 0), np.uint8))]
    levels += slide()[1:]
    image = window.add_image(levels, multiscale=True, contrast_limits=(0, 255))
    name = known_at(image, SHAPE, ())
    assert name.nbytes < 1 << 23
    session_of(window).open(image, SHAPE)
    assert read < SHAPE[0] * SHAPE[1] / 4


def write_slide(path: Path, shape: tuple[int, ...] = SHAPE, spots: Any = PLACES) -> None:
    """An OME-Zarr of two levels, dark but for some spots; most of its chunks are never written."""
    group = zarr.open_group(str(path), mode="w")
    levels = []
    for k, by in enumerate((1, 16)):
        size = tuple(n // by for n in shape)
        level = group.create_array(str(k), shape=size, chunks=(256, 256), dtype=np.uint8)
        for y, x in spots:
            level[(y - 12) // by : (y + 12) // by, (x - 12) // by : (x + 12) // by] = 200
        levels.append({"path": str(k)})
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    about = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    group.attrs["ome"] = about


def test_a_zarr_in_a_workspace(
    make_viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_slide(tmp_path / "slide.zarr")
    viewer = make_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    engine = FakeEngine([(disk(y, x), 0.9) for y, x in PLACES])
    widget = NucleiWidget(viewer, engine)
    viewer.window.add_dock_widget(widget, name="Nuclei")
    widget.folder.folder.begin(Workspace(tmp_path / "slide.zarr"))
    qtbot.waitUntil(lambda: widget.bridge is not None, timeout=20_000)
    image = widget.settings.image
    assert image.multiscale
    assert image.data[0].shape == SHAPE
    assert not isinstance(image.data[0], np.ndarray)
    with qtbot.waitSignal(widget.segmenting.runner.succeeded, timeout=20_000):
        widget.segment()
    (asked,) = engine.asked
    assert isinstance(asked.image, LargeImage)
    assert asked.image.read((8_990, 6_990, 8_992, 6_992)).tolist() == [[200, 200], [200, 200]]
    bridge = widget.bridge
    assert len(bridge.review.nuclei) == 4
    look(viewer, bridge, 9_000, 7_000)
    assert is_drawn(bridge)
    assert max(bridge.layer.data.shape) <= MAX_SIDE
    assert (tmp_path / ".napari-nuclei" / "slide.zarr.jsonl").is_file()
    assert not (tmp_path / "slide.zarr" / ".napari-nuclei").exists()


def test_prompts_about_a_large_image_read_only_what_is_asked_about() -> None:
    discs = [disk(100 + 80 * k, 120 + 60 * k, 14) for k in range(6)]
    pixels = np.zeros((640, 700), np.uint8)
    for mask in discs:
        mask.paint(pixels, 200)
    boxes = []

    class Read(LargeImage):
        def read(self, box: Any, level: int = 0) -> Any:
            boxes.append(box)
            return super().read(box, level)

    detector: Any = BrightDetector()
    whole, in_parts = (
        Prompter(image, detector, 20.0, identity=Identity()) for image in (pixels, Read(pixels))
    )
    assert in_parts.shape == whole.shape == (640, 700)
    boxes.clear()  # levels of a small image are those of all of it
    wanted = (86, 106, 115, 135)
    assert in_box(in_parts, wanted).mask == in_box(whole, wanted).mask
    for box in boxes:
        assert (box[2] - box[0]) * (box[3] - box[1]) < pixels.size / 4
    # The same tiles, to the bit.
    for one, other in zip(whole.tiles, in_parts.tiles, strict=True):
        np.testing.assert_array_equal(whole.window(one).encoded.pixels,
                                      in_parts.window(other).encoded.pixels)  # fmt: skip


def test_a_coco_file_of_a_large_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nuclei.images.large_files.WHOLE", 1 << 12)
    monkeypatch.setattr("napari_nuclei.images.large_files.SMALL", 1)
    monkeypatch.setattr("napari_nuclei._napari.layers.viewport.LARGE", 1 << 14)
    monkeypatch.setattr("napari_nuclei._napari.layers.viewport.FIRST", 64)
    monkeypatch.setattr("napari_nuclei._napari.layers.lazy_layers.COARSEST", 64)
    pixels = np.arange(260 * 240).reshape(260, 240).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(64, 64))
    nuclei = Nuclei((260, 240), [Nucleus(1, disk(200, 200))])
    coco.write(tmp_path / "a.json", DataSet([ImageRecord(1, "a.tif", 260, 240)], {1: nuclei}))
    (levels, about, kind), (drawn, meta, _) = read(str(tmp_path / "a.json"))
    assert (kind, about["multiscale"], len(levels)) == ("image", True, 3)
    np.testing.assert_array_equal(np.asarray(levels[0]), pixels)
    assert drawn.shape == (64, 64)
    written = write(str(tmp_path / "b.coco.json"), drawn, meta)
    back = coco.read(Path(written[0]))
    assert [n.mask for n in next(iter(back.nuclei.values()))] == [disk(200, 200)]
