"""The model is loaded while nobody waits for it: when, which one, and what failing says."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from gui import CARD, FakeEngine, settle

from napari_nuclei._napari.segment import preloading
from napari_nuclei._napari.segment.engine import ModelEngine
from napari_nuclei._napari.widget import NucleiWidget
from napari_nuclei.errors import UserError


class SlowToLoad(FakeEngine):
    """An engine with two models that notes what is loaded, and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[tuple[str, str, bool]] = []
        self.broken = False

    def cards(self) -> list[Any]:
        return [CARD, CARD.model_copy(update={"name": "other"})]

    def preload(self, model: str, device: str) -> None:
        main = threading.current_thread() is threading.main_thread()
        self.loaded.append((model, device, main))
        if self.broken:
            raise UserError("the weights are damaged")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SlowToLoad:
    monkeypatch.setenv(preloading.SWITCH, "1")
    monkeypatch.setattr(preloading, "IDLE_MS", 1)
    return SlowToLoad()


@pytest.mark.screen
def test_the_chosen_model_is_loaded_on_a_thread(
    make_viewer: Any, qtbot: Any, engine: SlowToLoad
) -> None:
    widget = NucleiWidget(make_viewer(), engine)
    qtbot.addWidget(widget)
    assert engine.loaded == []  # not while the window is being put together
    with qtbot.waitSignal(widget.preloading.loaded, timeout=60_000):
        pass
    assert engine.loaded == [("fake", "auto", False)]
    with qtbot.waitSignal(widget.preloading.loaded, timeout=60_000):
        widget.settings.model_box.setCurrentIndex(1)
    with qtbot.waitSignal(widget.preloading.loaded, timeout=60_000):
        widget.settings.device_box.setCurrentIndex(1)
    assert engine.loaded[1:] == [("other", "auto", False), ("other", "cpu", False)]


def test_a_failure_is_said_when_the_model_is_asked_for(
    make_viewer: Any, qtbot: Any, engine: SlowToLoad
) -> None:
    engine.broken = True
    viewer = make_viewer()
    viewer.add_image(np.zeros((60, 80), np.uint8))
    widget = NucleiWidget(viewer, engine)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: bool(engine.loaded), timeout=60_000)
    for thread in threading.enumerate():
        if thread.name == "nuclei-preload":
            thread.join()
    settle()  # what it would have had to say has come
    assert "damaged" not in widget.message.text()
    engine.error = UserError("the weights are damaged")
    with qtbot.waitSignal(widget.segmenting.ended, timeout=60_000):
        widget.segment()
    assert "the weights are damaged" in widget.message.text()


def test_tests_and_engines_without_it_load_nothing(
    make_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preloading, "IDLE_MS", 1)
    engine = SlowToLoad()
    widget = NucleiWidget(make_viewer(), engine)
    qtbot.addWidget(widget)
    settle()
    assert not widget.preloading._timer.isActive(), "it is going to load"
    assert not any(thread.name == "nuclei-preload" for thread in threading.enumerate())
    assert engine.loaded == []


def test_who_asks_meanwhile_waits_for_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_nuclei import models
    from napari_nuclei.models import registry

    begun, go_on, loads = threading.Event(), threading.Event(), []

    def load(model: str, device: str) -> object:
        begun.set()
        go_on.wait(5)
        loads.append((model, device))
        return object()

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(models, "devices", lambda: ["cpu"])
    monkeypatch.setattr(registry, "find", lambda name: CARD)
    engine = ModelEngine()
    first = threading.Thread(target=engine.preload, args=("fake", "cpu"))
    first.start()
    begun.wait(5)
    second = threading.Thread(target=engine.preload, args=("fake", "cpu"))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert loads == [("fake", "cpu")]
