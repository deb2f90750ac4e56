"""`RetrainPanel`: the dock widget behind the Retrain button."""

from __future__ import annotations

import hashlib
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...masks.box import Box
from ...models.registry import user_folder
from ..background.runner import Runner
from ..qt_helpers import confirmed, line, main_window_of, scroll
from ..session.session import Session
from .curve import Curve
from .gate_view import GateView
from .retrain_child import Child
from .retrain_form import RetrainForm
from .retrain_places import go_to, show_locked
from .retrain_source import Summary, choices, open_planes, summary, write
from .versions_view import VersionsView

if TYPE_CHECKING:
    from napari.viewer import Viewer

CLOSING = (
    "A model is being retrained. Stop it and close? It continues from its last checkpoint, if "
    "one was saved, when you retrain on the same reviews again."
)


class RetrainPanel(QWidget):
    """Retrains a model on what the person has reviewed, and lets them judge what came of it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose reviews are learned from.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.session = Session.of(napari_viewer)
        self.child = Child(self)
        self.gathering = Runner(self)
        self.form = RetrainForm()
        self.button = QPushButton("Retrain")
        self.bar = QProgressBar()
        self.message = line()
        self.curve = Curve()
        self.gate = GateView()
        self.use_button = QPushButton("Use it")
        self.keep_button = QPushButton("Keep the old one")
        self.versions = VersionsView()
        self._report: dict[str, Any] | None = None
        self._summary: Summary | None = None
        self._boxes: dict[str, list[Box]] = {}
        self._watched: weakref.ref[QObject] | None = None
        self._lay_out()
        self._connect()
        self.refresh()

    # -- putting it together ----------------------------------------------------------

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        choice = QHBoxLayout()
        choice.addWidget(self.use_button)
        choice.addWidget(self.keep_button)
        for part in (self.form, self.button, self.bar, self.message, self.curve, self.gate):
            column.addWidget(part)
        column.addLayout(choice)
        box = QGroupBox("Models")
        QVBoxLayout(box).addWidget(self.versions)
        column.addWidget(box)
        column.addStretch(1)
        for part in (self.bar, self.curve, self.gate, self.use_button, self.keep_button):
            part.hide()
        scroll(self, inside, 300)

    def _connect(self) -> None:
        self.button.clicked.connect(self._on_button)
        self.form.changed.connect(self._on_source)
        self.child.happened.connect(self._on_event)
        self.child.ended.connect(self._on_end)
        self.gathering.succeeded.connect(self._on_gathered)
        self.gathering.failed.connect(lambda error: self.say(str(error), problem=True))
        self.gathering.ended.connect(self.show_state)
        self.gate.chosen.connect(self.go_to)
        self.gate.locked_wanted.connect(self.show_locked)
        self.use_button.clicked.connect(self._on_use)
        self.keep_button.clicked.connect(self._on_keep)
        self.versions.said.connect(self.say)
        self.versions.changed.connect(self._on_models)
        self.session.changed.connect(self._on_session)

    def _on_session(self) -> None:
        if not self.running:
            self.refresh()

    def refresh(self) -> None:
        """Bring what there is to learn from up to date."""
        self.form.load_sources(choices(self.session))
        self._on_source()

    def _on_source(self) -> None:
        source = self.form.source
        self._summary = None
        if source is not None and source.folder is None:
            self._summary = summary(open_planes(self.session))
        self.form.show_summary(self._summary)
        self.show_state()

    # -- what is shown ----------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether reviews are being gathered or a model is being trained."""
        return self.child.running or self.gathering.running

    def say(self, text: str, problem: bool = False) -> None:
        """Show one line below the button."""
        self.message.setText(f"⚠ {text}" if problem else text)
        self.message.setVisible(bool(text))

    def show_state(self) -> None:
        """Show what can be done now."""
        running = self.running
        self.form.setEnabled(not running)
        self.versions.setEnabled(not running)
        self.button.setText("Cancel" if running else "Retrain")
        self.button.setEnabled(running or self._summary is None or self._summary.is_enough)
        self.bar.setVisible(running)
        done = self._report is not None and not running
        self.gate.setVisible(done)
        self.keep_button.setVisible(done)
        self.use_button.setVisible(done and bool(self._report and self._report["accepted"]))

    # -- a run ------------------------------------------------------------------------

    def _on_button(self) -> None:
        if self.running:
            self.gathering.cancel()
            self.child.cancel()
            self.say("Cancelled. Retrain continues from the last checkpoint, if one was saved.")
        else:
            self.retrain()
        self.show_state()

    def retrain(self) -> None:
        """Gather the reviews, then train on them in a process of its own."""
        source = self.form.source
        if source is None:
            return
        self._report = None
        self.curve.clear()
        self.curve.hide()
        self.bar.setRange(0, 0)
        self.say("Collecting the reviews")
        planes = open_planes(self.session)
        # The same place each time, so that the same reviews go on from their checkpoint.
        named = "\n".join(str(source.folder or sorted(str(p.file or p.name) for p in planes)))
        place = user_folder() / "reviews" / hashlib.sha256(named.encode()).hexdigest()[:12]
        self.gathering.start(partial(write, planes, source, place))
        self.show_state()

    def _on_gathered(self, data: Path) -> None:
        self.session.free_models()
        self._watch_window()
        self.say("Starting")
        self.child.start(self.form.arguments(data))
        self.show_state()

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "progress":
                self._on_progress(event)
            case "loss":
                self.curve.show()
                self.curve.add_loss(event["seconds"], event["loss"])
            case "validation":
                self.curve.show()
                self.curve.add_check(event["seconds"], event["f1_50"])
            case "plan":
                self._boxes = event.get("locked", {})
            case "told":
                self.say(event["text"])
            case "report":
                self._report = event

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.bar.setRange(0, 1000 if event["total"] else 0)
        if event["total"]:
            self.bar.setValue(round(1000 * event["done"] / event["total"]))
        left = event.get("left")
        time = "" if left is None else " · taking longer than planned"
        if left:
            time = f" · about {max(1, round(left / 60))} min left"
        self.say(f"{event['message'] or 'Working'}{time}")

    def _on_end(self, problem: str) -> None:
        if problem:
            self.say(problem, problem=True)
        elif self._report is not None:
            self.gate.show_report(self._report)
            self.say("")
            self.versions.load()
        self.show_state()

    # -- what came of it --------------------------------------------------------------

    def _on_use(self) -> None:
        if self._report is not None:
            self.versions.use(self._report["name"])
            self._forget()

    def _on_keep(self) -> None:
        self.say("The old model stays in use; the new one is in the list below."
                 if self._report and self._report["accepted"]
                 else "The old model stays in use.")  # fmt: skip
        self._forget()

    def _forget(self) -> None:
        self._report = None
        self.show_state()

    def _on_models(self) -> None:
        self.form.load_models()
        self.session.models_changed.emit()

    def go_to(self, change: dict[str, Any]) -> None:
        """Show a place in its image; the image is opened if it is not yet."""
        problem = go_to(self.session, change)
        if problem:
            self.say(problem, problem=True)

    def show_locked(self) -> None:
        """Outline the locked tiles of the images that are open, in layers of their own."""
        show_locked(self.session, self._boxes)

    # -- closing ----------------------------------------------------------------------

    def _watch_window(self) -> None:
        window = main_window_of(self)
        if window is not None and (self._watched is None or self._watched() is not window):
            window.installEventFilter(self)
            self._watched = weakref.ref(window)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask before the window closes on a training that runs."""
        closing = event is not None and event.type() == QEvent.Type.Close
        if closing and self._watched and watched is self._watched() and self.running:
            if not confirmed(self, "Retraining", CLOSING):
                assert event is not None
                event.ignore()
                return True
            self.gathering.cancel()
            self.child.cancel()
        return False
