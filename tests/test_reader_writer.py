"""Reader, writers, samples and command, as napari calls them."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from gui import FOUND, FakeEngine, disk, in_step
from napari.layers import Image, Labels
from npe2 import PluginManifest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

import napari_nuclei
from napari_nuclei._napari.files import reader, samples, writer
from napari_nuclei._napari.files.reader import get_reader, read
from napari_nuclei._napari.layers.record import KEY, Record
from napari_nuclei._napari.layers.review_layer import is_review
from napari_nuclei._napari.session.session import Session
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco, results
from napari_nuclei.formats.convert import read as read_any
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.registry import FORMATS
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.formats.writing import write as write_any
from napari_nuclei.nuclei import ImageRecord, Kind, State, edits

SHAPE = (60, 80)
GRAY: dict[str, Any] = {"photometric": "minisblack"}


@pytest.fixture
def plugin(npe2pm: Any) -> Iterator[Any]:
    """Only this plugin, from its manifest."""
    package = Path(napari_nuclei.__file__).parent
    manifests = [folder / "napari.yaml" for folder in (package, package.parent)]
    manifest = PluginManifest.from_file(next(m for m in manifests if m.exists()))
    with npe2pm.tmp_plugin(manifest=manifest):
        yield npe2pm


def make_record(stack: tuple[int, ...] = ()) -> Record:
    """A record with a corrected, a rejected, an added and a hidden nucleus."""
    record = Record(SHAPE, "cells.png", 7, stack=stack)
    review = record.review((1,) if stack else ())
    review.do(edits.propose(review.nuclei, FOUND, "fake", 0.5))
    review.do(edits.repaint(review.nuclei, 1, disk(20, 20, 8)))
    review.do(edits.reject(review.nuclei, [3]))
    review.do(edits.add(review.nuclei, disk(10, 70, 5)))
    return record


def saved(folder: Path, record: Record, with_image: bool = True) -> Path:
    """A COCO file in a folder, with its image beside it."""
    coco.write(folder / "cells.coco.json", record.data_set())
    if with_image:
        iio.imwrite(folder / "cells.png", np.full(SHAPE, 9, np.uint8))
    return folder / "cells.coco.json"


# -- reader -------------------------------------------------------------------------------


def test_coco_opens_with_its_image(tmp_path: Path) -> None:
    record = make_record()
    open_it = get_reader(str(saved(tmp_path, record)))
    assert open_it is not None
    (pixels, image_meta, image_kind), (shown, meta, kind) = open_it(
        str(tmp_path / "cells.coco.json")
    )
    assert (image_kind, kind) == ("image", "labels")
    assert (pixels == 9).all()
    assert image_meta["metadata"][KEY] is meta["metadata"][KEY]
    np.testing.assert_array_equal(shown, record.draw())
    assert meta["metadata"][KEY].review().nuclei == record.review().nuclei
    assert list(meta["features"]["state"]) == ["corrected", "proposed", "added"]


RING = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]
FEATURE = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [RING]}}


@pytest.mark.parametrize("name", ["cells.geojson.gz", "cells.zip", "cells.geojson"])
def test_geojson_of_qupath_opens_however_it_is_packed(
    plugin: Any, tmp_path: Path, name: str
) -> None:
    iio.imwrite(tmp_path / "cells.png", np.full(SHAPE, 9, np.uint8))
    path, text = tmp_path / name, json.dumps({"features": [FEATURE]})
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("cells.geojson", text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    readers = [r.command for r in plugin.iter_compatible_readers([str(path)])]
    assert readers == ["napari-nuclei.get_reader"]
    open_it = get_reader(str(path))
    assert open_it is not None
    (_, _, image), (shown, _, kind) = open_it(str(path))
    assert (image, kind) == ("image", "labels")
    assert np.count_nonzero(shown) == 400


def test_categories_and_areas_to_ignore_are_kept(warned: list[str], tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "cells.png", np.full(SHAPE, 9, np.uint8))
    code = disk(20, 20, 8).to_coco(SHAPE)
    rows = [
        {"id": k, "image_id": 1, "category_id": 6, "segmentation": code, "iscrowd": k}
        for k in (0, 1)
    ]
    listed = [{"id": 4, "name": "a"}, {"id": 6, "name": "b", "color": [1, 2, 3]}]
    image = {"id": 1, "file_name": "cells.png", "height": 60, "width": 80}
    value = {"images": [image], "annotations": rows, "categories": listed}
    (tmp_path / "b.json").write_text(json.dumps(value))
    _, (shown, meta, _) = read(str(tmp_path / "b.json"))
    assert warned == ["b.json: 1 area to ignore is kept, not shown."]
    writer.write(str(tmp_path / "c.json"), shown, meta)
    back = json.loads((tmp_path / "c.json").read_text())
    assert back["categories"] == listed
    assert [(a["category_id"], a["iscrowd"]) for a in back["annotations"]] == [(6, 0), (6, 1)]
    assert [a["segmentation"] for a in back["annotations"]] == [code, code]


@pytest.mark.parametrize("place", ["images", "."])
def test_image_is_found_in_folders(tmp_path: Path, place: str) -> None:
    record = make_record()
    record.file_name = "deep/cells.png" if place == "." else "cells.png"
    path = saved(tmp_path, record, with_image=False)
    (tmp_path / place).mkdir(exist_ok=True)
    iio.imwrite(tmp_path / place / "cells.png", np.zeros(SHAPE, np.uint8))
    assert [kind for *_, kind in read(str(path))] == ["image", "labels"]


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari would show as warnings."""
    said: list[str] = []
    monkeypatch.setattr(reader, "show_warning", said.append)
    return said


def test_missing_image_is_said(warned: list[str], tmp_path: Path) -> None:
    layers = read(str(saved(tmp_path, make_record(), with_image=False)))
    assert len(warned) == 1
    assert warned[0].startswith("Not found beside cells.coco.json: cells.png. Open the image")
    assert [kind for *_, kind in layers] == ["labels"]


def test_image_of_another_size_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, make_record())
    iio.imwrite(tmp_path / "cells.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(UserError, match=r"6 × 8, but .* 60 × 80"):
        read(str(path))


def test_images_of_one_name_in_two_folders(warned: list[str], tmp_path: Path) -> None:
    data = DataSet([], {})
    for k, name in enumerate(("ctrl", "treat"), 1):
        (tmp_path / name).mkdir()
        iio.imwrite(tmp_path / name / "f1.png", np.full(SHAPE, 9 * k, np.uint8))
        data.images.append(ImageRecord(k, f"{name}/f1.png", *SHAPE))
    coco.write(tmp_path / "a.json", data)
    layers = read(str(tmp_path / "a.json"))
    assert [pixels.max() for pixels, _, kind in layers if kind == "image"] == [9, 18]
    (tmp_path / "treat" / "f1.png").rename(tmp_path / "f1.png")
    iio.imwrite(tmp_path / "f1.tif", np.zeros(SHAPE, np.uint8))
    data.images.append(ImageRecord(3, "old/f1.png", *SHAPE))
    coco.write(tmp_path / "a.json", data)
    assert [kind for *_, kind in read(str(tmp_path / "a.json"))] == ["image", *["labels"] * 3]
    assert "treat/f1.png cannot be told from old/f1.png" in warned[-1]


def test_images_that_are_opened_by_themselves(
    make_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    """Nuclei are put on the image that is called just so, or on none."""
    viewer = make_viewer()
    session = Session.of(viewer)
    records = [Record(SHAPE, f"{name}/f1.png") for name in ("ctrl", "treat")]
    for record in records:
        viewer.add_labels(np.zeros(SHAPE, np.uint8), metadata={KEY: record})
    for name in ("treat", "ctrl"):
        (tmp_path / name).mkdir()
        iio.imwrite(tmp_path / name / "f1.png", np.zeros(SHAPE, np.uint8))
        (image,) = viewer.open(tmp_path / name / "f1.png", plugin="napari")
        record = session.record_of(image)
        assert record is not None
        assert record.file_name == f"{name}/f1.png"
    other = viewer.add_image(np.zeros(SHAPE), name="g")
    assert session.record_of(other) is None
    viewer.add_labels(np.zeros(SHAPE, np.uint8), metadata={KEY: Record(SHAPE, "elsewhere/g.tif")})
    assert session.record_of(other) is not None, "a layer without a file, and only this one"


def test_stack_comes_back_as_one_layer(tmp_path: Path) -> None:
    record = make_record((3,))
    record.review((0,))
    record.file_name = "cells.tif"
    coco.write(tmp_path / "a.json", record.data_set())
    tifffile.imwrite(tmp_path / "cells.tif", np.zeros((3, *SHAPE), np.uint8), **GRAY)
    (pixels, _, _), (shown, meta, _) = read(str(tmp_path / "a.json"))
    assert pixels.shape == shown.shape == (3, *SHAPE)
    np.testing.assert_array_equal(shown, record.draw())
    again = meta["metadata"][KEY]
    assert again.review((1,)).nuclei == record.review((1,)).nuclei


def test_planes_only_looked_at_are_not_exported(tmp_path: Path) -> None:
    record = make_record((3,))
    for plane in range(3):
        record.review((plane,))
    assert [(i.id, i.extra["plane"]) for i in record.data_set().images] == [(8, [1])]
    emptied = record.review((2,))
    emptied.do(edits.mark_complete(emptied.nuclei))
    assert [i.id for i in record.data_set().images] == [8, 9]
    coco.write(tmp_path / "a.json", record.data_set())
    tifffile.imwrite(tmp_path / "cells.png", np.zeros((3, *SHAPE), np.uint8), **GRAY)
    again = read(str(tmp_path / "a.json"))[-1][1]["metadata"][KEY]
    assert again.image_id == 7
    assert [i.id for i in again.data_set().images] == [8, 9]
    empty = Record(SHAPE, stack=(3,)).data_set()
    assert [(i.id, i.extra["plane"]) for i in empty.images] == [(1, [0])]


def test_nuclei_of_a_multichannel_image_open_alone(
    make_viewer: Callable[..., Any], warned: list[str], tmp_path: Path
) -> None:
    record = make_record()
    record.file_name = "cells.tif"
    path = saved(tmp_path, record, with_image=False)
    pixels = np.zeros((5, *SHAPE), np.uint16)
    tifffile.imwrite(tmp_path / "cells.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    layers = read(str(path))
    assert [kind for *_, kind in layers] == ["labels"]
    (said,) = warned
    assert "cells.tif" in said
    assert "Open it by itself" in said
    viewer = make_viewer()
    session = Session.of(viewer)
    shown, meta, _ = layers[0]
    layer = viewer.add_labels(shown, **meta)
    image = viewer.add_image(pixels, name="cells", scale=(1, 0.5, 0.5), translate=(0, 3, 4))
    assert session.image_of(layer) is image
    np.testing.assert_allclose((*layer.scale, *layer.translate), (0.5, 0.5, 3, 4))


def test_results_open_as_layers(tmp_path: Path) -> None:
    nuclei = make_record().review().nuclei
    results.write(tmp_path / "r.json", {4: nuclei})
    open_it = get_reader([str(tmp_path / "r.json")])
    assert open_it is not None
    ((shown, meta, kind),) = open_it([str(tmp_path / "r.json")])
    assert (meta["name"], kind) == ("image 4 nuclei", "labels")
    np.testing.assert_array_equal(shown > 0, make_record().draw() > 0)
    record = meta["metadata"][KEY]
    assert record.image_id == 4
    assert {n.origin.kind for n in record.review().nuclei} == {Kind.IMPORT}
    (tmp_path / "empty.json").write_text("[]")
    assert get_reader(str(tmp_path / "empty.json"))(str(tmp_path / "empty.json")) == [(None,)]


@pytest.mark.parametrize("name", ["geojson", "imagej", "dsb"])
def test_other_formats_open_as_layers(name: str, warned: list[str], tmp_path: Path) -> None:
    path = tmp_path / f"cells{FORMATS[name].ending}"
    data = make_record().data_set()
    write_any(path, data, FORMATS[name], Sidecar())
    reader_of = get_reader(str(path))
    assert reader_of is not None
    if name == "dsb":
        with pytest.raises(UserError, match="how large"):
            reader_of(str(path))
    elif name == "imagej":  # it does not know the size of its image
        ((pixels, _, kind),) = reader_of(str(path))
        assert (kind, pixels.shape) == ("labels", (34, 76))
        assert "extent" in warned[0]
    iio.imwrite(tmp_path / "cells.png", np.full(SHAPE, 9, np.uint8))
    (image, _, kind), (labels, meta, _) = reader_of(str(path))
    assert (kind, image.shape, labels.shape) == ("image", SHAPE, SHAPE)
    assert len(meta["features"]) == 3


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"answer": 42}')
    (tmp_path / "images.txt").write_text('"images"')
    assert get_reader(str(tmp_path / "other.json")) is None
    assert get_reader(str(tmp_path / "images.txt")) is None
    assert get_reader(str(tmp_path / "missing.json")) is None


def test_large_data_set_opens_its_first_images(warned: list[str], tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.png", "height": 6, "width": 8} for n in range(20)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": []}))
    assert len(read(str(tmp_path / "a.json"))) == 16
    assert "20 images" in warned[0]


# -- writers ------------------------------------------------------------------------------


def meta_of(record: Record) -> dict[str, Any]:
    return {"name": "cells nuclei", "metadata": {KEY: record}}


def test_review_layer_is_written_from_its_nuclei(tmp_path: Path) -> None:
    record = make_record()
    record.shown = True
    path = str(tmp_path / "a.json")
    nothing = np.zeros(SHAPE, np.int32)  # the view is not read back
    assert writer.write(path, nothing, meta_of(record)) == [path]
    assert coco.read(path).nuclei[7] == record.review().nuclei
    path = str(tmp_path / "a.results.json")
    assert writer.write(path, nothing, meta_of(record)) == [path]
    assert len(results.read(path).found[7]) == 3


def test_label_tiff_says_what_it_cannot_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = make_record()
    record.shown = True
    path = str(tmp_path / "a.tif")
    said: list[str] = []
    monkeypatch.setattr(writer, "show_info", said.append)
    assert writer.write(path, record.draw(), meta_of(record)) == [path]
    assert said[0].startswith("a.tif: ")
    assert "px of nuclei below others are left out" in said[0]
    np.testing.assert_array_equal(tifffile.imread(path), record.draw())


def test_layer_read_but_never_reviewed_is_taken_with_its_paint(tmp_path: Path) -> None:
    record = make_record()
    data = record.draw()
    data[45:50, 5:9] = 9
    path = str(tmp_path / "a.json")
    writer.write(path, data, meta_of(record))
    nuclei = coco.read(path).nuclei[7]
    assert nuclei[9].mask.area == 20
    assert nuclei[2].mask == record.review().nuclei[2].mask  # also what lies below 1
    assert nuclei[3].state is State.REJECTED
    assert 9 not in record.review().nuclei


def test_foreign_labels_are_written_as_imports(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.uint16)
    data[2:5, 3:9] = 300
    path = str(tmp_path / "a.json")
    writer.write(path, data, {"name": "mine", "metadata": {}})
    read_back = coco.read(path)
    assert read_back.images[0].file_name == "mine"
    (nucleus,) = read_back.nuclei[1]
    assert (nucleus.id, nucleus.mask.area, nucleus.origin.kind) == (300, 18, Kind.IMPORT)
    stack = np.stack([data, data * 0, data])
    writer.write(path, stack, {"name": "mine", "metadata": {}})
    assert [i.extra["plane"] for i in coco.read(path).images] == [[0], [2]]
    writer.write(str(tmp_path / "a.tif"), stack, {"name": "mine"})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), stack)


def test_what_is_no_label_image_is_refused() -> None:
    for data in (np.full(SHAPE, -1), np.full(SHAPE, 2**40), np.zeros(5, int)):
        with pytest.raises(UserError, match="mine"):
            writer.record_of(data, {"name": "mine"})


# -- in napari ----------------------------------------------------------------------------


def test_open_correct_save_in_napari(
    make_viewer: Callable[..., Any], plugin: Any, tmp_path: Path
) -> None:
    record = make_record()
    viewer = make_viewer()
    session = Session.of(viewer)
    viewer.open(saved(tmp_path, record), plugin="napari-nuclei")
    image, layer = viewer.layers[:2]
    assert isinstance(image, Image)
    assert is_review(layer)
    bridge = session.bridge_of(image)
    assert bridge is not None
    assert bridge.layer is layer
    image.scale, image.translate = (0.5, 0.25), (3, 4)
    np.testing.assert_allclose((*layer.scale, *layer.translate), (0.5, 0.25, 3, 4))
    layer.paint((50, 10), 6)
    assert in_step(bridge)
    (written,) = layer.save(str(tmp_path / "b.coco.json"), plugin="napari-nuclei")
    assert coco.read(written).nuclei[7] == bridge.review.nuclei
    assert 6 in bridge.review.nuclei
    viewer.layers.clear()
    viewer.open(written, plugin="napari-nuclei")
    np.testing.assert_array_equal(viewer.layers[1].data, layer.data)


@pytest.mark.screen
def test_a_coco_file_dropped_on_the_viewer_finds_its_image(
    make_viewer: Callable[..., Any], plugin: Any, warned: list[str], tmp_path: Path
) -> None:
    viewer = make_viewer()
    session = Session.of(viewer)
    record = make_record()
    path = saved(tmp_path, record, with_image=False)

    def drop() -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        event = QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        viewer.window._qt_viewer.dropEvent(event)

    drop()
    assert "cells nuclei" in viewer.layers
    assert "Not found beside" in warned[0]
    image = viewer.add_image(np.zeros(SHAPE), name="cells")
    assert session.record_of(image) is not None, "the image itself is enough, as was said"
    viewer.layers.clear()
    iio.imwrite(tmp_path / "cells.png", np.full(SHAPE, 9, np.uint8))
    drop()
    image, layer = viewer.layers[:2]
    assert isinstance(image, Image)
    bridge = session.bridge_of(image)
    assert bridge is not None
    assert bridge.layer is layer
    assert len(warned) == 1


ENDINGS = [e for f in FORMATS.values() if f.writer and f.name != "parquet" for e in f.endings]


@pytest.mark.parametrize("ending", sorted({*ENDINGS} - {".tiff", ".roi"}))
def test_every_ending_has_its_writer(plugin: Any, tmp_path: Path, ending: str) -> None:
    layer = Labels(make_record().draw(), name="mine")
    (path,) = layer.save(str(tmp_path / f"mine{ending}"), plugin="napari-nuclei")
    if ending == ".csv":
        assert len(Path(path).read_text().splitlines()) == 1 + 3
        return
    if ending in (".rois.zip", ".zip", ".dsb.csv"):
        iio.imwrite(tmp_path / "mine.png", np.zeros(SHAPE, np.uint8))
    data, _ = read_any([Path(path)], Sidecar())
    assert len(next(iter(data))[1]) == 3


def test_image_opened_before_its_nuclei_is_found(
    make_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    viewer = make_viewer()
    session = Session.of(viewer)
    image = viewer.add_image(np.zeros(SHAPE), name="cells")
    other = viewer.add_image(np.zeros((6, 8)), name="cells")
    record = make_record()
    viewer.add_labels(record.draw(), metadata={KEY: record})
    assert session.record_of(image) is record
    assert session.record_of(other) is None


@pytest.mark.parametrize(
    "name",
    [
        "fluorescence",
        "fluorescence_crowded",
        "histology",
        "histology_crowded",
        "immunohistochemistry",
    ],
)
def test_samples_open_without_a_network(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a sample wants the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    ((pixels, meta, kind),) = getattr(samples, name)()
    assert kind == "image"
    assert meta["name"]
    assert pixels.shape[:2] in ((384, 384), (512, 512))
    assert pixels.std() > 1


@pytest.mark.screen
def test_menu_command_segments_the_active_image(
    make_viewer: Callable[..., Any],
    plugin: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_nuclei._napari.widget.ModelEngine", FakeEngine)
    viewer = make_viewer()
    wanted = viewer.add_image(np.zeros(SHAPE), name="wanted")
    viewer.add_image(np.zeros(SHAPE), name="other")
    viewer.layers.selection.active = wanted
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command("napari-nuclei.segment_active")
    qtbot.waitUntil(lambda: "wanted nuclei" in viewer.layers, timeout=60_000)


@pytest.mark.screen
def test_menu_commands_review_and_export_what_is_active(
    make_viewer: Callable[..., Any],
    plugin: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from napari._app_model import get_app_model

    from napari_nuclei._napari.files.export import Request

    monkeypatch.setattr("napari_nuclei._napari.widget.ModelEngine", FakeEngine)
    path = tmp_path / "out.csv"
    monkeypatch.setattr(
        "napari_nuclei._napari.widget.ask_export", lambda *args: Request(path, "table")
    )
    viewer = make_viewer()
    image = viewer.add_image(np.ones((*SHAPE, 3), np.uint8), name="cells")
    image.scale, image.units = (0.5, 0.5), "um"
    run = get_app_model().commands.execute_command
    run("napari-nuclei.export_active")  # nothing to export: says so and writes nothing
    assert not path.exists()
    labels = np.zeros(SHAPE, np.int32)
    labels[2:6, 3:9] = 4
    viewer.add_labels(labels, name="from elsewhere")
    run("napari-nuclei.review_active")
    bridge = Session.of(viewer).bridge_of(image)
    assert bridge is not None
    assert [n.id for n in bridge.review.nuclei] == [4]
    run("napari-nuclei.export_active")
    head, row = (line.split(",") for line in path.read_text().splitlines())
    found = dict(zip(head, row, strict=True))
    assert (found["area"], found["area_um2"], found["intensity_mean-2"]) == ("24", "6", "1")


def plugin_settings() -> Any:
    """What is set in napari's preferences; those before 0.9 had no place for plugins there."""
    from napari import settings

    if not hasattr(settings, "get_plugin_settings"):
        pytest.skip("this napari has no settings of plugins")
    return settings.get_plugin_settings("napari-nuclei")


def test_preferences_choose_model_and_device(
    plugin: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_nuclei._napari.segment.settings_panel import SettingsPanel

    settings = plugin_settings()
    assert settings.segmenting.device == "auto"
    settings.segmenting.device = "cpu"
    panel = SettingsPanel(FakeEngine())  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    assert panel.device == "cpu"
    settings.segmenting.device = "no such"
    panel = SettingsPanel(FakeEngine())  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    assert panel.device == "auto"


def test_preferences_choose_where_reviews_are_kept(
    plugin: Any, tmp_path: Path, make_viewer: Callable[..., Any]
) -> None:
    from napari_nuclei._napari.session import preferences
    from napari_nuclei.journal import away

    default = away.user_folder()
    plugin_settings().reviews.folder = str(tmp_path / "mine")
    preferences.apply_folder.cache_clear()
    try:
        viewer = make_viewer()
        image = viewer.add_image(np.zeros((9, 9), np.uint8))
        bridge = Session.of(viewer).open(image, (9, 9))
        assert bridge.review.journal is not None
        assert bridge.review.journal.path.parent == tmp_path / "mine"
        plugin_settings().reviews.folder = ""
        Session.of(make_viewer())
        assert away.user_folder() == tmp_path / "mine", "not while reviews may be open there"
        preferences.apply_folder.cache_clear()
        preferences.apply_folder()
        assert away.user_folder() == default
    finally:
        away.choose_folder(None)
        preferences.apply_folder.cache_clear()
