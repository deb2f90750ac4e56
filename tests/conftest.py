"""What every test gets: user folders of its own, a screen of its own. No test data."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import screen

OUTER_ENVIRONMENT = dict(os.environ)
_USER_FOLDERS = tempfile.TemporaryDirectory(prefix="napari-nuclei-tests-")


def _redirect_user_folders(root: Path) -> None:
    """Send settings, data and caches to `root`, before anything looks for them."""
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(root / kind.lower())
    os.environ["NAPARI_CONFIG"] = str(root / "napari" / "settings.yaml")
    os.environ["MPLBACKEND"] = "agg"


_redirect_user_folders(Path(_USER_FOLDERS.name))
os.environ["NAPARI_ENSURE_PLUGIN_MAIN_THREAD"] = "1"
os.environ["NAPARI_NUCLEI_PRELOAD"] = "0"  # or each widget would load torch
os.environ.setdefault("OMP_NUM_THREADS", "1")  # `make test` runs a process on each core


def pytest_configure(config: pytest.Config) -> None:
    """Have a screen to draw on: one's own in a worker, or where there is no other."""
    is_worker = hasattr(config, "workerinput")
    only_hands_out = bool(getattr(config.option, "numprocesses", None)) and not is_worker
    if only_hands_out:
        return
    wanted = screen.has_own() and (is_worker or not screen.has_screen())
    if wanted and screen.start():
        OUTER_ENVIRONMENT["DISPLAY"] = os.environ["DISPLAY"]
        OUTER_ENVIRONMENT.pop("WAYLAND_DISPLAY", None)
    if not screen.has_screen():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Use all cores, but one where workers would take the focus from each other's windows."""
    return None if screen.has_own() or not screen.has_screen() else 1


def pytest_unconfigure() -> None:
    """Remove the folders that stood in for the user's."""
    gc.unfreeze()
    _USER_FOLDERS.cleanup()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what draws on the canvas, and skip it where there is nothing to draw on."""
    skip = pytest.mark.skip(reason="needs an X server: install xvfb, or set DISPLAY")
    for item in items:
        if "make_napari_viewer" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.screen)
        if "screen" in item.keywords and not screen.has_screen():
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Have what imports made left alone, or each of the many full collections walks through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a user data folder of its own, since reviews of equal pixels lie there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def outer_environment() -> dict[str, str]:
    """The environment as it was outside the tests, for child processes that need its caches."""
    return dict(OUTER_ENVIRONMENT)


# -- the command line ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, which tests leave as it is."""
    from tiny import write_model

    folder = tmp_path_factory.mktemp("models")
    write_model(folder)
    return folder


@pytest.fixture
def run(
    models_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in `tmp_path`: exit code, stdout, stderr."""
    from shell import make_run

    return make_run(models_folder, tmp_path, monkeypatch, capsys)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three images, two of them of one size."""
    from PIL import Image
    from tiny import disc, picture

    folder = tmp_path / "images"
    folder.mkdir()
    for name, shape in (("a.png", (60, 70)), ("b.png", (60, 70)), ("c.png", (50, 40))):
        Image.fromarray(picture(shape, [disc(20, 20, 18), disc(30, 30, 14)])).save(folder / name)
    return folder


# -- the window ---------------------------------------------------------------------------


@pytest.fixture
def make_viewer(request: pytest.FixtureRequest, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Make viewers: napari's own where a test is marked `screen`, else ones without a canvas."""
    if request.node.get_closest_marker("screen"):
        yield request.getfixturevalue("make_napari_viewer")
        return
    from plain_viewer import PlainViewer

    viewers: list[PlainViewer] = []

    def make(show: bool = False, **_: Any) -> PlainViewer:
        viewers.append(PlainViewer())
        if show:
            viewers[-1].window._qt_window.show()
        return viewers[-1]

    yield make
    for viewer in viewers:
        viewer.close()


@pytest.fixture
def open_desk(make_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Open a window with the widget; on a file, on pixels, or on nothing."""
    from desk import Desk
    from gui import settle

    desks: list[Desk] = []

    def make(of: Any = None, engine: Any = None, show: bool = False, **how: Any) -> Desk:
        desks.append(Desk(make_viewer, qtbot, engine, show))
        if isinstance(of, Path):
            desks[-1].open(of, **how)
        elif of is not None:
            desks[-1].show(of, **how)
        return desks[-1]

    yield make
    for desk in desks:
        desk.folder.close()
    settle()


@pytest.fixture
def desk(open_desk: Callable[..., Any]) -> Any:
    """A window with the widget, and nothing in it."""
    return open_desk()
