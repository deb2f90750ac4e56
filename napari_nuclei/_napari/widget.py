"""`NucleiWidget`: the dock widget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QCloseEvent

from ..errors import UserError
from ..progress import Progress
from . import PLUGIN
from .assembly import register_keys, session_of
from .chosen_image import ChosenImage
from .commands import open_retraining
from .files import export
from .files.export_dialog import ask_export
from .folder.folder import Folder
from .folder.folder_panel import FolderPanel
from .layers import keys
from .layers.bridge import Bridge
from .layers.in_view import reach
from .panels import COPIED, OPEN, PRESS, RESUMED, SAMPLE, Panels
from .prompts.prompt_service import ModelPrompts
from .qt_helpers import focus_canvas, when_closed
from .retrain.retrain_source import is_worth_it
from .review.help_overlay import Help
from .review.reviewing import actions_of
from .segment.engine import Engine, ModelEngine
from .segment.preloading import Preloading
from .segment.regions import Region
from .segment.segmenting import Segmenting
from .segment.settings_panel import SettingsPanel
from .session.adopting import adopt, adoptable
from .session.messages import Messages

if TYPE_CHECKING:
    from napari.viewer import Viewer

SETTLE_MS = 100
"""How long the counts wait for further changes."""


class NucleiWidget(Panels):
    """Segments nuclei, and shows how far their review is.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose images are segmented.
    engine : Engine, optional
        What finds the nuclei; the project's own models by default.
    """

    def __init__(self, napari_viewer: Viewer, engine: Engine | None = None) -> None:
        super().__init__()
        register_keys()
        self.session = session_of(napari_viewer)
        self.engine = engine or ModelEngine()
        self.settings = SettingsPanel(self.engine)
        self.chosen = ChosenImage(self.session, self.settings, self)
        self.folder = FolderPanel(Folder.of(napari_viewer), self.engine, self.settings)
        self.lay_out()
        self.messages = Messages(self.message, self.session, lambda: self.settings.image)
        self.prompt_service = ModelPrompts(self.session, self.engine, self.settings, self)
        self.session.prompt_service = self.prompt_service
        self.segmenting = Segmenting(self.session, self.engine, self.settings, self)
        self._help = Help(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.show_state)
        self._connect()
        self.chosen.load()
        self.chosen.follow_active()
        self._on_model()
        self.preloading = Preloading(self.engine, self.settings, self)
        self.preloading.loaded.connect(self.settings.load_devices)
        self.preloading.soon()

    # -- putting it together ----------------------------------------------------------

    def _connect(self) -> None:
        self.segment_button.clicked.connect(self._on_segment)
        self.sample_button.clicked.connect(self._on_sample)
        self.settings.image_changed.connect(self._on_image)
        self.settings.model_changed.connect(self._on_model)
        self.result.undo.connect(partial(self._on_history, Bridge.undo))
        self.result.redo.connect(partial(self._on_history, Bridge.redo))
        self.result.export.connect(self.export)
        self.result.bring_back.connect(self._on_bring_back)
        self.folder.said.connect(self.messages.say)
        self.review.outlined.connect(self._on_outlined)
        self.adopt_button.clicked.connect(self._on_adopt)
        self.offer_button.clicked.connect(self._on_offer)
        self.segmenting.progressed.connect(self._on_progress)
        self.messages.listen(self.segmenting, self.prompt_service)
        self.prompt_service.follow_view()
        self.segmenting.found.connect(self._on_found)
        self.segmenting.began.connect(self.show_state)
        self.segmenting.ended.connect(self.show_state)
        self.session.changed.connect(self._on_session)
        self.session.hinted.connect(self._on_session)
        self.session.helped.connect(self._help.toggle)
        self.session.freed.connect(self._on_freed)
        self.session.models_changed.connect(self._on_models)
        self.retrain_button.clicked.connect(self._on_retrain)
        layers = self.session.viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._on_layers)
        layers.selection.events.active.connect(self._on_active)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Stop what is running when the window closes."""
        self._cancel()
        super().closeEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Stop what is running when napari takes the widget out of its dock, to close it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if not self.parent():
                self._cancel()
            when_closed(self, self.session.close)
        super().changeEvent(event)

    def _cancel(self) -> None:
        self.segmenting.cancel()
        self.prompt_service.cancel()
        self.preloading.cancel()
        self.folder.all.cancel()

    # -- what the viewer says ---------------------------------------------------------

    def _on_layers(self, event: Any = None) -> None:
        self.chosen.load()
        image = self.segmenting.image
        if image is not None and image not in self.session.viewer.layers:
            self.segmenting.cancel()
            self.messages.say("Stopped: the image was removed.")
        if getattr(event, "type", "") == "removed" and self.chosen.has_lost(event.value):
            self.say("")  # of what was said, keys and nuclei are no more in view
        self.show_state()

    def _on_active(self, event: Any = None) -> None:
        self.chosen.follow_active()
        self.show_state()

    def _on_image(self) -> None:
        """Go on with the review that an image has from before."""
        self.messages.follow()
        bridge = None if self.segmenting.running else self.chosen.resume()
        if bridge is not None and not bridge.review.warnings:
            self.say(keys.filled(RESUMED))
        self.show_state()

    def _on_session(self) -> None:
        self._timer.start(SETTLE_MS)

    def _on_model(self) -> None:
        card = self.settings.card
        if card is not None and self.bridge is None:
            self.result.set_threshold(card.threshold)
        self.show_state()

    # -- what is shown ----------------------------------------------------------------

    @property
    def bridge(self) -> Bridge | None:
        """The bridge of the review layer that the panel works on."""
        return self.chosen.bridge

    def say(self, text: str, problem: bool = False) -> None:
        """Show one line below the button, about what is in view."""
        self.messages.say(text, problem, self.messages.here)

    def show_state(self) -> None:
        """Bring everything that depends on the chosen image up to date."""
        image, bridge = self.settings.image, self.bridge
        running = self.segmenting.running
        self.settings.setEnabled(image is not None and not running)
        refused = "" if running else self.segmenting.refusal()
        self.segment_button.setText("Cancel" if running else "Segment")
        self.segment_button.setEnabled(
            image is not None and self.settings.card is not None and not refused
        )
        warnings = bridge.review.warnings if bridge is not None else []
        self.warn(warnings or [refused] * bool(refused))
        self.region_box.setEnabled(self.segment_button.isEnabled() and not running)
        self.offer_regions(self.segmenting.is_stack)
        self.bar.setVisible(running)
        removed = bridge is None and self.session.record_of(image) is not None
        self.advice.setText(OPEN if image is None else PRESS)
        self.advice.setVisible(bridge is None and not running and not removed)
        nothing = image is None and bridge is None
        self.sample_button.setVisible(nothing)
        self.folder.show_empty(nothing)
        self.result.show_review(bridge.review if bridge else None, removed)
        elsewhere = reach(self.session.viewer, bridge.layer) if bridge else ""
        actions = actions_of(bridge)
        self.review.show_review(actions, elsewhere)
        self.offer_retraining(bridge is not None, is_worth_it(self.session))
        self.prompts.show_review(actions)
        self.offer(None if running else self.session.offers.of(image))
        other = adoptable(self.session, image)
        self.offer_to_adopt("" if running or other is None else other.name)

    # -- what the buttons do ----------------------------------------------------------

    def _on_sample(self) -> None:
        self.session.viewer.open_sample(PLUGIN, SAMPLE)

    def _on_segment(self) -> None:
        if self.segmenting.running:
            self.segmenting.cancel()
            self.say("Cancelled.")
        else:
            self.segment(self.region)

    def segment(self, region: Region = Region.IMAGE) -> None:
        """Segment the chosen image, or a part of it, in the background."""
        self.bar.setRange(0, 0)
        self.segment_button.setFocus()  # not where one types: whoever does, goes there from now on
        self.result.flush()
        self.segmenting.start(region)
        self.show_state()
        if region is Region.REGION and not self.segmenting.running:
            focus_canvas(self)  # a box is to be drawn there

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, 1000 if progress.total else 0)
        if progress.total:
            self.bar.setValue(round(1000 * progress.done / progress.total))
        self.messages.say(progress.message, of=self.segmenting.spot)

    def _on_found(self) -> None:
        focus_canvas(self)

    def _on_history(self, go_back: Callable[[Bridge], None]) -> None:
        if self.bridge is not None:
            go_back(self.bridge)
            self.show_state()

    def _on_outlined(self, shown: bool) -> None:
        self.session.companions.outlined = shown

    def _attempt(self, call: Callable[[], str]) -> bool:
        """Do something and say what came of it, or why it cannot be done."""
        try:
            self.say(call())
        except UserError as error:
            self.say(str(error), problem=True)
            return False
        return True

    def _on_adopt(self) -> None:
        image = self.settings.image
        other = adoptable(self.session, image)
        there = image is not None and other is not None
        if there and self._attempt(lambda: adopt(self.session, image, other)):
            focus_canvas(self)

    def _on_offer(self) -> None:
        if self.settings.image is not None and self._attempt(self._copy_offered):
            focus_canvas(self)

    def _copy_offered(self) -> str:
        self.session.offers.accept(self.settings.image)
        return COPIED

    def _on_retrain(self) -> None:
        open_retraining(self.session.viewer)

    def _on_freed(self) -> None:
        self.segmenting.cancel()
        self.prompt_service.forget()
        self.engine.release()

    def _on_models(self) -> None:
        self.settings.load_models()
        self.settings.model_box.setCurrentIndex(0)  # the one in use

    def _on_bring_back(self) -> None:
        if self.settings.image is not None:
            self.session.bring_back(self.settings.image)
            focus_canvas(self)

    def export(self) -> None:
        """Ask for a format and write the nuclei of the chosen image."""
        bridge = self.bridge
        if bridge is None:
            return
        image, plane = self.settings.image, bridge.plane  # whatever is chosen meanwhile
        request = ask_export(bridge.record, self)
        if request is None:
            return
        self._attempt(lambda: export.save(bridge.record, plane, request, image))
